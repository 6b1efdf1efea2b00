#include "base/math.hpp"

#include <gtest/gtest.h>

#include "base/rng.hpp"

namespace estab {
namespace {

constexpr std::uint64_t max = ~std::uint64_t{0};

TEST(Math, MulDivDoesNotOverflowInBetween) {
    EXPECT_EQ(mul_div(6, 7, 2), 21U);
    EXPECT_EQ(mul_div(7, 1, 2), 3U);
    EXPECT_EQ(mul_div(max, max, max), max);
    EXPECT_EQ(mul_div(max, 3, 4), max / 4 * 3 + 2);
    EXPECT_EQ(mul_div(0, max, 1), 0U);
}

TEST(Math, RoundUp) {
    EXPECT_EQ(round_up(0, 4), 0U);
    EXPECT_EQ(round_up(1, 4), 4U);
    EXPECT_EQ(round_up(4, 4), 4U);
    EXPECT_EQ(round_up(5, 4), 8U);
    EXPECT_EQ(round_up(10, 7), 14U);
}

TEST(Math, CubeRootAtEveryEdge) {
    for (std::uint64_t r = 0; r < 2000; ++r) {
        EXPECT_EQ(cube_root(r * r * r), r);
        EXPECT_EQ(cube_root((r + 1) * (r + 1) * (r + 1) - 1), r);
    }
    EXPECT_EQ(cube_root(max), 2'642'245U);
    constexpr std::uint64_t largest = std::uint64_t{2'642'245} * 2'642'245 * 2'642'245;
    EXPECT_EQ(cube_root(largest), 2'642'245U);
    EXPECT_EQ(cube_root(largest - 1), 2'642'244U);
    EXPECT_EQ(cube_root((u128{1} << 126) - 1), (std::uint64_t{1} << 42) - 1);
}

TEST(Math, CubeRootIsTheLargest) {
    Rng rng(3);
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t v = rng.next() >> rng.below(64);
        const u128 r = cube_root(v);
        ASSERT_LE(r * r * r, v);
        ASSERT_GT((r + 1) * (r + 1) * (r + 1), v);
    }
}

}  // namespace
}  // namespace estab
