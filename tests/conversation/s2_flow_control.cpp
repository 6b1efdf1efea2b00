// Windows: what may be sent, what stands still, and who breaks the silence. RFC 9293 3.8.6.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms with_probes_of_one_octet(Terms s) {
    s.config.probe_form = tcp::ProbeForm::one_octet;
    return s;
}

TEST(S2_16, NothingGoesBeyondTheWindow) {
    Conversation{established({.mss = 1000, .cwnd = 10'000, .window = 2000})}.run(R"(
        +0  app write 5000
        +0  -> . 1:1001
        +0  -> . 1001:2001
        +0  quiet
        +9  <- . ack 1001 win 1000
        +0  quiet
        +9  <- . ack 2001 win 3000
        +0  -> . 2001:3001
        +0  -> . 3001:4001
        +0  -> P. 4001:5001
    )");
}

TEST(S2_19, TheSmallerOfBothWindowsCounts) {
    Conversation{established({.mss = 1000, .cwnd = 2000, .window = 10'000})}.run(R"(
        +0  app write 3000
        +0  -> . 1:1001
        +0  -> . 1001:2001
        +0  quiet
        +9  <- . ack 1001 win 1000
        +0  quiet
        +9  <- . ack 2001 win 1000
        +0  -> P. 2001:3001
    )");
}

// Flow control, not congestion control, lets these go: the peer said that it has room for them.
TEST(S2_27, ManySegmentsAreUnderWayBeforeTheFirstAck) {
    Conversation{established({.mss = 1000, .cwnd = 100'000, .window = 5000})}.run(R"(
        +0   app write 9000
        +0   -> . 1:1001
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +0   -> . 3001:4001
        +0   -> . 4001:5001
        +0   in-flight 5000
        +50  <- . ack 2001            // two are taken: the window slides by two
        +0   -> . 5001:6001
        +0   -> . 6001:7001
        +50  <- . ack 2001 win 6000   // none, but there is room for one more
        +0   -> . 7001:8001
        +0   quiet
    )");
}

TEST(S2_17, AClosedWindowIsProbedWithNothing) {  // RFC 9293 3.8.6.1; Linux's form: S4-17a
    Conversation{established({.mss = 1000, .cwnd = 10'000, .rtt = 100ms})}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    event zero_window
        +0    app write 1000
        +0    timer persist
        +300  -> . 1000:1000 ack 1
        +0    event window_probe
        +1    <- . ack 1001 win 0
        +599  -> . 1000:1000
        +1200 -> . 1000:1000
        +10   <- . ack 1001 win 5000
        +0    -> P. 1001:2001
        +0    timer on
    )");
}

TEST(S2_17, AClosedWindowIsProbedWithOneOctet) {  // RFC 9293 3.8.6.1; S4-17
    Conversation{established(with_probes_of_one_octet({.mss = 1000, .cwnd = 10'000, .rtt = 100ms}))}
        .run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    app write 1000
        +300  -> . 1001:1002 ack 1
        +1    <- . ack 1001 win 0
        +599  -> . 1001:1002
        +1200 -> . 1001:1002
        +10   <- . ack 1001 win 5000
        +0    -> . 1001:1002
        +0    -> P. 1002:2001
    )");
}

TEST(S2_17, AProbeOfOneOctetMayBeTaken) {  // S4-17b
    Conversation{established(with_probes_of_one_octet({.mss = 1000, .cwnd = 10'000, .rtt = 100ms}))}
        .run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    app write 1000
        +300  -> . 1001:1002 ack 1
        +100  <- . ack 1002 win 0
        +0    timer persist
        +300  -> . 1002:1003 ack 1
        +100  <- . ack 1003 win 9000
        +0    -> P. 1003:2001
        +10   <- . ack 2001
        +9s   quiet
    )");
}

TEST(S2_17, AFinNeedsRoomInTheWindowToo) {  // RFC 9293 3.4, 3.8.6: it is a number
    Conversation{established({.mss = 1000, .cwnd = 10'000, .rtt = 100ms})}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    app write 500
        +0    app shutdown
        +100  <- . ack 1001 win 500
        +0    -> P. 1001:1501
        +0    quiet
        +100  <- . ack 1501 win 0
        +0    timer persist
        +200  <- . ack 1501 win 1
        +0    -> F. 1501:1501
        +100  <- . ack 1502 win 1
        +0    state FIN-WAIT-2
    )");
}

TEST(S2_17, AFinIsItsOwnProbe) {  // 3.8.6.1: a closed window may be asked with what is next
    Conversation{established({.mss = 1000, .cwnd = 10'000, .rtt = 100ms})}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    app shutdown
        +0    quiet
        +299  quiet
        +1    -> F. 1001:1001
        +600  -> F. 1001:1001
        +100  <- . ack 1002 win 0
        +0    state FIN-WAIT-2
        +9s   quiet
    )");
}

TEST(S2_17, TheWindowClosesUnderWhatIsInFlight) {  // RFC 9293 3.8.6, MUST-34, MUST-35
    Conversation{established({.mss = 1000, .cwnd = 10'000, .rtt = 100ms})}.run(R"(
        +0    app write 3000
        +0    -> . 1:1001
        +0    -> . 1001:2001
        +0    -> P. 2001:3001
        +100  <- . ack 1001 win 0
        +300  -> . 1000:1000
        +600  -> . 1000:1000
        +10   <- . ack 1001 win 9000
        +0    -> . 1001:2001
        +0    -> P. 2001:3001
        +10   <- . ack 3001 win 9000
        +9s   quiet
    )");
}

TEST(S2_17, AnAnsweringPeerMayStayClosedForLong) {  // MUST-37
    Terms s{.mss = 1000, .cwnd = 10'000, .rtt = 100ms};
    s.config.retries2 = 3;
    Conversation c{established(s)};
    c.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    app write 1000
    )");
    for (int i = 0; i < 20; ++i) {
        const auto wait = c.connection().deadline() - c.now();
        c.run("+" + std::to_string(to_ms(wait)) + "ms -> . 1000:1000\n +0 <- . ack 1001 win 0");
    }
    c.run("+0 state ESTABLISHED");
}

TEST(S2_17, ASilentPeerIsGivenUp) {  // R2: MUST-20
    Terms s{.mss = 1000, .cwnd = 10'000, .rtt = 100ms};
    s.config.retries2 = 3;
    Conversation{established(s)}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +100  <- . ack 1001 win 0
        +0    app write 1000
        +300  -> . 1000:1000
        +600  -> . 1000:1000
        +1200 -> . 1000:1000
        +2400 -> R. 1001
        +0    expect-error timed_out
    )");
}

TEST(S2_17, AWindowOfOursThatOpensIsToldAtOnce) {  // RFC 9293 3.8.6.2.2, MUST-39
    Terms s{.mss = 1000, .our_window = 4000};
    s.config.recv_buffer = 4000;
    s.config.recv_autotune = false;
    Conversation{established(s)}.run(R"(
        +0  <- . 1:1001 ack 1
        +0  -> . ack 1001 win 3000
        +0  <- . 1001:2001 ack 1
        +0  -> . ack 2001 win 2000
        +0  <- . 2001:3001 ack 1
        +0  -> . ack 3001 win 1000
        +0  <- . 3001:4001 ack 1
        +0  -> . ack 4001 win 0
        +0  app read 500
        +0  quiet
        +0  app read 499
        +0  quiet
        +0  app read 1
        +0  -> . 1 ack 4001 win 1000
        +0  app read all
        +0  -> . 1 ack 4001 win 4000
    )");
}

TEST(S2_17, AProbeOfOursIsAnsweredWithTheWindow) {  // MUST-66: what a closed window lets through
    Terms s{.mss = 1000, .our_window = 1000};
    s.config.recv_buffer = 1000;
    s.config.recv_autotune = false;
    Conversation{established(s)}.run(R"(
        +0   <- . 1:1001 ack 1
        +0   -> . ack 1001 win 0
        +1s  <- . 1001:1002 ack 1
        +0   -> . ack 1001 win 0
        +1s  <- . seq 1000 ack 1
        +0   -> . ack 1001 win 0
        +0   app read 1000
        +0   -> . ack 1001 win 1000
        +1s  <- . 1001:1002 ack 1
        +0   -> . ack 1002
        +0   app read 1
    )");
}

TEST(S2_16, OurRightEdgeNeverMovesLeft) {  // SHLD-14
    Terms s{.mss = 1000, .our_window = 3000};
    s.config.recv_buffer = 3000;
    s.config.recv_autotune = false;
    Conversation{established(s)}.run(R"(
        +0  <- . 1:501 ack 1
        +0  -> . ack 501 win 2500
        +0  <- . 501:1001 ack 1
        +0  -> . ack 1001 win 2000
        +0  app read 300
        +0  <- . 1001:1101 ack 1
        +0  -> . ack 1101 win 1900
        +0  app read 800
        +0  <- . 1101:1201 ack 1
        +0  -> . ack 1201 win 2900
    )");
}

TEST(S2_16, TextBeyondTheWindowIsCutOff) {  // RFC 9293 3.10.7.4, first
    Terms s{.mss = 1000, .our_window = 1000};
    s.config.recv_buffer = 1000;
    s.config.recv_autotune = false;
    Conversation{established(s)}.run(R"(
        +0  <- FP. 1:1201 ack 1
        +0  -> . ack 1001 win 0
        +0  state ESTABLISHED
        +0  app read 1000
        +0  -> . ack 1001 win 1000
        +0  <- FP. 1001:1201 ack 1
        +0  -> . ack 1202
        +0  state CLOSE-WAIT
    )");
}

TEST(SillyWindow, ASmallOpeningWaits) {  // RFC 9293 3.8.6.2.1, MUST-38
    Conversation{established({.mss = 1000, .cwnd = 10'000, .window = 4000, .rtt = 100ms})}.run(R"(
        +0   app write 6000
        +0   -> . 1:1001
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +0   -> . 3001:4001
        +100 <- . ack 4001 win 500
        +0   quiet
        +300 -> . 4001:4501
        +10  <- . ack 4501 win 4000
        +0   -> . 4501:5501
        +0   -> P. 5501:6001
    )");
}

TEST(Window, AnOldSegmentDoesNotMoveIt) {  // SND.WL1, SND.WL2: RFC 9293 3.10.7.4, fifth
    Conversation{established({.mss = 1000, .cwnd = 10'000, .window = 2000})}.run(R"(
        +0  <- . 1:101 ack 1 win 2000
        +0  -> . ack 101
        +0  <- . 101:201 ack 1 win 1000
        +0  -> . ack 201
        +0  <- . 101:201 ack 1 win 9000
        +0  -> . ack 201
        +0  app write 3000
        +0  -> . 1:1001
        +0  quiet
    )");
}

TEST(Nagle, ASmallSegmentWaitsForTheOneBefore) {  // RFC 9293 3.7.4
    Conversation{established({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0  app write 10
        +0  -> P. 1:11
        +0  app write 10
        +0  app write 10
        +0  quiet
        +9  <- . ack 11
        +0  -> P. 11:31
        +0  app nodelay
        +0  app write 10
        +0  -> P. 31:41
    )");
}

TEST(Nagle, CorkHoldsAndLetsGo) {
    Conversation{established({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0   app cork
        +0   app write 10
        +0   app write 1000
        +0   -> . 1:1001
        +0   app write 10
        +199 quiet
        +1   -> P. 1001:1021
        +0   app cork
        +0   app write 10
        +5   app cork off
        +0   quiet
        +5   <- . ack 1021
        +0   -> P. 1021:1031
    )");
}

TEST(DelayedAck, EverySecondFullSegmentOrAfterTheDelay) {  // RFC 5681 4.2, MUST-40, SHLD-19
    Terms s{.mss = 1000};
    s.config.quick_acks = 0;
    Conversation{established(s)}.run(R"(
        +0   <- . 1:1001 ack 1
        +10  quiet
        +0   <- . 1001:2001 ack 1
        +0   -> . ack 2001
        +0   <- . 2001:3001 ack 1
        +40  -> . ack 3001
        +0   <- . 3001:3101 ack 1
        +20  <- . 3101:3201 ack 1
        +20  -> . ack 3201
        +0   <- P. 3201:3301 ack 1
        +5   app write 10
        +0   -> P. 1:11 ack 3301
        +99  quiet
    )");
}

TEST(DelayedAck, FillingAHoleIsToldAtOnce) {  // RFC 5681 4.2
    Terms s{.mss = 1000};
    s.config.quick_acks = 0;
    Conversation{established(s)}.run(R"(
        +0   <- . 1001:2001 ack 1
        +0   -> . ack 1
        +0   <- . 2001:2101 ack 1
        +0   -> . ack 1
        +0   <- . 1:501 ack 1
        +0   -> . ack 501
        +0   <- . 501:1001 ack 1
        +0   -> . ack 2101
    )");
}

}  // namespace
}  // namespace estab::conversation
