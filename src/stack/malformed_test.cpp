// What nobody should send. Options and headers that broke other stacks, at every state; and every
// truncation of every packet of the captures: no crash, no leak, no growth.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "stack/stack_testing.hpp"
#include "wire/checksum.hpp"

namespace estab::stack {
namespace {

using tcp::State;

// A TCP packet with any header: `offset` in words, whatever the octets really are.
Octets raw_segment(const wire::Endpoint& from, const wire::Endpoint& to, std::uint16_t flags,
                   std::uint32_t seq, std::uint32_t ack, Bytes options, std::uint8_t offset) {
    Octets p(40 + options.size());
    wire::write_ip(p, {.source = from.address,
                       .destination = to.address,
                       .protocol = wire::protocol_tcp,
                       .payload_bytes = static_cast<std::uint32_t>(20 + options.size())});
    store_be16(&p[20], from.port);
    store_be16(&p[22], to.port);
    store_be32(&p[24], seq);
    store_be32(&p[28], ack);
    store_be16(&p[32], static_cast<std::uint16_t>(offset << 12 | flags));
    store_be16(&p[34], 65'535);
    std::copy(options.begin(), options.end(), p.begin() + 40);
    wire::Sum sum = wire::pseudo_header(from.address, to.address, wire::protocol_tcp,
                                        static_cast<std::uint32_t>(p.size() - 20));
    sum.add(Bytes(p).subspan(20));
    store_be16(&p[36], sum.checksum());
    return p;
}

const std::vector<Octets> bad_options{
    {30, 0, 0, 0},                              // kind 30, length 0 (MUST-7)
    {30, 1, 0, 0},
    {30, 40, 1, 1},                             // past the header
    {1, 1, 1, 30},                              // no length at all
    {2, 4, 0, 0},                               // MSS 0
    {2, 4, 0, 1},                               // MSS 1
    {2, 3, 5, 1},                               // MSS of a wrong length
    {3, 3, 15, 1},                              // window scale above 14
    {3, 3, 255, 1},
    {3, 2, 1, 1},
    {4, 3, 1, 1},
    {5, 2, 1, 1},                               // SACK without blocks
    {5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1},
    {5, 10, 0, 0, 0, 9, 0, 0, 0, 1, 1, 1},      // ends before it begins
    {5, 10, 255, 255, 255, 255, 0, 0, 0, 1, 1, 1},
    {8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},      // timestamp 0
    {8, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1},
    {8, 10, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0},
    {0, 2, 4, 255},                             // something behind the end
    {254, 4, 0xf9, 0x89}, {34, 2, 1, 1}, {34, 3, 1, 1}, {29, 4, 1, 1}, {19, 18, 1, 1},
};

// At least each of these at LISTEN, SYN-SENT and ESTABLISHED, on every kind of segment.
TEST(Malformed, OptionsAndHeadersAtEveryState) {
    for (const Octets& options : bad_options) {
        for (std::uint8_t offset = 0; offset != 16; ++offset) {
            Bench b;
            const auto listener = *b.stack.listen({.port = 80});
            const std::uint32_t iss = b.handshake(peer(1));
            const auto established = *b.stack.accept(listener);
            const auto opening = *b.stack.connect(b.now, peer(2), {.local_port = 80});
            b.flush();
            const std::uint32_t syn = b.take().back().seq();
            const std::size_t used = b.stack.memory().used();
            for (const int flags :
                 {0x02, 0xc2, 0x1c2, 0x12, 0x10, 0x18, 0x11, 0x29, 0x30, 0, 0x3f, 0x1ff}) {
                const auto f = static_cast<std::uint16_t>(flags);
                b.inject(raw_segment(peer(3), us, f, 1000, 0, options, offset));
                b.inject(raw_segment(peer(1), us, f, 1001, iss + 1, options, offset));
                b.inject(raw_segment(peer(1), us, f, 2000, iss + 1, options, offset));
                b.inject(raw_segment(peer(2), us, f, 7000, syn + 1, options, offset));
                for (const ConnectionId id : {established, opening}) {
                    if (const auto* c = b.stack.find(id)) c->check_invariants();
                }
                b.take();
            }
            EXPECT_LE(b.stack.memory().used(), used + 6 * 65'536);
            b.wait(700s);
        }
    }
}

TEST(Malformed, AnOptionOfLengthZeroDoesNotHideTheSegment) {  // MUST-6, MUST-7, MUST-64
    Bench b;
    const auto listener = *b.stack.listen({.port = 80});
    const std::uint32_t iss = b.handshake(them);
    const auto c = *b.stack.accept(listener);
    b.inject(raw_segment(them, us, 0x11, 1001, iss + 1, Octets{30, 0, 0, 0}, 6));
    EXPECT_TRUE(b.stack.find(c)->peer_finished());
    EXPECT_EQ(b.counters().Estab_TCPMalformedOptions, 1u);
}

TEST(Malformed, TheDataOffsetMustBeInside) {
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    for (const int offset : {0, 1, 4, 6, 15}) {
        b.inject(raw_segment(them, us, 2, 1000, 0, {}, static_cast<std::uint8_t>(offset)));
    }
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Tcp_InErrs, 5u);
}

// --- Captures

// The frames of a classic pcap file in little-endian order, as IP packets where they are.
std::vector<Octets> packets_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    const Octets all((std::istreambuf_iterator<char>(in)), {});
    std::vector<Octets> packets;
    const auto le32 = [&](std::size_t at) {
        return static_cast<std::uint32_t>(all[at] | all[at + 1] << 8 | all[at + 2] << 16) |
               static_cast<std::uint32_t>(all[at + 3]) << 24;
    };
    if (all.size() < 24 || (le32(0) != 0xa1b2c3d4 && le32(0) != 0xa1b23c4d)) return packets;
    const std::uint32_t link = le32(20);
    const std::size_t skip = link == 1     ? 14
                             : link == 113 ? 16
                             : link == 276 ? 20
                             : link == 0   ? 4
                                           : 0;
    for (std::size_t at = 24; at + 16 <= all.size();) {
        const std::size_t size = le32(at + 8);
        at += 16;
        if (size > all.size() - at) break;
        if (size > skip) packets.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at + skip),
                                              all.begin() + static_cast<std::ptrdiff_t>(at + size));
        at += size;
    }
    return packets;
}

TEST(Malformed, EveryTruncationOfEveryCapturedPacket) {
    tcp::Config config;
    config.time_wait = 1s;
    config.synack_retries = 1;
    Bench b(config, 16u << 20);
    ASSERT_TRUE(b.stack.routes().accept(*wire::Prefix::parse("0.0.0.0/0")));
    ASSERT_TRUE(b.stack.routes().accept(*wire::Prefix::parse("::/0")));
    const auto listener = *b.stack.listen({.any_port = true});
    std::size_t packets = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(ESTAB_SOURCE_DIR "/tests/captures")) {
        if (entry.path().extension() != ".pcap") continue;
        std::size_t of_file = 0;
        for (const Octets& packet : packets_of(entry.path())) {
            if (++of_file > 60) break;  // every kind of packet is among the first
            ++packets;
            // Checksums of what is cut would be wrong: once as they are, once taken as verified.
            const std::size_t step = packet.size() > 120 ? packet.size() - 120 : 0;
            for (std::size_t size = 0; size <= packet.size();
                 size += size == 100 && step > 0 ? step : 1) {
                const Octets cut(packet.begin(),
                                 packet.begin() + static_cast<std::ptrdiff_t>(size));
                Octets shorter = cut;  // and once as a packet that says that it is so short
                if (size >= 20 && shorter[0] == 0x45) {
                    store_be16(&shorter[2], static_cast<std::uint16_t>(size));
                    store_be16(&shorter[10], 0);
                    store_be16(&shorter[10], wire::checksum(Bytes(shorter).first(20)));
                }
                for (const Octets* o : {&cut, static_cast<const Octets*>(&shorter)}) {
                    const device::Frame f{.bytes = *o, .arrived = b.now,
                                          .offload = {.checksum = device::Checksum::verified}};
                    b.stack.receive(b.now, std::span(&f, 1));
                }
                b.flush();
            }
            b.take();
            b.now += 1ms;
            b.stack.advance(b.now);
            while (const auto c = b.stack.accept(listener)) b.stack.abort(b.now, *c);
            b.flush();
        }
    }
    EXPECT_GT(packets, 1000u);
    EXPECT_LE(b.stack.memory().peak(), 8u << 20);
    b.wait(3600s);
    EXPECT_EQ(b.stack.connections() + b.stack.half_open() + b.stack.time_waits(), 0u);
    EXPECT_LE(b.stack.memory().used(), 256u * 1024);
}

}  // namespace
}  // namespace estab::stack
