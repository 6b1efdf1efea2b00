// Many wire segments at once, for a device that takes them one by one; and their way back in.
#include <tuple>

#include "base/rng.hpp"
#include "stack/stack_testing.hpp"
#include "wire/checksum.hpp"

namespace estab::stack {
namespace {

struct Ends {
    wire::Endpoint here, there;
};
Ends ends(bool v6) {
    if (!v6) return {us, them};
    return {{*wire::Address::parse("fd00::2"), 80}, {*wire::Address::parse("fd00::1"), 4000}};
}

struct Sender : Bench {
    Ends at;
    ConnectionId id;
    std::uint32_t iss = 0;

    explicit Sender(bool v6 = false, const std::string& options = "mss 1400") : at(ends(v6)) {
        const auto listener = stack.listen({.port = 80}).value();
        iss = handshake(at.there, options, at.here);
        id = stack.accept(listener).value();
    }
    void write(std::size_t octets) {
        Octets text(octets);
        for (std::size_t i = 0; i != octets; ++i) text[i] = static_cast<std::uint8_t>(i * 7 / 3);
        EXPECT_EQ(stack.write(now, id, text).value_or(0), octets);
    }
    Spoken next() {
        Octets room(stack.frame_bytes());
        device::Offload offload;
        room.resize(stack.write_next(now, room, offload));
        EXPECT_EQ(offload.gso, device::Gso::none);
        EXPECT_EQ(offload.checksum, device::Checksum::complete);
        return {room};
    }
    void acknowledge(std::uint32_t octets) {
        const Octets packet = make_segment(
            at.there, at.here, "A 1001 ack " + std::to_string(iss + 1 + octets));
        const device::Frame f{.bytes = packet, .arrived = now, .offload = {}};
        stack.receive(now, std::span(&f, 1));
    }
};

bool is_valid(const Spoken& s) {
    return s.tcp().checksum_is_valid(s.ip().source, s.ip().destination);
}

TEST(Burst, IsWireSegmentsWithHeadersOfTheirOwn) {
    for (const bool v6 : {false, true}) {
        Sender b(v6, v6 ? "mss 1300" : "mss 1300 ts 7:0");
        b.write(4'001);
        const std::uint32_t mss = v6 ? 1300 : 1288;
        std::uint32_t seq = b.iss + 1;
        for (const std::uint32_t size : {mss, mss, mss, 4'001 - 3 * mss}) {
            const Spoken s = b.next();
            ASSERT_FALSE(s.packet.empty());
            EXPECT_TRUE(is_valid(s));  // and IpPacket::parse() has seen to IP's
            EXPECT_EQ(s.seq(), seq);
            EXPECT_EQ(s.tcp().payload().size(), size);
            EXPECT_EQ(s.flags(), size == mss ? "A" : "PA");
            EXPECT_EQ(s.tcp().options().timestamps.has_value(), !v6);
            const std::uint32_t from = seq - b.iss - 1;
            EXPECT_EQ(s.tcp().payload()[5], static_cast<std::uint8_t>((from + 5) * 7 / 3));
            seq += size;
        }
        EXPECT_TRUE(b.next().packet.empty());
        EXPECT_EQ(b.counters().Tcp_OutSegs, 5u);  // with the SYN-ACK
    }
}

TEST(Burst, TheFinIsOnTheLast) {
    Sender b;
    b.write(3'000);
    ASSERT_TRUE(b.stack.shutdown_write(b.now, b.id));
    EXPECT_EQ(b.next().flags(), "A");
    EXPECT_EQ(b.next().flags(), "A");
    const Spoken last = b.next();
    EXPECT_EQ(last.flags(), "FPA");
    EXPECT_EQ(last.tcp().payload().size(), 200u);
}

TEST(Burst, WhatIsAcknowledgedMeanwhileNeedNotGo) {
    Sender b;
    b.write(14'000);
    EXPECT_EQ(b.next().seq(), b.iss + 1);
    EXPECT_EQ(b.next().seq(), b.iss + 1401);
    b.acknowledge(2'800);  // nothing new: what has gone
    EXPECT_EQ(b.next().seq(), b.iss + 2801);
    b.acknowledge(4'300);  // of an earlier transmission, say
    const Spoken s = b.next();
    EXPECT_EQ(s.seq(), b.iss + 4301);
    EXPECT_EQ(s.tcp().payload().size(), 1400u);
    EXPECT_EQ(s.tcp().payload()[0], static_cast<std::uint8_t>(4'300 * 7 / 3));
    EXPECT_TRUE(is_valid(s));
    b.acknowledge(7'000);  // all of a burst, which is half the window
    EXPECT_EQ(b.next().seq(), b.iss + 7001);
}

TEST(Burst, EndsWithItsConnection) {
    for (const bool by_peer : {false, true}) {
        Sender b;
        b.write(14'000);
        EXPECT_EQ(b.next().seq(), b.iss + 1);
        if (by_peer) {
            const Octets packet = make_segment(b.at.there, b.at.here, "R 1001");
            const device::Frame f{.bytes = packet, .arrived = b.now, .offload = {}};
            b.stack.receive(b.now, std::span(&f, 1));
        } else {
            b.stack.abort(b.now, b.id);
            EXPECT_EQ(b.next().flags(), "RA");
        }
        EXPECT_TRUE(b.next().packet.empty());
    }
}

TEST(Burst, AnswersDoNotWaitForItsEnd) {
    Sender b;
    b.write(14'000);
    EXPECT_EQ(b.next().seq(), b.iss + 1);
    const Octets packet = make_segment({them.address, 9}, us, "A 5 ack 6");
    const device::Frame f{.bytes = packet, .arrived = b.now, .offload = {}};
    b.stack.receive(b.now, std::span(&f, 1));
    EXPECT_EQ(b.next().flags(), "R");
    EXPECT_EQ(b.next().seq(), b.iss + 1401);
}

TEST(Burst, ASmallerDeviceDropsTheRestAndItIsSentAgain) {
    Sender b;
    b.write(5'600);
    EXPECT_EQ(b.next().tcp().payload().size(), 1400u);
    b.stack.attach({.link = device::LinkType::ip, .mtu = 1000, .frame_max = 1000});
    b.wait(2s);
    const auto said = b.take();
    ASSERT_FALSE(said.empty());
    for (const Spoken& s : said) {
        EXPECT_EQ(s.seq(), b.iss + 1);
        EXPECT_EQ(s.packet.size(), 1000u);
    }
}

// --- The way in: whether packets arrive together or one by one changes the number of ACKs only.

void complete(Octets& packet, bool v6) {
    const std::size_t ip = v6 ? 40 : 20;
    if (!v6) {
        store_be16(packet.data() + 10, 0);
        store_be16(packet.data() + 10, wire::checksum(Bytes(packet).first(ip)));
    }
    std::uint8_t* const tcp = packet.data() + ip;
    const std::size_t addresses = v6 ? 32 : 8;
    wire::Sum sum;
    sum.add(Bytes(packet).subspan(ip - addresses, addresses));
    sum.add_be16(wire::protocol_tcp);
    sum.add_be32(static_cast<std::uint32_t>(packet.size() - ip));
    store_be16(tcp + 16, 0);
    sum.add(Bytes(packet).subspan(ip));
    store_be16(tcp + 16, sum.checksum());
}

// What came of it: text, state, and what was counted.
auto outcome(Sender& b) {
    const event::Counters& n = b.counters();
    Octets text(20'000);
    tcp::Connection* c = b.stack.find(b.id);
    const tcp::Info info = c->info(b.now);
    text.resize(b.stack.read(b.now, b.id, text).value_or(0));
    return std::tuple(text, info.state, info.statistics.segments_in, info.statistics.data_in,
                      c->tcb().snd.wnd, c->has_failed(), n.Ip_InReceives, n.Ip_InHdrErrors,
                      n.Ip_InAddrErrors, n.Ip_InDelivers, n.Tcp_InSegs, n.Tcp_InErrs,
                      n.Tcp_InCsumErrors, n.Ip_InUnknownProtos);
}

TEST(Run, TogetherOrOneByOneIsTheSame) {
    for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
        Rng rng(seed);
        const bool v6 = rng.below(2) != 0, ts = rng.below(2) != 0;
        Sender together(v6, ts ? "mss 1400 ts 7:0" : "mss 1400");
        Sender alone(v6, ts ? "mss 1400 ts 7:0" : "mss 1400");
        std::vector<Octets> packets;
        std::uint32_t seq = 1001;
        for (int i = 0; i < 6; ++i) {
            const auto size = static_cast<std::uint32_t>(1 + rng.below(300));
            packets.push_back(make_segment(
                together.at.there, together.at.here,
                "A " + std::to_string(seq) + " ack " + std::to_string(together.iss + 1) +
                    (ts ? " ts 8:9" : "") + " len " + std::to_string(size)));
            for (std::uint32_t k = 1; k <= size; ++k)
                packets.back()[packets.back().size() - k] = static_cast<std::uint8_t>(seq + k);
            complete(packets.back(), v6);
            seq += size;
        }
        Octets& hit = packets[rng.below(packets.size())];
        const std::uint64_t headers = (v6 ? 40 : 20) + 32;  // mostly there
        const std::size_t at = rng.below(std::min<std::uint64_t>(hit.size(), headers));
        hit[at] ^= static_cast<std::uint8_t>(1u << rng.below(8));
        if (rng.below(4) != 0) complete(hit, v6);
        if (rng.below(4) == 0) hit.resize(hit.size() + rng.below(9));  // padding of the link
        if (rng.below(8) == 0) hit.resize(rng.below(hit.size()) + 1);
        std::vector<device::Frame> frames;
        for (const Octets& p : packets)
            frames.push_back({.bytes = p, .arrived = together.now, .offload = {}});
        together.stack.receive(together.now, frames);
        for (const device::Frame& f : frames) alone.stack.receive(alone.now, std::span(&f, 1));
        ASSERT_EQ(outcome(together), outcome(alone)) << "--seed=" << seed;
    }
}

}  // namespace
}  // namespace estab::stack
