// Retransmissions that were not needed: Eifel (RFC 3522, 4015), DSACK, F-RTO (RFC 5682).
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms terms(std::uint64_t cwnd) {
    Terms s{.mss = 1000, .cwnd = cwnd, .sack = true, .rtt = 100ms};
    s.config.congestion_control = congestion::find("reno");
    s.config.tail_loss_probe = false;
    return s;
}

Terms with_timestamps(std::uint64_t segments) {  // of 1000 octets, behind twelve of options
    Terms s = terms(segments * 1012);
    s.mss = 1012;
    s.timestamps = true;
    return s;
}

TEST(Rfc5682, NewDataTellsALateFlightFromALostOne) {
    Conversation c{established(terms(4000))};
    c.run(R"(
        +0    app write 9000
        +0    drain
        +300  -> 1:1001
        +0    event retransmit_timeout
        +0    cwnd 1000
        +50   <- . ack 1001
        +0    -> 4001:5001
        +0    -> 5001:6001
        +0    quiet
        +5    <- . ack 2001
        +0    event recovery_undone cause=frto
        +0    drain
        +0    cwnd 5000
        +5    <- . ack 4001
        +0    drain
    )");
    EXPECT_EQ(c.info().statistics.retransmits, 1u);  // none of the late ones
    EXPECT_EQ(c.info().statistics.undos, 1u);
}

TEST(Rfc5682, DuplicatesMeanThatTheFlightIsLost) {  // 3.1, step 3a
    Conversation c{established(terms(4000))};
    c.run(R"(
        +0    app write 9000
        +0    drain
        +300  -> 1:1001
        +50   <- . ack 1001
        +0    -> 4001:5001
        +0    -> 5001:6001
        +50   <- . ack 1001 sack 4001:5001
        +0    -> 1001:2001
        +0    no-event recovery_undone
    )");
}

TEST(Rfc5682, WithoutNewDataItIsAnOrdinaryTimeout) {
    Conversation{established(terms(4000))}.run(R"(
        +0    app write 4000
        +0    drain
        +300  -> 1:1001
        +50   <- . ack 1001
        +0    -> 1001:2001
        +0    -> 2001:3001
    )");
}

TEST(Rfc5682, WorksWithoutSack) {
    Terms s = terms(4000);
    s.sack = false;
    Conversation{established(s)}.run(R"(
        +0    app write 9000
        +0    drain
        +300  -> 1:1001
        +50   <- . ack 1001
        +0    -> 4001:5001
        +0    -> 5001:6001
        +5    <- . ack 2001
        +0    event recovery_undone cause=frto
        +0    drain
    )");
}

// The first acknowledgment echoes the original's timestamp.
TEST(Rfc3522, AnEchoFromBeforeTheTimeoutUndoesIt) {
    const Terms s = with_timestamps(4);
    Conversation c{established(s)};
    c.run(R"(
        +0    app write 4000
        +0    drain
        +300  -> 1:1001 ts 1300 5000
        +0    ssthresh 2000
        +50   <- . ack 1001 ts 5350 1000
        +0    event recovery_undone cause=timestamp
        +0    quiet
        +10   <- . ack 4001 ts 5360 1000
        +1s   quiet
    )");
    EXPECT_GE(c.info().cwnd, 4000u);
    EXPECT_GT(c.info().ssthresh, 1'000'000u);
}

TEST(Rfc3522, AnEchoOfTheRetransmissionDoesNot) {
    const Terms s = with_timestamps(4);
    Conversation{established(s)}.run(R"(
        +0    app write 4000
        +0    drain
        +300  -> 1:1001
        +100  <- . ack 1001 ts 5400 1300
        +0    -> 1001:2001
        +0    -> 2001:3001
        +0    no-event recovery_undone
    )");
}

// RFC 4015 3, step 6: the timer has learnt how slow the path can be.
TEST(Rfc4015, TheTimerAdaptsToTheLateAnswer) {
    const Terms s = with_timestamps(4);
    Conversation c{established(s)};
    c.run(R"(
        +0    app write 4000
        +0    drain
        +300  drain
        +50   <- . ack 1001 ts 5350 1000
        +0    event recovery_undone
        +0    srtt 350
    )");
    EXPECT_GE(c.info().rto_us, 1'000'000u);
    EXPECT_EQ(c.info().backoff, 0u);
}

// The ACK of the first copy was lost. That of the second still echoes the first (RFC 7323 4.3): no
// round trip took a second.
TEST(Rfc7323, TheAnswerToASecondCopyIsNoSample) {
    const Terms s = with_timestamps(4);
    Conversation{established(s)}.run(R"(
        +0    app write 1000
        +0    drain
        +300  -> P. 1:1001 ts 1300 5000
        +600  -> P. 1:1001 ts 1900 5000
        +100  <- . ack 1001 ts 6000 1300
        +0    srtt 100
    )");
}

TEST(Rfc3522, AFastRetransmitIsUndoneAsWell) {
    const Terms s = with_timestamps(10);
    Conversation{established(s)}.run(R"(
        +0    app write 10000
        +0    drain
        +100  <- . ack 1 ts 5100 1000 sack 1001:4001
        +0    -> 1:1001 ts 1100 5100
        +0    event recovery_start
        +5    <- . ack 5001 ts 5105 1000
        +0    event recovery_undone cause=timestamp
        +0    drain
        +0    no-event recovery_end
    )");
}

TEST(Rfc2883, DsacksOfAllThatWasSentAgainUndoTheEpisode) {
    Conversation c{established(terms(10'000))};
    c.run(R"(
        +0    app write 10000
        +0    drain
        +100  <- . ack 1 sack 2001:6001
        +0    -> 1:1001
        +0    <- . ack 1 sack 2001:9001
        +0    -> 1001:2001
        +5    <- . ack 10001
        +0    event recovery_end
        +0    drain
        +95   <- . ack 10001 sack 1:1001
        +0    no-event recovery_undone
        +0    <- . ack 10001 sack 1001:2001
        +0    event recovery_undone cause=dsack
        +0    cwnd 10000
    )");
}

TEST(Rfc2883, OneNeededRetransmissionIsEnoughToKeepIt) {
    Conversation{established(terms(10'000))}.run(R"(
        +0    app write 10000
        +0    drain
        +100  <- . ack 1 sack 2001:6001
        +0    drain
        +100  <- . ack 1001 sack 2001:10001
        +0    drain
        +50   <- . ack 10001 sack 1001:2001
        +50   quiet
        +0    no-event recovery_undone
    )");
}

TEST(Rfc2883, EachReportTeachesPatience) {
    Conversation{established(terms(10'000))}.run(R"(
        +0    app write 4000
        +0    drain
        +100  <- . ack 1 sack 1001:4001
        +0    -> 1:1001
        +5    <- . ack 4001
        +95   <- . ack 4001 sack 1:1001
        +0    app write 3000
        +0    drain
        +100  <- . ack 4001 sack 5001:7001
        +49   quiet
        +1    -> 4001:5001
    )");
}

}  // namespace
}  // namespace estab::conversation
