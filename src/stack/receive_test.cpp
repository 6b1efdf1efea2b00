// What comes in around TCP: ICMP, fragments, echo, UDP, Ethernet neighbours, loopback, merged runs.
#include "stack/stack_testing.hpp"
#include "wire/ethernet.hpp"
#include "wire/udp.hpp"

namespace estab::stack {
namespace {

using tcp::State;

std::string number(std::uint32_t n) { return std::to_string(n); }

// "Somebody" (a router) says this about a packet of ours.
Octets icmp_about(Bytes packet, wire::IcmpReason reason, std::uint32_t detail = 0) {
    const auto about = *wire::IpPacket::parse(packet);
    const bool v4 = about.source.is_v4();
    const wire::Address router =
        v4 ? wire::Address::v4(10, 0, 0, 254) : *wire::Address::parse("fd00::fe");
    Octets out(1400);
    const std::size_t ip = wire::ip_header_bytes(v4);
    const std::size_t size =
        wire::write_icmp_error(MutableBytes(out).subspan(ip), {.source = router,
                                                               .destination = about.source,
                                                               .reason = reason,
                                                               .detail = detail,
                                                               .about = packet});
    wire::write_ip(out, {.source = router, .destination = about.source,
                         .protocol = v4 ? wire::protocol_icmp : wire::protocol_icmpv6,
                         .payload_bytes = static_cast<std::uint32_t>(size)});
    out.resize(ip + size);
    return out;
}

struct Opened : Bench {
    ListenerId listener;
    ConnectionId id;
    std::uint32_t iss = 0;
    explicit Opened(bool v6 = false, const tcp::Config& config = {}, const device::Caps& caps = {})
        : Bench(config, 64u << 20, caps) {
        listener = *stack.listen({.port = 80});
        const wire::Endpoint from =
            v6 ? wire::Endpoint{*wire::Address::parse("fd00::1"), 4000} : them;
        const wire::Endpoint to = v6 ? wire::Endpoint{*wire::Address::parse("fd00::2"), 80} : us;
        iss = handshake(from, "mss 1460", to);
        id = *stack.accept(listener);
    }
    tcp::Connection& c() { return *stack.find(id); }
};

// --- Counters of what a connection sees

TEST(Counters, AClosedWindowAndItsOpeningAreCounted) {
    Opened b;
    std::uint32_t seq = 1001;
    for (int i = 0; i != 1000 && b.counters().TcpExt_TCPToZeroWindowAdv == 0; ++i) {
        b.in("A " + number(seq) + " ack " + number(b.iss + 1) + " len 1460");
        seq += 1460;
        b.wait(50ms);
    }
    ASSERT_EQ(b.counters().TcpExt_TCPToZeroWindowAdv, 1u);
    EXPECT_EQ(b.take().back().tcp().window(), 0);
    EXPECT_EQ(b.counters().TcpExt_TCPFromZeroWindowAdv, 0u);
    Octets all(b.c().unread());
    ASSERT_TRUE(b.stack.read(b.now, b.id, all));
    b.wait(1s);
    EXPECT_EQ(b.counters().TcpExt_TCPFromZeroWindowAdv, 1u);
}

TEST(Counters, WhatWaitsBehindAHoleAndOverlaps) {
    Opened b;
    const std::string ack = " ack " + number(b.iss + 1);
    b.in("A 1101" + ack + " len 100");
    EXPECT_EQ(b.counters().TcpExt_TCPOFOQueue, 1u);
    b.in("A 1151" + ack + " len 100");
    EXPECT_EQ(b.counters().TcpExt_TCPOFOMerge, 1u);
    b.in("A 1001" + ack + " len 100");
    b.in("A 1001" + ack + " len 100");            // our ACK was lost, or slow
    EXPECT_EQ(b.counters().TcpExt_DelayedACKLost, 1u);
    const std::uint64_t pure = b.counters().TcpExt_TCPPureAcks;
    b.in("A 1251" + ack);
    EXPECT_EQ(b.counters().TcpExt_TCPPureAcks, pure + 1);
}

// --- ICMP

TEST(Icmp, TooBigMakesSegmentsSmaller) {  // RFC 1191, RFC 8201
    for (const bool v6 : {false, true}) {
        Opened b(v6);
        ASSERT_TRUE(b.stack.write(b.now, b.id, Octets(5000)));
        b.flush();
        const auto sent = b.take();
        ASSERT_FALSE(sent.empty());
        EXPECT_EQ(sent[0].packet.size(), 1500u);
        b.inject(icmp_about(sent[0].packet, wire::IcmpReason::too_big, 1300));
        EXPECT_EQ(b.c().path_mtu(), 1300);
        const auto again = b.take();
        ASSERT_FALSE(again.empty());
        EXPECT_EQ(again[0].seq(), b.iss + 1);
        for (const Spoken& s : again) EXPECT_LE(s.packet.size(), 1300u);
        // Whoever connects there later knows it already; others do not.
        const auto later = *b.stack.connect(b.now, {b.c().tuple().remote.address, 99}, {});
        EXPECT_EQ(b.stack.find(later)->path_mtu(), 1300);
    }
}

TEST(Icmp, ANumberThatIsNotInFlightIsIgnored) {  // RFC 5927 4.1
    Opened b;
    ASSERT_TRUE(b.stack.write(b.now, b.id, Octets(100)));
    b.flush();
    for (const std::uint32_t off : {0x1000'0000u, 101u, 0xffff'ffffu}) {
        const Octets quoted = make_segment(us, them, "PA " + number(b.iss + 1 + off) + " ack 1001");
        b.inject(icmp_about(quoted, wire::IcmpReason::too_big, 600));
        b.inject(icmp_about(quoted, wire::IcmpReason::port_unreachable));
    }
    EXPECT_EQ(b.c().path_mtu(), 1500);
    EXPECT_FALSE(b.c().soft_error());
    EXPECT_EQ(b.counters().TcpExt_OutOfWindowIcmps, 6u);
}

TEST(Icmp, HardErrorsAbortOnlyWhatIsOpening) {  // RFC 5927 5, SHLD-26
    Opened b;
    ASSERT_TRUE(b.stack.write(b.now, b.id, Octets(100)));
    b.flush();
    b.inject(icmp_about(b.take().back().packet, wire::IcmpReason::port_unreachable));
    EXPECT_EQ(b.c().state(), State::established);
    EXPECT_TRUE(b.c().soft_error());             // SHLD-25
    const auto opening = *b.stack.connect(b.now, them, {});
    b.flush();
    b.inject(icmp_about(b.take().back().packet, wire::IcmpReason::port_unreachable));
    EXPECT_EQ(b.stack.find(opening)->state(), State::closed);
    EXPECT_TRUE(b.stack.find(opening)->has_failed());
}

TEST(Icmp, MUST_54_56_SoftErrorsReachTheirConnectionAndDoNotAbort) {
    Opened b;
    const auto opening = *b.stack.connect(b.now, them, {});
    b.flush();
    const Spoken syn = b.take().back();
    for (const auto reason :
         {wire::IcmpReason::network_unreachable, wire::IcmpReason::host_unreachable,
          wire::IcmpReason::hop_limit_exceeded, wire::IcmpReason::parameter_problem}) {
        b.inject(icmp_about(syn.packet, reason));
    }
    EXPECT_EQ(b.stack.find(opening)->state(), State::syn_sent);
    EXPECT_TRUE(b.stack.find(opening)->soft_error());
    EXPECT_FALSE(b.c().soft_error());
}

TEST(Icmp, MUST_55_SourceQuenchIsNothing) {
    Opened b;
    ASSERT_TRUE(b.stack.write(b.now, b.id, Octets(100)));
    b.flush();
    Octets quench = icmp_about(b.take().back().packet, wire::IcmpReason::host_unreachable);
    quench[20] = 4;                               // type 4, code 0
    quench[21] = 0;
    store_be16(&quench[22], 0);
    store_be16(&quench[22], wire::checksum(Bytes(quench).subspan(20)));
    b.inject(quench);
    EXPECT_FALSE(b.c().soft_error());
    EXPECT_TRUE(b.quiet());
}

TEST(Icmp, AHardErrorEndsAHalfOpenRecord) {
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.in("S 1000");
    b.inject(icmp_about(b.only().packet, wire::IcmpReason::port_unreachable));
    EXPECT_EQ(b.stack.half_open(), 0u);
}

TEST(Icmp, EchoIsAnswered) {
    Bench b;
    Octets ping(20 + 8 + 56);
    const Octets data(56, 9);
    wire::write_icmp_echo(MutableBytes(ping).subspan(20),
                          {.source = them.address, .destination = us.address,
                           .echo = {.is_request = true, .id = 5, .sequence = 6, .data = data}});
    wire::write_ip(ping, {.source = them.address,
                          .destination = us.address,
                          .protocol = wire::protocol_icmp,
                          .payload_bytes = 64});
    b.inject(ping);
    const Spoken pong = b.only();
    EXPECT_EQ(pong.ip().destination, them.address);
    const auto packet = pong.ip();
    const auto message = wire::parse_icmp(packet);
    const auto* echo = std::get_if<wire::IcmpEcho>(&*message);
    ASSERT_NE(echo, nullptr);
    EXPECT_FALSE(echo->is_request);
    EXPECT_EQ(echo->data.size(), 56u);
}

TEST(Udp, AClosedPortIsUnreachable) {
    Bench b;
    Octets packet(20 + 8 + 4);
    store_be16(&packet[20], 999);
    store_be16(&packet[22], 53);
    store_be16(&packet[24], 12);
    wire::write_ip(packet, {.source = them.address,
                            .destination = us.address,
                            .protocol = wire::protocol_udp,
                            .payload_bytes = 12});
    b.inject(packet);
    const Spoken s = b.only();
    const auto answer = s.ip();
    const auto message = wire::parse_icmp(answer);
    ASSERT_TRUE(message);
    EXPECT_EQ(std::get<wire::IcmpError>(*message).reason, wire::IcmpReason::port_unreachable);
    EXPECT_EQ(b.counters().Udp_NoPorts, 1u);
}

// --- IP

TEST(Ip, MUST_51_SourceRoutesAreDropped) {  // as RFC 7126 advises
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    const Octets syn = make_segment(them, us, "S 1000");
    for (const std::uint8_t kind : {std::uint8_t{0x83}, std::uint8_t{0x89}}) {
        Octets routed(syn.begin(), syn.begin() + 20);
        routed[0] = 0x47;
        const Octets option{kind, 7, 4, 10, 0, 0, 9, 0};
        routed.insert(routed.end(), option.begin(), option.end());
        routed.insert(routed.end(), syn.begin() + 20, syn.end());
        store_be16(&routed[2], static_cast<std::uint16_t>(routed.size()));
        store_be16(&routed[10], 0);
        store_be16(&routed[10], wire::checksum(Bytes(routed).first(28)));
        b.inject(routed);
    }
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Estab_TCPSourceRouteDrops, 2u);
}

TEST(Ip, AnAddressThatIsOursNoLongerIsNotAnswered) {  // not even for the flow seen last
    Opened b;
    b.in("PA 1001 ack " + number(b.iss + 1) + " len 10");
    b.take();
    b.stack.routes() = {};
    const std::uint64_t before = b.counters().Ip_InAddrErrors;
    b.in("PA 1011 ack " + number(b.iss + 1) + " len 10");
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Ip_InAddrErrors, before + 1);
    EXPECT_EQ(b.c().unread(), 10u);
}

TEST(Ip, FragmentsArePutTogether) {
    Opened b;
    const Octets whole = make_segment(them, us, "PA 1001 ack " + number(b.iss + 1) + " len 1000");
    const auto piece = [&](std::size_t from, std::size_t octets, bool more) {
        Octets p(whole.begin(), whole.begin() + 20);
        p.insert(p.end(), whole.begin() + 20 + static_cast<std::ptrdiff_t>(from),
                 whole.begin() + 20 + static_cast<std::ptrdiff_t>(from + octets));
        store_be16(&p[2], static_cast<std::uint16_t>(p.size()));
        store_be16(&p[4], 77);
        store_be16(&p[6], static_cast<std::uint16_t>((more ? 0x2000 : 0) | from / 8));
        store_be16(&p[10], 0);
        store_be16(&p[10], wire::checksum(Bytes(p).first(20)));
        return p;
    };
    b.inject(piece(400, 620, false));
    EXPECT_EQ(b.c().unread(), 0u);
    b.inject(piece(0, 400, true));
    EXPECT_EQ(b.c().unread(), 1000u);
}

TEST(Ip, MUST_3_AWrongChecksumIsDropped) {
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    Octets syn = make_segment(them, us, "S 1000");
    syn[36] ^= 1;
    b.inject(syn);
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Tcp_InCsumErrors, 1u);
}

TEST(Urgent, NothingToWriteIsNothing) {  // fuzzed: an idle connection has no send buffer
    Opened b;
    EXPECT_EQ(*b.stack.write_urgent(b.now, b.id, {}), 0u);
    b.flush();
    EXPECT_TRUE(b.quiet());
}

// --- Ethernet

struct EthernetWorld {
    Instant now = Instant(1s);
    device::Caps caps{.link = device::LinkType::ethernet, .mtu = 1500, .frame_max = 1514};
    link::MemoryLink wire;
    Stack client, server;
    EthernetWorld()
        : wire({.caps = caps}),
          client(now, {.seed = 1, .mac = {{2, 0, 0, 0, 0, 1}}}),
          server(now, {.seed = 2, .mac = {{2, 0, 0, 0, 0, 2}}}) {
        client.attach(caps);
        server.attach(caps);
        for (const char* a : {"10.0.0.1/24", "fd00::1/64"})
            EXPECT_TRUE(client.routes().add_address(*wire::Prefix::parse(a)));
        for (const char* a : {"10.0.0.2/24", "fd00::2/64"})
            EXPECT_TRUE(server.routes().add_address(*wire::Prefix::parse(a)));
    }
    void turns() {
        for (int i = 0; i != 100; ++i) {
            const std::size_t n = turn(client, wire.end(0), now) + turn(server, wire.end(1), now);
            if (n == 0) return;
        }
    }
};

TEST(Ethernet, TheFirstSynWaitsForTheAnswer) {
    for (const char* to : {"10.0.0.2", "fd00::2"}) {
        EthernetWorld w;
        ASSERT_TRUE(w.server.listen({.port = 80}));
        const auto c = w.client.connect(w.now, {*wire::Address::parse(to), 80}, {});
        w.turns();
        EXPECT_EQ(w.client.find(*c)->state(), State::established) << to;
        EXPECT_EQ(w.client.counters().Tcp_RetransSegs, 0u);
    }
}

TEST(Ethernet, NobodyThereIsASoftError) {
    EthernetWorld w;
    const auto c = w.client.connect(w.now, {*wire::Address::parse("10.0.0.7"), 80}, {});
    for (int i = 0; i != 50 && !w.client.find(*c)->soft_error(); ++i) {
        w.turns();
        w.now = std::max(w.now, w.client.deadline());
    }
    EXPECT_TRUE(w.client.find(*c)->soft_error());
    EXPECT_EQ(w.client.find(*c)->state(), State::syn_sent);
}

// --- To ourselves

TEST(Loopback, S2_29_ThreeRows) {
    Bench b;
    ASSERT_TRUE(b.stack.routes().add_address(*wire::Prefix::parse("127.0.0.1/8")));
    const wire::Endpoint home{wire::Address::v4(127, 0, 0, 1), 5000};
    const auto l = *b.stack.listen({.port = 5000});
    const auto c = *b.stack.connect(b.now, home, {});
    const auto settle = [&] {
        for (int i = 0; i != 2000; ++i) {
            b.flush();
            b.stack.receive(b.now, {});
        }
    };
    settle();
    const auto s = *b.stack.accept(l);
    EXPECT_TRUE(b.quiet());                       // nothing of it left
    EXPECT_EQ(b.rows(State::listen), 1u);
    EXPECT_EQ(b.rows(State::established), 2u);
    EXPECT_EQ(b.stack.find(s)->tuple().local, home);
    std::size_t sent = 0, got = 0;                // and no queue loses anything
    Octets some(1 << 20);
    while (got < (8u << 20)) {
        if (sent < (8u << 20)) sent += b.stack.write(b.now, c, some).value_or(0);
        settle();
        got += b.stack.read(b.now, s, some).value_or(0);
        b.now += 1ms;
        b.stack.advance(b.now);
        ASSERT_LT(b.now, Instant(2000s));
    }
    EXPECT_EQ(b.counters().Tcp_RetransSegs, 0u);
    EXPECT_EQ(b.counters().Ip_OutDiscards, 0u);
}

// --- Merging

struct MergeBench : Opened {
    // All in one batch; how many segments TCP was shown.
    std::uint64_t batch(const std::vector<std::string>& texts) {
        take();
        std::vector<Octets> packets;
        std::vector<device::Frame> frames;
        for (const std::string& t : texts) packets.push_back(make_segment(them, us, t));
        for (const Octets& p : packets)
            frames.push_back({.bytes = p, .arrived = now, .offload = {}});
        const auto before = c().info(now).statistics.segments_in;
        stack.receive(now, frames);
        flush();
        return c().info(now).statistics.segments_in - before;
    }
    std::string seg(std::uint32_t seq, std::uint32_t len, const std::string& more = "",
                    const char* flags = "A") {
        return std::string(flags) + " " + number(seq) + " ack " + number(iss + 1) + " len " +
               number(len) + more;
    }
};

TEST(Merge, CountsStayWireSegments) {
    MergeBench b;
    EXPECT_EQ(b.batch({b.seg(1001, 100), b.seg(1101, 100), b.seg(1201, 50, "", "PA")}), 3u);
    EXPECT_EQ(b.c().unread(), 250u);
    EXPECT_EQ(b.c().info(b.now).statistics.data_in, 3u);
    EXPECT_EQ(b.take().size(), 1u);               // MUST-58, MUST-59: one ACK for all
}

TEST(Merge, EndsWhereAnythingDiffers) {
    MergeBench b;
    b.batch({b.seg(1001, 10), b.seg(1011, 10, " ce"), b.seg(1021, 10, "", "AE"),
             b.seg(1031, 10, " win 7"), b.seg(1041, 10, " ts 5:5"), b.seg(1051, 10, "", "UA"),
             b.seg(1071, 10), b.seg(1061, 10)});
    EXPECT_EQ(b.c().unread(), 80u);
    EXPECT_EQ(b.c().info(b.now).statistics.out_of_order_in, 1u);
    b.batch({b.seg(1081, 10), "FA 1091 ack " + number(b.iss + 1)});
    EXPECT_TRUE(b.c().peer_finished());
}

TEST(Merge, PureAcksAreNeverMerged) {
    MergeBench b;
    ASSERT_TRUE(b.stack.write(b.now, b.id, Octets(14'600)));
    b.flush();
    const std::string ack = "A 1001 ack " + number(b.iss + 1);
    b.batch({ack, ack, ack});                     // three duplicates, S2-25
    const auto said = b.take();
    ASSERT_FALSE(said.empty());
    EXPECT_EQ(said[0].seq(), b.iss + 1);
    EXPECT_EQ(b.counters().TcpExt_TCPFastRetrans, 1u);
}

TEST(Merge, ABigFrameCountsAsWhatItWas) {
    Opened b;
    const Octets big = make_segment(them, us, "PA 1001 ack " + number(b.iss + 1) + " len 10000");
    device::Offload offload{
        .checksum = device::Checksum::verified, .gso = device::Gso::tcp4, .gso_size = 1000};
    const device::Frame f{.bytes = big, .arrived = b.now, .offload = offload};
    const std::uint64_t before = b.counters().Tcp_InSegs;
    b.stack.receive(b.now, std::span(&f, 1));
    EXPECT_EQ(b.counters().Tcp_InSegs - before, 10u);
    EXPECT_EQ(b.c().info(b.now).statistics.data_in, 10u);
    EXPECT_EQ(b.c().info(b.now).rcv_mss, 1000);
}

}  // namespace
}  // namespace estab::stack
