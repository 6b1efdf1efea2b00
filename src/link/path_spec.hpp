// How a network path behaves, as a value and as text. One grammar for every command that has a
// path:
//
//   loss=1%,delay=40ms±10ms,up:rate=5mbit,up:queue=1bdp,seed=7
//
// Items are separated by commas, later ones override earlier ones, `up:` or `down:` before an item
// limits it to what we send or to what we receive. docs/formats/path.md describes every item.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/math.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "link/rate_trace.hpp"

namespace estab::link {

// Gilbert and Elliott: a path that is either good or bad, and changes before each packet.
struct BurstLoss {
    Ppm enter = 0;             // from good to bad; 0: no burst loss
    Ppm leave = 0;             // from bad to good: bursts last 1/leave packets on average
    Ppm loss_bad = ppm_all;    // while bad
    Ppm loss_good = 0;         // while good
    friend bool operator==(const BurstLoss&, const BurstLoss&) = default;
};

struct Queue {
    enum class Discipline : std::uint8_t { drop_tail, red, codel, fq_codel, pie, dualpi2 };
    enum class Unit : std::uint8_t { unlimited, packets, bytes, bdp_thousandths };
    Discipline discipline = Discipline::drop_tail;
    Unit unit = Unit::unlimited;  // the packet being sent does not count; needs a rate to matter
    std::uint64_t limit = 0;
    // Of the disciplines; 0: what their RFC says. Not all have all of them.
    Duration target{}, interval{};  // of PIE and DualPI2: target, and its update or longest RTT
    std::uint64_t low_bytes = 0, high_bytes = 0;  // RED: where drops begin, and the most likely
    Ppm most = 0;                                 // RED: at high_bytes
    bool drops_only = false;                      // never marks (DualPI2 always does)
    friend bool operator==(const Queue&, const Queue&) = default;
};

// A picked packet is held back until `packets` later ones have passed it, `hold_max` at the
// longest. With 0 packets it is held for exactly that time.
struct Reorder {
    Ppm chance = 0;
    std::uint32_t packets = 3;  // enough for three duplicate ACKs (RFC 5681 3.2)
    Duration hold_max = 10ms;
    friend bool operator==(const Reorder&, const Reorder&) = default;
};

struct PacketRange {  // counts from 1, both included
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    friend bool operator==(const PacketRange&, const PacketRange&) = default;
};

// Packets that can be marked are, where more waits than this: by what they find (packets, octets)
// or by how long they have waited (nanoseconds).
struct MarkThreshold {
    enum class Unit : std::uint8_t { none, packets, bytes, time };
    Unit unit = Unit::none;
    std::uint64_t value = 0;
    friend bool operator==(const MarkThreshold&, const MarkThreshold&) = default;
};

// A token bucket before the queue: what is faster than `rate_bits` for longer than `burst_bytes`
// allow is dropped, not delayed.
struct Policer {
    std::uint64_t rate_bits = 0;  // 0: none
    std::uint64_t burst_bytes = 64 * 1024;
    friend bool operator==(const Policer&, const Policer&) = default;
};

struct Direction {
    static constexpr std::size_t drops_max = 64;

    Ppm loss = 0;
    BurstLoss burst_loss{};
    std::vector<PacketRange> drops{};  // these very packets; at most drops_max ranges
    std::uint64_t rate_bits = 0;     // per second; 0: unlimited
    RateTrace rate_trace{};          // if there is one, rate_bits is its average
    Policer policer{};
    Queue queue{};
    MarkThreshold ce{};
    Duration delay{};                // one way
    Duration jitter{};               // uniform in delay ± jitter, never below 0; order is kept
    Reorder reorder{};
    Ppm duplicate = 0;
    Ppm corrupt = 0;                 // one bit of the IP packet
    friend bool operator==(const Direction&, const Direction&) = default;
};

struct PathSpec {
    Direction up{};    // what we send
    Direction down{};  // what we receive
    std::uint64_t seed = 1;
    friend bool operator==(const PathSpec&, const PathSpec&) = default;

    static constexpr std::string_view example =
        "loss=1%,delay=20ms,jitter=2ms,reorder=1%,duplicate=1%,corrupt=0.1%,rate=50mbit,queue=64KB,"
        "seed=7";
};

struct ParseError {
    std::string item;     // as written
    std::string problem;  // what is wrong and what is possible
    std::string text() const { return item + ": " + problem; }
};

// From now on the rate is that of this trace.
void follow(Direction& direction, RateTrace trace);

// Of a trace only the file's name is known then: whoever may read files puts it in with follow().
Result<PathSpec, ParseError> parse_path(std::string_view text);
// The shortest text of it: parse_path(print(spec)) == spec. Empty for a path that does nothing.
std::string print(const PathSpec& spec);

}  // namespace estab::link
