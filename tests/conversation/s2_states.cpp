// The eleven states and the ways between them: RFC 9293 3.3.2, 3.5, 3.6, 3.10.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

TEST(S2_4, SimultaneousCloseGoesThroughClosing) {  // RFC 9293 3.6 figure 13
    Conversation{established()}.run(R"(
        +0   app close
        +0   -> F. 1 ack 1
        +0   state FIN-WAIT-1
        +5   <- F. 1 ack 1
        +0   -> . 2 ack 2
        +0   state CLOSING
        +5   <- . seq 2 ack 2
        +0   state TIME-WAIT
        +60s state CLOSED
    )");
}

TEST(S2_4, SimultaneousOpenGoesThroughSynReceived) {  // RFC 9293 3.5 figure 8, MUST-10
    Conversation{syn_sent()}.run(R"(
        +0   app open
        +0   -> S 0
        +5   <- S 0 mss 1460
        +0   -> S. 0 ack 1
        +0   state SYN-RECEIVED
        +5   <- S. 0 ack 1 mss 1460
        +0   state ESTABLISHED
        +0   app write 10
        +0   -> P. 1:11 ack 1
    )");
}

TEST(S2_4, SimultaneousOpenEndsWithAPlainAckToo) {
    Conversation{syn_sent()}.run(R"(
        +0   app open
        +0   -> S 0
        +5   <- S 0 mss 1460
        +0   -> S. 0 ack 1
        +5   <- . seq 1 ack 1
        +0   state ESTABLISHED
    )");
}

TEST(S2_4, SimultaneousOpenWhoseSynAckIsLostIsRepeated) {  // RFC 6298 5.5
    Conversation{syn_sent()}.run(R"(
        +0   app open
        +0   -> S 0
        +5   <- S 0 mss 1460
        +0   -> S. 0 ack 1
        +1s  -> S. 0 ack 1
        +2s  -> S. 0 ack 1
        +5   <- . seq 1 ack 1
        +0   state ESTABLISHED
    )");
}

TEST(S2_4, CloseBeforeTheHandshakeEndsSendsAFinLater) {  // RFC 9293 3.10.4, SYN-RECEIVED
    Conversation{passive()}.run(R"(
        +0  app close
        +0  state SYN-RECEIVED
        +1  <- . seq 1 ack 1
        +0  state FIN-WAIT-1
        +0  -> F. 1 ack 1
        +1  <- F. 1 ack 2
        +0  -> . 2 ack 2
        +0  state TIME-WAIT
    )");
}

TEST(S2_4, CloseInSynSentIsTheEnd) {  // RFC 9293 3.10.4
    Conversation{syn_sent()}.run(R"(
        +0  app open
        +0  -> S 0
        +0  app close
        +0  state CLOSED
        +9s quiet
    )");
}

TEST(S2_4, AFinWithTheAckOfOursEndsInTimeWait) {  // RFC 9293 3.10.7.4, eighth, FIN-WAIT-1
    Conversation{established()}.run(R"(
        +0  app shutdown
        +0  -> F. 1 ack 1
        +1  <- F. 1 ack 2
        +0  -> . 2 ack 2
        +0  state TIME-WAIT
    )");
}

TEST(S2_4, DataAndFinInOneSegment) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- FP. 1:101 ack 1
        +0  state CLOSE-WAIT
        +0  -> . 1 ack 102
        +0  app read 100
        +0  app read eof
    )");
}

TEST(S2_4, AFinBehindAHoleWaits) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- FP. 1001:1101 ack 1
        +0  -> . 1 ack 1
        +0  state ESTABLISHED
        +0  <- . 1:1001 ack 1
        +0  -> . 1 ack 1102
        +0  state CLOSE-WAIT
        +0  app read 1100
        +0  app read eof
    )");
}

TEST(S2_4, ABareFinBehindAHoleWaits) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- F. 1001 ack 1
        +0  -> . 1 ack 1
        +0  state ESTABLISHED
        +0  <- . 1:1001 ack 1
        +0  -> . 1 ack 1002
        +0  state CLOSE-WAIT
    )");
}

TEST(Fin, LeavesWithTheLastData) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  app nodelay
        +0  app cork
        +0  app write 500
        +0  app shutdown
        +0  -> FP. 1:501 ack 1
        +1  <- . ack 502
        +0  state FIN-WAIT-2
    )");
}

TEST(Fin, IsSentAgainWithItsData) {  // RFC 6298 5.4
    Conversation{established({.mss = 1000})}.run(R"(
        +0   app cork
        +0   app write 500
        +0   app shutdown
        +0   -> FP. 1:501
        +1s  -> FP. 1:501
        +2s  -> FP. 1:501
        +1   <- . ack 502
        +0   state FIN-WAIT-2
        +9s  quiet
    )");
}

TEST(Fin, IsSentAgainWhenOnlyTheDataArrived) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0   app cork
        +0   app write 500
        +0   app shutdown
        +0   -> FP. 1:501
        +10  <- . ack 501
        +0   state FIN-WAIT-1
        +210 -> F. 501
        +10  <- . ack 502
        +0   state FIN-WAIT-2
    )");
}

TEST(Fin, AloneIsSentAgain) {
    Conversation{established()}.run(R"(
        +0   app shutdown
        +0   -> F. 1 ack 1
        +1s  -> F. 1 ack 1
        +2s  -> F. 1 ack 1
        +1   <- . ack 2
        +0   state FIN-WAIT-2
        +9s  quiet
    )");
}

TEST(Fin, GoesBehindAllOfTheLostData) {
    Conversation{established({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0   app write 3000
        +0   -> . 1:1001
        +0   -> . 1001:2001
        +0   -> P. 2001:3001
        +0   app shutdown
        +0   -> F. 3001
        +1s  -> . 1:1001
        +10  <- . ack 1001
        +0   -> . 1001:2001
        +0   -> FP. 2001:3001
        +10  <- . ack 3002
        +0   state FIN-WAIT-2
    )");
}

TEST(Fin, CountsForFastRetransmit) {
    Conversation{established({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0   app write 3000
        +0   -> . 1:1001
        +0   -> . 1001:2001
        +0   -> P. 2001:3001
        +0   app shutdown
        +0   -> F. 3001
        +10  <- . ack 1
        +0   <- . ack 1
        +0   <- . ack 1
        +0   -> . 1:1001
        +10  <- . ack 3002
        +0   state FIN-WAIT-2
    )");
}

TEST(S2_13a, CloseWithUnreadDataResets) {  // RFC 1122 4.2.2.13, SHLD-3
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- P. 1:101 ack 1
        +0  -> . ack 101
        +0  app close
        +0  -> R. 1 ack 101
        +0  state CLOSED
    )");
}

TEST(S2_13a, AbortResets) {  // RFC 9293 3.10.5; what SO_LINGER {1, 0} does
    Conversation{established({.mss = 1000})}.run(R"(
        +0  app write 100
        +0  -> P. 1:101
        +0  app abort
        +0  -> R. 101 ack 1
        +0  state CLOSED
        +0  expect-error aborted
    )");
}

TEST(S2_13a, DataForAnOwnerWhoHasGoneResets) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  app close
        +0  -> F. 1 ack 1
        +1  <- . ack 2
        +0  <- P. 1:101 ack 2
        +0  -> R. 2
        +0  state CLOSED
    )");
}

TEST(S2_7, SynAckOfAnActiveConnectionDoublesItsWait) {  // gaps 1, 2, 4, 8, 16; gone at 63 s
    Terms s;
    s.config.synack_retries = 5;
    Conversation{syn_sent(s)}.run(R"(
        @0    app open
              -> S 0
              <- S 0 mss 1460
              -> S. 0 ack 1
        @1s   -> S. 0 ack 1
        @3s   -> S. 0 ack 1
        @7s   -> S. 0 ack 1
        @15s  -> S. 0 ack 1
        @31s  -> S. 0 ack 1
        @62.999s state SYN-RECEIVED
        @63s  state CLOSED
              expect-error timed_out
    )");
}

TEST(S2_9, TheThirdSegmentMayCarryData) {  // RFC 9293 3.10.7.4: fifth leads on to seventh
    Conversation{passive({.mss = 1000})}.run(R"(
        +1  <- P. 1:101 ack 1
        +0  state ESTABLISHED
        +0  -> . 1 ack 101
        +0  app read 100
    )");
}

TEST(S2_9a, DataOnASynAckIsKept) {  // RFC 9293 3.10.7.3
    Conversation{syn_sent({.mss = 1000})}.run(R"(
        +0  app open
        +0  -> S 0
        +1  <- S. 0 ack 1 mss 1460 length 100
        +0  -> . 1 ack 101
        +0  state ESTABLISHED
        +0  app read 100
    )");
}

TEST(S2_9a, DataOnACrossingSynMaySayThatItIsOpen) {  // it came with the SYN, and comes again
    Conversation{syn_sent({.mss = 1000})}.run(R"(
        +0  app open
        +0  -> S 0
        +1  <- S 0 mss 1460 length 100
        +0  -> S. 0 ack 1
        +1  <- P. 1:101 ack 1
        +0  -> . 1 ack 101
        +0  app read 100
    )");
}

TEST(S2_30, WelcomeIsAcknowledgedWithNine) {
    Conversation{established()}.run(R"(
        +0  <- P. 1:9 ack 1
        +0  -> . 1 ack 9
    )");
}

TEST(S2_31, TheFlowGraph) {
    Terms s;
    s.config.quick_acks = 1;
    Conversation{established(s)}.run(R"(
        +0   app write 725
        +0   -> P. 1:726 ack 1
        +1   <- . seq 1 ack 726
        +1   <- . 1:1449 ack 726
        +0   -> . 726 ack 1449
        +1   app read 1448
        +0   app shutdown
        +0   -> F. 726 ack 1449
        +1   <- F. 1449 ack 727
        +0   -> . 727 ack 1450
        +0   state TIME-WAIT
    )");
}

}  // namespace
}  // namespace estab::conversation
