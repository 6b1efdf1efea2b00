// The MUSTs of RFC 9293 3.8 that time decides: retransmission, giving up, keepalives, closed
// windows.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

// RTO exactly 1 s, no delays in the answers.
Terms plain(std::uint16_t mss = 1000) {
    Terms t{.config = tcp::profile::rfc(), .mss = mss};
    return t;
}

TEST(Rfc9293, Must18_ASegmentSentTwiceIsNoSample) {  // 3.8.1: Karn
    Conversation{established(plain())}.run(R"(
        +0    app write 100
        +0    -> P. 1:101
        +1s   -> P. 1:101
        +10   <- . 1 ack 101
        +0    srtt 0
        +0    app write 100
        +0    -> P. 101:201
        +2s   -> P. 101:201        // the doubled RTO stays until there is a sample (RFC 6298 5.7)
        +10   <- . 1 ack 201
        +0    app write 100
        +0    -> P. 201:301
        +100  <- . 1 ack 301
        +0    srtt 100
        +0    rto 1000
    )");
}

TEST(Rfc9293, Must18_TheRtoIsTheRfcs) {  // RFC 6298 2.2, 2.3: 500 + 4 * 250; then 4/3 * 250 + ...
    Conversation{established(plain())}.run(R"(
        +0    app write 100
        +0    -> P. 1:101
        +500  <- . 1 ack 101
        +0    srtt 500
        +0    rto 1500
        +0    app write 100
        +0    -> P. 101:201
        +900  <- . 1 ack 201
        +0    srtt 550             // 7/8 * 500 + 1/8 * 900
        +0    rto 1700             // 550 + 4 * (3/4 * 250 + 1/4 * 400)
    )");
}

TEST(Rfc9293, Must19_SlowStartThenAvoidance) {  // 3.8.2
    Terms t = plain();
    t.config.congestion_control = congestion::find("reno");
    t.config.initial_ssthresh = 4000;
    t.cwnd = 2000;
    Conversation{established(t)}.run(R"(
        +0   app write 20000
        +0   drain
        +10  <- . 1 ack 1001
        +0   drain
        +0   <- . 1 ack 2001
        +0   drain
        +0   cwnd 4000
        +10  <- . 1 ack 3001
        +0   drain
        +0   <- . 1 ack 4001
        +0   drain
        +0   <- . 1 ack 5001
        +0   drain
        +0   <- . 1 ack 6001
        +0   drain
        +0   cwnd 5000
    )");
}

TEST(Rfc9293, Must19_TheTimeOutDoubles) {  // RFC 6298 5.5, and cwnd falls to one segment
    Conversation{established(plain())}.run(R"(
        +0  app write 2000
        +0  -> . 1:1001
        +0  -> P. 1001:2001
        +1s -> . 1:1001
        +0  cwnd 1000
        +2s -> . 1:1001
        +4s -> . 1:1001
        +8s -> . 1:1001
    )");
}

TEST(Rfc9293, Must20_R1TellsAndR2Ends) {  // 3.8.3; SHLD-9, SHLD-10
    Terms t = plain();
    t.config.retries2 = 5;
    Conversation{established(t)}.run(R"(
        +0   app write 100
        +0   -> P. 1:101
        +1s  -> P. 1:101
        +2s  -> P. 1:101
        +0   no-notice trouble
        +4s  -> P. 1:101
        +0   notice trouble
        +8s  -> P. 1:101
        +16s -> P. 1:101
        +31.999s state ESTABLISHED
        +0.001s  state CLOSED
        +0   expect-error connection_timed_out
        +0   app write 1 connection_timed_out
    )");
}

TEST(Rfc9293, Shld11_R2IsAtLeastAHundredSeconds) {
    for (const tcp::Config& config :
         {tcp::profile::linux_(), tcp::profile::rfc(), tcp::profile::freebsd()}) {
        Conversation{established({.config = config, .mss = 1000, .rtt = 1ms})}.run(R"(
            +0   app write 100
            +0   drain
            +60s drain
            +40s drain
            +0   state ESTABLISHED
        )");
    }
}

TEST(Rfc9293, Must21_TheOwnerSetsR2) {
    Terms t = plain();
    t.config.user_timeout = 10s;
    Conversation{established(t)}.run(R"(
        +0   app write 100
        +0   -> P. 1:101
        +1s  -> P. 1:101
        +2s  -> P. 1:101
        +4s  -> P. 1:101
        +2.9s state ESTABLISHED
        +5.1s drain
        +0   expect-error connection_timed_out
    )");
}

TEST(Rfc9293, Must21_EvenToNever) {
    Terms t = plain();
    t.config.user_timeout = Duration::max();
    Conversation{established(t)}.run(R"(
        +0       app write 100
        +1000s   drain
        +100000s drain
        +0       state ESTABLISHED
        +0       <- . 1 ack 101
        +0       timer off
    )");
}

TEST(Rfc9293, Must22_ASynHasTheSameR1AndR2) {  // 3.8.3, U-1
    Conversation{syn_sent({.config = tcp::profile::rfc()})}.run(R"(
        +0  app open
        +0  -> S 0
        +1s -> S 0
        +2s -> S 0
        +0  no-notice trouble
        +4s -> S 0
        +0  notice trouble
    )");
}

TEST(Rfc9293, Must23_ASynIsTriedForThreeMinutes) {  // FreeBSD's own limit is 75 s
    for (const tcp::Config& config : {tcp::profile::linux_(), tcp::profile::rfc()}) {
        Conversation{syn_sent({.config = config})}.run(R"(
            +0    app open
            +180s drain
            +0    state SYN-SENT
            +500s drain
            +0    expect-error connection_timed_out
        )");
    }
}

TEST(Rfc9293, Must25_KeepalivesAreOffAtFirst) {  // 3.8.4
    EXPECT_FALSE(tcp::profile::linux_().keepalive);
    EXPECT_FALSE(tcp::profile::rfc().keepalive);
    EXPECT_FALSE(tcp::profile::freebsd().keepalive);
    Conversation{established(plain())}.run("+1000000s quiet\n");
}

TEST(Rfc9293, Must24_TheOwnerTurnsKeepalivesOnAndOff) {
    Conversation c{established(plain())};
    c.connection().own_config(c.machine().env())->keepalive = true;
    c.connection().apply_config(c.now());
    c.run("+7200s -> . 0 ack 1 length 0\n+1 <- . 1 ack 1\n");
    c.connection().own_config(c.machine().env())->keepalive = false;
    c.connection().apply_config(c.now());
    c.run("+100000s quiet\n");
}

TEST(Rfc9293, Must26_OnlyAnIdleConnectionIsProbed) {
    Terms t = plain();
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        +7000s <- P. 1:11 ack 1       // whatever arrives begins the interval anew
        +200   -> . 1 ack 11
        +7199.7s quiet
        +0.1s  -> . 0 ack 11
        +0     event keepalive_probe
        +1     <- . 11 ack 1
        +0     app write 10
        +0     -> P. 1:11
        +100s  drain
        +0     no-event keepalive_probe
    )");
}

TEST(Rfc9293, Must27_TheIntervalIsConfigurable) {
    Terms t = plain();
    t.config.keepalive = true;
    t.config.keepalive_idle = 30s;
    Conversation{established(t)}.run("+29.999s quiet\n+0.001s -> . 0 ack 1 length 0\n");
}

TEST(Rfc9293, Must28_ItIsTwoHoursAtLeastAtFirst) {
    EXPECT_GE(tcp::profile::linux_().keepalive_idle, 7200s);
    EXPECT_GE(tcp::profile::rfc().keepalive_idle, 7200s);
    EXPECT_GE(tcp::profile::freebsd().keepalive_idle, 7200s);
}

TEST(Rfc9293, Must29_OneLostProbeIsNotTheEnd) {  // SHLD-12: no octets
    Terms t = plain();
    t.config.keepalive = true;
    Conversation{established(t)}.run(R"(
        +7200s -> Flags [.], seq 0, ack 1, options [], length 0
        +75s   -> Flags [.], seq 0, ack 1, options [], length 0
        +0     state ESTABLISHED
        +1     <- . 1 ack 1
        +7199.9s quiet
        +0.1s  -> . 0 ack 1
    )");
}

TEST(Rfc9293, Must34_AShrinkingWindowIsBorne) {  // 3.8.6; SHLD-15: nothing new goes beyond it
    Conversation{established(plain())}.run(R"(
        +0  app write 3000
        +0  -> . 1:1001
        +0  -> . 1001:2001
        +0  -> P. 2001:3001
        +10 <- . 1 ack 1001 win 500       // the right edge is now 1501, SND.NXT is 3001
        +0  app write 1000
        +0  quiet
        +10 <- . 1 ack 1001 win 5000
        +0  -> P. 3001:4001
    )");
}

TEST(Rfc9293, Shld16_OldDataInsideIsSentAgain) {  // MAY-7: also what is beyond
    Conversation{established(plain())}.run(R"(
        +0  app write 2000
        +0  -> . 1:1001
        +0  -> P. 1001:2001
        +10 <- . 1 ack 1 win 1500
        +990 -> . 1:1001
    )");
}

TEST(Rfc9293, Must35_AWindowThatShrinksToZeroIsProbed) {  // SHLD-17: and the connection lives
    Terms t = plain();
    t.config.probe_form = tcp::ProbeForm::zero_length;
    t.config.retries2 = 8;
    Conversation c{established(t)};
    c.run(R"(
        +0   app write 1000
        +0   -> P. 1:1001
        +10  <- . 1 ack 1 win 0
        +990 -> . 0 ack 1 length 0
    )");
    for (int i = 0; i < 20; ++i) c.run("+1 <- . 1 ack 1 win 0\n+60s drain\n");
    c.run(R"(
        +0  state ESTABLISHED
        +0  <- . 1 ack 1 win 5000
        +0  -> P. 1:1001
    )");
}

TEST(Rfc9293, Must36_AClosedWindowIsProbedAndReopens) {  // 3.8.6.1; SHLD-29, SHLD-30
    Terms t = plain();
    t.config.probe_form = tcp::ProbeForm::zero_length;
    Conversation{established(t)}.run(R"(
        +0  <- . 1 ack 1 win 0
        +0  app write 100
        +0  timer persist
        +1s -> . 0 ack 1 length 0
        +1  <- . 1 ack 1 win 0
        +1.999s -> . 0 ack 1 length 0
        +1  <- . 1 ack 1 win 0
        +3.999s -> . 0 ack 1 length 0
        +1  <- . 1 ack 1 win 1000
        +0  -> P. 1:101
    )");
}

TEST(Rfc9293, Must36_OneOctetProbesAreNewData) {  // the RFC's form
    Conversation{established(plain())}.run(R"(
        +0  <- . 1 ack 1 win 0
        +0  app write 100
        +1s -> . 1:2 ack 1
        +1  <- . 1 ack 1 win 0          // refused
        +1.999s -> . 1:2 ack 1
        +1  <- . 1 ack 2 win 1000       // taken, and the window is open
        +0  -> P. 2:101
        +1  <- . 1 ack 101
        +9s quiet
    )");
}

TEST(Rfc9293, Must37_AnAnsweringPeerMayKeepItsWindowClosed) {
    for (const auto form : {tcp::ProbeForm::zero_length, tcp::ProbeForm::one_octet}) {
        Terms t = plain();
        t.config.probe_form = form;
        t.config.retries2 = 8;
        Conversation c{established(t)};
        c.run("+0 <- . 1 ack 1 win 0\n+0 app write 100\n");
        for (int i = 0; i < 100; ++i) c.run("+60s drain\n+0 <- . 1 ack 1 win 0\n");
        c.run("+0 state ESTABLISHED\n");
    }
}

// MUST-21 goes first: an owner who says how long its data may take means a closed window too, as
// with Linux.
TEST(Rfc9293, Must37_ButTheOwnersOwnTimeoutCounts) {
    Terms t = plain();
    t.config.user_timeout = 30s;
    Conversation c{established(t)};
    c.run("+0 <- . 1 ack 1 win 0\n+0 app write 100\n");
    for (int i = 0; i < 3; ++i) c.run("+10s drain\n+0 <- . 1 ack 1 win 0\n");
    c.run("+0 state ESTABLISHED\n+1s drain\n+0 expect-error connection_timed_out\n");
}

TEST(Rfc9293, Must37_ASilentOneMayNot) {
    Terms t = plain();
    t.config.retries2 = 3;
    Conversation{established(t)}.run(R"(
        +0   <- . 1 ack 1 win 0
        +0   app write 100
        +60s drain
        +0   state CLOSED
        +0   expect-error connection_timed_out
    )");
}

TEST(Rfc9293, Must40_AnAckIsDelayedLessThanHalfASecond) {  // 3.8.6.3, SHLD-18
    for (tcp::Config config :
         {tcp::profile::linux_(), tcp::profile::rfc(), tcp::profile::freebsd()}) {
        config.quick_acks = 0;
        EXPECT_LT(config.delayed_ack, 500ms);
        Conversation c{established({.config = config, .mss = 1000})};
        c.run("+0 <- P. 1:101 ack 1\n+0 quiet\n+499.999 drain\n");
        EXPECT_NE(c.trace().back().find("ack 101"), std::string::npos) << c.trace().back();
    }
}

TEST(Rfc9293, Must47_SoftErrorsAreReported) {  // 3.9.1.8; SHLD-25, U-2
    Conversation c{established(plain())};
    c.run(R"(
        +0 app write 10
        +0 -> P. 1:11
        +0 icmp soft seq 1
        +0 notice trouble
        +0 state ESTABLISHED
    )");
    EXPECT_EQ(c.connection().soft_error(), Error::host_unreachable);
    EXPECT_EQ(c.connection().icmp_type(), 3);
    EXPECT_EQ(c.connection().icmp_code(), 1);
}

TEST(Rfc9293,
     Must56_SoftErrorsDoNotAbortAnOpening) {  // 3.9.2.2; the error is told when it times out
    Conversation{syn_sent()}.run(R"(
        +0    app open
        +0    -> S 0
        +1    icmp soft seq 0
        +0    state SYN-SENT
        +300s drain
        +0    expect-error no_route_to_host
    )");
}

TEST(Rfc9293, Shld26_HardErrorsAbort) {  // 3.9.2.2; RFC 5927: by default only an opening
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +1 icmp hard seq 0
        +0 expect-error connection_refused
    )");
    Conversation{established(plain())}.run(R"(
        +0 app write 10
        +0 -> P. 1:11
        +0 icmp hard seq 1
        +0 expect-error connection_refused
    )");
    Conversation{established({.mss = 1000})}.run(R"(
        +0 app write 10
        +0 -> P. 1:11
        +0 icmp hard seq 1
        +0 state ESTABLISHED
    )");
}

}  // namespace
}  // namespace estab::conversation
