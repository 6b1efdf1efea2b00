// A place in a line, and what is read from there. The first thing that is not as expected is kept
// with its column; after it nothing is read any more.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "observe/dump_line.hpp"

namespace estab::observe {

class LineCursor {
public:
    LineCursor(std::string_view line, LineError& error) : line_(line), error_(error) {
        error_ = {};
    }

    bool good() const { return error_.column == 0; }
    bool at_end() const { return at_ >= line_.size(); }
    char peek() const { return at_end() ? '\0' : line_[at_]; }
    char next() { return at_end() ? '\0' : line_[at_++]; }
    std::string_view rest() const { return line_.substr(at_); }
    std::string_view word() const { return rest().substr(0, rest().find(' ')); }
    std::string_view until(char end) const { return rest().substr(0, rest().find(end)); }
    std::size_t column() const { return at_ + 1; }

    void skip(std::size_t count) { at_ = count < line_.size() - at_ ? at_ + count : line_.size(); }
    void skip_spaces() {
        while (peek() == ' ' || peek() == '\t') ++at_;
    }
    void skip_behind(char end) {
        const std::size_t place = line_.find(end, at_);
        if (place == std::string_view::npos) return fail(std::string(1, end) + " is missing");
        at_ = place + 1;
    }
    bool take(char c) {
        if (!good() || peek() != c || at_end()) return false;
        ++at_;
        return true;
    }
    bool take(std::string_view text) {
        if (!good() || !rest().starts_with(text)) return false;
        at_ += text.size();
        return true;
    }
    std::uint64_t number(std::uint64_t most, const char* what) { return value(most, what, 10); }
    std::uint64_t hex(std::uint64_t most, const char* what) { return value(most, what, 16); }

    void fail(std::string what) {
        if (good()) error_ = {column(), std::move(what)};
    }

private:
    std::uint64_t value(std::uint64_t most, const char* what, int base) {
        if (!good()) return 0;
        std::uint64_t found = 0;
        const auto [end, error] =
            std::from_chars(line_.data() + at_, line_.data() + line_.size(), found, base);
        if (error != std::errc{} || found > most) {
            fail(std::string(what) + " is expected here, at most " + std::to_string(most));
            return 0;
        }
        at_ = static_cast<std::size_t>(end - line_.data());
        return found;
    }

    std::string_view line_;
    LineError& error_;
    std::size_t at_ = 0;
};

// The options up to `end`, in both forms, as they stand on the wire.
void read_options(LineCursor& at, char end, DumpLine& into);

}  // namespace estab::observe
