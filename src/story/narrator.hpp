// Every segment of a capture with its explanation, connection by connection.
#pragma once

#include <functional>
#include <unordered_map>

#include "story/follow.hpp"
#include "story/teller.hpp"

namespace estab::story {

class Narrator {
public:
    // A connection has ended; `last`: its last step, nullptr if it was not told.
    using Ended = std::function<void(const analysis::Connection&, const Step* last)>;
    using Wants = std::function<bool(std::uint32_t connection)>;

    // Without `wants` all are told.
    explicit Narrator(Ended ended = {}, Wants wants = {})
        : ended_(std::move(ended)), wants_(std::move(wants)), follower_([this](const auto& c) {
              const auto found = told_.find(c.number);
              if (ended_) ended_(c, found == told_.end() ? nullptr : &found->second.last);
              if (found != told_.end()) told_.erase(found);
          }) {}
    Narrator(const Narrator&) = delete;

    struct Said {
        const analysis::Verdict* verdict = nullptr;  // nullptr: no TCP segment
        const Step* step = nullptr;
        const Told* told = nullptr;  // nullptr: nobody wants it told
        bool first = false;       // of its connection
        Instant origin{};         // when the connection's first segment passed
    };
    // Valid until the next call.
    Said on_packet(std::uint64_t frame, Instant time, const observe::NetworkPacket& packet) {
        const Follower::Seen seen = follower_.on_packet(frame, time, packet);
        if (seen.verdict == nullptr) return {};
        const std::uint32_t number = seen.verdict->connection->number;
        if (wants_ && !wants_(number)) return {seen.verdict, seen.step};
        const auto [place, fresh] = told_.try_emplace(number);
        One& one = place->second;
        if (fresh) one.origin = time;
        one.last = *seen.step;
        return {seen.verdict, &one.last, &one.teller.tell(*seen.verdict, one.last), fresh,
                one.origin};
    }
    void finish() { follower_.finish(); }
    const analysis::Analyzer& analyzer() const { return follower_.analyzer(); }

private:
    struct One {
        Teller teller;
        Step last;
        Instant origin{};
    };
    Ended ended_;
    Wants wants_;
    std::unordered_map<std::uint32_t, One> told_;  // of those that live
    Follower follower_;
};

}  // namespace estab::story
