// Which connections of a capture are wanted: "3", "0,2,5", or none of them named.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace estab::cli {

class StreamChoice {
public:
    // Takes the first word away if it is a choice. Nobody named: the first `usual`. Throws
    // UsageError.
    StreamChoice(std::vector<std::string>& words, std::uint32_t usual);

    bool wants(std::uint32_t number) const {
        return named_.empty() ? number < usual_ : named_.contains(number);
    }
    bool is_named() const { return !named_.empty(); }
    // One of those named that a capture with so many connections does not have; -1: it has all.
    std::int64_t missing(std::uint32_t connections) const {
        return named_.empty() || *named_.rbegin() < connections
                   ? -1
                   : std::int64_t{*named_.rbegin()};
    }

private:
    std::set<std::uint32_t> named_;
    std::uint32_t usual_;
};

class CaptureFile;
// Why what was asked for is not all there: the file, no TCP in it, or no such connection.
std::string why_incomplete(const CaptureFile& capture, const StreamChoice& choice,
                           std::uint32_t connections);

// Texts that come in the order of their ends, given in the order of their numbers as far as it
// takes no more than `waiting_max` of them to wait.
class InOrder {
public:
    static constexpr std::size_t waiting_max = 64;

    void add(std::uint32_t number, std::string text) { waiting_.emplace(number, std::move(text)); }
    // What may go now; `all`: nothing more comes.
    template <class Write>
    void flush(bool all, Write write) {
        while (!waiting_.empty() && (all || waiting_.size() > waiting_max ||
                                     waiting_.begin()->first == next_)) {
            next_ = waiting_.begin()->first + 1;
            write(waiting_.begin()->second);
            waiting_.erase(waiting_.begin());
        }
    }

private:
    std::map<std::uint32_t, std::string> waiting_;
    std::uint32_t next_ = 0;
};

}  // namespace estab::cli
