// The state machine of BBR step by step, as the draft's own test cases (its appendix A) and its
// pseudo-code have it: what the algorithm is told is made up here, and nothing but that.
#include "congestion/bbr.hpp"

#include <gtest/gtest.h>

namespace estab::congestion {
namespace {

constexpr std::uint32_t mss = 1000;
constexpr std::uint64_t bandwidth = 12'500'000;  // 100 Mbit/s
constexpr Duration rtt = 40ms;
constexpr std::uint64_t bdp = 500'000;

class Bbr3 : public testing::Test {
protected:
    struct Round {
        std::uint64_t bw = bandwidth;
        Duration rtt = congestion::rtt;
        std::uint64_t pipe = bdp;
        std::uint64_t sent_in_flight = bdp;
        std::uint32_t lost = 0;
        bool app_limited = false;
        bool cwnd_limited = false;
    };

    Bbr3() { bbr.on(Start{.mss = mss, .cwnd = 10 * mss, .srtt = rtt}); }

    // One acknowledgment of what was sent a round trip ago.
    void ack(const Round& r, std::uint64_t bytes) {
        const std::uint64_t flight = mul(r.bw, r.rtt);
        delivered += bytes;
        bbr.on(Acked{.now = now,
                     .bytes = bytes,
                     .in_flight = r.pipe + bytes,
                     .rtt = r.rtt,
                     .srtt = r.rtt,
                     .rtt_min = rtt,
                     .delivered = delivered,
                     .pipe = r.pipe,
                     .rate = {.delivered = flight,
                              .interval = r.rtt,
                              .prior_delivered = delivered > flight ? delivered - flight : 0,
                              .sent_in_flight = r.sent_in_flight,
                              .lost = r.lost,
                              .app_limited = r.app_limited},
                     .mss = mss,
                     .cwnd_limited = r.cwnd_limited});
    }
    // What a round trip brings, in ten acknowledgments.
    void round(const Round& r) {
        for (int i = 0; i < 10; ++i) {
            now += r.rtt / 10;
            ack(r, mul(r.bw, r.rtt) / 10);
        }
    }
    void rounds(int n, const Round& r) {
        for (int i = 0; i < n; ++i) round(r);
    }
    void until(Phase phase, const Round& r, int at_most = 200) {
        for (int i = 0; i < at_most && bbr.phase() != phase; ++i) {
            now += r.rtt / 10;
            ack(r, mul(r.bw, r.rtt) / 10);
        }
        ASSERT_EQ(bbr.phase(), phase);
    }
    // Past Startup and Drain, at a bandwidth that is known.
    void arrive(Phase phase = Phase::probe_cruise) {
        until(Phase::drain, {.pipe = 2 * bdp});
        until(Phase::probe_cruise, {.pipe = bdp});
        if (phase == Phase::probe_cruise) return;
        until(Phase::probe_refill, {.pipe = bdp}, 2000);
        if (phase == Phase::probe_refill) return;
        until(Phase::probe_up, {.pipe = bdp});
    }
    void lose(std::uint64_t bytes, std::uint32_t lost, std::uint64_t sent_in_flight = bdp,
              bool continues = false) {
        bbr.on(Lost{.now = now,
                    .bytes = bytes,
                    .delivered = delivered,
                    .sent_in_flight = sent_in_flight,
                    .lost = lost,
                    .continues = continues});
    }
    static std::uint64_t mul(std::uint64_t rate, Duration time) {
        return rate * static_cast<std::uint64_t>(time / 1us) / 1'000'000;
    }
    std::uint64_t paced_at(std::uint64_t percent) const {
        return bandwidth * percent / 100 * 99 / 100;
    }

    Bbr bbr;
    Instant now{100s};
    std::uint64_t delivered = 0;
};

TEST_F(Bbr3, StartsWithTheInitialWindowInARoundTrip) {
    EXPECT_EQ(bbr.phase(), Phase::startup);
    EXPECT_EQ(bbr.cwnd(), 10u * mss);
    EXPECT_EQ(bbr.pacing_rate(), 10u * mss * 25 * 277 / 100);
}

TEST_F(Bbr3, StartupEndsWhenTheRateNoLongerGrows) {
    for (const std::uint64_t bw : {bandwidth / 8, bandwidth / 4, bandwidth / 2})
        rounds(2, {.bw = bw, .pipe = 2 * bdp});
    EXPECT_EQ(bbr.phase(), Phase::startup);
    until(Phase::drain, {.pipe = 2 * bdp}, 60);
    EXPECT_TRUE(bbr.full_bw_reached());
    EXPECT_EQ(bbr.max_bw(), bandwidth);
    EXPECT_EQ(bbr.pacing_rate(), paced_at(50));
}

TEST_F(Bbr3, AnApplicationThatIsSlowDoesNotEndStartup) {
    rounds(50, {.bw = bandwidth / 10, .pipe = bdp / 10, .app_limited = true});
    EXPECT_EQ(bbr.phase(), Phase::startup);
}

TEST_F(Bbr3, ManyHolesInARoundOfRecoveryEndStartup) {
    rounds(2, {.bw = bandwidth, .pipe = bdp, .app_limited = true});
    bbr.on(Congested{.now = now, .in_flight = bdp, .mss = mss});
    for (std::uint32_t i = 1; i <= 6; ++i) lose(mss, 3000 * i);
    until(Phase::drain, {.pipe = 2 * bdp, .lost = 18'000, .app_limited = true}, 12);
    EXPECT_TRUE(bbr.full_bw_reached());
    EXPECT_GE(bbr.inflight_longterm(), bdp);
    EXPECT_LT(bbr.inflight_longterm(), infinite);
}

TEST_F(Bbr3, OneLongHoleDoesNotEndStartup) {
    rounds(2, {.app_limited = true});
    bbr.on(Congested{.now = now, .in_flight = bdp, .mss = mss});
    for (std::uint32_t i = 1; i <= 6; ++i) lose(mss, 3000 * i, bdp, i != 1);
    rounds(3, {.lost = 18'000, .app_limited = true});
    EXPECT_EQ(bbr.phase(), Phase::startup);
}

TEST_F(Bbr3, DrainEndsWithTheQueue) {
    until(Phase::drain, {.pipe = 2 * bdp});
    ack({.pipe = bdp + bdp / 10}, mss);
    EXPECT_EQ(bbr.phase(), Phase::drain);
    ack({.pipe = bdp}, mss);
    EXPECT_EQ(bbr.phase(), Phase::probe_cruise);  // ProbeBW_DOWN has nothing left to do
}

TEST_F(Bbr3, DrainEndsAfterThreeRoundsAnyway) {
    until(Phase::drain, {.pipe = 2 * bdp});
    rounds(3, {.pipe = 2 * bdp});
    EXPECT_EQ(bbr.phase(), Phase::drain);
    rounds(2, {.pipe = 2 * bdp});
    EXPECT_EQ(bbr.phase(), Phase::probe_down);
    EXPECT_EQ(bbr.pacing_rate(), paced_at(90));
}

TEST_F(Bbr3, TheCycleGoesDownCruiseRefillUpAndDown) {
    until(Phase::drain, {.pipe = 2 * bdp});
    until(Phase::probe_down, {.pipe = 2 * bdp});
    ack({.pipe = bdp + 1}, mss);
    EXPECT_EQ(bbr.phase(), Phase::probe_down);
    ack({.pipe = bdp}, mss);
    EXPECT_EQ(bbr.phase(), Phase::probe_cruise);
    EXPECT_EQ(bbr.pacing_rate(), paced_at(100));
    const Instant began = now;
    until(Phase::probe_refill, {}, 2000);
    EXPECT_GE(now - began, 62 * rtt - rtt);  // 63 rounds of Reno's, or 2 to 3 seconds
    EXPECT_LE(now - began, 3s);
    EXPECT_EQ(bbr.pacing_rate(), paced_at(100));
    const Instant refilling = now;
    until(Phase::probe_up, {});
    EXPECT_LE(now - refilling, rtt + rtt / 10);
    EXPECT_EQ(bbr.pacing_rate(), paced_at(125));
    rounds(2, {});
    EXPECT_EQ(bbr.phase(), Phase::probe_up);
    until(Phase::probe_down, {.pipe = 2 * bdp}, 30);  // three rounds without growth
}

TEST_F(Bbr3, ASmallPathIsProbedAsOftenAsRenoWould) {
    const Round small{.bw = 100'000, .pipe = 4000, .sent_in_flight = 4000};  // 4 segments
    until(Phase::drain, {.bw = 100'000, .pipe = 90'000});
    until(Phase::probe_cruise, small);
    const Instant began = now;
    until(Phase::probe_refill, small, 2000);
    EXPECT_LE(now - began, 5 * rtt);
}

TEST_F(Bbr3, MoreBandwidthIsFoundByProbing) {
    arrive(Phase::probe_up);
    rounds(1, {.bw = bandwidth * 5 / 4, .pipe = bdp * 5 / 4});
    EXPECT_EQ(bbr.max_bw(), bandwidth * 5 / 4);
    EXPECT_EQ(bbr.phase(), Phase::probe_up);
}

TEST_F(Bbr3, LessBandwidthIsBelievedAfterTwoCycles) {
    arrive(Phase::probe_up);
    const Round slower{.bw = bandwidth / 2, .pipe = bdp / 2, .sent_in_flight = bdp / 2};
    until(Phase::probe_down, slower);
    rounds(2, slower);
    EXPECT_EQ(bbr.max_bw(), bandwidth);
    until(Phase::probe_up, slower, 2000);
    until(Phase::probe_down, slower);
    rounds(2, slower);
    EXPECT_EQ(bbr.max_bw(), bandwidth / 2);
}

// 2 % of what was in flight may be lost in a probe: 10,000 of 500,000.
TEST_F(Bbr3, AProbeThatLosesTooMuchIsOver) {
    arrive(Phase::probe_up);
    lose(mss, 10'000);
    EXPECT_EQ(bbr.phase(), Phase::probe_up);
    EXPECT_EQ(bbr.inflight_longterm(), infinite);
    lose(mss, 11'000);
    EXPECT_EQ(bbr.phase(), Phase::probe_down);
    EXPECT_EQ(bbr.inflight_longterm(), bdp - mss);
    EXPECT_EQ(bbr.phase(), Phase::probe_down);
}

// A burst of 100 segments was lost as one: 2 % of what was before it, over 98 %.
TEST_F(Bbr3, PartOfALostBurstMayHaveFitted) {
    arrive(Phase::probe_up);
    lose(100 * mss, 100 * mss);
    EXPECT_EQ(bbr.inflight_longterm(), 400'000u + 8'000u * 100 / 98);
}

TEST_F(Bbr3, TheLimitIsNeverCutBelowWhatCubicWouldLeave) {
    arrive(Phase::probe_up);
    lose(mss, 11'000, 100'000);
    EXPECT_EQ(bbr.inflight_longterm(), bdp * 7 / 10);
}

TEST_F(Bbr3, AfterAProbeThatLostTheNextOneStopsAtTheLimit) {
    arrive(Phase::probe_up);
    lose(mss, 11'000);
    const std::uint64_t limit = bbr.inflight_longterm();
    until(Phase::probe_cruise, {.pipe = bdp / 2, .sent_in_flight = bdp / 2});
    EXPECT_LE(bbr.cwnd(), limit - limit * 15 / 100);  // it leaves room for others
    until(Phase::probe_up, {.pipe = bdp / 2, .sent_in_flight = bdp / 2}, 2000);
    ack({.pipe = limit, .sent_in_flight = bdp / 2}, mss);
    EXPECT_EQ(bbr.phase(), Phase::probe_down);
    // It went well, so the next probe follows at once and goes further.
    until(Phase::probe_refill, {.pipe = limit, .sent_in_flight = bdp / 2}, 20);
}

TEST_F(Bbr3, LossesBesideAProbeLowerTheShortTermOnly) {
    arrive(Phase::probe_cruise);
    const std::uint64_t window = bbr.cwnd();
    lose(mss, mss);
    const Round slower{.bw = bandwidth * 9 / 10};
    rounds(3, slower);
    EXPECT_EQ(bbr.bw_shortterm(), bandwidth * 9 / 10);
    EXPECT_EQ(bbr.max_bw(), bandwidth);
    EXPECT_EQ(bbr.bw(), bandwidth * 9 / 10);
    EXPECT_LT(bbr.inflight_shortterm(), window);
    EXPECT_GE(bbr.inflight_shortterm(), window * 49 / 100);
    until(Phase::probe_refill, slower, 2000);
    EXPECT_EQ(bbr.bw_shortterm(), infinite);
    EXPECT_EQ(bbr.inflight_shortterm(), infinite);
}

TEST_F(Bbr3, EveryFiveSecondsTheQueueIsDrained) {
    until(Phase::probe_rtt, {.rtt = rtt + 1ms}, 20'000);
    EXPECT_GE(now - Instant{100s}, 5s);
    EXPECT_LT(now - Instant{100s}, 6s);
    EXPECT_EQ(bbr.min_rtt(), rtt) << "what was seen in the last ten counts";
    EXPECT_LE(bbr.cwnd(), bdp * 11 / 20);     // half of the product, by the old minimum
    EXPECT_GE(bbr.cwnd(), bdp * 9 / 20);
    const Round drained{.bw = bandwidth / 2, .pipe = bdp / 3, .sent_in_flight = bdp / 3};
    const Instant began = now;
    until(Phase::probe_cruise, drained, 2000);
    EXPECT_GE(now - began, 200ms);
    EXPECT_LE(now - began, 200ms + 2 * rtt);
    EXPECT_EQ(bbr.min_rtt(), rtt);
    EXPECT_EQ(bbr.max_bw(), bandwidth);        // its own slowness is not the path's
    EXPECT_GT(bbr.cwnd(), bdp);
}

TEST_F(Bbr3, AShorterRoundTripPutsTheDrainingOff) {
    rounds(110, {.rtt = rtt + 1ms});
    rounds(1, {.rtt = rtt - 1ms});
    rounds(20, {.rtt = rtt + 1ms});
    EXPECT_NE(bbr.phase(), Phase::probe_rtt);
    EXPECT_EQ(bbr.min_rtt(), rtt - 1ms);
}

TEST_F(Bbr3, APauseIsAsGoodAsADraining) {
    arrive(Phase::probe_cruise);
    now += 20s;
    bbr.on(Resumed{now});
    EXPECT_EQ(bbr.pacing_rate(), paced_at(100));
    const std::uint64_t window = bbr.cwnd();
    ack({.rtt = rtt + 5ms, .app_limited = true}, mss);
    EXPECT_NE(bbr.phase(), Phase::probe_rtt);
    EXPECT_EQ(bbr.min_rtt(), rtt + 5ms);
    EXPECT_GE(bbr.cwnd(), window);
}

TEST_F(Bbr3, ATimeOutLeavesOneSegment) {
    arrive(Phase::probe_cruise);
    bbr.on(TimedOut{.now = now, .in_flight = bdp, .mss = mss});
    EXPECT_EQ(bbr.cwnd(), mss);
    ack({.pipe = 0}, mss);
    EXPECT_EQ(bbr.cwnd(), 4 * mss);  // MinPipeCwnd
    ack({.pipe = 0}, 4 * mss);
    EXPECT_EQ(bbr.cwnd(), 8 * mss);
}

TEST_F(Bbr3, FastRecoveryByItselfTakesNothing) {
    arrive(Phase::probe_cruise);
    const std::uint64_t window = bbr.cwnd();
    bbr.on(Congested{.now = now, .in_flight = bdp, .mss = mss});
    EXPECT_EQ(bbr.cwnd(), window);
}

TEST_F(Bbr3, ASpuriousLossIsTakenBack) {
    arrive(Phase::probe_up);
    lose(mss, 11'000);
    ASSERT_EQ(bbr.phase(), Phase::probe_down);
    bbr.on(Undone{now, 2 * bdp, infinite});
    EXPECT_EQ(bbr.phase(), Phase::probe_refill);
    EXPECT_EQ(bbr.inflight_longterm(), infinite);
    EXPECT_GE(bbr.cwnd(), 2 * bdp);
}

TEST_F(Bbr3, ACongestionMarkEndsAProbe) {
    arrive(Phase::probe_up);
    bbr.on(Congested{.now = now, .in_flight = bdp, .mss = mss, .ecn = true});
    EXPECT_EQ(bbr.phase(), Phase::probe_down);
    EXPECT_EQ(bbr.inflight_longterm(), bdp);
}

TEST_F(Bbr3, TheWindowIsTwiceTheProductOnceThePathIsKnown) {
    arrive(Phase::probe_cruise);
    rounds(12, {});
    EXPECT_GE(bbr.cwnd(), 2 * bdp);
    EXPECT_LE(bbr.cwnd(), 2 * bdp + bdp / 4);
}

}  // namespace
}  // namespace estab::congestion
