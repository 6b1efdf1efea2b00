// Every connection of a capture with a mirror of its ends: what flow and explain walk along.
#pragma once

#include <functional>
#include <unordered_map>

#include "analysis/analyzer.hpp"
#include "story/mirror.hpp"

namespace estab::story {

class Follower {
public:
    using Ended = std::function<void(const analysis::Connection&)>;
    explicit Follower(Ended ended)
        : analyzer_({}, [this, tell = std::move(ended)](const analysis::Connection& c) {
              tell(c);
              mirrors_.erase(c.number);
          }) {}
    Follower(const Follower&) = delete;

    struct Seen {
        const analysis::Verdict* verdict = nullptr;  // nullptr: no TCP segment
        const Step* step = nullptr;
    };
    // Both stay valid until the next call.
    Seen on_packet(std::uint64_t frame, Instant time, const observe::NetworkPacket& packet) {
        const analysis::Verdict* v = analyzer_.on_packet(frame, time, packet);
        if (v == nullptr) return {};
        return {v, &mirrors_[v->connection->number].on(*v)};
    }
    void finish() { analyzer_.finish(); }
    const analysis::Analyzer& analyzer() const { return analyzer_; }

private:
    analysis::Analyzer analyzer_;
    std::unordered_map<std::uint32_t, Mirror> mirrors_;  // of those that live
};

}  // namespace estab::story
