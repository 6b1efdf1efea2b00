// The MUSTs of RFC 9293 about data under way: Nagle, urgent data, silly windows, acknowledgments,
// PSH.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

TEST(Rfc9293, Must17_NagleCanBeSwitchedOff) {  // 3.7.4
    Conversation{established({.config = tcp::profile::rfc(), .mss = 1000})}.run(R"(
        +0 app nodelay
        +0 app write 10
        +0 -> P. 1:11
        +0 app write 10
        +0 -> P. 11:21
    )");
}

TEST(Rfc9293, Shld7_NagleHoldsASmallSegmentBehindOutstandingData) {  // 3.7.4
    Conversation{established({.config = tcp::profile::rfc(), .mss = 1000})}.run(R"(
        +0   app write 10
        +0   -> P. 1:11
        +0   app write 10
        +0   app write 10
        +0   quiet
        +100 <- . 1 ack 11
        +0   -> P. 11:31
    )");
}

TEST(Rfc9293, Shld7_NagleHoldsNoFullSegment) {
    Conversation{established({.config = tcp::profile::rfc(), .mss = 1000})}.run(R"(
        +0   app write 10
        +0   -> P. 1:11
        +0   app write 1500
        +0   -> . 11:1011
        +0   quiet
        +100 <- . 1 ack 1011
        +0   -> P. 1011:1511
    )");
}

TEST(Rfc9293, Must30_UrgentDataIsMarked) {  // 3.8.5; MUST-62: the pointer is to the octet behind it
    Conversation{established({.mss = 1000})}.run(R"(
        +0 app write 10
        +0 -> P. 1:11
        +0 app write 5 urgent
        +0 -> PU. 11:16 urg 5
        +0 app write 5
        +1 <- . ack 16
        +0 -> P. 16:21 urg 0
    )");
}

TEST(Rfc9293, Must31_UrgentDataMayBeOfAnyLength) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0 app write 2500 urgent
        +0 -> U. 1:1001 urg 2500
        +0 -> U. 1001:2001 urg 1500
        +0 -> PU. 2001:2501 urg 500
    )");
}

TEST(Rfc9293, Must31_EvenBeyondWhatThePointerCanSay) {
    Conversation c{established({.mss = 1000, .cwnd = 1000, .window = 65'535})};
    c.run(R"(
        +0 app write 70000 urgent
        +0 -> U. 1:1001 urg 65535
        +1 <- . ack 1001
        +0 -> U. 1001:2001 urg 65535
        +0 drain
    )");
}

TEST(Rfc9293, Must32_TheOwnerIsToldOfUrgentDataAndOfMore) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0 <- U. 1:11 ack 1 urg 20      // announced before it is there
        +0 -> . 1 ack 11
        +0 notice urgent
        +0 <- U. 11:16 ack 1 urg 10     // the same place
        +0 -> . 1 ack 16
        +0 no-notice urgent
        +0 <- U. 16:18 ack 1 urg 10     // it advances
        +0 -> . 1 ack 18
        +0 notice urgent
    )");
}

TEST(Rfc9293, Must33_TheOwnerLearnsHowMuchIsUrgent) {
    Conversation c{established({.mss = 1000})};
    EXPECT_FALSE(c.connection().urgent_ahead());
    c.run("+0 <- U. 1:11 ack 1 urg 20\n+0 drain\n");
    EXPECT_EQ(c.connection().urgent_ahead(), 20u);
    c.run("+0 app read 10\n");
    EXPECT_EQ(c.connection().urgent_ahead(), 10u);
    c.run("+0 <- U. 11:31 ack 1 urg 10\n+0 drain\n+0 app read 10\n");
    EXPECT_FALSE(c.connection().urgent_ahead()) << "the mark has been reached";
}

TEST(Rfc9293, Must38_TheSenderAvoidsSillyWindows) {  // 3.8.6.2.1
    Conversation{established({.mss = 1000, .window = 4000})}.run(R"(
        +0   app write 4000
        +0   drain
        +10  <- . ack 4001 win 500        // less than a segment, less than half the largest window
        +0   app write 3000
        +0   quiet
        +10  <- . ack 4001 win 999
        +0   quiet
        +10  <- . ack 4001 win 1000
        +0   -> . 4001:5001
    )");
}

TEST(Rfc9293, Must38_HalfTheLargestWindowIsWorthSending) {
    Conversation{established({.mss = 1000, .window = 1000})}.run(R"(
        +0  app write 1000
        +0  drain
        +10 <- . ack 1001 win 499
        +0  app write 2000
        +0  quiet
        +10 <- . ack 1001 win 500
        +0  -> . 1001:1501
    )");
}

TEST(Rfc9293, Must38_TheOverrideTimerBreaksADeadlock) {  // 0.1 to 1 s
    Conversation{established({.mss = 1000, .window = 4000})}.run(R"(
        +0    app write 4000
        +0    drain
        +1    <- . ack 4001 win 500
        +0    app write 3000
        +99   quiet
        +900  drain
        +0    in-flight 500
    )");
}

TEST(Rfc9293, Must39_TheReceiverAvoidsSillyWindows) {  // 3.8.6.2.2: min(half the buffer, a segment)
    Terms t{.config = tcp::profile::rfc(), .mss = 1000, .our_window = 4000};
    t.config.recv_buffer = 4000;
    t.config.recv_autotune = false;
    Conversation{established(t)}.run(R"(
        +0 <- . 1:1001 ack 1
        +0 <- . 1001:2001 ack 1
        +0 -> . 1 ack 2001 win 2000
        +0 <- . 2001:3001 ack 1
        +0 <- . 3001:4001 ack 1
        +0 -> . 1 ack 4001 win 0
        +0 app read 999
        +0 quiet
        +0 app read 1
        +0 -> . 1 ack 4001 win 1000
    )");
}

TEST(Rfc9293, Shld14_TheRightEdgeNeverMovesLeft) {  // 3.8.6
    Terms t{.config = tcp::profile::rfc(), .mss = 1000, .our_window = 4000};
    t.config.recv_buffer = 4000;
    t.config.recv_autotune = false;
    Conversation{established(t)}.run(R"(
        +0   <- . 1:101 ack 1
        +200 -> . 1 ack 101 win 3900
        +0   <- . 101:201 ack 1
        +200 -> . 1 ack 201 win 3800
        +0   app read 200
        +0   <- . 201:301 ack 1
        +200 -> . 1 ack 301 win 3700
    )");
}

TEST(Rfc9293,
     Must58_OneAckForManySegments) {  // 3.10.7.4, MUST-59: queued segments first, then the ACK
    Conversation c{established({.config = tcp::profile::linux_(), .mss = 1000, .sack = true})};
    std::vector<Frame> out;
    const wire::FourTuple& t = c.connection().tuple();
    for (int i = 0; i < 8; ++i) {
        tcp::Segment s;
        s.flags = {wire::Flags::ack};
        s.seq = c.connection().tcb().rcv.nxt;
        s.ack = c.connection().tcb().snd.nxt;
        s.window_field = 65'535;
        const auto octets = pattern_run(static_cast<std::uint64_t>(i) * 1000, 1000);
        s.payload.add(octets);
        c.machine().receive(c.now(), write_frame(c.now(), s, {t.remote, t.local}, {}), out);
    }
    c.run(R"(
        +0 app nodelay
        +0 -> . 1 ack 8001
        +0 quiet
    )");
}

TEST(Rfc9293, Must60_WhatIsWrittenIsSent) {  // 3.9.1.2: also from behind a cork
    Conversation{established({.mss = 1000})}.run(R"(
        +0   app cork
        +0   app write 10
        +0   quiet
        +200 -> P. 1:11
    )");
}

TEST(Rfc9293, Must61_TheLastOfTheQueueIsPushed) {  // 3.9.1.2; SHLD-27, SHLD-28
    Conversation{established({.mss = 1000})}.run(R"(
        +0 app write 2500
        +0 -> Flags [.], seq 1:1001, ack 1
        +0 -> Flags [.], seq 1001:2001, ack 1
        +0 -> Flags [P.], seq 2001:2501, ack 1
    )");
}

TEST(Rfc9293, Shld27_SuccessiveWritesFillOneSegment) {
    Conversation{established({.mss = 1000, .cwnd = 1000})}.run(R"(
        +0 app write 1000
        +0 -> P. 1:1001
        +0 app write 400
        +0 app write 400
        +0 app write 400
        +1 <- . ack 1001
        +0 -> . 1001:2001
        +0 -> P. 2001:2201
    )");
}

TEST(Rfc9293, Must66_AClosedWindowLetsRstThrough) {  // 3.4
    Terms t{.config = tcp::profile::rfc(), .mss = 1000, .our_window = 1000};
    t.config.recv_buffer = 1000;
    t.config.recv_autotune = false;
    Conversation{established(t)}.run(R"(
        +0   <- . 1:1001 ack 1
        +200 -> . 1 ack 1001 win 0
        +0   <- R 1001
        +0   state CLOSED
    )");
}

TEST(Rfc9293, Must66_AClosedWindowLetsUrgThrough) {
    Terms t{.config = tcp::profile::rfc(), .mss = 1000, .our_window = 1000};
    t.config.recv_buffer = 1000;
    t.config.recv_autotune = false;
    Conversation{established(t)}.run(R"(
        +0   <- . 1:1001 ack 1
        +200 -> . 1 ack 1001 win 0
        +0   <- U. 1001:1002 ack 1 urg 1
        +0   notice urgent
        +0   -> . 1 ack 1001 win 0
        +0   unread 1000
    )");
}

TEST(Rfc9293, Must66_AClosedWindowLetsTheAckThrough) {
    Terms t{.config = tcp::profile::rfc(), .mss = 1000, .our_window = 1000};
    t.config.recv_buffer = 1000;
    t.config.recv_autotune = false;
    Conversation{established(t)}.run(R"(
        +0   app write 10
        +0   -> P. 1:11
        +0   <- . 1:1001 ack 1
        +200 -> . 11 ack 1001 win 0
        +0   <- . 1001:1101 ack 11
        +0   -> . 11 ack 1001 win 0
        +0   timer off
    )");
}

TEST(Rfc9293, Shld19_EverySecondFullSegmentIsAcknowledged) {  // 3.8.6.3
    Conversation{established({.config = tcp::profile::rfc(), .mss = 1000})}.run(R"(
        +0   <- . 1:1001 ack 1
        +0   quiet
        +1   <- . 1001:2001 ack 1
        +0   -> . 1 ack 2001
        +1   <- . 2001:3001 ack 1
        +199 quiet
        +1   -> . 1 ack 3001
    )");
}

TEST(Rfc9293, Shld31_OutOfOrderTextIsKept) {  // 3.10.7.4
    Conversation{established({.mss = 1000})}.run(R"(
        +0 <- . 1001:2001 ack 1
        +0 -> . 1 ack 1
        +0 <- . 1:1001 ack 1
        +0 -> . 1 ack 2001
        +0 app read 2000
    )");
}

TEST(Rfc9293, Shld8_EcnIsAgreedAndEchoed) {  // 3.8.2, RFC 3168 6.1
    Conversation{established({.mss = 1000, .ecn = true})}.run(R"(
        +0 app write 1000
        +0 -> P. 1:1001 ect0
        +1 <- E. 1 ack 1001
        +0 app write 1000
        +0 -> PW. 1001:2001 ect0
        +1 <- P. 1:11 ack 2001 ce
        +0 -> E. 2001 ack 11
        +1 <- PW. 11:21 ack 2001
        +0 -> Flags [.], seq 2001, ack 21
    )");
}

TEST(Rfc9293, May13_TextOutOfOrderIsAcknowledgedAtOnce) {
    Conversation{established({.config = tcp::profile::rfc(), .mss = 1000})}.run(R"(
        +0 <- . 101:201 ack 1
        +0 -> . 1 ack 1
    )");
}

TEST(Rfc9293,
     WindowUpdatesObeyWl1AndWl2) {  // 3.10.7.4 fifth: an older segment's window is old news
    Conversation{established({.mss = 1000})}.run(R"(
        +0 app write 10
        +0 -> P. 1:11
        +1 <- . 1 ack 11 win 5000
        +0 app write 10
        +0 -> P. 11:21
        +1 <- . 1 ack 21 win 100
        +0 <- . 1 ack 11 win 5000      // overtaken: SND.WL2 is 21
        +0 app write 1000
        +0 quiet
    )");
}

TEST(Rfc9293, TextIsTrimmedToTheWindow) {  // 3.10.7.4
    Terms t{.config = tcp::profile::rfc(), .mss = 1000, .our_window = 1000};
    t.config.recv_buffer = 1000;
    t.config.recv_autotune = false;
    Conversation{established(t)}.run(R"(
        +0   <- . 1:501 ack 1
        +200 -> . 1 ack 501 win 500
        +0   <- F. 401:1401 ack 1
        +0   -> . 1 ack 1001 win 0
        +0   state ESTABLISHED
        +0   unread 1000
    )");
}

}  // namespace
}  // namespace estab::conversation
