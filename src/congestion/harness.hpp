// For whoever writes a congestion control algorithm: tells it a long, random and possible story,
// from the smallest segments to windows near 2^31, from round trips of nothing to hours, and
// watches what it answers.
//
//     EXPECT_EQ(congestion::try_out(congestion::table_of<Mine>, {.seed = 7}), std::nullopt);
#pragma once

#include <cstdint>
#include <optional>

#include "congestion/algorithm.hpp"

namespace estab::congestion {

struct Trial {
    std::uint64_t seed = 1;          // the same seed tells the same story, on every machine
    std::uint32_t events = 20'000;
    // What not every algorithm promises.
    bool reacts_to_loss = true;  // a window of more than 4 segments falls with a loss or a time-out
    bool validates_window = true;    // it does not grow while the sender does not use it (RFC 7661)
};

enum class Rule : std::uint8_t {
    at_least_one_segment,  // cwnd >= MSS, always
    bounded,  // cwnd never exceeds what it began with and all that was acknowledged, or 4 segments
    grows_with_acks_only,  // or back to where an undone episode began
    falls_with_loss,
    keeps_two_segments,  // ssthresh >= 2 MSS after a loss: RFC 5681 (4)
    unused_window_stays,
};

struct Violation {
    Rule rule{};
    std::uint64_t seed = 0;
    std::uint32_t event = 0;         // which, from 0
    std::uint32_t mss = 0;
    std::uint64_t before = 0;        // cwnd
    std::uint64_t after = 0;

    friend bool operator==(const Violation&, const Violation&) = default;
};

// The first rule broken, if any.
std::optional<Violation> try_out(const Table& algorithm, const Trial& trial = {});

}  // namespace estab::congestion
