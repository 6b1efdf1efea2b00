#include "base/rng.hpp"

#include <gtest/gtest.h>

#include <array>

namespace estab {
namespace {

// Every recorded seed depends on these: they may never change.
TEST(Rng, GivesTheSameNumbersForEver) {
    for (const auto& [seed, numbers] : {
             std::pair{std::uint64_t{0},
                       std::array<std::uint64_t, 4>{0x99ec5f36cb75f2b4, 0xbf6e1f784956452a,
                                                    0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}},
             std::pair{std::uint64_t{42},
                       std::array<std::uint64_t, 4>{0x15780b2e0c2ec716, 0x6104d9866d113a7e,
                                                    0xae17533239e499a1, 0xecb8ad4703b360a1}},
         }) {
        Rng rng(seed);
        for (const std::uint64_t n : numbers) EXPECT_EQ(rng.next(), n);
    }
}

TEST(Rng, BelowStaysBelow) {
    Rng rng(1);
    EXPECT_EQ(rng.below(0), 0U);
    EXPECT_EQ(rng.below(1), 0U);
    std::array<int, 7> seen{};
    for (int i = 0; i < 7000; ++i) ++seen[rng.below(7)];
    for (const int n : seen) EXPECT_NEAR(n, 1000, 150);
    for (int i = 0; i < 100; ++i) EXPECT_LT(rng.below(~std::uint64_t{0}), ~std::uint64_t{0});
}

TEST(Rng, ChanceFromNeverToAlways) {
    Rng rng(2);
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) {
        EXPECT_FALSE(rng.chance(0));
        EXPECT_TRUE(rng.chance(ppm_all));
        hits += rng.chance(100'000) ? 1 : 0;
    }
    EXPECT_NEAR(hits, 1000, 150);
}

}  // namespace
}  // namespace estab
