// RFC 9406.
#include "congestion/hystart.hpp"

#include <gtest/gtest.h>

#include "congestion/cubic.hpp"
#include "congestion/reno.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint32_t mss = 1000;

// A sender in slow start, one acknowledgment for each segment, a window always in flight.
template <class A>
struct Sender {
    A algorithm;
    Instant now{1s};

    explicit Sender(A a, std::uint64_t cwnd = 16 * mss) : algorithm(std::move(a)) {
        algorithm.on(Start{.now = now, .mss = mss, .cwnd = cwnd});
        flight = algorithm.cwnd();
    }
    void ack(Duration rtt) {
        algorithm.on(Acked{
            .now = now, .bytes = mss, .in_flight = flight, .rtt = rtt, .srtt = rtt, .mss = mss});
        flight = algorithm.cwnd() / mss * mss;
    }
    // All that is in flight now.
    void round(Duration rtt) {
        for (std::uint64_t n = flight / mss; n != 0; --n) ack(rtt);
        now += rtt;
    }
    std::uint64_t segments() const { return algorithm.cwnd() / mss; }

    std::uint64_t flight = 0;
};

template <class A>
class HystartOf : public testing::Test {
public:
    static A make() {
        if constexpr (std::is_same_v<A, Reno>) {
            return Reno(RenoOptions{.hystart = true});
        } else {
            return A();
        }
    }
};
using Users = testing::Types<Reno, Cubic>;
TYPED_TEST_SUITE(HystartOf, Users);

TYPED_TEST(HystartOf, DoublesWhileTheRttStays) {
    Sender s(this->make());
    for (int i = 0; i < 5; ++i) s.round(40ms);
    EXPECT_EQ(s.segments(), 16U << 5);
    EXPECT_EQ(s.algorithm.ssthresh(), infinite);
}

TYPED_TEST(HystartOf, ARiseOfAnEighthSlowsToAQuarter) {  // 4.2: 40 ms / 8 = 5 ms
    Sender s(this->make());
    s.round(40ms);
    s.round(40ms);
    ASSERT_EQ(s.segments(), 64U);
    for (int i = 0; i < 7; ++i) s.ack(45ms);
    EXPECT_EQ(s.segments(), 71U);  // seven samples prove nothing
    const std::uint64_t before = s.algorithm.cwnd();
    s.ack(45ms);
    EXPECT_EQ(s.algorithm.cwnd(), before + mss / 4);
}

TYPED_TEST(HystartOf, LessThanAnEighthIsNoRise) {
    Sender s(this->make());
    s.round(40ms);
    s.round(45ms - 1ns);
    s.round(50ms);  // 5.6 ms more would be one
    EXPECT_EQ(s.segments(), 128U);
}

TYPED_TEST(HystartOf, TheThresholdIsAtLeast4AndAtMost16Milliseconds) {
    Sender low(this->make());
    low.round(1ms);
    low.round(5ms - 1ns);
    EXPECT_EQ(low.segments(), 64U);
    Sender high(this->make());
    high.round(800ms);
    high.round(816ms);
    EXPECT_LT(high.segments(), 64U);
}

TYPED_TEST(HystartOf, FiveConservativeRoundsEndSlowStart) {
    Sender s(this->make());
    s.round(40ms);
    s.round(50ms);  // the first, in part
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(s.algorithm.ssthresh(), infinite) << i;
        s.round(50ms);
    }
    s.ack(50ms);
    EXPECT_EQ(s.algorithm.ssthresh(), s.algorithm.cwnd());
    const std::uint64_t before = s.algorithm.cwnd();
    s.round(50ms);
    EXPECT_LE(s.algorithm.cwnd(), before + before / 8) << "congestion avoidance";
}

TYPED_TEST(HystartOf, AnRttBelowTheBaselineTakesTheExitBack) {  // 4.2, CSS
    Sender s(this->make());
    s.round(40ms);
    s.round(50ms);
    s.round(50ms);
    EXPECT_EQ(s.algorithm.ssthresh(), infinite);
    for (int i = 0; i < 8; ++i) s.ack(49ms);
    const std::uint64_t before = s.algorithm.cwnd();
    s.ack(49ms);
    EXPECT_EQ(s.algorithm.cwnd(), before + mss);
    for (int i = 0; i < 6; ++i) s.round(49ms);
    EXPECT_EQ(s.algorithm.ssthresh(), infinite) << "a new rise is needed";
}

TYPED_TEST(HystartOf, NotAfterTheFirstLoss) {  // 4.3: only while ssthresh is infinite
    Sender s(this->make(), 64 * mss);
    s.round(40ms);
    s.algorithm.on(TimedOut{.now = s.now, .in_flight = 128 * mss, .mss = mss});
    const std::uint64_t ssthresh = s.algorithm.ssthresh();
    s.flight = mss;
    s.round(40ms);
    for (int i = 0; i < 4; ++i) s.round(80ms);
    EXPECT_EQ(s.segments(), 32U);
    EXPECT_EQ(s.algorithm.ssthresh(), ssthresh);
}

TEST(Hystart, PlainRenoDoesWithout) {
    Sender s(Reno{});
    s.round(40ms);
    s.round(400ms);
    s.round(400ms);
    EXPECT_EQ(s.segments(), 128U);
}

TEST(Hystart, AWindowThatIsNotUsedDoesNotGrow) {
    Hystart h;
    EXPECT_EQ(
        h.grow({.bytes = mss, .in_flight = mss, .rtt = 1ms, .mss = mss, .cwnd_limited = false}),
        0U);
}

// As Linux does it: eight samples of a round, and the next one ends slow start where it is.
TEST(HystartTrain, TheNinthLongSampleEndsSlowStart) {
    Sender s(LinuxCubic{});
    s.round(40ms);
    const std::uint64_t before = s.segments();
    for (int i = 0; i < 8; ++i) s.ack(46ms);
    EXPECT_EQ(s.algorithm.ssthresh(), infinite);
    s.ack(46ms);
    EXPECT_EQ(s.algorithm.ssthresh() / mss, before + 8);
    EXPECT_EQ(s.segments(), before + 8);
}

TEST(HystartTrain, NothingIsJudgedBelowSixteenSegments) {
    Sender s(LinuxCubic{}, 4 * mss);
    s.ack(40ms);
    for (int i = 0; i < 11; ++i) s.ack(90ms);
    EXPECT_EQ(s.segments(), 16U);
    EXPECT_EQ(s.algorithm.ssthresh(), infinite);
}

TEST(HystartTrain, ARiseOfLessThanFourMillisecondsIsNone) {
    Sender s(LinuxCubic{});
    s.round(4ms);
    s.round(8ms);
    EXPECT_EQ(s.segments(), 64U);
    s.round(9ms);
    EXPECT_LT(s.segments(), 128U);
}

// ACKs that follow each other for more than half a round trip: the path is full.
TEST(HystartTrain, ALongTrainEndsSlowStart) {
    Sender s(LinuxCubic{}, 64 * mss);
    for (int i = 0; i < 21; ++i) {
        s.ack(40ms);
        s.now += 1ms;
    }
    EXPECT_EQ(s.algorithm.ssthresh(), infinite);
    s.ack(40ms);
    EXPECT_LT(s.algorithm.ssthresh(), infinite);
}

}  // namespace
}  // namespace estab::congestion
