#include "tcp/prr.hpp"

#include <gtest/gtest.h>

namespace estab::tcp {
namespace {

constexpr std::uint32_t mss = 1000;

// 20 segments outstanding, one lost, the target is half: a segment for every second acknowledgment.
TEST(Rfc9937, SendsInProportionWhileAboveTheTarget) {
    Prr prr;
    prr.begin(20 * mss, 10 * mss);
    std::uint64_t in_flight = 16 * mss;  // one lost, three SACKed
    std::uint64_t sent = 0;
    for (std::uint64_t ack = 1; in_flight > 10 * mss && ack < 40; ++ack) {
        prr.on_ack(mss, in_flight, false, mss);
        const std::uint64_t may = prr.window() - in_flight;
        const std::uint64_t whole = may / mss * mss;
        EXPECT_EQ(sent + may, std::max((ack * 10 * mss + 19) / 20, std::uint64_t{0}));
        prr.on_sent(whole);
        sent += whole;
        in_flight = in_flight + whole - mss;
    }
    EXPECT_EQ(in_flight, 10 * mss);
}

TEST(Rfc9937, TheProportionIsRoundedUp) {
    Prr prr;
    prr.begin(3 * mss, 1 * mss);
    prr.on_ack(1000, 2 * mss, false, mss);
    EXPECT_EQ(prr.window() - 2 * mss, 334u);  // CEIL(1000 * 1000 / 3000)
}

// Many losses: in flight is far below the target. What arrives may be replaced, and no more.
TEST(Rfc9937, BelowTheTargetItConservesPackets) {
    Prr prr;
    prr.begin(20 * mss, 10 * mss);
    prr.on_ack(mss, 3 * mss, false, mss);
    EXPECT_EQ(prr.window(), 4 * mss);
    prr.on_sent(mss);
    prr.on_ack(2 * mss, 2 * mss, false, mss);
    EXPECT_EQ(prr.window(), 4 * mss);
}

TEST(Rfc9937, ASafeAckMayCatchUpByOneSegment) {
    Prr prr;
    prr.begin(20 * mss, 10 * mss);
    prr.on_ack(mss, 3 * mss, true, mss);
    EXPECT_EQ(prr.window(), 5 * mss);
}

TEST(Rfc9937, CatchesUpButNotPastTheTarget) {
    Prr prr;
    prr.begin(20 * mss, 10 * mss);
    prr.on_ack(9 * mss, 8 * mss, true, mss);
    EXPECT_EQ(prr.window(), 10 * mss);
}

TEST(Rfc9937, WhatWasNotSentBeforeMayBeSentLater) {  // prr_delivered - prr_out
    Prr prr;
    prr.begin(20 * mss, 10 * mss);
    prr.on_ack(4 * mss, 5 * mss, false, mss);
    EXPECT_EQ(prr.window(), 9 * mss);
    prr.on_ack(mss, 4 * mss, false, mss);  // nothing went out in between
    EXPECT_EQ(prr.window(), 9 * mss);
}

TEST(Rfc9937, TheFirstRetransmissionAlwaysGoes) {
    Prr prr;
    prr.begin(20 * mss, 10 * mss);
    prr.on_ack(0, 19 * mss, false, mss);
    EXPECT_EQ(prr.window(), 20 * mss);
    prr.on_sent(mss);
    prr.on_ack(0, 20 * mss, false, mss);
    EXPECT_EQ(prr.window(), 20 * mss);
}

}  // namespace
}  // namespace estab::tcp
