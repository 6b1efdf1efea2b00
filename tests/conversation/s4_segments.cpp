// Numbers and flags as a tutorial tells them, where it is right, and as the RFC has them where it
// is not: S4-5 to S4-8. RFC 9293 3.1, 3.4, 3.10.7.1.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

TEST(S4_5, NumbersGoOnBehind4294967295) {  // 2^32 - 1 is followed by 0
    Conversation{
        established({.mss = 1000, .iss = 0xffff'fffe, .irs = 0xffff'fffe, .absolute = true})}
        .run(R"(
        +0 app write 3
        +0 -> P. 4294967295:2 ack 4294967295
        +1 <- P. 4294967295:1 ack 2
        +0 -> . 2 ack 1
        +0 app read 2
    )");
}

TEST(S4_6, NinetyOctetsAreAnsweredByTheNumberBehindThem) {
    Conversation{established()}.run(R"(
        +0 <- Flags [P.], seq 1:91, ack 1, length 90
        +0 -> Flags [.], seq 1, ack 91, length 0
    )");
}

TEST(S4_7a, TheNextNumberCountsOctetsSynAndFin) {
    Conversation{syn_sent({.mss = 1000})}.run(R"(
        +0 app open
        +0 -> S 0                       // Seq_1 = ISN
        +1 <- S. 0 ack 1 mss 1000
        +0 -> . 1 ack 1                 // + 1 for the SYN
        +0 app nodelay
        +0 app write 40
        +0 -> P. 1:41 ack 1
        +0 app write 60
        +0 -> P. 41:101 ack 1           // + 40
        +0 app shutdown
        +0 -> F. 101 ack 1              // + 60
        +1 <- . 1 ack 102               // + 1 for the FIN
        +1 <- F. 1 ack 102
        +0 -> . 102 ack 2
    )");
}

TEST(S4_7a, TheAckStopsAtTheFirstHole) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0 <- P. 1:101 ack 1
        +0 -> . 1 ack 101
        +0 <- P. 201:301 ack 1
        +0 -> . 1 ack 101
        +0 <- P. 101:201 ack 1
        +0 -> . 1 ack 301
    )");
}

TEST(S4_8, EverySegmentButTheFirstSynCarriesAck) {
    Conversation{syn_sent({.mss = 1000})}.run(R"(
        +0 app open
        +0 -> Flags [S], seq 0
        +1 <- S. 0 ack 1 mss 1000
        +0 -> Flags [.], ack 1
        +0 app write 10
        +0 -> Flags [P.], seq 1:11, ack 1
        +0 app shutdown
        +0 -> Flags [F.], seq 11, ack 1
        +0 app abort
        +0 -> Flags [R.], seq 12, ack 1
    )");
}

TEST(S4_8a, ARstThatAnswersAnAckHasNone) {  // RFC 9293 3.10.7.1
    Conversation{syn_sent()}.run(R"(
        +0 <- P. 100:110 ack 777
        +0 -> Flags [R], seq 777, win 0, length 0
    )");
}

TEST(S4_8a, ARstThatAnswersASynHasOne) {
    Conversation{syn_sent()}.run(R"(
        +0 <- S 100
        +0 -> Flags [R.], seq 0, ack 101, win 0, length 0
    )");
}

TEST(S4_8b, UrgentDataDoesNotJumpTheQueue) {  // RFC 6093: the pointer marks a place in the stream
    Conversation{established({.mss = 1000})}.run(R"(
        +0 <- P. 1:11 ack 1
        +0 -> . 1 ack 11
        +0 <- PU. 11:21 ack 1 urg 10
        +0 -> . 1 ack 21
        +0 app read 20
    )");
}

}  // namespace
}  // namespace estab::conversation
