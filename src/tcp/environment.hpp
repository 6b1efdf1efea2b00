// What a shard lends to its connections: memory, counters, the event log, a limiter. A connection
// keeps no pointer to it; every call brings it along.
#pragma once

#include <cstdint>

#include "base/memory.hpp"
#include "base/rng.hpp"
#include "event/counters.hpp"
#include "event/event.hpp"
#include "tcp/buffers.hpp"
#include "tcp/sent.hpp"

namespace estab::tcp {

struct Active;
struct Config;
struct Extras;
struct History;

// So many challenge ACKs a second for everyone together, the share drawn anew each second so that
// it cannot be counted from outside (RFC 5961 7, and the side channel that a fixed limit opened).
class ChallengeLimit {
public:
    explicit ChallengeLimit(std::uint64_t seed) : rng_(seed) {}
    bool allows(Instant now, std::uint32_t limit_per_second) {
        if (now >= window_end_) {
            window_end_ = now + 1s;
            const std::uint32_t half = limit_per_second / 2;
            left_ = half + static_cast<std::uint32_t>(
                               rng_.below(std::uint64_t{limit_per_second} - half + 1));
        }
        if (left_ == 0) return false;
        --left_;
        return true;
    }

private:
    Rng rng_;
    Instant window_end_ = Instant::min();
    std::uint32_t left_ = 0;
};

struct Environment {
    ChunkPool& chunks;
    SentPool& sent;
    Pool<Active>& actives;
    Pool<Config>& configs;
    Pool<Extras>& extras;
    Pool<History>& histories;
    event::Log& log;
    event::Counters& counters;
    ChallengeLimit& challenges;
};

}  // namespace estab::tcp
