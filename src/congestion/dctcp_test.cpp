// RFC 8257.
#include "congestion/dctcp.hpp"

#include <gtest/gtest.h>

namespace estab::congestion {
namespace {

constexpr std::uint32_t mss = 1000;

struct Flow {
    Dctcp dctcp;

    Flow() { dctcp.on(Start{.mss = mss, .cwnd = 100 * mss, .ssthresh = 100 * mss}); }
    // A round trip in which `marked` of every 100 segments were.
    void round(std::uint64_t marked) {
        const std::uint64_t flight = dctcp.cwnd() / mss * mss;
        for (std::uint64_t i = 0; i < flight / mss; ++i) {
            dctcp.on(Acked{.bytes = mss,
                           .in_flight = flight,
                           .ce_bytes = i % 100 < marked ? mss : 0,
                           .mss = mss,
                           .cwnd_limited = false});
        }
    }
    void mark() { dctcp.on(Congested{.in_flight = dctcp.cwnd(), .mss = mss, .ecn = true}); }
};

TEST(Dctcp, AlphaFollowsTheShareOfMarks) {  // 3.3
    Flow f;
    for (int i = 0; i < 200; ++i) f.round(25);
    EXPECT_NEAR(f.dctcp.alpha(), Dctcp::alpha_one / 4, Dctcp::alpha_one / 1000);
    for (int i = 0; i < 400; ++i) f.round(0);
    EXPECT_EQ(f.dctcp.alpha(), 0U);
    for (int i = 0; i < 400; ++i) f.round(100);
    EXPECT_NEAR(f.dctcp.alpha(), Dctcp::alpha_one, 16);
}

TEST(Dctcp, AMarkCostsHalfOfAlpha) {  // 3.3: cwnd (1 - alpha / 2)
    Flow f;
    for (int i = 0; i < 200; ++i) f.round(20);
    f.mark();
    EXPECT_NEAR(static_cast<double>(f.dctcp.cwnd()), 90.0 * mss, mss / 10.0);
    EXPECT_EQ(f.dctcp.ssthresh(), f.dctcp.cwnd());
}

TEST(Dctcp, TheFirstMarkCostsHalf) {  // 4.2
    Flow f;
    f.round(100);
    f.mark();
    EXPECT_EQ(f.dctcp.cwnd(), 50 * mss);
}

TEST(Dctcp, WithoutReportsItIsReno) {
    Flow f;
    for (int i = 0; i < 400; ++i) f.round(0);
    f.mark();
    EXPECT_EQ(f.dctcp.cwnd(), 50 * mss);
}

TEST(Dctcp, ALossCostsHalf) {  // 3.5
    Flow f;
    for (int i = 0; i < 400; ++i) f.round(1);
    f.dctcp.on(Congested{.in_flight = 100 * mss, .mss = mss});
    EXPECT_EQ(f.dctcp.cwnd(), 50 * mss);
}

}  // namespace
}  // namespace estab::congestion
