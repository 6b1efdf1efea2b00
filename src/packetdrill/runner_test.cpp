// Scripts that pass, fail, are skipped or wrong, and what is said then.
#include "packetdrill/runner.hpp"

#include <gtest/gtest.h>

namespace estab::packetdrill {
namespace {

constexpr const char* open_passive = R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <...>
   +.1 < . 1:1(0) ack 1 win 257
   +0 accept(3, ..., ...) = 4
)";

Outcome play(const std::string& text, const RunOptions& options = {}) {
    return run(text, options);
}
std::string said(const Outcome& o) {
    return std::string(to_string(o.result)) + " " + std::to_string(o.at.line) + ": " + o.message;
}
std::string details(const Outcome& o) {
    std::string all;
    for (const std::string& line : o.details) all += line + "\n";
    return all;
}

TEST(Runner, AConversationThatGoesAsWrittenPasses) {
    const Outcome o = play(std::string(open_passive) + R"(
   +0 write(4, ..., 1000) = 1000
   +0 > P. 1:1001(1000) ack 1
   +.1 < . 1:1(0) ack 1001 win 257
   +0 < F. 1:1(0) ack 1001 win 257
   +0 > . 1001:1001(0) ack 2
   +0 read(4, ..., 100) = 0
   +0 close(4) = 0
   * > F. 1001:1001(0) ack 2
   +0 < . 2:2(0) ack 1002 win 257
)");
    EXPECT_EQ(o.result, Outcome::Result::pass) << said(o) << details(o);
    EXPECT_GE(o.virtual_time, 200ms);
}

TEST(Runner, ADifferenceIsShownFieldByField) {
    const Outcome o = play(std::string(open_passive) +
                           "+0 write(4, ..., 1000) = 1000\n+0 > . 1:901(900) ack 2\n");
    EXPECT_EQ(said(o), "fail 10: this packet differs: flags: . expected, P. came");
    EXPECT_EQ(details(o),
              "expected  . 1:901(900) ack 2\n"
              "came      P. 1:1001(1000) ack 1 win 502\n"
              "  flags: . expected, P. came\n"
              "  length: 900 expected, 1000 came\n"
              "  ack: 2 expected, 1 came\n");
    EXPECT_EQ(o.conversation.size(), 4u);
    EXPECT_NE(o.conversation.back().find("> IP 192.168.0.1.8080 >"), std::string::npos);
}

TEST(Runner, APacketThatDoesNotComeIsWaitedForSoLong) {
    const Outcome o = play(std::string(open_passive) + "+.5 > P. 1:2(1) ack 1\n");
    EXPECT_EQ(said(o), "fail 9: no packet came until 2.600000");
}

TEST(Runner, TimeIsAFieldToo) {
    const Outcome late = play(std::string(open_passive) +
                              "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n"
                              "+.1 > P. 1:1001(1000) ack 1\n");
    EXPECT_EQ(said(late),
              "fail 11: this packet differs: time: 0.200000 (±0.012500) expected, 0.400000 came");
}

TEST(Runner, WhatACallTellsIsCompared) {
    EXPECT_EQ(said(play("0 socket(..., SOCK_STREAM, 0) = 3\n+0 connect(7, ..., ...) = 0\n")),
              "fail 2: connect() = 0 expected, -1 EBADF came");
    EXPECT_EQ(said(play("0 socket(..., SOCK_STREAM, 0) = 3\n+0 listen(3, 1) = 0\n"
                        "+0 accept(3, ..., ...) = 4\n")),
              "fail 3: this call blocks, and the script does not say so");
}

TEST(Runner, BlockingCallsEndWhenTheScriptSays) {
    const std::string text =
        "0 socket(..., SOCK_STREAM, 0) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0...0.2 accept(3, ..., ...) = 4\n+.1 < S 0:0(0) win 100 <mss 1000>\n"
        "+0 > S. 0:0(0) ack 1 <mss 1460>\n";
    EXPECT_EQ(said(play(text + "+.1 < . 1:1(0) ack 1 win 100\n")), "pass 7: ");
    EXPECT_EQ(said(play(text + "+.3 < . 1:1(0) ack 1 win 100\n")),
              "fail 7: '+0...0.2 accept(3, ..., ...) = 4' should have ended at 0.200000, it ended "
              "at 0.400000");
    EXPECT_EQ(said(play(text)),
              "fail 6: the blocking call '+0...0.2 accept(3, ..., ...) = 4' has not ended");
}

TEST(Runner, CodeSeesTcpInfo) {
    EXPECT_EQ(said(play(std::string(open_passive) +
                        "+0 %{ assert tcpi_snd_cwnd == 10 and tcpi_state == TCP_ESTABLISHED }%\n")),
              "pass 9: ");
    EXPECT_EQ(said(play(std::string(open_passive) + "+0 %{ assert tcpi_snd_cwnd == 11 }%\n")),
              "fail 9: assert tcpi_snd_cwnd == 11: tcpi_snd_cwnd is 10");
}

TEST(Runner, SysctlLinesChangeTheStack) {
    const std::string syn =
        "0 socket(..., SOCK_STREAM, 0) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS (in progress)\n"
        "+0 > S 0:0(0) ";
    EXPECT_EQ(said(play("`sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0`\n" + syn +
                        "<mss 1460,nop,wscale 7>\n")),
              "pass 5: ");
    EXPECT_EQ(said(play("`../common/defaults.sh`\n" + syn +
                        "<mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 8>\n")),
              "pass 5: ");
    EXPECT_EQ(said(play("\n `sysctl -q net.ipv4.tcp_sak=0`\n0 close(3) = 0")),
              "error 2: unknown sysctl 'tcp_sak=0'");
    EXPECT_EQ(said(play("`ip route add 1.2.3.4 dev tun0`\n0 close(3) = 0")),
              "skip 1: 'ip' is for a host");
    EXPECT_EQ(said(play("`frobnicate`\n0 close(3) = 0")), "error 1: unknown command 'frobnicate'");
}

TEST(Runner, OptionsOfTheCommandLineWin) {
    RunOptions options;
    options.options.push_back({.name = "ip_version", .value = "ipv6"});
    std::string seen;
    options.tap = [&seen](Duration, bool, Bytes packet) {
        seen += packet[0] >> 4 == 6 ? '6' : '4';
    };
    const Outcome o = play("--ip_version=ipv4\n" + std::string(open_passive), options);
    EXPECT_EQ(o.result, Outcome::Result::pass) << said(o) << details(o);
    EXPECT_EQ(seen.substr(0, 3), "666");
    EXPECT_EQ(said(play("--frob=1\n0 close(3) = 0")), "error 1: unknown option --frob");
}

TEST(Runner, ParametersOfTheCommandLineComeLast) {
    RunOptions options;
    options.set = {"initial_window=1"};
    const std::string text = std::string("`sysctl estab.initial_window=5`") + open_passive +
                             "+0 %{ assert tcpi_snd_cwnd == 1 }%\n";
    EXPECT_EQ(said(play(text, options)), "pass 9: ");
    options.set = {"initial_windw=1"};
    EXPECT_EQ(play(text, options).result, Outcome::Result::error);
}

TEST(Runner, MappedAddressesAreIpv4OnTheWire) {
    const Outcome o = play("--ip_version=ipv4-mapped-ipv6\n" + std::string(open_passive));
    EXPECT_EQ(o.result, Outcome::Result::pass) << said(o) << details(o);
}

TEST(Runner, EchoesOfTimestampsAreTranslated) {
    const std::string text =
        "0 socket(..., SOCK_STREAM, 0) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0 < S 0:0(0) win 100 <mss 1000,sackOK,TS val 50 ecr 0>\n"
        "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 700 ecr 50>\n";
    EXPECT_EQ(said(play(text + "+0 < . 1:1(0) ack 1 win 100 <nop,nop,TS val 51 ecr 700>\n"
                               "+0 accept(3, ..., ...) = 4\n")),
              "pass 7: ");
    EXPECT_EQ(said(play(text + "+0 < . 1:1(0) ack 1 win 100 <nop,nop,TS val 51 ecr 701>\n")),
              "error 6: ecr 701 is the echo of no TS val that came out before");
}

TEST(Runner, TheSameScriptGivesTheSameAnswer) {
    const std::string text =
        std::string(open_passive) + "+0 write(4, ..., 1) = 1\n+0 > P. 1:2(1) ack 9\n";
    EXPECT_EQ(play(text).conversation, play(text).conversation);
}

}  // namespace
}  // namespace estab::packetdrill
