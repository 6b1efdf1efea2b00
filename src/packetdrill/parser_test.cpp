// The language: what parses, to what, and where an error is said to be.
#include <gtest/gtest.h>

#include "packetdrill/script.hpp"
#include "wire/tcp.hpp"

namespace estab::packetdrill {
namespace {

using wire::Flags;

Event one(const std::string& line) {
    return parse(line + "\n").events.at(0);
}
Packet packet(const std::string& line) {
    return std::get<Packet>(one("+0 " + line).what);
}
TcpLine tcp(const std::string& line) {
    return std::get<TcpLine>(packet(line).layer);
}
CallLine call(const std::string& line) {
    return std::get<CallLine>(one("+0 " + line).what);
}

std::string trouble(const std::string& text, const std::vector<Define>& defines = {}) {
    try {
        (void)parse(text, defines);
    } catch (const ScriptError& e) {
        return std::to_string(e.at().line) + ":" + std::to_string(e.at().column) + ": " + e.what();
    }
    return "fine";
}

TEST(Times, AllForms) {
    EXPECT_EQ(one("0 close(3) = 0").when.kind, When::Kind::absolute);
    EXPECT_EQ(one("+.25 close(3) = 0").when.at, 250ms);
    EXPECT_EQ(one("+1.000001 close(3) = 0").when.at, 1'000'001us);
    EXPECT_EQ(one("* > . 1:1(0) ack 1").when.kind, When::Kind::any);
    const When range = one("+.1~+.3 > . 1:1(0) ack 1").when;
    EXPECT_EQ(range.kind, When::Kind::relative);
    EXPECT_EQ(range.until, 300ms);
    EXPECT_EQ(one("0.1~0.3 > . 1:1(0) ack 1").when.until, 300ms);
    const When blocking = one("+0...0.3 accept(3, ..., ...) = 4").when;
    EXPECT_EQ(blocking.at, 0ms);
    EXPECT_EQ(blocking.ends, 300ms);
    EXPECT_EQ(one("0.200...0.300 read(3, ..., 10) = 10").when.ends, 300ms);
}

TEST(Times, VagueOnesAreForOutboundPacketsOnly) {
    EXPECT_EQ(trouble("* < . 1:1(0) ack 1 win 1"),
              "1:1: only an outbound packet may come at a vague time");
    EXPECT_EQ(trouble("+0...1 > . 1:1(0) ack 1"), "1:8: only a system call takes time");
    EXPECT_EQ(trouble("+.3~+.1 > . 1:1(0) ack 1"), "1:8: this range ends before it begins");
}

TEST(Packets, FlagsNumbersAndFields) {
    const TcpLine syn =
        tcp("< S 100:100(0) win 32792 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7>");
    EXPECT_EQ(syn.flags, Flags::syn);
    EXPECT_EQ(syn.seq, 100u);
    EXPECT_EQ(syn.window, 32'792u);
    ASSERT_EQ(syn.options.size(), 5u);
    EXPECT_EQ(syn.options[2].kind, Option::Kind::ts);
    EXPECT_EQ(syn.options[4].value, 7u);
    const TcpLine data = tcp("> FP. 1:1001(1000) ack 2 win 5 urg 9");
    EXPECT_EQ(data.flags, Flags::fin | Flags::psh | Flags::ack);
    EXPECT_EQ(data.length, 1000u);
    EXPECT_EQ(data.ack, 2u);
    EXPECT_EQ(data.urgent, 9u);
    EXPECT_EQ(tcp("> - 1:1(0)").flags, 0);
    EXPECT_EQ(tcp("> SEW. 0:0(0) ack 1").flags, Flags::syn | Flags::ece | Flags::cwr | Flags::ack);
}

TEST(Packets, AceIsADigitOfThreeFlags) {
    EXPECT_EQ(tcp("> .5 1:1(0) ack 1").flags, Flags::ack | Flags::ae | Flags::ece);
    EXPECT_EQ(tcp("> P.0 1:2(1) ack 1").flags, Flags::psh | Flags::ack);
    EXPECT_EQ(tcp("> SA. 0:0(0) ack 1").flags, Flags::syn | Flags::ae | Flags::ack);
    EXPECT_EQ(trouble("0 > .8 1:1(0)"),
              "1:5: flags expected: letters of SFRP.EWUA, a digit 0 to 7 for ACE, or -");
}

TEST(Packets, SackTakesUpToFourBlocks) {
    const TcpLine ack = tcp("< . 1:1(0) ack 1 win 9 <nop,nop,sack 11:21 31:41>");
    EXPECT_EQ(ack.options[2].ranges, (std::vector<Range>{{11, 21}, {31, 41}}));
    EXPECT_EQ(trouble("0 > . 1:1(0) <sack 1:2 3:4 5:6 7:8 9:10>"),
              "1:40: at most four SACK blocks fit into a header");
}

TEST(Packets, AnyOptionsAndNoOptions) {
    EXPECT_TRUE(tcp("> . 1:1(0) ack 1 <...>").any_options);
    EXPECT_FALSE(tcp("> . 1:1(0) ack 1").any_options);
    EXPECT_TRUE(tcp("> . 1:1(0) ack 1 <>").options.empty());
}

TEST(Packets, EveryOptionThereIs) {
    const TcpLine t =
        tcp("< S 0:0(0) win 9 <mss 9,nop,eol,sackOK,FO a1b2,FOEXP,md5 00112233,"
            "ECN e1b 1 ceb 2 e0b 3,exp-FO,AccECN0 ee0b 1>");
    ASSERT_EQ(t.options.size(), 10u);
    EXPECT_EQ(t.options[4].bytes, (std::vector<std::uint8_t>{0xa1, 0xb2}));
    EXPECT_EQ(t.options[5].kind, Option::Kind::fast_open_exp);
    EXPECT_EQ(t.options[7].kind, Option::Kind::acc_ecn1);
    EXPECT_EQ(t.options[7].counts.size(), 3u);
}

TEST(Packets, WordsStandForCookies) {
    const std::vector<Define> defines = {{"COOKIE", "0102030405060708"}};
    const auto script = parse("0 > S 0:0(0) <FO COOKIE,nop,nop>", defines);
    const auto& p = std::get<Packet>(script.events[0].what);
    EXPECT_EQ(std::get<TcpLine>(p.layer).options[0].bytes.size(), 8u);
}

TEST(Packets, WhatTheIpHeaderSays) {
    EXPECT_EQ(packet("> [ect0] P. 1:2(1) ack 1").ip.ecn, 2);
    EXPECT_EQ(packet("< [ce] P. 1:2(1) ack 1 win 3").ip.ecn, 3);
    EXPECT_TRUE(packet("> [ect01] . 1:1(0)").ip.any_ect);
    EXPECT_EQ(packet("> (tos 0x1b) . 1:1(0)").ip.tos, 0x1b);
    EXPECT_EQ(packet("> (flowlabel 0x12345) . 1:1(0)").ip.flow_label, 0x12345u);
    EXPECT_EQ(packet("> (tos 0x4,flowlabel 0x2) . 1:1(0)").ip.flow_label, 2u);
    EXPECT_EQ(packet("> [ttl 61] . 1:1(0)").ip.ttl, 61);
    EXPECT_EQ(packet("> (hlim 9) (class 0x20) . 1:1(0)").ip.tos, 0x20);
    EXPECT_EQ(packet("> [noecn] . 1:1(0)").ip.ecn, 0);
}

TEST(Packets, PortsStandInFront) {
    const auto ports = tcp("< 1234 > 80 S 0:0(0) win 5").ports;
    ASSERT_TRUE(ports);
    EXPECT_EQ(ports->source, 1234);
    EXPECT_EQ(ports->destination, 80);
}

TEST(Packets, IcmpAndUdp) {
    const auto icmp =
        std::get<IcmpLine>(packet("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").layer);
    EXPECT_EQ(icmp.type, 3);
    EXPECT_EQ(icmp.code, 4);
    EXPECT_EQ(icmp.mtu, 1200u);
    EXPECT_EQ(icmp.length, 1460u);
    EXPECT_EQ(std::get<IcmpLine>(packet("< icmp unreachable code_13 [1:1(0)]").layer).code, 13);
    EXPECT_EQ(std::get<IcmpLine>(packet("> icmp echo_reply id 7").layer).id, 7u);
    EXPECT_EQ(std::get<UdpLine>(packet("< udp (1000)").layer).length, 1000u);
    EXPECT_EQ(std::get<UdpLine>(packet("> udp 1 > 2 (10)").layer).ports->destination, 2);
    EXPECT_EQ(
        std::get<IcmpLine>(packet("< icmp time_exceeded ttl_exceeded_in_transit [udp (8)]").layer)
            .quotes,
        IcmpLine::Quotes::udp);
}

TEST(Packets, LayersWithoutMeaningHereAreRead) {
    EXPECT_EQ(packet("> ipv4 1.2.3.4 > 5.6.7.8: . 1:1(0) ack 1").unsupported, "ipv4");
    EXPECT_EQ(packet("< gre: . 1:1(0) ack 1 win 1").unsupported, "gre");
    EXPECT_EQ(packet("> mpls (label 1, tc 0, [S], ttl 64): . 1:1(0) ack 1").unsupported, "mpls");
    EXPECT_EQ(packet("> ipv6 fd00::1 > fd00::2: . 1:1(0) ack 1").unsupported, "ipv6");
}

TEST(Packets, ARangeMustBeAsLongAsItSays) {
    EXPECT_EQ(trouble("0 > . 1:1001(999) ack 1"),
              "1:7: the range is not as long as its length says: 1 + 999 is not 1001");
    EXPECT_EQ(tcp("< . 4294967295:1(2) ack 1 win 1").seq, 4'294'967'295u);  // it wraps
    EXPECT_EQ(trouble("0 < . 1:1(0) ack 1"), "1:7: an inbound segment needs a window");
}

TEST(Calls, ArgumentsAndResults) {
    const CallLine c =
        call("setsockopt(3, SOL_SOCKET, SO_RCVBUF|1, [0x10], 4) = -1 EINVAL (Invalid argument)");
    EXPECT_EQ(c.name, "setsockopt");
    EXPECT_EQ(c.arguments[2].number, 9);
    EXPECT_EQ(c.arguments[3].items[0].number, 16);
    EXPECT_EQ(c.result->number, -1);
    EXPECT_EQ(c.error, "EINVAL");
    EXPECT_EQ(call("fcntl(3, F_GETFL) = 0x2 (flags O_RDWR|O_NONBLOCK)").result->number, 2);
    EXPECT_EQ(call("write(3, \"a\\x41\" \"b\", 3) = 3").arguments[1].text, "aAb");
}

TEST(Calls, Structures) {
    const CallLine m = call(
        "recvmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 1000}, {..., 5}], msg_flags=MSG_EOR,"
        " msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=9}]}, 0) = 5");
    EXPECT_EQ(m.arguments[1].field("msg_iov")->items[1].items[1].number, 5);
    EXPECT_EQ(m.arguments[1].field("msg_control")->items[0].field("cmsg_data")->number, 9);
    const CallLine p = call("poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1");
    EXPECT_EQ(p.arguments[0].items[0].field("events")->number, 5);
    const CallLine b = call(
        "bind(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"1.2.3.4\")}, "
        "...) = 0");
    EXPECT_EQ(b.arguments[1].field("sin_port")->number, 80);
    EXPECT_EQ(b.arguments[1].field("sin_addr")->items[0].text, "1.2.3.4");
    EXPECT_EQ(call("setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0")
                  .arguments[3]
                  .field("onoff")
                  ->number,
              1);
    EXPECT_EQ(call("epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLET, ptr=7}) = 0")
                  .arguments[3]
                  .field("ptr")
                  ->number,
              7);
}

TEST(Scripts, OptionsCommandsAndCode) {
    const Script s = parse(
        "// a comment\n--tolerance_usecs=10000 --ip_version=ipv4 /* another */\n--define=X=5\n"
        "`sysctl -q net.ipv4.tcp_sack=0`\n"
        "0 socket(..., SOCK_STREAM, X) = 3\n+0 %{ assert 1 }%\n+0 `true`\n`cleanup`\n");
    ASSERT_EQ(s.options.size(), 3u);
    EXPECT_EQ(s.options[0].value, "10000");
    EXPECT_EQ(s.before->text, "sysctl -q net.ipv4.tcp_sack=0");
    EXPECT_EQ(s.events.size(), 3u);
    EXPECT_EQ(std::get<CallLine>(s.events[0].what).arguments[2].number, 5);
    EXPECT_EQ(std::get<CodeLine>(s.events[1].what).text, " assert 1 ");
    EXPECT_EQ(s.after->text, "cleanup");
    EXPECT_EQ(s.events[2].at.line, 7);
}

TEST(Scripts, ConditionsOfFreeBsdsDialect) {
    const std::string text =
        "#ifdef STANDARD\n0 close(3) = 0\n#else\n0 close(4) = 0\n+0 close(5) = 0\n#endif\n";
    EXPECT_EQ(parse(text, {{"STANDARD", ""}}).events.size(), 1u);
    EXPECT_EQ(parse(text).events.size(), 2u);
    EXPECT_EQ(parse(text).events[0].at.line, 4);
    EXPECT_EQ(trouble("0 close(3) = 0\n#endif\n"), "2:1: misplaced directive '#endif'");
    EXPECT_EQ(trouble("0 close(3) = 0\n#elseif\n"),
              "2:1: the time of an event expected, not '#elseif'");
}

TEST(Errors, SayWhereAndWhat) {
    EXPECT_EQ(trouble(""), "1:1: there is no event in this script");
    EXPECT_EQ(trouble("0 socket(..., SOCK_STREM, 0) = 3"), "1:15: unknown symbol 'SOCK_STREM'");
    EXPECT_EQ(trouble("0 close(3) = 0\n  +0 < Q 1:1(0) win 1"),
              "2:8: flags expected: letters of SFRP.EWUA, a digit 0 to 7 for ACE, or -");
    EXPECT_EQ(trouble("0 close(3)\n"), "2:1: '=' expected, but the script ends");
    EXPECT_EQ(trouble("0 < S 0:0(0) win 1 <mss 1460,wcale 7>"),
              "1:30: a TCP option (mss, nop, eol, wscale, sackOK, sack, TS, md5, FO, FOEXP, ECN) "
              "expected, not 'wcale'");
    EXPECT_EQ(trouble("/* open"), "1:1: this comment does not end");
    EXPECT_EQ(trouble("0 close(3) = -1 EBADD"), "1:17: 'EBADD' is the name of no errno");
    EXPECT_EQ(trouble("0 < S 0:0(0) win 65536"), "1:18: 65536 is too large here (at most 65535)");
    EXPECT_EQ(trouble("0 `true"), "1:4: '`' is missing");
    EXPECT_EQ(trouble("0 x(" + std::string(300, '[')), "1:105: this goes too deep");
}

}  // namespace
}  // namespace estab::packetdrill
