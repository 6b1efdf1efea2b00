#include "base/interval_set.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.hpp"

namespace estab {
namespace {

TEST(IntervalSet, KeepsDisjointRangesInOrder) {
    IntervalSet<4> set;
    set.add(30, 40);
    set.add(10, 20);
    ASSERT_EQ(set.size(), 2U);
    EXPECT_EQ(set[0], (Interval{10, 20}));
    EXPECT_EQ(set[1], (Interval{30, 40}));
}

TEST(IntervalSet, TouchingRangesAreOne) {
    IntervalSet<4> set;
    set.add(10, 20);
    EXPECT_EQ(set.add(20, 30), (Interval{10, 30}));
    EXPECT_EQ(set.add(5, 10), (Interval{5, 30}));
    EXPECT_EQ(set.size(), 1U);
    EXPECT_EQ(set.add(31, 32), (Interval{31, 32}));
    EXPECT_EQ(set.add(30, 31), (Interval{5, 32}));
    EXPECT_EQ(set.size(), 1U);
}

TEST(IntervalSet, OneRangeCanSwallowMany) {
    IntervalSet<4> set;
    for (const std::uint64_t b : {10U, 20U, 30U, 40U}) set.add(b, b + 5);
    EXPECT_EQ(set.add(12, 42), (Interval{10, 45}));
    EXPECT_EQ(set.size(), 1U);
}

TEST(IntervalSet, WhenFullOnlyWhatNeedsNoPlaceIsTaken) {
    IntervalSet<2> set;
    set.add(10, 20);
    set.add(30, 40);
    EXPECT_EQ(set.add(50, 60).size(), 0U);
    EXPECT_EQ(set.add(0, 5).size(), 0U);
    EXPECT_EQ(set.add(22, 25).size(), 0U);
    EXPECT_EQ(set.add(40, 45), (Interval{30, 45}));
    EXPECT_EQ(set.add(20, 30), (Interval{10, 45}));
    EXPECT_EQ(set.add(50, 60), (Interval{50, 60}));
}

TEST(IntervalSet, RemoveBelowCutsTheRangeItFallsInto) {
    IntervalSet<4> set;
    set.add(10, 20);
    set.add(30, 40);
    set.remove_below(10);
    EXPECT_EQ(set.size(), 2U);
    set.remove_below(15);
    EXPECT_EQ(set[0], (Interval{15, 20}));
    set.remove_below(20);
    EXPECT_EQ(set.size(), 1U);
    set.remove_below(35);
    EXPECT_EQ(set[0], (Interval{35, 40}));
    set.remove_below(100);
    EXPECT_TRUE(set.empty());
}

// Against a set of single numbers, which cannot be wrong.
TEST(IntervalSet, AgreesWithAModel) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Rng rng(seed);
        IntervalSet<5> set;
        std::set<int> model;
        for (int step = 0; step < 300; ++step) {
            const std::uint64_t begin = rng.below(60), end = begin + 1 + rng.below(8);
            if (rng.chance(50'000)) {
                set.remove_below(begin);
                model.erase(model.begin(), model.lower_bound(static_cast<int>(begin)));
            } else {
                const bool full = set.size() == 5;
                const Interval merged = set.add(begin, end);
                if (merged.size() == 0) {
                    ASSERT_TRUE(full) << "--seed=" << seed;
                } else {
                    for (std::uint64_t i = begin; i < end; ++i) model.insert(static_cast<int>(i));
                    ASSERT_TRUE(set.covers(merged.begin, merged.end) && merged.begin <= begin &&
                                end <= merged.end);
                }
            }
            std::set<int> numbers;
            std::uint64_t last_end = 0;
            for (const Interval& i : set) {
                ASSERT_TRUE(i.begin < i.end && (numbers.empty() || last_end < i.begin))
                    << "--seed=" << seed;
                last_end = i.end;
                for (std::uint64_t n = i.begin; n < i.end; ++n) numbers.insert(static_cast<int>(n));
            }
            ASSERT_EQ(numbers, model) << "--seed=" << seed;
            bool all = true;
            for (std::uint64_t n = begin; n < end; ++n)
                all = all && model.contains(static_cast<int>(n));
            ASSERT_EQ(set.covers(begin, end), all) << "--seed=" << seed;
        }
    }
}

}  // namespace
}  // namespace estab
