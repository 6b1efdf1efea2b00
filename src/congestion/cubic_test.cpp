// RFC 9438. Floating point is the reference here, and nowhere else.
#include "congestion/cubic.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "congestion/reno.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint32_t mss = 1460;

long double seconds(Duration d) { return static_cast<long double>(d.count()) / 1e9L; }

long double k_reference(std::uint64_t w_max, std::uint64_t cwnd, std::uint32_t size) {
    return std::cbrt(static_cast<long double>(w_max - cwnd) / size / 0.4L);
}

long double window_reference(Duration t, long double k, std::uint64_t w_max, std::uint32_t size) {
    const long double d = seconds(t) - k;
    return std::max(0.0L, static_cast<long double>(w_max) + 0.4L * size * d * d * d);
}

struct Example {
    std::uint64_t w_max;
    std::uint32_t size;
};
constexpr Example examples[] = {{14'600, 1460},      {100'000, 1448},       {10'000'000, 1460},
                                {0x4000'0000, 1460}, {0x4000'0000, 65'495}, {1'000'000, 1},
                                {20'000, 9000}};

TEST(Curve, KIsTheCubeRootToTheNanosecond) {  // 4.2, figure 2
    for (const auto& [w_max, size] : examples) {
        const std::uint64_t cwnd = w_max * 7 / 10;
        EXPECT_NEAR(static_cast<double>(cubic_k(w_max, cwnd, size).count()),
                    static_cast<double>(k_reference(w_max, cwnd, size) * 1e9L), 1.0)
            << w_max;
        EXPECT_EQ(cubic_k(w_max, w_max, size), 0ns);
        EXPECT_EQ(cubic_k(w_max, w_max + 1, size), 0ns);
    }
    // W_max 100 segments, beta 0.7: cbrt(30 / 0.4) = cbrt(75) s.
    EXPECT_EQ(cubic_k(100'000, 70'000, 1000), 4'217'163'326ns);
    EXPECT_GT(cubic_k(infinite, 0, 1), 1000s);
}

TEST(Curve, FollowsTheReference) {  // 4.2, figure 1
    for (const auto& [w_max, size] : examples) {
        const Duration k = cubic_k(w_max, w_max * 7 / 10, size);
        const long double exact_k = k_reference(w_max, w_max * 7 / 10, size);
        for (int percent = 0; percent <= 300; ++percent) {
            const Duration t = k * percent / 100;
            const long double wanted = window_reference(t, exact_k, w_max, size);
            const auto got = static_cast<long double>(cubic_window(t, k, w_max, size));
            // A microsecond of t, where the curve is steepest, and an octet.
            const long double slope = 1.2L * size * std::pow(seconds(t) - exact_k, 2.0L) * 1e-6L;
            ASSERT_NEAR(static_cast<double>(got), static_cast<double>(wanted),
                        static_cast<double>(1 + slope))
                << w_max << " at " << percent << " % of K";
        }
    }
}

TEST(Curve, BeginsAtBetaAndIsFlatAtK) {
    const Duration k = cubic_k(1'000'000, 700'000, 1000);
    EXPECT_NEAR(static_cast<double>(cubic_window(0s, k, 1'000'000, 1000)), 700'000.0, 5.0);
    EXPECT_EQ(cubic_window(k, k, 1'000'000, 1000), 1'000'000U);
    EXPECT_EQ(cubic_window(k + 10ms, k, 1'000'000, 1000), 1'000'000U);
}

TEST(Curve, HasNoEdgesToFallFrom) {
    EXPECT_EQ(cubic_window(0s, 3600s, 1000, 1460), 0U);
    EXPECT_GE(cubic_window(Duration::max(), 0s, 1000, 1460), std::uint64_t{1} << 34);
    EXPECT_GE(cubic_window(Duration::max(), 0s, 1000, 0xffff'ffff), std::uint64_t{1} << 34);
}

// A sender whose window is always in flight, acknowledged segment by segment over a path that never
// loses.
struct Flow {
    Cubic cubic;
    std::uint32_t size = mss;
    Duration rtt = 100ms;
    Instant now{10s};

    explicit Flow(std::uint64_t cwnd, CubicOptions options = {}, std::uint32_t segment = mss)
        : cubic(options), size(segment) {
        cubic.on(Start{.now = now, .mss = size, .cwnd = cwnd, .ssthresh = cwnd});
    }
    void lose(bool ecn = false) {
        cubic.on(Congested{.now = now, .in_flight = cubic.cwnd(), .mss = size, .ecn = ecn,
                           .gentle = ecn});
        if (!ecn) cubic.on(Recovered{now, cubic.cwnd(), size});
    }
    void ack(bool limited = true) {
        cubic.on(Acked{.now = now,
                       .bytes = size,
                       .in_flight = cubic.cwnd(),
                       .rtt = rtt,
                       .srtt = rtt,
                       .mss = size,
                       .cwnd_limited = limited});
    }
    // For so many whole round trips.
    void run(Duration time, bool limited = true) {
        for (std::int64_t rounds = time / rtt; rounds > 0; --rounds) {
            const Instant begin = now;
            const auto n =
                static_cast<std::int64_t>(std::max<std::uint64_t>(cubic.cwnd() / size, 1));
            for (std::int64_t i = 0; i < n; ++i) {
                now = begin + rtt * i / n;
                ack(limited);
            }
            now = begin + rtt;
        }
    }
};

TEST(Cubic, LeavesSevenTenthsAfterALoss) {  // 4.6
    Flow f(1'000'000);
    f.lose();
    EXPECT_EQ(f.cubic.cwnd(), 700'000U);
    EXPECT_EQ(f.cubic.ssthresh(), 700'000U);
    EXPECT_EQ(f.cubic.w_max(), 1'000'000U);
}

TEST(Cubic, ReactsToWhatIsInFlightAndNotToTheWindow) {  // 4.6: FlightSize
    Flow f(1'000'000);
    f.cubic.on(Congested{.now = f.now, .in_flight = 100'000, .mss = mss});
    EXPECT_EQ(f.cubic.cwnd(), 70'000U);
    Flow limited(10 * mss);  // what limited transmit added does not count
    limited.cubic.on(Congested{.now = limited.now, .in_flight = 12 * mss, .mss = mss});
    EXPECT_EQ(limited.cubic.cwnd(), 7 * mss);
}

TEST(Cubic, KeepsTwoSegmentsAfterALossAndOneAfterAMark) {  // 4.6
    Flow f(2 * mss);
    f.lose();
    EXPECT_EQ(f.cubic.cwnd(), 2 * mss);
    f.lose(true);
    f.lose(true);
    f.lose(true);
    f.lose(true);
    f.lose(true);
    EXPECT_EQ(f.cubic.cwnd(), mss);
    EXPECT_EQ(f.cubic.ssthresh(), 2 * mss);
}

TEST(Cubic, AMarkCostsLess) {  // RFC 8511
    Flow f(1'000'000);
    f.lose(true);
    EXPECT_EQ(f.cubic.cwnd(), 850'000U);
    Flow as_a_loss(1'000'000, {.beta_ecn = 700'000});
    as_a_loss.lose(true);
    EXPECT_EQ(as_a_loss.cubic.cwnd(), 700'000U);
}

// The window after t seconds is the curve's, one round trip ahead or behind, concave and convex.
TEST(Cubic, FollowsTheCurve) {  // 4.4, 4.5
    Flow f(4'000'000);
    f.lose();
    const Instant start = f.now;
    const long double k = k_reference(4'000'000, 2'800'000, mss);
    for (int second = 1; second <= 25; ++second) {
        f.run(1s);
        const Duration t = f.now - start;
        const auto low = static_cast<double>(window_reference(t - f.rtt, k, 4'000'000, mss));
        const auto high = static_cast<double>(window_reference(t + f.rtt, k, 4'000'000, mss));
        ASSERT_GE(static_cast<double>(f.cubic.cwnd()) + mss, low) << second;
        ASSERT_LE(static_cast<double>(f.cubic.cwnd()), high + mss) << second;
    }
    EXPECT_GT(f.cubic.cwnd(), 4'400'000U);
}

TEST(Cubic, NeverLeapsByMoreThanHalfInARoundTrip) {  // 4.2: target
    Flow f(20 * mss);
    f.lose();
    f.rtt = 10s;  // the curve is far away at once
    for (int i = 0; i < 4; ++i) {
        const std::uint64_t before = f.cubic.cwnd();
        f.run(f.rtt);
        EXPECT_LE(f.cubic.cwnd(), before * 3 / 2 + mss);
    }
}

// Where the path is short the window is Reno's with alpha = 9/17 up to the last window, 1 from
// there.
TEST(Cubic, IsFriendlyToRenoOnAShortPath) {  // 4.3
    Flow f(100 * 1000, {}, 1000);
    f.rtt = 5ms;
    f.lose();
    const double before = static_cast<double>(f.cubic.cwnd());
    f.run(f.rtt * 17);
    EXPECT_NEAR(static_cast<double>(f.cubic.cwnd()), before + 9 * 1000, 300.0);
    while (f.cubic.cwnd() < 100'000) f.run(f.rtt);
    const double there = static_cast<double>(f.cubic.cwnd());
    f.run(f.rtt * 17);
    EXPECT_NEAR(static_cast<double>(f.cubic.cwnd()), there + 17 * 1000, 600.0);
}

// The mean of windows between losses at the same W: what makes the two equals is the same mean.
TEST(Cubic, HasTheMeanWindowOfRenoInItsRegion) {  // 4.3, [FHP00]
    constexpr std::uint32_t size = 1000;
    const auto rate_of = [](auto algorithm) {
        // A loss each 10,000 segments: AIMD(1, 1/2) and AIMD(9/17, 7/10) both have about sqrt(1.5 *
        // n).
        std::uint64_t segments = 0, windows = 0, rounds = 0;
        algorithm.on(Start{.mss = size, .cwnd = 120 * size, .ssthresh = 120 * size});
        Instant now{1s};
        for (; rounds < 4000; ++rounds) {
            const std::uint64_t n = algorithm.cwnd() / size;
            windows += n;
            for (std::uint64_t i = 0; i < n; ++i) {
                algorithm.on(Acked{.now = now,
                                   .bytes = size,
                                   .in_flight = algorithm.cwnd(),
                                   .rtt = 1ms,
                                   .srtt = 1ms,
                                   .mss = size});
                if (++segments % 10'000 == 0) {
                    algorithm.on(Congested{.now = now, .in_flight = algorithm.cwnd(), .mss = size});
                    algorithm.on(Recovered{now, algorithm.cwnd(), size});
                }
            }
            now += 1ms;
        }
        return static_cast<double>(windows) / static_cast<double>(rounds);
    };
    const double reno = rate_of(Reno());
    const double cubic = rate_of(Cubic());
    EXPECT_NEAR(reno, std::sqrt(1.5 * 10'000), 10.0);
    EXPECT_GT(cubic / reno, 0.95);
    EXPECT_LT(cubic / reno, 1.15);
}

TEST(FastConvergence, GivesUpRoomWhenTheWindowShrinks) {  // 4.7
    Flow f(1'000'000);
    f.lose();
    f.lose();  // at 700,000, below W_max
    EXPECT_EQ(f.cubic.w_max(), 595'000U);  // 700,000 * 1.7 / 2
    Flow off(1'000'000, {.fast_convergence = false});
    off.lose();
    off.lose();
    EXPECT_EQ(off.cubic.w_max(), 700'000U);
}

TEST(FastConvergence, NotWhenTheWindowCameBack) {
    Flow f(200 * mss);
    f.lose();
    f.run(20s);
    const std::uint64_t cwnd = f.cubic.cwnd();
    ASSERT_GT(cwnd, 200 * mss);
    f.lose();
    EXPECT_EQ(f.cubic.w_max(), cwnd);
}

TEST(Timeout, BeginsTheCurveWhereSlowStartEnds) {  // 4.8
    Flow f(1'000'000, {}, 1000);
    f.cubic.on(TimedOut{.now = f.now, .in_flight = 1'000'000, .mss = 1000});
    EXPECT_EQ(f.cubic.cwnd(), 1000U);
    EXPECT_EQ(f.cubic.ssthresh(), 700'000U);
    while (f.cubic.cwnd() < 700'000) f.ack();
    f.ack();
    EXPECT_EQ(f.cubic.k(), 0s);
    EXPECT_EQ(f.cubic.w_max(), 700'000U);
}

TEST(Timeout, ARepeatedOneLeavesSsthresh) {  // RFC 5681 3.1
    Flow f(1'000'000);
    f.cubic.on(TimedOut{.now = f.now, .in_flight = 1'000'000, .mss = mss});
    f.cubic.on(TimedOut{.now = f.now, .in_flight = mss, .mss = mss, .repeated = true});
    EXPECT_EQ(f.cubic.ssthresh(), 700'000U);
    EXPECT_EQ(f.cubic.cwnd(), mss);
}

// A spurious episode leaves no trace: the window goes on as that of a twin which never had it.
class Undo : public testing::Test {
protected:
    Flow flow = began();
    Flow twin = flow;

    static Flow began() {
        Flow f(1'000'000);
        f.lose();
        f.run(3s);
        return f;
    }
    void undo(std::uint64_t cwnd, std::uint64_t ssthresh) {
        flow.cubic.on(Undone{flow.now, cwnd, ssthresh});
        EXPECT_EQ(flow.cubic.cwnd(), twin.cubic.cwnd());
        EXPECT_EQ(flow.cubic.ssthresh(), twin.cubic.ssthresh());
        EXPECT_EQ(flow.cubic.w_max(), twin.cubic.w_max());
        EXPECT_EQ(flow.cubic.k(), twin.cubic.k());
        for (int i = 0; i < 50; ++i) {
            flow.run(100ms);
            twin.run(100ms);
            ASSERT_EQ(flow.cubic.cwnd(), twin.cubic.cwnd()) << i;
        }
    }
    void congest() {
        flow.cubic.on(Congested{.now = flow.now, .in_flight = flow.cubic.cwnd(), .mss = mss});
    }
    void time_out() {
        flow.cubic.on(TimedOut{.now = flow.now, .in_flight = flow.cubic.cwnd(), .mss = mss});
    }
};

TEST_F(Undo, OfAFastRecovery) {  // 4.9.2
    const std::uint64_t cwnd = flow.cubic.cwnd(), ssthresh = flow.cubic.ssthresh();
    congest();
    undo(cwnd, ssthresh);
}

TEST_F(Undo, OfATimeout) {  // 4.9.1
    const std::uint64_t cwnd = flow.cubic.cwnd(), ssthresh = flow.cubic.ssthresh();
    time_out();
    undo(cwnd, ssthresh);
}

TEST_F(Undo, OfATimeoutWithinARecovery) {  // both belong to one episode
    const std::uint64_t cwnd = flow.cubic.cwnd(), ssthresh = flow.cubic.ssthresh();
    congest();
    time_out();
    undo(cwnd, ssthresh);
}

TEST_F(Undo, AfterTheEpisodeIsOver) {  // the last duplicate is reported late
    const std::uint64_t cwnd = flow.cubic.cwnd(), ssthresh = flow.cubic.ssthresh();
    congest();
    flow.cubic.on(Recovered{flow.now, flow.cubic.cwnd(), mss});
    undo(cwnd, ssthresh);
}

TEST_F(Undo, OfTheLastEpisodeWhenATimeoutCameBefore) {  // whose end nobody told
    time_out();
    while (flow.cubic.cwnd() < flow.cubic.ssthresh()) flow.ack();
    flow.run(2s);
    twin = flow;
    const std::uint64_t cwnd = flow.cubic.cwnd(), ssthresh = flow.cubic.ssthresh();
    time_out();
    undo(cwnd, ssthresh);
    congest();
    undo(twin.cubic.cwnd(), ssthresh);
}

TEST_F(Undo, NotOfAMark) {
    const std::uint64_t cwnd = flow.cubic.cwnd();
    congest();
    flow.cubic.on(Recovered{flow.now, flow.cubic.cwnd(), mss});
    flow.lose(true);
    flow.cubic.on(Undone{flow.now, cwnd, cwnd});
    EXPECT_LT(flow.cubic.w_max(), twin.cubic.w_max());
}

TEST(ApplicationLimited, AWindowThatIsNotUsedDoesNotGrow) {  // RFC 7661 in short
    Flow f(1'000'000);
    f.lose();
    f.run(10s, false);
    EXPECT_EQ(f.cubic.cwnd(), 700'000U);
}

TEST(ApplicationLimited, TheTimeDoesNotCount) {  // 5.8
    Flow busy(1'000'000), lazy(1'000'000);
    busy.lose();
    lazy.lose();
    busy.run(2s);
    lazy.run(2s);
    lazy.run(60s, false);
    busy.run(2s);
    lazy.run(2s);
    EXPECT_NEAR(static_cast<double>(lazy.cubic.cwnd()), static_cast<double>(busy.cubic.cwnd()),
                2.0 * mss);
}

TEST(ApplicationLimited, NorDoesSilence) {  // 5.8, and no idle restart in between
    Flow busy(1'000'000), lazy(1'000'000);
    busy.lose();
    lazy.lose();
    busy.run(2s);
    lazy.run(2s);
    lazy.cubic.on(
        Acked{.now = lazy.now, .bytes = mss, .in_flight = mss, .srtt = lazy.rtt, .mss = mss});
    lazy.now += 60s;
    busy.run(2s);
    lazy.run(2s);
    EXPECT_NEAR(static_cast<double>(lazy.cubic.cwnd()), static_cast<double>(busy.cubic.cwnd()),
                4.0 * mss);
}

TEST(Restart, SlowStartsBackAndBeginsANewEpoch) {  // RFC 5681 4.1
    Flow f(1'000'000, {}, 1000);
    f.lose();
    f.run(2s);
    f.cubic.on(Restarted{f.now, 10'000});
    EXPECT_EQ(f.cubic.cwnd(), 10'000U);
    EXPECT_EQ(f.cubic.ssthresh(), 700'000U);
    while (f.cubic.cwnd() < 700'000) f.ack();
    f.ack();
    EXPECT_EQ(f.cubic.k(), cubic_k(1'000'000, 700'000, 1000));
}

TEST(Mss, ASmallerOneKeepsTheOctets) {
    Flow f(1'000'000);
    f.lose();
    f.run(1s);
    const std::uint64_t cwnd = f.cubic.cwnd();
    f.cubic.on(MssChanged{mss, 536});
    f.size = 536;
    EXPECT_EQ(f.cubic.cwnd(), cwnd);
    f.ack();
    EXPECT_EQ(f.cubic.k(), cubic_k(1'000'000, cwnd, 536));
}

}  // namespace
}  // namespace estab::congestion
