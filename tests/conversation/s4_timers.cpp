// The four timers and the retransmission rules of a tutorial: S4-9, S4-13 to S4-19.
// RFC 6298 5, RFC 9293 3.8.1, 3.8.4, 3.8.6.1, 3.6.1.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms tutorial(std::uint16_t mss = 1000) {
    return {.config = tcp::profile::tutorial(), .mss = mss};
}

TEST(S4_9, FiveSynRetriesEndAfterSixtyThreeSeconds) {
    Conversation{syn_sent(tutorial())}.run(R"(
        @0      app open
        @0      -> S 0
        @1s     -> S 0
        @3s     -> S 0
        @7s     -> S 0
        @15s    -> S 0
        @31s    -> S 0
        @62.999s state SYN-SENT
        @63s    state CLOSED
        @63s    expect-error connection_timed_out
        @63s    notice closed
        @200s   quiet
    )");
}

TEST(S4_9a, TheDefaultGoesOnForThreeMinutes) {  // MUST-23
    Conversation{syn_sent()}.run(R"(
        @0      app open
        @0      -> S 0
        @1s     -> S 0
        @3s     -> S 0
        @7s     -> S 0
        @15s    -> S 0
        @31s    -> S 0
        @63s    -> S 0
        @127s   -> S 0
        @180s   state SYN-SENT
        @246.999s state SYN-SENT    // the RTO is never above rto_max, 120 s
        @247s   expect-error connection_timed_out
    )");
}

TEST(S4_9a, LinearTimeoutsAreConfigurable) {  // as Linux since 6.5
    Terms t = tutorial();
    t.config.syn_linear_timeouts = 4;
    t.config.syn_retries = 6;
    Conversation{syn_sent(t)}.run(R"(
        @0      app open
        @0      -> S 0
        @1s     -> S 0
        @2s     -> S 0
        @3s     -> S 0
        @4s     -> S 0
        @5s     -> S 0
        @7s     -> S 0
    )");
}

// One segment, then one more for each acknowledged, in octets. RFC 5681 3.1.
TEST(S4_13, SlowStartAddsASegmentForEachAck) {
    Conversation{established(tutorial())}.run(R"(
        +0   app write 12000
        +0   -> . 1:1001
        +0   cwnd 1000
        +50  <- . ack 1001
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +0   cwnd 2000
        +50  <- . ack 2001
        +0   -> . 3001:4001
        +0   -> . 4001:5001
        +0   cwnd 3000
        +0   <- . ack 3001
        +0   -> . 5001:6001
        +0   -> . 6001:7001
        +0   cwnd 4000
        +0   in-flight 4000
    )");
}

TEST(S4_13, TheAdvertisedWindowIsALimitToo) {
    Terms t = tutorial();
    t.window = 2000;
    Conversation{established(t)}.run(R"(
        +0   app write 12000
        +0   -> . 1:1001
        +50  <- . ack 1001 win 2000
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +50  <- . ack 2001 win 2000
        +0   -> . 3001:4001
        +0   quiet
        +0   <- . ack 3001 win 2000
        +0   -> . 4001:5001
        +0   in-flight 2000           // whatever cwnd is
    )");
}

TEST(S4_15, FourTimersEachInItsTime) {
    Terms t = tutorial();
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        +0    timer keepalive
        +0    app write 1000
        +0    -> P. 1:1001
        +0    timer on
        +50   <- . ack 1001 win 0
        +0    timer keepalive         // nothing is in flight, and nothing waits
        +0    app write 1000
        +0    quiet
        +0    timer persist
        +50   <- . ack 1001 win 8000
        +0    -> P. 1001:2001
        +0    timer on
        +50   <- F. 1 ack 2001
        +0    app close
        +0    -> F. 2001 ack 2
        +0    timer on
        +50   <- . 2 ack 2002
        +0    state CLOSED
    )");
    Conversation{established(t)}.run(R"(
        +0    app close
        +0    -> F. 1 ack 1
        +50   <- F. 1 ack 2
        +0    -> . 2 ack 2
        +0    timer timewait
    )");
}

// What the four leave out: a delayed ACK (RFC 5681 4.2), FIN-WAIT-2 (RFC 9293 3.6), a tail loss
// probe (RFC 8985 7), and SYN-ACKs of a half-open record (listener_test).
TEST(S4_15a, TimersThatTheFourLeaveOut) {
    Terms t{.mss = 1000, .cwnd = 10'000, .sack = true, .rtt = 50ms};
    t.config.quick_acks = 0;
    t.config.fin_wait_2 = 60s;
    Conversation{established(t)}.run(R"(
        +0    <- . 1:101 ack 1
        +39   quiet
        +1    -> . 1 ack 101          // delayed ACK
        +0    app read 100
        +0    app write 2000
        +0    drain
        +102  -> P. 1001:2001         // tail loss probe, long before the timeout
        +50   <- . 101 ack 2001
        +0    app close
        +0    drain
        +50   <- . 101 ack 2002
        +0    state FIN-WAIT-2
        +60s  state CLOSED            // nobody is left who could read
    )");
}

TEST(S4_14,
     OnATimeOutHalfOfWhatWasInFlight) {  // RFC 5681 3.1 (4): FlightSize / 2, at least 2 segments
    Terms t = tutorial();
    t.cwnd = 8000;
    Conversation{established(t)}.run(R"(
        +0   app write 8000
        +0   drain
        +1s  -> . 1:1001
        +0   cwnd 1000
        +0   ssthresh 4000
    )");
    t.cwnd = 3000;
    Conversation{established(t)}.run(R"(
        +0   app write 3000
        +0   drain
        +1s  -> . 1:1001
        +0   ssthresh 2000
    )");
}

TEST(S4_14, SsthreshBeginsAt65535) {
    Conversation{established(tutorial())}.run("+0 cwnd 1000\n+0 ssthresh 65535\n");
}

TEST(S4_16, Rule51_SendingStartsTheTimer) {  // RFC 6298 5.1: if it is not running
    Conversation{established(tutorial())}.run(R"(
        +0   timer off
        +0   app nodelay
        +0   app write 100
        +0   -> P. 1:101
        +0   timer on
        +1s  -> P. 1:101
    )");
}

TEST(S4_16, Rule51_MoreDataDoesNotRestartIt) {
    Terms t = tutorial();
    t.cwnd = 5000;
    Conversation{established(t)}.run(R"(
        +0   app nodelay
        +0   app write 100
        +0   -> P. 1:101
        +600 app write 100
        +0   -> P. 101:201
        +400 -> . 1:101
        +0   drain                   // cwnd, a full segment of octets, has room for the second one
    )");
}

TEST(S4_16, Rule52_TheLastAckStopsIt) {
    Conversation{established(tutorial())}.run(R"(
        +0    app write 100
        +0    -> P. 1:101
        +100  <- . 1 ack 101
        +0    timer off
        +100s quiet
    )");
}

TEST(S4_16, Rule53_AnAckOfNewDataRestartsIt) {
    Terms t = tutorial();
    t.cwnd = 5000;
    Conversation{established(t)}.run(R"(
        +0   app write 2000
        +0   -> . 1:1001
        +0   -> P. 1001:2001
        +900 <- . 1 ack 1001          // SRTT 900, RTTVAR 450: RTO 2700
        +0   rto 2700
        +2699 quiet
        +1   -> P. 1001:2001
    )");
}

TEST(S4_16, Rule53_ADuplicateAckDoesNot) {
    Terms t = tutorial();
    t.cwnd = 5000;
    Conversation{established(t)}.run(R"(
        +0   app write 2000
        +0   drain
        +900 <- . 1 ack 1
        +99  quiet
        +1   -> . 1:1001
    )");
}

TEST(S4_16, Rule54_TheEarliestIsSentAgain) {
    Terms t = tutorial();
    t.cwnd = 5000;
    Conversation{established(t)}.run(R"(
        +0   app write 3000
        +0   drain
        +1s  -> . 1:1001
        +0   quiet
    )");
}

TEST(S4_16, Rule55_TheRtoDoublesUpToItsLimit) {
    Terms t = tutorial();
    t.config.rto_max = 60s;
    Conversation{established(t)}.run(R"(
        +0   app write 100
        +0   -> P. 1:101
        +1s  -> P. 1:101
        +2s  -> P. 1:101
        +4s  -> P. 1:101
        +8s  -> P. 1:101
        +16s -> P. 1:101
        +32s -> P. 1:101
        +60s -> P. 1:101
        +60s -> P. 1:101
    )");
}

TEST(S4_16, Rule56_TheTimerRunsAgain) {
    Conversation{established(tutorial())}.run(R"(
        +0   app write 100
        +0   -> P. 1:101
        +1s  -> P. 1:101
        +0   timer on
    )");
}

TEST(S4_16, Rule57_ARepeatedSynMakesItThreeSeconds) {
    Conversation{syn_sent(tutorial())}.run(R"(
        +0   app open
        +0   -> S 0
        +1s  -> S 0
        +10  <- S. 0 ack 1 mss 1000
        +0   -> . 1 ack 1
        +0   app write 100
        +0   -> P. 1:101
        +3s  -> P. 1:101
        +6s  -> P. 1:101
    )");
}

TEST(S4_17, TheTutorialsProbesAreOneOctet) {  // 1, 2, 4, 8, 16, 32, 60, 60
    Conversation{established(tutorial())}.run(R"(
        +0   <- . 1 ack 1 win 0
        +0   app write 100
        +1s  -> . 1:2 ack 1
        +2s  -> . 1:2 ack 1
        +4s  -> . 1:2 ack 1
        +8s  -> . 1:2 ack 1
        +16s -> . 1:2 ack 1
        +32s -> . 1:2 ack 1
        +60s -> . 1:2 ack 1
        +60s -> . 1:2 ack 1
        +1   <- . 1 ack 1 win 500
        +0   -> . 1:2 ack 1          // nobody took it
        +0   -> P. 2:101
    )");
}

TEST(S4_17, AnAnsweredProbeBacksOffToo) {  // RFC 9293 3.8.6.1, SHLD-30
    Conversation{established(tutorial())}.run(R"(
        +0   <- . 1 ack 1 win 0
        +0   app write 100
        +1s  -> . 1:2 ack 1
        +0   <- . 1 ack 1 win 0
        +2s  -> . 1:2 ack 1
        +0   <- . 1 ack 1 win 0
        +4s  -> . 1:2 ack 1
    )");
}

TEST(S4_17a, LinuxProbesAreEmpty) {  // .2, .4, .8 ... seconds, at most 120
    Conversation{established({.mss = 1000, .rtt = 100ms})}.run(R"(
        +0    <- . 1 ack 1 win 0
        +0    app write 100
        +300  -> . 0 ack 1 length 0
        +600  -> . 0 ack 1 length 0
        +1.2s -> . 0 ack 1 length 0
    )");
}

TEST(S4_17b, AProbesOctetMayBeTaken) {
    Conversation{established(tutorial())}.run(R"(
        +0   <- . 1 ack 1 win 0
        +0   app write 100
        +1s  -> . 1:2 ack 1
        +1   <- . 1 ack 2 win 0
        +0   timer persist
        +2s  drain
        +1   <- . 1 ack 3 win 1000
        +0   -> P. 3:101
    )");
}

TEST(S4_18, TenProbesAndTheEnd) {  // 7200 + 10 * 75 = 7950 s
    Terms t = tutorial();
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        @7199.999s quiet
        @7200s -> . 0 ack 1 length 0
        @7275s -> . 0 ack 1 length 0
        @7350s -> . 0 ack 1 length 0
        @7425s -> . 0 ack 1 length 0
        @7500s -> . 0 ack 1 length 0
        @7575s -> . 0 ack 1 length 0
        @7650s -> . 0 ack 1 length 0
        @7725s -> . 0 ack 1 length 0
        @7800s -> . 0 ack 1 length 0
        @7875s -> . 0 ack 1 length 0
        @7949.999s state ESTABLISHED
        @7950s -> R. 1
        @7950s state CLOSED
        @7950s expect-error connection_timed_out
    )");
}

TEST(S4_18, AnAnswerBeginsAnew) {
    Terms t = tutorial();
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        @7200s -> . 0 ack 1
        @7275s -> . 0 ack 1
        @7280s <- . 1 ack 1
        @14479.999s quiet
        @14480s -> . 0 ack 1
        @14555s -> . 0 ack 1
    )");
}

TEST(S4_18a, LinuxGivesUpAfterNine) {
    Terms t;
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        @7874.999s drain
        @7874.999s state ESTABLISHED
        @7875s  -> R. 1
    )");
}

TEST(S4_18, APeerThatHasRebootedEndsIt) {
    Terms t = tutorial();
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        @7200s -> . 0 ack 1
        +1 <- R 1
        +0 expect-error connection_reset_by_peer
    )");
}

TEST(S4_18, KeepalivesWorkForAnActiveOpenToo) {
    Terms t = tutorial();
    t.config.keepalive = true;
    Conversation{syn_sent(t)}.run(R"(
        @0     app open
        @0     -> S 0
        @1s    drain
        @1s    <- S. 0 ack 1 mss 1000
        @1s    -> . 1 ack 1
        @7201s -> . 0 ack 1
    )");
}

TEST(S4_19, TimeWaitIsTwoMsl) {
    Terms t = tutorial();
    t.config.time_wait = 240s;
    Conversation{established(t)}.run(R"(
        +0       app close
        +0       -> F. 1 ack 1
        +1       <- . 1 ack 2
        +0       state FIN-WAIT-2
        +1       <- F. 1 ack 2
        +0       -> . 2 ack 2
        +0       timer timewait
        +239.999s state TIME-WAIT
        +0.001s  state CLOSED
        +0       expect-error none
    )");
}

TEST(S4_19,
     TheLastAckIsSentAgain) {  // it was lost: the peer's FIN comes back, and 2 MSL begin anew
    Conversation{established()}.run(R"(
        +0   app close
        +0   -> F. 1 ack 1
        +1   <- F. 1 ack 2
        +0   -> . 2 ack 2
        +59s <- F. 1 ack 2
        +0   -> . 2 ack 2
        +59s state TIME-WAIT
        +1s  state CLOSED
    )");
}

}  // namespace
}  // namespace estab::conversation
