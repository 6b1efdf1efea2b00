#include "sim/door.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "wire/checksum.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::sim {
namespace {

using wire::Flags;
using Octets = std::vector<std::uint8_t>;

struct Say {
    std::uint32_t seq = 1;
    std::size_t text = 1000;
    std::uint16_t flags = Flags::ack;
    std::uint32_t ack = 9;
    std::uint16_t window = 500;
    bool v6 = false;
    wire::Ecn ecn = wire::Ecn::not_ect;
};

Octets packet(const Say& say) {
    const auto address = [&](std::uint8_t last) {
        std::array<std::uint8_t, 16> octets{0xfd};
        octets[15] = last;
        return say.v6 ? wire::Address::from_v6(octets.data()) : wire::Address::v4(10, 0, 0, last);
    };
    Octets text(say.text);
    std::iota(text.begin(), text.end(), static_cast<std::uint8_t>(say.seq));
    const Bytes piece(text);
    Octets out(2000);
    const std::size_t ip = wire::ip_header_bytes(!say.v6);
    wire::TcpOptions options;
    options.timestamps = {{7, 8}};
    const std::size_t tcp = wire::write_tcp(MutableBytes(out).subspan(ip),
                                            {.source_port = 80,
                                             .destination_port = 4000,
                                             .seq = {say.seq},
                                             .ack = {say.ack},
                                             .flags = {say.flags},
                                             .window = say.window,
                                             .options = options},
                                            {.source = address(1),
                                             .destination = address(2),
                                             .payload = {&piece, 1}});
    wire::write_ip(out, {.source = address(1),
                         .destination = address(2),
                         .protocol = wire::protocol_tcp,
                         .ecn = say.ecn,
                         .id = 1,
                         .payload_bytes = static_cast<std::uint32_t>(tcp)});
    out.resize(ip + tcp);
    return out;
}

// The frames that a host gets when these packets arrive together.
std::vector<std::pair<Octets, device::Offload>> joined(const std::vector<Octets>& packets) {
    Door door({.in = Door::In::joined});
    std::vector<device::Frame> frames;
    for (const Octets& p : packets) frames.push_back({.bytes = p, .arrived = {}, .offload = {}});
    std::vector<std::pair<Octets, device::Offload>> out;
    door.hand_over(frames, [&](std::span<const device::Frame> batch) {
        for (const device::Frame& f : batch)
            out.emplace_back(Octets(f.bytes.begin(), f.bytes.end()), f.offload);
    });
    return out;
}

TEST(Door, WhatWasJoinedCanBeCutAgain) {
    for (const bool v6 : {false, true}) {
        const std::vector<Octets> packets = {
            packet({.seq = 1, .v6 = v6}), packet({.seq = 1001, .v6 = v6}),
            packet({.seq = 2001, .text = 7, .flags = Flags::ack | Flags::psh, .v6 = v6})};
        const auto frames = joined(packets);
        ASSERT_EQ(frames.size(), 1u);
        const auto& [frame, offload] = frames.front();
        EXPECT_EQ(offload.gso_size, 1000u);
        std::vector<Octets> cut;
        Octets scratch(1500);
        Door({}).cut(frame, offload, 1500, scratch,
                     [&](Bytes piece) { cut.emplace_back(piece.begin(), piece.end()); });
        ASSERT_EQ(cut.size(), packets.size());
        for (std::size_t i = 0; i < cut.size(); ++i) {
            if (v6) {
                EXPECT_EQ(cut[i], packets[i]) << i;
                continue;
            }
            // The identification counts on.
            EXPECT_TRUE(std::equal(cut[i].begin() + 12, cut[i].end(), packets[i].begin() + 12));
            EXPECT_EQ(wire::checksum(Bytes(cut[i]).first(20)), 0);
        }
    }
}

TEST(Door, JoinsOnlyWhatSaysTheSame) {
    const Say next{.seq = 1001};
    const auto with = [&](auto change) {
        Say say = next;
        change(say);
        return joined({packet({}), packet(say)}).size();
    };
    EXPECT_EQ(with([](Say&) {}), 1u);
    EXPECT_EQ(with([](Say& s) { s.flags |= Flags::fin; }), 1u);
    EXPECT_EQ(with([](Say& s) { s.text = 999; }), 1u);
    EXPECT_EQ(with([](Say& s) { s.text = 1001; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.seq = 1002; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.ack = 10; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.window = 501; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.flags |= Flags::ece; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.flags |= Flags::rst; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.text = 0; }), 2u);
    EXPECT_EQ(with([](Say& s) { s.ecn = wire::Ecn::ce; }), 2u);
    // Nothing comes behind a PSH, nor behind a shorter one.
    const Octets pushed = packet({.flags = Flags::ack | Flags::psh});
    EXPECT_EQ(joined({pushed, packet(next)}).size(), 2u);
    EXPECT_EQ(joined({packet({}), packet({.seq = 1001, .text = 9}), packet({.seq = 1010})}).size(),
              2u);
}

TEST(Door, LeavesWhatIsDamagedToTheStack) {
    Octets damaged = packet({.seq = 1001});
    damaged.back() ^= 1;
    const auto frames = joined({packet({}), damaged});
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].second.checksum, device::Checksum::verified);
    EXPECT_EQ(frames[1].second.checksum, device::Checksum::complete);
}

TEST(Door, HandsOverEveryPacketWhateverItsWay) {
    std::vector<Octets> packets;
    for (std::uint32_t i = 0; i < 60; ++i) packets.push_back(packet({.seq = 1 + 1000 * i}));
    std::vector<device::Frame> frames;
    for (const Octets& p : packets) frames.push_back({.bytes = p, .arrived = {}, .offload = {}});
    for (const auto in : {Door::In::batches, Door::In::singly, Door::In::joined, Door::In::mixed}) {
        Door door({.in = in, .seed = 5});
        std::size_t text = 0, calls = 0;
        door.hand_over(frames, [&](std::span<const device::Frame> batch) {
            ++calls;
            for (const device::Frame& f : batch) text += f.bytes.size() - 52;
        });
        EXPECT_EQ(text, 60'000u);
        const bool is_one = in == Door::In::batches || in == Door::In::joined;
        EXPECT_EQ(calls == 1, is_one);
        EXPECT_EQ(calls == 60, in == Door::In::singly);
    }
}

}  // namespace
}  // namespace estab::sim
