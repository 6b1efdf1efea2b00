// Sequence numbers, from the handshake to the close, by a trace that has been walked through often.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

// Both ends of the trace: window scales 7 and 5, its sequence numbers and its clocks.
Terms client() {
    Terms s{.iss = 4065008942, .irs = 1093122830, .ts_start = 3875254422, .absolute = true};
    s.config.recv_buffer = 64'256;
    s.config.recv_window_initial = 64'240;
    s.config.recv_buffer_max = 6 * 1024 * 1024;
    return s;
}

Terms server() {
    Terms s{.window_scale = 7,
            .our_scale = 5,
            .our_window = 65'160,
            .timestamps = true,
            .iss = 1093122830,
            .irs = 4065008942,
            .ts_start = 3225418910,
            .peer_ts_start = 3875254422,
            .absolute = true};
    s.config.recv_buffer = 65'160;
    s.config.quick_acks = 1;
    s.config.delayed_ack = 64ms;
    s.config.recv_autotune = false;
    return s;
}

TEST(S0_7, ConnectSendsASynWithoutAckAndTakesOneNumber) {  // RFC 9293 3.5
    Conversation c{syn_sent()};
    c.run(R"(
        +0 app open
        +0 state SYN-SENT
        +0 -> S 0 length 0
    )");
    const tcp::Tcb& tcb = c.connection().tcb();
    EXPECT_EQ(tcb.snd.nxt - tcb.snd.iss, 1);
    EXPECT_EQ(c.trace().back().find(", ack"), std::string::npos);
}

TEST(S0_8, SynAsInTheTrace) {
    Conversation{syn_sent(client())}.run(R"(
        +0 app open
        +0 -> Flags [S], seq 4065008942, win 64240, options [mss 1460,sackOK,TS val 3875254422 ecr 0,nop,wscale 7], length 0
    )");
}

TEST(S0_10, SynAckOfASimultaneousOpenHasTheSameOptions) {  // RFC 7323 3.2: ecr is the SYN's val
    Conversation{syn_sent(client())}.run(R"(
        +0   app open
        +0   -> S 4065008942
        +10  <- S 1093122830 win 65160 mss 1460 sackOK ts 3225418910 0 wscale 5
        +0   -> Flags [S.], seq 4065008942, ack 1093122831, win 64240, options [mss 1460,sackOK,TS val 3875254432 ecr 3225418910,nop,wscale 7], length 0
    )");
}

TEST(S0_11,
     ThirdSegmentOfTheHandshakeIsScaled) {  // RFC 7323 2.2: a SYN's window is not, the next is
    Conversation{syn_sent(client())}.run(R"(
        @0         app open
                   -> S 4065008942
        @84.68     <- Flags [S.], seq 1093122830, ack 4065008943, win 65160, options [mss 1460,sackOK,TS val 3225418910 ecr 3875254422,nop,wscale 5], length 0
                   -> Flags [.], ack 1093122831, win 502, options [nop,nop,TS val 3875254506 ecr 3225418910], length 0
                   state ESTABLISHED
                   notice connected
    )");
}

TEST(S0_11, AnAckWithoutSynIsNoAnswer) {  // RFC 9293 3.10.7.3, fifth
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +5 <- . seq 0 ack 1
        +0 quiet
        +0 state SYN-SENT
    )");
}

TEST(S0_11, AnAckOfWhatWasNotSentIsReset) {  // RFC 9293 3.10.7.3, first
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +5 <- S. seq 0 ack 2
        +0 -> R 2
        +0 <- S. seq 0 ack 0
        +0 -> R 0
        +0 state SYN-SENT
    )");
}

TEST(S0_12, TheLastAckEstablishes) {  // RFC 9293 3.10.7.4, fifth, SYN-RECEIVED
    Conversation{passive()}.run(R"(
        +0 state SYN-RECEIVED
        +1 <- . seq 1 ack 1
        +0 state ESTABLISHED
        +0 notice connected
    )");
}

TEST(S0_12, TheLastAckMustBeForTheSyn) {
    Conversation{passive()}.run(R"(
        +1 <- . seq 1 ack 2
        +0 -> R 2
        +0 <- . seq 1 ack 0
        +0 -> R 0
        +0 state SYN-RECEIVED
    )");
}

TEST(S0_14, DataAndItsAckAsTheSenderSeesThem) {
    Conversation{syn_sent(client())}.run(R"(
        @0         app open
                   -> S 4065008942
        @84.68     <- S. 1093122830 ack 4065008943 win 65160 mss 1460 sackOK ts 3225418910 3875254422 wscale 5
                   -> . ack 1093122831 win 502
        @29664.03  app write 1024
                   -> Flags [P.], seq 4065008943:4065009967, ack 1093122831, win 502, options [nop,nop,TS val 3875284086 ecr 3225418910], length 1024
        @29683.34  <- Flags [.], ack 4065009967, win 2005, options [nop,nop,TS val 3225448498 ecr 3875284086], length 0
                   in-flight 0
    )");
}

TEST(S0_14, TheWindowIsRoundedUpToWhatItsScaleCanSay) {  // 65160 - 1024 = 64136, in units of 32
    Conversation{established(server())}.run(R"(
        @29588  <- Flags [P.], seq 4065008943:4065009967, ack 1093122831, win 502, options [nop,nop,TS val 3875284086 ecr 3225418910], length 1024
                -> Flags [.], ack 4065009967, win 2005, options [nop,nop,TS val 3225448498 ecr 3875284086], length 0
                unread 1024
    )");
}

TEST(S0_15, TheServerAnswersAFinLateAndClosesWhenItLikes) {  // RFC 9293 3.6; MUST-40
    Conversation{established(server())}.run(R"(
        @100    <- P. 4065008943:4065009967 ack 1093122831 win 502
                -> . ack 4065009967 win 2005
        @120    <- F. 4065009967 ack 1093122831 win 502
                state CLOSE-WAIT
        +64     -> . 1093122831 ack 4065009968 win 2005
                app read 1024
                app read eof
        @4.92s  app close
                -> F. 1093122831 ack 4065009968
                state LAST-ACK
        +1      <- . ack 1093122832 win 502
                state CLOSED
    )");
}

TEST(S0_15, TheClientWaitsInFinWait2) {  // RFC 9293 3.6; S0-16: the server's FIN repeats the ack
    Conversation{syn_sent(client())}.run(R"(
        @0      app open
                -> S 4065008942
        @84     <- S. 1093122830 ack 4065008943 win 65160 mss 1460 sackOK ts 3225418910 3875254422 wscale 5
                -> . ack 1093122831 win 502
        @29664  app write 1024
                -> P. 4065008943:4065009967
        @29683  <- . ack 4065009967 win 2005
                app shutdown
                -> F. 4065009967 ack 1093122831 win 502
                state FIN-WAIT-1
        +64     <- . ack 4065009968 win 2005
                state FIN-WAIT-2
        +4.8s   <- F. 1093122831 ack 4065009968 win 2005
                -> . 4065009968 ack 1093122832 win 502
                state TIME-WAIT
    )");
}

TEST(S0_1, NumbersWrapInBothDirections) {  // RFC 9293 3.4
    Conversation c{established(
        {.mss = 1000, .cwnd = 10'000, .iss = 0xffff'ffff - 999, .irs = 0xffff'ffff - 999})};
    c.run(R"(
        +0  app write 3000
        +0  -> 1:1001
        +0  -> 1001:2001
        +0  -> 2001:3001
        +5  <- 1:1001 ack 3001
        +0  -> . 3001 ack 1001
        +0  <- 1001:2001 ack 3001
        +0  -> . 3001 ack 2001
        +0  app read 2000
    )");
    EXPECT_EQ(c.connection().tcb().snd.nxt.wire().raw, 2001u);
}

TEST(S0_2, AWriteIsCutIntoSegments) {
    Conversation{established({.mss = 1000, .cwnd = 20'000})}.run(R"(
        +0  app write 10001
        +0  -> . 1:1001
        +0  -> . 1001:2001
        +0  -> . 2001:3001
        +0  -> . 3001:4001
        +0  -> . 4001:5001
        +0  -> . 5001:6001
        +0  -> . 6001:7001
        +0  -> . 7001:8001
        +0  -> . 8001:9001
        +0  -> . 9001:10001
        +0  -> P. 10001:10002
    )");
}

TEST(S0_2, ReorderedAndDuplicatedTextIsPutTogether) {
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- 1001:2001 ack 1
        +0  -> . 1 ack 1
        +0  <- 2001:2501 ack 1
        +0  -> . 1 ack 1
        +0  <- 1001:2001 ack 1
        +0  -> . 1 ack 1
        +0  <- 1:1001 ack 1
        +0  -> . 1 ack 2501
        +0  <- 1:1001 ack 1
        +0  -> . 1 ack 2501
        +0  app read 2500
    )");
}

TEST(S0_3, TheAckStaysAtTheHole) {  // RFC 9293 3.10.7.4, seventh
    Conversation{established({.mss = 1000})}.run(R"(
        +0  <- 1:1001 ack 1
        +0  -> . 1 ack 1001
        +0  <- 2001:3001 ack 1
        +0  -> . 1 ack 1001
        +0  <- 3001:4001 ack 1
        +0  -> . 1 ack 1001
    )");
}

TEST(S0_5, AnOctetThatCameTwiceIsReadOnce) {  // RFC 2883 4.1
    Conversation{established({.mss = 1000, .sack = true})}.run(R"(
        +0  <- 1:1001 ack 1
        +0  -> . 1 ack 1001
        +0  app read 1000
        +9  <- 1:1001 ack 1
        +0  -> . 1 ack 1001 sack 1:1001
        +0  app read would_block
        +9  <- 501:1501 ack 1
        +0  -> . 1 ack 1501 sack 501:1001
        +0  app read 500
    )");
}

TEST(S0_5, TheTimerSendsAgain) {  // RFC 6298 5.4, 5.5
    Conversation{established({.mss = 1000})}.run(R"(
        +0   app write 500
        +0   -> P. 1:501
        +1s  -> P. 1:501
        +2s  -> P. 1:501
        +4s  -> P. 1:501
        +1   <- . ack 501
        +0   rto 8000
    )");
}

}  // namespace
}  // namespace estab::conversation
