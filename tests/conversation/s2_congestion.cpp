// Congestion control and loss recovery without SACK: RFC 5681, 6298, 6582, 3042.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

// RFC 5681's own numbers, whatever the default is.
Opening reno(Terms s) {
    s.config.congestion_control = congestion::find("reno");
    return established(std::move(s));
}

TEST(S2_25, TheThirdDuplicateRetransmits) {  // RFC 5681 3.2; RFC 3042: the first two send new data
    Conversation{reno({.mss = 1000, .cwnd = 4000})}.run(R"(
        +0   app write 9000
        +0   -> . 1:1001
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +0   -> . 3001:4001
        +50  <- . ack 1
        +0   -> . 4001:5001
        +1   <- . ack 1
        +0   -> . 5001:6001
        +1   <- . ack 1
        +0   -> . 1:1001
        +0   event fast_retransmit
        +0   ssthresh 3000
    )");
}

TEST(S2_25, WithSackTheBlocksDoNotMatterYetToTheCount) {
    Conversation{reno({.mss = 1000, .cwnd = 10'000, .sack = true})}.run(R"(
        +0    app write 4000
        +0    ->  1:1001 ack 1
        +0    ->  1001:2001 ack 1
        +0    ->  2001:3001 ack 1
        +0    ->  3001:4001 ack 1
        +50   <-  1:1 ack 1  sack 1001:2001
        +0    <-  1:1 ack 1  sack 1001:3001
        +0    quiet
        +0    <-  1:1 ack 1  sack 1001:4001
        +0    ->  1:1001 ack 1
        +0    event retransmit
    )");
}

TEST(S2_25, OneDuplicateAckForEachSegmentOutOfOrder) {  // RFC 5681 4.2: at once
    Terms s{.mss = 1000};
    s.config.quick_acks = 0;
    Conversation{established(s)}.run(R"(
        +0  <- . 1001:2001 ack 1
        +0  -> . ack 1
        +0  <- . 2001:3001 ack 1
        +0  -> . ack 1
        +0  <- . 3001:4001 ack 1
        +0  -> . ack 1
        +0  <- . 1:1001 ack 1
        +0  -> . ack 4001
    )");
}

TEST(S2_26, ReceiveWindowOrDataMakesNoDuplicate) {  // RFC 5681 2 (c), (e)
    Conversation{reno({.mss = 1000, .cwnd = 2000})}.run(R"(
        +0   app write 2000
        +0   -> . 1:1001
        +0   -> P. 1001:2001
        +1   <- . ack 1 win 60000
        +0   <- . ack 1 win 59000
        +0   <- . ack 1 win 58000
        +0   <- . 1:11 ack 1 win 58000
        +0   -> . 2001 ack 11
        +0   <- . 11:21 ack 1 win 58000
        +0   -> . 2001 ack 21
        +0   <- . 21:31 ack 1 win 58000
        +0   -> . 2001 ack 31
        +0   no-event fast_retransmit
    )");
}

// cwnd 24, one loss: ssthresh 12, and 12 when all is acknowledged. RFC 5681 3.2, RFC 6582.
TEST(S2_26, AFullAckLeavesTheWindowAtSsthresh) {
    Conversation c{reno({.mss = 1000, .cwnd = 24'000})};
    c.run(R"(
        +0   app write 40000
        +0   drain
        +50  <- . ack 1
        +0   drain
        +0   <- . ack 1
        +0   drain
        +0   <- . ack 1
        +0   -> . 1:1001
        +0   quiet
        +0   ssthresh 13000
        +0   cwnd 13000
    )");
    // Duplicates for the segments behind it; new data only as the pipe falls below cwnd.
    for (int i = 0; i < 20; ++i) c.run("+0 <- . ack 1\n +0 drain");
    c.run(R"(
        +50  <- . ack 24001
        +0   drain
        +0   cwnd 13000
        +50  <- . ack 36001
        +0   event recovery_end
        +0   drain
    )");
}

TEST(S2_26, APartialAckRetransmitsTheNextHole) {  // RFC 6582 3.2, step 5
    Conversation{reno({.mss = 1000, .cwnd = 10'000})}.run(R"(
        +0   app write 10000
        +0   drain
        +50  <- . ack 1
        +0   <- . ack 1
        +0   <- . ack 1
        +0   -> . 1:1001
        +0   <- . ack 1
        +0   <- . ack 1
        +50  <- . ack 3001
        +0   -> . 3001:4001
        +0   quiet
        +50  <- . ack 6001
        +0   -> . 6001:7001
        +0   quiet
        +50  <- . ack 10001
        +0   event recovery_end
        +0   cwnd 5000
        +9s  quiet
    )");
}

TEST(S2_22, ATimeoutHalvesTheFlightAndBeginsAnew) {  // RFC 5681 3.1, (4): FlightSize / 2
    Conversation{reno({.mss = 1000, .cwnd = 8000})}.run(R"(
        +0   app write 8000
        +0   drain
        +1s  -> . 1:1001
        +0   cwnd 1000
        +0   ssthresh 4000
        +100 <- . ack 1001
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +100 <- . ack 3001
        +0   -> . 3001:4001
        +0   -> . 4001:5001
        +0   -> . 5001:6001
        +0   -> . 6001:7001
        +0   cwnd 4000
    )");
}

TEST(S2_22, ASecondTimeoutOfTheSameDataLeavesSsthresh) {  // RFC 5681 3.1
    Conversation{reno({.mss = 1000, .cwnd = 8000})}.run(R"(
        +0   app write 8000
        +0   drain
        +1s  -> . 1:1001
        +0   ssthresh 4000
        +2s  -> . 1:1001
        +0   ssthresh 4000
        +0   cwnd 1000
    )");
}

TEST(S2_22, TheLeastSsthreshIsTwoSegments) {  // RFC 5681 (4)
    Conversation{reno({.mss = 1000, .cwnd = 8000})}.run(R"(
        +0   app write 1000
        +0   -> P. 1:1001
        +1s  -> P. 1:1001
        +0   ssthresh 2000
    )");
}

TEST(S2_20, SlowStartAddsASegmentForEachAcknowledged) {  // RFC 5681 3.1
    Conversation{reno({.mss = 1000, .cwnd = 1000})}.run(R"(
        +0   app write 9000
        +0   -> . 1:1001
        +50  <- . ack 1001
        +0   -> . 1001:2001
        +0   -> . 2001:3001
        +0   cwnd 2000
        +50  <- . ack 2001
        +0   -> . 3001:4001
        +0   -> . 4001:5001
        +0   <- . ack 3001
        +0   -> . 5001:6001
        +0   -> . 6001:7001
        +0   cwnd 4000
    )");
}

TEST(S2_20, AWindowThatIsNotUsedDoesNotGrow) {  // RFC 7661 in short: only what was limited by cwnd
    Conversation{reno({.mss = 1000, .cwnd = 4000})}.run(R"(
        +0   app write 1000
        +0   -> P. 1:1001
        +50  <- . ack 1001
        +0   cwnd 4000
    )");
}

TEST(Karn, ARetransmittedSegmentGivesNoSample) {  // RFC 6298 3, MUST-18
    Conversation{established({.mss = 1000, .rtt = 100ms})}.run(R"(
        +0    rto 300
        +0    app write 1000
        +0    -> P. 1:1001
        +300  -> P. 1:1001
        +50   <- . ack 1001
        +0    srtt 100
        +0    app write 1000
        +0    -> P. 1001:2001
        +100  <- . ack 2001
        +0    event rtt_sample
        +0    srtt 100
    )");
}

TEST(Karn, TimestampsGiveOneAllTheSame) {  // RFC 7323 4.1
    Conversation{established({.mss = 1012, .timestamps = true, .rtt = 100ms})}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001 ts 1000 5000
        +300  -> P. 1:1001 ts 1300 5000
        +50   <- . ack 1001 ts 5350 1000
        +0    event rtt_sample
    )");
}

TEST(Rto, BackoffStaysUntilAValidSample) {  // RFC 6298 5.5, 5.7
    Conversation{established({.mss = 1000, .rtt = 100ms})}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +300  -> P. 1:1001
        +600  -> P. 1:1001
        +50   <- . ack 1001
        +0    rto 1200
        +0    app write 1000
        +0    -> P. 1001:2001
        +100  <- . ack 2001
        +0    rto 300
    )");
}

TEST(Rto, TheTimerRestartsWithEveryNewAck) {  // RFC 6298 5.3
    Conversation{established({.mss = 1000, .rtt = 100ms})}.run(R"(
        +0    app write 2000
        +0    -> . 1:1001
        +0    -> P. 1001:2001
        +100  <- . ack 1001
        +299  quiet
    )");
}

TEST(Rto, R2GivesUp) {  // RFC 9293 3.8.3, MUST-20
    Terms s{.mss = 1000, .rtt = 100ms};
    s.config.retries2 = 3;
    s.config.retries1 = 2;
    Conversation{established(s)}.run(R"(
        +0    app write 1000
        +0    -> P. 1:1001
        +300  -> P. 1:1001
        +0    no-notice trouble
        +600  -> P. 1:1001
        +0    notice trouble
        +1200 -> P. 1:1001
        +2400 expect-error timed_out
        +0    state CLOSED
        +0    app write 1 connection_timed_out
    )");
}

}  // namespace
}  // namespace estab::conversation
