// RFC 9331 4.3; draft-briscoe-iccrg-prague-congestion-control.
#include "congestion/prague.hpp"

#include <gtest/gtest.h>

namespace estab::congestion {
namespace {

constexpr std::uint32_t mss = 1000;

struct Flow {
    Prague prague;
    Instant now{1h};
    Duration rtt;
    std::uint64_t hold = 0;  // segments that the window is held at, at least

    explicit Flow(Duration rtt_ = 40ms, std::uint64_t segments = 100) : rtt(rtt_) {
        prague.on(Start{.now = now, .mss = mss, .cwnd = segments * mss,
                        .ssthresh = segments * mss, .srtt = rtt});
    }
    // A round trip in which `marked` of every 100 segments were; a mark is told first.
    void round(std::uint64_t marked, Duration queue = 0ms) {
        if (marked != 0) mark();
        prague.on(Undone{.now = now, .cwnd = hold * mss, .ssthresh = hold * mss});
        const std::uint64_t flight = prague.cwnd() / mss * mss;
        for (std::uint64_t i = 0; i < flight / mss; ++i) {
            now = after(now, (rtt + queue) * mss / static_cast<std::int64_t>(flight));
            prague.on(Acked{.now = now,
                            .bytes = mss,
                            .in_flight = flight,
                            .rtt = rtt + queue,
                            .srtt = rtt + queue,
                            .rtt_min = rtt,
                            .ce_bytes = i % 100 < marked ? mss : 0,
                            .mss = mss});
        }
    }
    void mark() {
        prague.on(Congested{.now = now, .in_flight = prague.cwnd(), .mss = mss, .ecn = true});
    }
    void lose() { prague.on(Congested{.now = now, .in_flight = prague.cwnd(), .mss = mss}); }
    double windows() const { return static_cast<double>(prague.cwnd()) / mss; }
};

// Alpha where the window is held at 100 segments.
std::uint32_t alpha_after(Flow& f, int rounds, std::uint64_t marked) {
    f.hold = 100;
    for (int i = 0; i < rounds; ++i) f.round(marked);
    f.hold = 0;
    return f.prague.alpha();
}

TEST(Prague, AlphaFollowsTheShareOfMarks) {
    Flow f;
    EXPECT_NEAR(alpha_after(f, 200, 25), Prague::alpha_one / 4, Prague::alpha_one / 20);
    EXPECT_EQ(alpha_after(f, 400, 0), 0U);
}

TEST(Prague, TheFirstMarkCostsHalfAndLaterOnesHalfOfAlpha) {
    Flow f;
    f.mark();
    EXPECT_EQ(f.prague.cwnd(), 50 * mss);
    alpha_after(f, 200, 20);
    f.now = after(f.now, 1s);
    const double alpha = static_cast<double>(f.prague.alpha()) / Prague::alpha_one;
    const double before = f.windows();
    f.mark();
    EXPECT_NEAR(f.windows(), before * (1 - alpha / 2), 0.01);
}

TEST(Prague, OneReductionARound) {
    Flow f;
    f.mark();
    const std::uint64_t once = f.prague.cwnd();
    f.now = after(f.now, 39ms);
    f.mark();
    EXPECT_EQ(f.prague.cwnd(), once);
    f.now = after(f.now, 2ms);
    f.mark();
    EXPECT_LT(f.prague.cwnd(), once);
}

TEST(Prague, WhatWasMarkedDoesNotLetItGrow) {
    Flow half, none;
    half.prague.on(Acked{.now = half.now, .bytes = 100 * mss, .in_flight = 100 * mss,
                         .srtt = 40ms, .ce_bytes = 50 * mss, .mss = mss});
    none.prague.on(Acked{.now = none.now, .bytes = 100 * mss, .in_flight = 100 * mss,
                         .srtt = 40ms, .mss = mss});
    EXPECT_EQ(half.prague.cwnd(), 100 * mss + mss / 2);
    EXPECT_EQ(none.prague.cwnd(), 101 * mss);
}

// RFC 9331 4.3, item 3: in the same time, flows of any round trip below 25 ms gain as much rate.
TEST(Prague, GrowsInSegmentsARoundTripPerTimeAlike) {
    Flow short_one(5ms), middle(25ms);
    for (const Instant end = after(short_one.now, 5s); short_one.now < end;) short_one.round(0);
    for (const Instant end = after(middle.now, 5s); middle.now < end;) middle.round(0);
    const double gain_short = (short_one.windows() - 100) / 0.005;
    const double gain_middle = (middle.windows() - 100) / 0.025;
    EXPECT_NEAR(gain_short / gain_middle, 1.0, 0.05);
}

TEST(Prague, ShortRoundTripsForgetMarksAtThePaceOfLongOnes) {
    Flow f(5ms);
    f.mark();
    const std::uint64_t once = f.prague.cwnd();
    f.now = after(f.now, 24ms);
    f.mark();
    EXPECT_EQ(f.prague.cwnd(), once) << "the round is 25 ms long";
}

TEST(Prague, ALossCostsHalf) {  // RFC 9331 4.3, item 1
    Flow f;
    alpha_after(f, 300, 1);
    f.now = after(f.now, 1s);
    const std::uint64_t before = f.prague.cwnd();
    f.lose();
    EXPECT_EQ(f.prague.cwnd(), before / 2);
    EXPECT_EQ(f.prague.ssthresh(), before / 2);
}

TEST(Prague, ALossInTheRoundOfAMarkCostsHalfTogether) {
    Flow f;
    alpha_after(f, 300, 20);
    f.now = after(f.now, 1s);
    const std::uint64_t before = f.prague.cwnd();
    f.mark();
    EXPECT_GT(f.prague.cwnd(), before * 8 / 10);
    f.lose();
    EXPECT_EQ(f.prague.cwnd(), before / 2);
}

TEST(Prague, ATimeOutLeavesOneSegment) {
    Flow f;
    f.prague.on(TimedOut{.now = f.now, .in_flight = 100 * mss, .mss = mss});
    EXPECT_EQ(f.prague.cwnd(), mss);
    EXPECT_EQ(f.prague.ssthresh(), 50 * mss);
}

TEST(Prague, IsPacedAtItsWindowARoundTrip) {
    Flow f(100ms);
    EXPECT_NEAR(static_cast<double>(f.prague.pacing_rate()), 1.03 * 100 * mss / 0.1, 10.0);
    Prague fresh;  // slow start, and nothing is known about the path
    fresh.on(Start{.mss = mss, .cwnd = 10 * mss});
    EXPECT_EQ(fresh.pacing_rate(), 2 * 10'000'000u);
}

// RFC 9331 4.3, item 2: marks while a queue stands mean a queue of the old kind.
TEST(Prague, FindsThatItSharesAClassicQueue) {
    Flow f;
    f.hold = 100;
    for (int i = 0; i < 15; ++i) f.round(2, 6ms);
    EXPECT_FALSE(f.prague.is_classic());
    for (int i = 0; i < 5; ++i) f.round(2, 6ms);
    EXPECT_TRUE(f.prague.is_classic());
    EXPECT_EQ(f.prague.phase(), Phase::classic_queue);
    f.now = after(f.now, 1s);
    const double before = f.windows();
    f.mark();
    EXPECT_NEAR(f.windows(), before * 0.8, 0.01) << "a mark costs what it costs Reno: RFC 8511";
    for (int i = 0; i < 60; ++i) f.round(2, 1ms);
    EXPECT_FALSE(f.prague.is_classic()) << "and goes back when it proves to be none";
}

TEST(Prague, MarksOfAShortQueueAreNoClassicOnes) {
    Flow f;
    f.hold = 100;
    for (int i = 0; i < 200; ++i) f.round(10, 2ms);
    EXPECT_FALSE(f.prague.is_classic());
}

}  // namespace
}  // namespace estab::congestion
