// Loss recovery with SACK: RACK-TLP (RFC 8985), PRR (RFC 9937), and RFC 6675 where RACK is off.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"
#include "conversation/pair.hpp"

namespace estab::conversation {
namespace {

// A path of 100 ms that takes `cwnd` octets at a time.
Terms sack(std::uint64_t cwnd) {
    Terms s{.mss = 1000, .cwnd = cwnd, .sack = true, .rtt = 100ms};
    s.config.congestion_control = congestion::find("reno");  // halves, which is easy to read
    return s;
}

// --- 6: which segments are lost

TEST(Rfc8985, AHoleIsSentAgainAfterAQuarterOfTheRoundTrip) {  // 6.2: reo_wnd = min_RTT / 4
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 2000
        +0    -> 1:1001
        +0    -> 1001:2001
        +100  <- . ack 1 sack 1001:2001
        +24   quiet
        +1    -> 1:1001
        +0    event recovery_start cause=rack
    )");
}

TEST(Rfc8985, ThreeSegmentsBehindAHoleEndTheWait) {  // 6.2 step 4: DupThresh
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 4000
        +0    drain
        +100  <- . ack 1 sack 1001:2001
        +0    <- . ack 1 sack 1001:3001
        +0    quiet
        +0    <- . ack 1 sack 1001:4001
        +0    -> 1:1001
        +0    event fast_retransmit
    )");
}

TEST(Rfc8985, ThreeSegmentsInOneBlockAreThree) {  // stretch ACKs count as much
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 4000
        +0    drain
        +100  <- . ack 1 sack 1001:4001
        +0    -> 1:1001
    )");
}

TEST(Rfc8985, ReorderingWithinTheWindowCostsNothing) {
    Conversation c{established(sack(10'000))};
    c.run(R"(
        +0    app write 3000
        +0    drain
        +100  <- . ack 1 sack 1001:3001
        +20   <- . ack 3001
        +1s   quiet
        +0    event reordering
        +0    no-event recovery_start
    )");
    EXPECT_EQ(c.info().statistics.retransmits, 0u);
}

TEST(Rfc8985, APathThatReordersIsGivenTimeInsteadOfThreeSegments) {
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 3000
        +0    drain
        +100  <- . ack 1 sack 1001:3001
        +20   <- . ack 3001
        +0    event reordering
        +0    app write 5000
        +0    drain
        +100  <- . ack 3001 sack 4001:8001
        +0    quiet
        +25   -> 3001:4001
    )");
}

TEST(Rfc8985, ALostRetransmissionIsFoundWithoutATimeout) {
    Conversation c{established(sack(4000))};
    c.run(R"(
        +0    app write 9000
        +0    drain
        +100  <- . ack 1 sack 1001:4001
        +0    -> 1:1001
        +0    drain
        +100  <- . ack 1 sack 1001:5001
        +0    -> 1:1001
        +0    drain
        +100  <- . ack 6001
        +0    drain
    )");
    EXPECT_EQ(c.info().statistics.timeouts, 0u);
}

TEST(Rfc8985, EveryHoleIsSentAgainAndNothingElse) {
    Conversation c{established(sack(10'000))};
    c.run(R"(
        +0    app write 10000
        +0    drain
        +100  <- . ack 1 sack 9001:10001 5001:8001 3001:4001
        +0    -> 1:1001
        +0    drain
        +100  <- . ack 1001 sack 9001:10001 5001:8001 3001:4001
        +0    drain
        +10   <- . ack 2001 sack 9001:10001 5001:8001 3001:4001
        +0    drain
        +200  drain
    )");
    EXPECT_EQ(c.info().statistics.octets_retransmitted, 5000u);
}

TEST(Rfc2018, BlocksOfWhatWasNeverSentAreNotBelieved) {
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 4000
        +0    drain
        +100  <- . ack 1 sack 8001:9001
        +0    <- . ack 1 sack 5001:4001
        +30   quiet
        +0    in-flight 4000
    )");
}

TEST(Rfc2018, AfterRenegingTheTimeoutSendsEverythingAgain) {  // 8
    Conversation c{established(sack(10'000))};
    c.run(R"(
        +0    app write 4000
        +0    drain
        +100  <- . ack 1 sack 1001:4001
        +0    -> 1:1001
        +100  <- . ack 1001
        +300  -> 1001:2001
        +0    event retransmit_timeout
        +100  <- . ack 2001
        +0    -> 2001:3001
        +0    -> 3001:4001
        +100  <- . ack 4001
    )");
}

// --- 7: the tail

TEST(Rfc8985, TheLastSegmentIsSentAgainAfterTwoRoundTrips) {  // 7.2, 7.3
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 3000
        +0    drain
        +201  quiet
        +1    -> 2001:3001
        +0    event tail_loss_probe new_data=0
    )");
}

TEST(Rfc8985, ASegmentAloneIsGivenTheTimeOfADelayedAck) {
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 1000
        +0    drain
        +299  quiet
        +1    -> 1:1001
        +0    event tail_loss_probe
    )");
}

TEST(Rfc8985, NewDataIsTheBetterProbe) {
    Terms s = sack(2000);
    Conversation{established(s)}.run(R"(
        +0    app write 4000
        +0    -> 1:1001
        +0    -> 1001:2001
        +202  -> 2001:3001
        +0    event tail_loss_probe new_data=1
    )");
}

TEST(Rfc8985, OneProbeIsAllThenTheTimerRuns) {
    Conversation{established(sack(10'000))}.run(R"(
        +0     app write 3000
        +0     drain
        +202   -> 2001:3001
        +299   quiet
        +1     -> 1:1001
        +0     event retransmit_timeout
    )");
}

TEST(Rfc8985, TheProbesSackUncoversTheHole) {
    Conversation c{established(sack(10'000))};
    c.run(R"(
        +0    app write 3000
        +0    drain
        +202  -> 2001:3001
        +100  <- . ack 1 sack 2001:3001
        +0    -> 1:1001
        +100  <- . ack 1001 sack 2001:3001
        +0    -> 1001:2001
        +100  <- . ack 3001
    )");
    EXPECT_EQ(c.info().statistics.timeouts, 0u);
    EXPECT_EQ(c.info().statistics.octets_retransmitted, 3000u);
}

TEST(Rfc8985, ARepairByTheProbeCostsAsMuchAsOneBySack) {  // 7.4.2: the loss must not go unnoticed
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 3000
        +0    drain
        +202  -> 2001:3001
        +100  <- . ack 3001
        +0    cwnd 10000
        +0    app write 1000
        +0    drain
        +100  <- . ack 4001
        +0    event congestion_window cause=tail_probe
    )");
}

TEST(Rfc8985, ANeedlessProbeCostsNothing) {  // the DSACK says so
    Conversation{established(sack(10'000))}.run(R"(
        +0    app write 3000
        +0    drain
        +202  -> 2001:3001
        +10   <- . ack 3001
        +90   <- . ack 3001 sack 2001:3001
        +0    app write 1000
        +0    drain
        +100  <- . ack 4001
        +0    no-event congestion_window cause=tail_probe
    )");
}

// --- RFC 9937

// 20 segments, the first is lost: after its retransmission one for every two that arrive.
TEST(Rfc9937, OneSegmentGoesForEveryTwoThatArrive) {
    Conversation c{established(sack(20'000))};
    c.run(R"(
        +0    app write 60000
        +0    drain
        +100  <- . ack 1 sack 1001:2001
        +0    drain
        +0    <- . ack 1 sack 1001:3001
        +0    drain
        +0    <- . ack 1 sack 1001:4001
        +0    -> 1:1001
        +0    drain
    )");
    std::uint64_t sent = c.info().statistics.data_out;
    for (int n = 5; n <= 18; ++n) {
        c.run("+1 <- . ack 1 sack 1001:" + std::to_string(n * 1000 + 1) + "\n+0 drain");
    }
    sent = c.info().statistics.data_out - sent;
    EXPECT_GE(sent, 6u);
    EXPECT_LE(sent, 8u);
    c.run(R"(
        +86   <- . ack 22001
        +0    drain
        +0    event recovery_end
        +0    cwnd 11000
    )");
}

TEST(Rfc9937, WithoutItTheWindowIsSsthreshAtOnce) {
    Terms s = sack(20'000);
    s.config.prr = false;
    Conversation{established(s)}.run(R"(
        +0    app write 20000
        +0    drain
        +100  <- . ack 1 sack 1001:4001
        +0    -> 1:1001
        +0    cwnd 10000
        +0    quiet
    )");
}

// --- RFC 6675

Terms by_number(std::uint64_t cwnd) {
    Terms s = sack(cwnd);
    s.config.rack = false;
    return s;
}

TEST(Rfc6675, AHoleIsLostWhenThreeSegmentsAboveItHaveArrived) {
    Conversation{established(by_number(10'000))}.run(R"(
        +0    app write 10000
        +0    drain
        +100  <- . ack 1 sack 2001:3001
        +0    <- . ack 1 sack 4001:5001 2001:3001
        +50   quiet
        +0    <- . ack 1 sack 6001:7001 4001:5001 2001:3001
        +0    -> 1:1001
        +0    event recovery_start cause=sack
        +0    quiet
        +10   <- . ack 1 sack 6001:8001 4001:5001 2001:3001
        +0    -> 1001:2001
    )");
}

TEST(Rfc6675, MoreThanTwoSegmentsOfOctetsAreAsGood) {
    Conversation{established(by_number(10'000))}.run(R"(
        +0    app write 4000
        +0    drain
        +100  <- . ack 1 sack 1001:4001
        +0    -> 1:1001
    )");
}

TEST(Rfc6675, WhatIsSackedHasLeftThePipe) {
    Conversation{established(by_number(4000))}.run(R"(
        +0    app write 9000
        +0    drain
        +100  <- . ack 1 sack 1001:2001
        +0    -> 4001:5001
        +0    in-flight 4000
        +0    <- . ack 1 sack 1001:3001
        +0    -> 5001:6001
    )");
}

TEST(Rfc3042, WithoutLimitedTransmitItMustWait) {
    Terms s = by_number(4000);
    s.config.limited_transmit = false;
    Conversation{established(s)}.run(R"(
        +0    app write 9000
        +0    drain
        +100  <- . ack 1 sack 1001:2001
        +0    quiet
    )");
}

// --- Both ends

TEST(Rfc8985, AFlightWithEveryTenthLostIsRepairedWithoutATimeout) {
    PairTerms t;
    t.sack = true;
    t.client.initial_window = 40;
    t.client.send_buffer = 400'000;
    Pair pair(t);
    pair.drop(Pair::client, {5, 15, 25, 35});
    pair.write(Pair::client, 200'000);
    ASSERT_TRUE(pair.run_for(60s, [&] { return pair.received(Pair::server) == 200'000; }));
    EXPECT_EQ(pair.info(Pair::client).statistics.timeouts, 0u);
    EXPECT_EQ(pair.info(Pair::client).statistics.retransmits, 4u);
}

TEST(Rfc8985, ALostTailNeedsNoTimeout) {
    PairTerms t;
    t.sack = true;
    Pair pair(t);
    pair.drop(Pair::client, {9});
    pair.write(Pair::client, 10'000);
    ASSERT_TRUE(pair.run_for(60s, [&] { return pair.received(Pair::server) == 10'000; }));
    EXPECT_EQ(pair.info(Pair::client).statistics.timeouts, 0u);
    EXPECT_LT(pair.elapsed(), 1s);
}

}  // namespace
}  // namespace estab::conversation
