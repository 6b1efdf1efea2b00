#include "analysis/pairing.hpp"

#include <gtest/gtest.h>

namespace estab::analysis {
namespace {

constexpr std::int64_t ms = 1'000'000;

// Packets every millisecond that take ten, as seen by clocks that differ by an hour.
constexpr std::int64_t apart = 3'600'000 * ms;

Delays steady() {
    Delays delays;
    for (std::int64_t i = 0; i < 1000; ++i) delays.add(i * ms, apart + 10 * ms);
    delays.sort();
    return delays;
}

std::vector<std::uint32_t> paired(const std::vector<std::int64_t>& sent_ms,
                                  const std::vector<std::int64_t>& received_ms) {
    std::vector<Sighting> sent, received;
    for (const std::int64_t t : sent_ms) sent.push_back({t * ms, false});
    for (const std::int64_t t : received_ms) received.push_back({apart + t * ms, false});
    return pair_alike(sent, received, steady());
}

using Pairs = std::vector<std::uint32_t>;

TEST(Pairing, WhatCameInTimeIsTheFirst) { EXPECT_EQ(paired({100, 140}, {110}), Pairs{0}); }

TEST(Pairing, WhatCameWhenTheSecondWouldIsTheSecond) {
    EXPECT_EQ(paired({100, 140}, {150}), Pairs{1});
}

TEST(Pairing, WhatCameLateButBeforeTheSecondCouldIsTheFirst) {
    EXPECT_EQ(paired({100, 140}, {149}), Pairs{0});
}

TEST(Pairing, BothCame) { EXPECT_EQ(paired({100, 140}, {118, 150}), (Pairs{0, 1})); }

TEST(Pairing, OneCameTwice) {
    EXPECT_EQ(paired({100, 140}, {110, 111}), (Pairs{0, unpaired}));
    EXPECT_EQ(paired({100, 140}, {150, 151}), (Pairs{1, unpaired}));
}

TEST(Pairing, WhatNobodyHasSentYetIsNobodys) {
    EXPECT_EQ(paired({100}, {50, 110}), (Pairs{unpaired, 0}));
}

TEST(Pairing, PushTellsThemApart) {
    const std::vector<Sighting> sent = {{100 * ms, true}, {101 * ms, false}};
    const std::vector<Sighting> received = {{apart + 111 * ms, true}};
    EXPECT_EQ(pair_alike(sent, received, steady()), Pairs{0});
}

TEST(Pairing, WithoutOthersToCompareTheOrderCounts) {
    const std::vector<Sighting> sent = {{0, false}, {ms, false}};
    const std::vector<Sighting> received = {{5 * ms, false}};
    EXPECT_EQ(pair_alike(sent, received, Delays{}), Pairs{0});
}

TEST(Pairing, VeryManyAlikeAreTakenInTheirOrder) {
    const std::vector<Sighting> many(1000, Sighting{0, false});
    const auto pairs = pair_alike(many, many, steady());
    EXPECT_EQ(pairs.front(), 0U);
    EXPECT_EQ(pairs.back(), 999U);
}

}  // namespace
}  // namespace estab::analysis
