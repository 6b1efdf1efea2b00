#include "tcp/rtt.hpp"

#include <gtest/gtest.h>

namespace estab::tcp {
namespace {

TEST(Rtt, TheMinimumIsOfTheLastMinutes) {  // RFC 8985 6.2
    RttEstimator rtt;
    EXPECT_EQ(rtt.rtt_min(), 0s);
    const Instant begin{1h};
    rtt.add(begin, 40ms);
    EXPECT_EQ(rtt.rtt_min(), 40ms);
    rtt.add(begin + 1s, 50ms);
    EXPECT_EQ(rtt.rtt_min(), 40ms);
    rtt.add(begin + 137s, 50ms);
    EXPECT_EQ(rtt.rtt_min(), 40ms);
    rtt.add(begin + 275s, 60ms);             // the path has become longer
    EXPECT_EQ(rtt.rtt_min(), 50ms);
    rtt.add(begin + 1h, 70ms);               // after a long pause only the new counts
    EXPECT_EQ(rtt.rtt_min(), 70ms);
    rtt.add(begin + 1h, 30ms);
    EXPECT_EQ(rtt.rtt_min(), 30ms);
}

TEST(Rtt, ASampleOfNothingIsASample) {
    RttEstimator rtt;
    rtt.add(Instant{1s}, 0ms);
    EXPECT_TRUE(rtt.has_sample());
    EXPECT_GT(rtt.rtt_min(), 0s);
    EXPECT_LT(rtt.rtt_min(), 1us);
}

TEST(Rtt, AnHourIsNoOverflow) {
    RttEstimator rtt;
    for (int i = 0; i < 100; ++i) rtt.add(Instant{1s}, i % 2 == 0 ? Duration{3h} : Duration{0s});
    EXPECT_GT(rtt.srtt(), 1min);
    EXPECT_GT(rtt.rttvar(), 1min);
    EXPECT_LT(rtt.rttvar(), 3h);
}

}  // namespace
}  // namespace estab::tcp
