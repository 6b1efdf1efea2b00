// The four segments of a close, with the numbers of a well-known capture: S3-1 to S3-5. RFC
// 9293 3.6.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

TEST(S3_1, FourSegmentsCloseBothWays) {  // S3-2, S3-3, S3-4
    Conversation c{established()};
    c.run(R"(
        +0  app close
        +0  -> Flags [F.], seq 1, ack 1, length 0
        +10 <- Flags [.], seq 1, ack 2, length 0
        +0  state FIN-WAIT-2
        +10 <- Flags [F.], seq 1, ack 2, length 0
        +0  -> Flags [.], seq 2, ack 2, length 0
        +0  state TIME-WAIT
    )");
    ASSERT_GE(c.trace().size(), 4u);  // printed with both bits
    EXPECT_NE(c.trace()[1].find("Flags [F.], seq 1, ack 1"), std::string::npos) << c.trace()[1];
    EXPECT_NE(c.trace()[3].find("Flags [F.], seq 1, ack 2"), std::string::npos) << c.trace()[3];
}

TEST(S3_1, FromTheOtherSide) {
    Conversation{established()}.run(R"(
        +0  <- F. 1 ack 1
        +40 -> . 1 ack 2
        +0  state CLOSE-WAIT
        +10 app close
        +0  -> F. 1 ack 2
        +0  state LAST-ACK
        +10 <- . 2 ack 2
        +0  state CLOSED
    )");
}

TEST(S3_5, ThePeerFinishesItsDataFirst) {  // x = 1, y = 1, 300 octets, z = 301
    Conversation{established({.mss = 1000})}.run(R"(
        +0  app shutdown
        +0  -> F. 1 ack 1
        +10 <- . 1 ack 2
        +10 <- P. 1:201 ack 2
        +0  -> . 2 ack 201
        +10 <- P. 201:301 ack 2
        +0  -> . 2 ack 301
        +10 <- F. 301 ack 2
        +0  -> . 2 ack 302
        +0  state TIME-WAIT
        +0  app read 300
        +0  app read eof
    )");
}

TEST(S3_5, WeFinishOurDataFirst) {  // half-closed: only one direction has ended
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- F. 1 ack 1
        +0  app write 500
        +0  -> P. 1:501 ack 2
        +10 <- . 2 ack 501
        +0  app cork
        +0  app write 100
        +0  app shutdown
        +0  -> FP. 501:601 ack 2
        +0  state LAST-ACK
        +10 <- . 2 ack 602
        +0  state CLOSED
    )");
}

TEST(S3_5a, TheFinContinuesTheStream) {  // no number is drawn anew: FIN.SEQ is SND.NXT
    Conversation c{established({.mss = 1000})};
    c.run(R"(
        +0 app write 777
        +0 -> P. 1:778
        +1 <- . ack 778
    )");
    const tcp::Seq next = c.connection().tcb().snd.nxt;
    c.run("+0 app close\n+0 -> F. 778 ack 1\n");
    EXPECT_EQ(c.connection().tcb().snd.nxt, next + 1);
}

TEST(S3_5a, TheFinWaitsForTheLastOctet) {
    Conversation{established({.mss = 1000, .cwnd = 1000})}.run(R"(
        +0 app write 1500
        +0 -> . 1:1001
        +0 app close
        +0 quiet
        +1 <- . ack 1001
        +0 -> FP. 1001:1501
        +1 <- . ack 1502
        +0 state FIN-WAIT-2
    )");
}

TEST(S3_5b, AFinWithoutAckIsDropped) {  // RFC 9293 3.10.7.4 fifth
    Conversation{established()}.run(R"(
        +0 <- F 1
        +0 quiet
        +0 state ESTABLISHED
    )");
}

TEST(S3_5b, OurFinAlwaysCarriesAck) {
    Conversation{passive()}.run(R"(
        +0 app shutdown
        +0 <- . 1 ack 1
        +0 -> Flags [F.], seq 1, ack 1, length 0
    )");
}

}  // namespace
}  // namespace estab::conversation
