// A textbook's handshake, download and close, with the numbers of its trace.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

// wget: windows of 20 segments, scale 7.
Terms downloader() {
    Terms s{
        .iss = 3124300130, .irs = 2508684482, .ts_start = 1666537180, .peer_ts_start = 2620718342};
    s.config.recv_window_initial = 29'200;
    s.config.quick_acks = 255;
    return s;
}

Terms file_server() {
    Terms s{.window = 29'312, .window_scale = 7, .our_scale = 7, .our_window = 28'960,
            .timestamps = true, .iss = 2508684482, .irs = 3124300130,
            .ts_start = 2620718342, .peer_ts_start = 1666537180};
    s.config.recv_window_initial = 29'200;
    s.config.send_buffer = 70'000;
    return s;
}

constexpr std::string_view handshake = R"(
    +0      app open
    +0      -> Flags [S], seq 3124300130, win 29200, options [mss 1460,sackOK,TS val 1666537180 ecr 0,nop,wscale 7], length 0
    +0.175  <- Flags [S.], seq 0, ack 1, win 28960, options [mss 1460,sackOK,TS val 2620718342 ecr 1666537180,nop,wscale 7], length 0
    +0      -> Flags [.], ack 1, win 229, options [nop,nop,TS val 1666537180 ecr 2620718342], length 0
    +0      state ESTABLISHED
)";

TEST(S1_13, TheWindowBeginsWithTwentySegments) {
    Conversation{syn_sent(downloader())}.run(handshake);
}

TEST(S1_14, TheRequestGoesInOneSegment) {
    Conversation{syn_sent(downloader())}.run(handshake).run(R"(
        +0.2   app write 151
        +0     -> Flags [P.], seq 1:152, ack 1, win 229, length 151
        +0.11  <- . ack 152 win 235
        +0     in-flight 0
    )");
}

TEST(S1_15, TheFirstFlightIsTenSegments) {  // RFC 6928: 10 x 1448 = 14480
    Conversation c{established(file_server())};
    c.run(R"(
        +0  <- P. 1:152 ack 1 win 229
        +0  -> . ack 152
        +0  app write 65800
        +0  -> . 1:1449 ack 152
        +0  -> . 1449:2897
        +0  -> . 2897:4345
        +0  -> . 4345:5793
        +0  -> . 5793:7241
        +0  -> . 7241:8689
        +0  -> . 8689:10137
        +0  -> . 10137:11585
        +0  -> . 11585:13033
        +0  -> . 13033:14481
        +0  quiet
    )");
}

// The second download, one port further: its numbers, its clock and its close in three segments.
TEST(S1_19, TheNextConnectionBeginsAnew) {
    Terms s = downloader();
    s.iss = 2780780137;
    s.irs = 825503549;
    Conversation{syn_sent(s)}.run(R"(
        +0      app open
        +0      -> Flags [S], seq 2780780137, win 29200, options [mss 1460,sackOK,TS val 1666537180 ecr 0,nop,wscale 7], length 0
        +0.2    <- Flags [S.], seq 0, ack 1, win 28960, options [mss 1460,sackOK,TS val 2620718342 ecr 1666537180,nop,wscale 7], length 0
        +0      -> Flags [.], ack 1, win 229, options [nop,nop,TS val 1666537180 ecr 2620718342], length 0
        +0.8    app write 151
        +0      -> Flags [P.], seq 1:152, ack 1, win 229, options [nop,nop,TS val 1666537181 ecr 2620718342], length 151
    )").run(R"(
        +6      <- F. 1 ack 152 win 235
        +0      app read eof
        +0      app close
        +0      -> Flags [F.], seq 152, ack 2, win 229, options [nop,nop,TS val 1666537187 ecr 2620718349], length 0
        +0      state LAST-ACK
        +0.2    <- . 2 ack 153 win 235
        +0      state CLOSED
        +0      expect-error none
    )");
}

// The window opens by twice what was delivered, and its right edge never moves left (SHLD-14).
TEST(S1_16, TheWindowOpensByTwiceWhatWasDelivered) {
    Conversation c{syn_sent(downloader())};
    c.run(handshake);
    std::uint64_t edge = c.connection().tcb().rcv.edge.value();
    std::uint64_t grown = 0;
    for (std::uint32_t seq = 1; seq < 65'801 && !c.failed();) {
        const std::uint32_t end = std::min<std::uint32_t>(seq + 1448, 65'801);
        const std::string next = std::to_string(end);
        c.run("+0.1 <- . " + std::to_string(seq) + ":" + next + " ack 1\n -> . ack " + next +
              "\n app read " + std::to_string(end - seq) + "\n drain");
        const std::uint64_t now = c.connection().tcb().rcv.edge.value();
        EXPECT_GE(now, edge);
        EXPECT_LE(now - edge, 3 * 1448u + 128);
        grown += now - edge;
        edge = now;
        seq = end;
    }
    EXPECT_GT(grown, 2 * 32'768u) << "it opens faster than the peer sends";
    EXPECT_GT(c.info().rcv_wnd, 60'000u);
}

TEST(S1_18, ThreeSegmentsCloseWhenTheOtherSideHasClosedToo) {  // RFC 9293 3.6
    Conversation{established(file_server())}.run(R"(
        +0   <- F. 1 ack 1 win 1257
        +0   state CLOSE-WAIT
        +0   app close
        +0   -> Flags [F.], seq 1, ack 2, length 0
        +0   state LAST-ACK
        +0.1 <- . ack 2 win 1257
        +0   state CLOSED
        +0   expect-error none
    )");
}

TEST(S1_18, ThreeSegmentsAsTheFirstToCloseSeesThem) {
    Conversation{established(file_server())}.run(R"(
        +0   app shutdown
        +0   -> F. 1 ack 1
        +0.1 <- F. 1 ack 2
        +0   -> . 2 ack 2
        +0   state TIME-WAIT
    )");
}

TEST(S1_9, AHalfClosedConnectionStillCarriesData) {  // RFC 9293 3.6
    Conversation{established({.mss = 1000})}.run(R"(
        +0   app shutdown
        +0   -> F. 1 ack 1
        +0   state FIN-WAIT-1
        +5   <- . ack 2
        +0   state FIN-WAIT-2
        +5   <- P. 1:501 ack 2
        +0   -> . 2 ack 501
        +0   app read 500
        +0   app write 1 broken_pipe
        +100s state FIN-WAIT-2
        +5   <- F. 501 ack 2
        +0   -> . 2 ack 502
        +0   state TIME-WAIT
        +0   app read eof
        +60s state CLOSED
        +0   expect-error none
    )");
}

TEST(S1_9, ThePassiveSideMaySendAfterTheFin) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0   <- F. 1 ack 1
        +0   state CLOSE-WAIT
        +0   notice readable
        +40  -> . 1 ack 2
        +0   app read eof
        +0   app write 500
        +0   -> P. 1:501 ack 2
        +5   <- . ack 501
        +0   app close
        +0   -> F. 501 ack 2
        +0   state LAST-ACK
        +5   <- . ack 502
        +0   state CLOSED
        +0   notice closed
    )");
}

TEST(S1_10, ALostLastAckIsSentAgainAndTwoMslBeginAnew) {  // RFC 9293 3.10.7.4, eighth, TIME-WAIT
    Conversation{established()}.run(R"(
        +0   app close
        +0   -> F. 1 ack 1
        +1   <- F. 1 ack 2
        +0   -> . 2 ack 2
        +0   state TIME-WAIT
        +50s <- F. 1 ack 2
        +0   -> . 2 ack 2
        +50s state TIME-WAIT
        +10s state CLOSED
    )");
}

TEST(S1_11, OldDataInTimeWaitIsAcknowledgedNotDelivered) {  // RFC 9293 3.10.7.4, first
    Conversation{established({.mss = 1000})}.run(R"(
        +0   <- 1:501 ack 1
        +0   -> . ack 501
        +0   app read 500
        +0   app shutdown
        +0   -> F. 1 ack 501
        +1   <- F. 501 ack 2
        +0   -> . 2 ack 502
        +1s  <- 1:501 ack 2
        +0   -> . 2 ack 502
        +0   app read eof
        +59s state CLOSED
    )");
}

TEST(S1_5, WriteSizesAreNotPreserved) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  app nodelay
        +0  <- P. 1:101 ack 1
        +0  -> . ack 101
        +0  <- P. 101:201 ack 1
        +0  -> . ack 201
        +0  <- P. 201:301 ack 1
        +0  -> . ack 301
        +0  app read 300
        +0  app write 100
        +0  -> P. 1:101
        +0  app write 100
        +0  -> P. 101:201
        +0  <- P. 301:601 ack 201
        +0  -> . ack 601
        +0  app read 100
        +0  app read 100
        +0  app read 100
    )");
}

}  // namespace
}  // namespace estab::conversation
