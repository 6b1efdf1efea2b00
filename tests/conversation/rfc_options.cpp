// What options do to a conversation: RFC 7323 (PAWS), 2018 (SACK), 2883 (DSACK), 3168 (ECN), and
// the urgent pointer (RFC 6093).
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms with_timestamps() { return {.mss = 1012, .timestamps = true}; }

TEST(Paws, AnOldTimestampIsRefusedWithAnAck) {  // RFC 7323 5.3 R1
    Conversation{established(with_timestamps())}.run(R"(
        +0   <- . 1:1001 ack 1 ts 5000 1000
        +0   -> . ack 1001 ts 1000 5000
        +9   <- . 1001:2001 ack 1 ts 4999 1000
        +0   event paws_reject
        +0   -> . ack 1001 ts 1009 5000
        +9   <- . 1001:2001 ack 1 ts 5001 1000
        +0   -> . ack 2001 ts 1018 5001
    )");
}

TEST(Paws, AnRstIsNotSubjectToIt) {  // RFC 7323 5.2
    Conversation{established(with_timestamps())}.run(R"(
        +0   <- R 1 ts 4000 0
        +0   state CLOSED
    )");
}

TEST(Paws, AfterTwentyFourDaysOfSilenceAnyTimestampIsNew) {  // RFC 7323 5.5
    Conversation{established(with_timestamps())}.run(R"(
        +0         <- . 1:1001 ack 1 ts 5000 1000
        +0         -> . ack 1001
        +2073600s  <- . 1001:2001 ack 1 ts 4000 1000
        +0         event paws_reject
        +0         -> . ack 1001
        +1s        <- . 1001:2001 ack 1 ts 4000 1000
        +0         -> . ack 2001 ts 2073602000 4000
    )");
}

TEST(Paws, TsRecentIsThatOfTheSegmentAtTheLeftEdge) {  // RFC 7323 4.3
    Terms s = with_timestamps();
    s.config.quick_acks = 0;
    Conversation{established(s)}.run(R"(
        +0   <- . 1:1001 ack 1 ts 5001 1000
        +0   <- . 1001:2001 ack 1 ts 5002 1000
        +0   -> . ack 2001 ts 1000 5001
        +0   <- . 3001:4001 ack 1 ts 5004 1000
        +0   -> . ack 2001 ts 1000 5001
        +0   <- . 2001:3001 ack 1 ts 5003 1000
        +0   -> . ack 4001 ts 1000 5003
    )");
}

TEST(Sack, TheNewestBlockComesFirst) {  // RFC 2018 4
    Conversation{established({.mss = 1000, .sack = true})}.run(R"(
        +0  <- . 1001:2001 ack 1
        +0  -> . ack 1 sack 1001:2001
        +0  <- . 3001:4001 ack 1
        +0  -> . ack 1 sack 3001:4001 1001:2001
        +0  <- . 5001:6001 ack 1
        +0  -> . ack 1 sack 5001:6001 3001:4001 1001:2001
        +0  <- . 7001:8001 ack 1
        +0  -> . ack 1 sack 7001:8001 5001:6001 3001:4001 1001:2001
        +0  <- . 2001:3001 ack 1
        +0  -> . ack 1 sack 1001:4001 7001:8001 5001:6001
        +0  <- . 1:1001 ack 1
        +0  -> . ack 4001 sack 7001:8001 5001:6001
    )");
}

TEST(Sack, ThreeBlocksFitBesideTimestamps) {
    Conversation{established({.mss = 1012, .sack = true, .timestamps = true})}.run(R"(
        +0  <- . 1001:2001 ack 1
        +0  -> . ack 1 sack 1001:2001
        +0  <- . 3001:4001 ack 1
        +0  -> . ack 1 sack 3001:4001 1001:2001
        +0  <- . 5001:6001 ack 1
        +0  -> . ack 1 sack 5001:6001 3001:4001 1001:2001
        +0  <- . 7001:8001 ack 1
        +0  -> Flags [.], ack 1, options [nop,nop,TS val 1000 ecr 5000,nop,nop,sack 3 {7001:8001}{5001:6001}{3001:4001}], length 0
    )");
}

TEST(Sack, BlocksRideOnDataAndMakeItSmaller) {  // the MSS does not count options (RFC 9293 3.7.1)
    Conversation{established({.mss = 1000, .cwnd = 10'000, .sack = true})}.run(R"(
        +0  <- . 1001:2001 ack 1
        +0  -> . ack 1 sack 1001:2001
        +0  app write 1000
        +0  -> . 1:989 ack 1 sack 1001:2001
        +0  -> P. 989:1001 ack 1 sack 1001:2001
    )");
}

TEST(Dsack, ADuplicateIsReportedOnceAndFirst) {  // RFC 2883 4
    Conversation{established({.mss = 1000, .sack = true})}.run(R"(
        +0  <- . 2001:3001 ack 1
        +0  -> . ack 1 sack 2001:3001
        +0  <- . 2001:3001 ack 1
        +0  -> . ack 1 sack 2001:3001 2001:3001
        +0  <- . 4001:5001 ack 1
        +0  -> . ack 1 sack 4001:5001 2001:3001
        +0  <- . 1:1001 ack 1
        +0  -> . ack 1001 sack 4001:5001 2001:3001
        +0  <- . 501:1001 ack 1
        +0  -> . ack 1001 sack 501:1001 4001:5001 2001:3001
    )");
}

TEST(Dsack, OneFromThePeerIsNoDuplicateAck) {  // RFC 2883 4
    Conversation{established({.mss = 1000, .cwnd = 10'000, .sack = true})}.run(R"(
        +0  app write 4000
        +0  drain
        +9  <- . ack 1001
        +0  <- . ack 1001 sack 1:1001
        +0  <- . ack 1001 sack 1:1001
        +0  <- . ack 1001 sack 1:1001
        +0  no-event fast_retransmit
    )");
}

TEST(Urgent, ThePointerIsToTheOctetBehind) {  // MUST-62, RFC 6093 3
    Conversation{established({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0  app write 10
        +0  -> P. 1:11
        +0  app write 5 urgent
        +0  -> PU. 11:16 urg 5
        +0  app write 5
        +9  <- . ack 16
        +0  -> P. 16:21
    )");
}

TEST(Urgent, TheMarkIsToldAndTheDataStaysInTheStream) {  // MUST-31, MUST-32, S4-8b
    Conversation c{established({.mss = 1000})};
    c.run(R"(
        +0  <- PU. 1:101 ack 1 urg 50
        +0  notice urgent
        +0  -> . ack 101
    )");
    EXPECT_EQ(c.connection().urgent_ahead(), 50u);
    c.run("+0 app read 50");
    EXPECT_FALSE(c.connection().urgent_ahead());
    c.run(R"(
        +0  app read 50
        +0  <- U. seq 101 ack 1 urg 200
        +0  notice urgent
        +0  <- U. seq 101 ack 1 urg 100
        +0  no-notice urgent
    )");
    EXPECT_EQ(c.connection().urgent_ahead(), 200u);
}

TEST(Ecn, TheEchoLastsUntilThePeersCwr) {  // RFC 3168 6.1.3
    Conversation{established({.mss = 1000, .ecn = true})}.run(R"(
        +0  <- . 1:1001 ack 1 ce
        +0  -> E. 1 ack 1001 length 0
        +0  <- . 1001:2001 ack 1 ect0
        +0  -> E. 1 ack 2001 length 0
        +0  <- W. 2001:3001 ack 1 ect0
        +0  -> . 1 ack 3001 length 0
    )");
}

TEST(Ecn, AnEchoHalvesTheWindowOncePerWindow) {  // RFC 3168 6.1.2
    Terms t{.mss = 1000, .cwnd = 10'000, .ecn = true};
    t.config.congestion_control = congestion::find("reno");
    Conversation{established(t)}.run(R"(
        +0  app write 20000
        +0  -> . 1:1001 ect0
        +0  drain
        +9  <- E. ack 1001
        +0  drain
        +0  ssthresh 5000
        +0  <- E. ack 2001
        +0  drain
        +0  ssthresh 5000
        +0  <- . ack 10001
        +0  -> W. 10001:11001 ect0
        +0  drain
        +0  cwnd 6000
    )");
}

TEST(PathMtu, WhatNoLongerFitsGoesOutAgainSmaller) {  // RFC 1191 6.4; S1-15's segments
    Conversation{established({.cwnd = 14'600})}.run(R"(
        +0  app write 2920
        +0  -> . 1:1461
        +0  -> P. 1461:2921
        +9  icmp too_big seq 1 mtu 1040
        +0  -> . 1:1001
        +0  -> . 1001:1461
        +0  -> . 1461:2461
        +0  -> P. 2461:2921
        +0  mss 1000
        +0  event path_mtu mtu_bytes=1040
        +9  <- . ack 2921
        +9s quiet
    )");
}

TEST(PathMtu, AMessageAboutWhatWasNotSentIsIgnored) {  // RFC 5927 4.1
    Conversation{established({.cwnd = 14'600})}.run(R"(
        +0  app write 1460
        +0  -> P. 1:1461
        +0  icmp too_big seq 1461 mtu 1040
        +0  icmp too_big seq 0 mtu 1040
        +0  mss 1460
    )");
}

TEST(PathMtu, NothingIsSmallerThanTheLeast) {
    Conversation{established({.cwnd = 14'600})}.run(R"(
        +0  app write 1460
        +0  -> P. 1:1461
        +0  icmp too_big seq 1 mtu 68
        +0  drain
        +0  mss 512
    )");
}

TEST(Rst, OnlyTheExactOneResets) {  // RFC 5961 3.2
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- R 2
        +0  -> . 1 ack 1
        +0  event challenge_ack
        +1s <- R 0
        +0  state ESTABLISHED
        +1s <- R 1
        +0  state CLOSED
        +0  expect-error reset
    )");
}

TEST(Syn, OneInAConnectionIsChallenged) {  // RFC 5961 4.2
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- S 1
        +0  -> . 1 ack 1
        +1s <- S 7000
        +0  -> . 1 ack 1
        +0  state ESTABLISHED
    )");
}

TEST(Ack, OneOfTheFutureIsAnsweredAndNotBelieved) {  // RFC 9293 3.10.7.4, fifth
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- 1:11 ack 2
        +0  -> . 1 ack 1
        +0  app read would_block
    )");
}

TEST(Ack, OneThatIsOldKeepsItsText) {  // RFC 9293 3.10.7.4, fifth and seventh
    Conversation{established({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0  app write 1000
        +0  -> P. 1:1001
        +0  <- . ack 1001
        +0  <- P. 1:11 ack 501
        +0  -> . 1001 ack 11
        +0  app read 10
    )");
}

}  // namespace
}  // namespace estab::conversation
