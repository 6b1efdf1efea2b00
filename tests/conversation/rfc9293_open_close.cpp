// The MUSTs of RFC 9293 about opening and closing: 3.4 to 3.6, 3.10.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

TEST(Rfc9293, Must10_CrossingSynsMakeOneConnection) {  // 3.5, figure 8
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +1 <- S 0 mss 1460
        +0 -> S. 0 ack 1
        +1 <- S. 0 ack 1 mss 1460
        +0 state ESTABLISHED
        +0 <- P. 1:11 ack 1
        +0 -> . 1 ack 11
    )");
}

TEST(Rfc9293, Must11_APassiveOpenForgetsAResetAttempt) {  // 3.5, 3.10.7.4 second
    Conversation{passive()}.run(R"(
        +0 <- R 1
        +0 state CLOSED
        +0 quiet
    )");
}

TEST(Rfc9293, Must11_AnActiveOpenIsRefused) {
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +1 <- S 0
        +0 -> S. 0 ack 1
        +1 <- R 1
        +0 state CLOSED
        +0 expect-error connection_refused
    )");
}

TEST(Rfc9293, Must12_AnEndByFinIsNotAnError) {  // 3.6
    Conversation c{established()};
    c.run(R"(
        +0  <- F. 1 ack 1
        +40 drain
        +0  app read eof
        +0  expect-error none
    )");
    EXPECT_TRUE(c.connection().peer_finished());
    EXPECT_FALSE(c.connection().was_reset());
}

TEST(Rfc9293, Must12_AnEndByRstIsOne) {
    Conversation c{established()};
    c.run(R"(
        +0 <- R 1
        +0 notice closed
        +0 app read connection_reset_by_peer
        +0 app write 1 connection_reset_by_peer
    )");
    EXPECT_TRUE(c.connection().was_reset());
}

TEST(Rfc9293, Must13_TheActiveCloserLingersForTwoMsl) {  // 3.6.1
    Conversation{established({.config = tcp::profile::rfc()})}.run(R"(
        +0       app close
        +0       -> F. 1 ack 1
        +1       <- F. 1 ack 2
        +0       -> . 2 ack 2
        +239.999s state TIME-WAIT
        +0.001s  state CLOSED
    )");
}

TEST(Rfc9293, Must13_ThePassiveCloserDoesNot) {
    Conversation{established({.config = tcp::profile::rfc()})}.run(R"(
        +0 <- F. 1 ack 1
        +0 -> . 1 ack 2
        +0 app close
        +0 -> F. 1 ack 2
        +1 <- . ack 2
        +0 state CLOSED
    )");
}

TEST(Rfc9293, Shld2_ARstMayCarryText) {  // 3.5.3
    Conversation{established()}.run(R"(
        +0 <- R 1:21
        +0 state CLOSED
    )");
}

TEST(Rfc9293, Shld3_CloseWithUnreadTextResets) {  // 3.6.1
    Conversation{established()}.run(R"(
        +0 <- P. 1:11 ack 1
        +0 -> . 1 ack 11
        +0 app close
        +0 -> R. 1 ack 11
        +0 state CLOSED
    )");
}

TEST(Rfc9293, Shld3_CloseWithTextBehindAHoleResetsToo) {
    Conversation{established()}.run(R"(
        +0 <- P. 11:21 ack 1
        +0 -> . 1 ack 1
        +0 app close
        +0 -> R. 1 ack 1
    )");
}

TEST(Rfc9293, Shld3_TextAfterCloseResets) {
    Conversation{established()}.run(R"(
        +0 app close
        +0 -> F. 1 ack 1
        +1 <- P. 1:11 ack 2
        +0 -> R. 2
        +0 state CLOSED
    )");
}

// U-3, 3.10.7.3: a RST in SYN-SENT is believed if its ACK is exactly right. Its sequence number is
// not compared: RCV.NXT is not known yet (RFC 5961 3.2).
TEST(Rfc9293, U3_InSynSentTheAckProvesTheRst) {
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +1 <- R. 777 ack 2
        +0 state SYN-SENT
        +0 <- R 0
        +0 state SYN-SENT
        +0 <- R. 777 ack 1
        +0 expect-error connection_refused
    )");
}

TEST(Rfc9293, U4_TheFinalAckMayCarryText) {  // 3.10.7.3
    Conversation{passive()}.run(R"(
        +0 <- P. 1:11 ack 1
        +0 state ESTABLISHED
        +0 -> . 1 ack 11
        +0 app read 10
    )");
}

TEST(Rfc9293, U5_ARstAtRcvNxtResets) {  // RFC 5961 3.2
    Conversation{established()}.run("+0 <- R 1\n+0 state CLOSED\n");
}

TEST(Rfc9293, U6_ARstElsewhereInTheWindowIsChallenged) {
    Conversation{established()}.run(R"(
        +0 <- R 2
        +0 -> . 1 ack 1 length 0
        +0 state ESTABLISHED
        +0 <- R 1         // the peer that was meant answers the challenge with the exact number
        +0 state CLOSED
    )");
}

TEST(Rfc9293, U6_ChallengesAreRateLimited) {  // RFC 5961 7
    Conversation{established()}.run(R"(
        +0   <- R 2
        +0   -> . 1 ack 1
        +499 <- R 2
        +0   quiet
        +1   <- R 2
        +0   -> . 1 ack 1
    )");
}

TEST(Rfc9293, U7_ARstOutsideTheWindowIsNothing) {
    Conversation{established()}.run(R"(
        +0 <- R 0
        +0 quiet
        +0 <- R 70000
        +0 quiet
        +0 state ESTABLISHED
    )");
}

TEST(Rfc9293, U8_ASynIsChallengedWhateverItsNumber) {  // RFC 5961 4.2
    Conversation{established()}.run(R"(
        +0  <- S 1
        +0  -> . 1 ack 1 length 0
        +1s <- S -5
        +0  -> . 1 ack 1 length 0
        +1s <- S 70000
        +0  -> . 1 ack 1 length 0
        +0  state ESTABLISHED
    )");
}

TEST(Rfc9293, U9_AnAckIsBelievedWithinTheLargestWindow) {  // RFC 5961 5.2, MAY-12
    Conversation{established({.mss = 1000, .window = 2000})}.run(R"(
        +0  app write 1000
        +0  -> P. 1:1001
        +1  <- . 1 ack 1001
        +0  <- P. 1:11 ack -1000     // below SND.UNA - MAX.SND.WND: neither the ACK nor the text
        +0  -> . 1001 ack 1
        +0  unread 0
        +1s <- P. 1:11 ack -999      // an old one: only the ACK is ignored
        +0  -> . 1001 ack 11
        +0  app read 10
        +0  <- P. 11:21 ack 1002     // of what was never sent
        +0  -> . 1001 ack 11
        +0  unread 0
    )");
}

}  // namespace
}  // namespace estab::conversation
