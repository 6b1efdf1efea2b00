// Congestion window validation (RFC 7661), idle restart (RFC 5681 4.1, RFC 2861), and what a
// connection may begin with (RFC 9040).
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms unused() {
    Terms t{.mss = 1000, .cwnd = 20'000, .sack = true, .rtt = 100ms};
    t.config.congestion_control = congestion::find("reno");
    t.config.cwnd_validation = true;
    t.config.tail_loss_probe = false;
    return t;
}

// Two segments a round trip, of a window of twenty: what a window is worth is not known at first.
constexpr const char* trickle = R"(
    +0    app write 2000
    +0    drain
    +100  <- . ack 2001
    +0    cwnd 22000
    +0    app write 2000
    +0    drain
    +100  <- . ack 4001
    +0    app write 2000
    +0    drain
    +100  <- . ack 6001
    +0    cwnd 22000
)";

TEST(Validation, AWindowThatIsHardlyUsedDoesNotGrow) {  // RFC 7661 4.4
    Conversation{established(unused())}.run(trickle).run(R"(
        +0    app write 2000
        +0    drain
        +100  <- . ack 8001
        +0    cwnd 22000
    )");
}

TEST(Validation, AndIsThereWhenItIsWanted) {
    Conversation{established(unused())}.run(trickle).run(R"(
        +200s app write 22000
        +0    drain
        +0    in-flight 22000
        +0    cwnd 22000
    )");
}

TEST(Validation, ForFiveMinutes) {  // 4.4.3
    Conversation{established(unused())}.run(trickle).run(R"(
        +301s app write 1000
        +0    drain
        +0    cwnd 20000  // half would be less than the initial window
        +0    event congestion_window cause=idle
    )");
}

TEST(Validation, OneThatIsUsedGrows) {
    Conversation{established(unused())}.run(trickle).run(R"(
        +0    app write 40000
        +0    drain
        +100  <- . ack 17001
        +0    drain
        +0    <- . ack 28001
        +0    drain
        +100  <- . ack 39001
        +0    cwnd 33000
    )");
}

// 4.4.1: a loss in a window that was not used leaves half of what the path has carried, without
// what was lost.
TEST(Validation, ALossLeavesHalfOfWhatWasUsed) {
    Conversation{established(unused())}.run(trickle).run(R"(
        +0    app write 8000
        +0    drain
        +100  <- . ack 6001 sack 7001:14001
        +0    -> . 6001:7001 ack 1
        +0    event recovery_start
        +100  <- . ack 14001
        +0    event congestion_window cwnd_bytes=3500 cause=validation
    )");
}

TEST(IdleRestart, HalvesForEachTimeOutOfSilence) {  // RFC 2861; Linux
    constexpr const char* grown = R"(
        +0    app write 10000
        +0    drain
        +100  <- . ack 10001
        +0    app write 20000
        +0    drain
        +100  <- . ack 30001
        +0    cwnd 40000
        +350  app write 1000
        +0    drain
        +0    event congestion_window cause=idle
    )";
    Terms t{.mss = 1000, .cwnd = 10'000, .rtt = 100ms};
    t.config.congestion_control = congestion::find("reno");
    Conversation{established(t)}.run(grown).run("+0 cwnd 20000");
    t.config.idle_decay = false;
    Conversation{established(t)}.run(grown).run("+0 cwnd 10000");
}

tcp::PathMetrics learnt() {
    return {.srtt = 300ms, .rttvar = 50ms, .ssthresh = 30'000, .mtu = 1200};
}

TEST(Sharing, AConnectionBeginsWithWhatOthersKnow) {  // RFC 9040
    Terms t{.mss = 1460, .rtt = 100ms};
    Conversation c{established(t)};
    c.connection().begin_with(c.machine().env(), c.now(), learnt());
    c.run(R"(
        +0    ssthresh 30000
        +0    event congestion_window cause=cache
        +0    event path_mtu mtu_bytes=1200 cause=cache
    )");
    EXPECT_EQ(c.info().rtt_us, 300'000u);
    EXPECT_EQ(c.info().path_mtu, 1200u);
    EXPECT_EQ(c.connection().path_metrics().mtu, 1200u);
}

TEST(Sharing, AFasterPathIsNotBelieved) {
    Terms t{.mss = 1460, .rtt = 400ms};
    Conversation c{established(t)};
    c.connection().begin_with(c.machine().env(), c.now(), learnt());
    EXPECT_EQ(c.info().rtt_us, 400'000u);
}

}  // namespace
}  // namespace estab::conversation
