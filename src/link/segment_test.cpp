#include "link/segment.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "link/link_testing.hpp"
#include "link/memory_link.hpp"
#include "link/segmenter.hpp"

namespace estab::link {
namespace {

using testing::Built;
using testing::build;
using testing::see;
using testing::Seen;
using testing::TcpFrame;
using wire::Flags;

std::vector<Seen> pieces_of(const Built& built, const Cuts::How& how) {
    std::vector<Seen> seen;
    std::array<std::uint8_t, 65'600> scratch;
    const auto count = cut(built.bytes, built.offload, how, scratch, [&](Bytes piece) {
        EXPECT_LE(piece.size(), how.frame_max);
        seen.push_back(see(piece, how.link == device::LinkType::ethernet));
    });
    EXPECT_EQ(count ? *count : 0, seen.size());
    return seen;
}

TEST(Cuts, EachPieceIsACompleteSegment) {
    for (const bool v4 : {true, false}) {
        for (const bool ethernet : {true, false}) {
            for (const bool partial : {true, false}) {
                const Built built = build({.v4 = v4,
                                           .ethernet = ethernet,
                                           .partial = partial,
                                           .payload = 4001,
                                           .gso_size = 1000,
                                           .id = 0xfffe,
                                           .seq = 0xffff'fc00});
                const auto pieces = pieces_of(
                    built, {.link = ethernet ? device::LinkType::ethernet : device::LinkType::ip,
                            .frame_max = 1514});
                ASSERT_EQ(pieces.size(), 5u);
                for (std::size_t i = 0; i < 5; ++i) {
                    EXPECT_TRUE(pieces[i].valid);
                    EXPECT_EQ(pieces[i].seq, static_cast<std::uint32_t>(0xffff'fc00 + 1000 * i));
                    EXPECT_EQ(pieces[i].id, v4 ? static_cast<std::uint16_t>(0xfffe + i) : 0);
                    EXPECT_EQ(pieces[i].payload.size(), i < 4 ? 1000u : 1u);
                    EXPECT_EQ(pieces[i].payload[0], static_cast<std::uint8_t>(1000 * i));
                }
            }
        }
    }
}

TEST(Cuts, PshAndFinOnlyOnTheLastCwrOnlyOnTheFirst) {  // RFC 3168 6.1.2
    const std::uint16_t all = Flags::ack | Flags::psh | Flags::fin | Flags::cwr;
    const auto pieces = pieces_of(
        build({.payload = 3000, .gso_size = 1000, .flags = all, .gso_ecn = true}), {});
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(pieces[0].flags, Flags::ack | Flags::cwr);
    EXPECT_EQ(pieces[1].flags, Flags::ack);
    EXPECT_EQ(pieces[2].flags, Flags::ack | Flags::psh | Flags::fin);
}

TEST(Cuts, ACounterOfAccurateEcnStaysOnEachPiece) {  // RFC 9768 3.2.2
    const std::uint16_t ace = Flags::ack | Flags::cwr | Flags::ae;
    for (const Seen& piece :
         pieces_of(build({.payload = 3000, .gso_size = 1000, .flags = ace}), {})) {
        EXPECT_EQ(piece.flags, ace);
        EXPECT_TRUE(piece.valid);
    }
}

TEST(Cuts, TheUrgentPointerCountsFromEachSequenceNumber) {
    const auto pieces = pieces_of(
        build(
            {.payload = 3000, .gso_size = 1000, .flags = Flags::ack | Flags::urg, .urgent = 1500}),
        {});
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(pieces[0].urgent, 1500);
    EXPECT_EQ(pieces[1].urgent, 500);
    EXPECT_EQ(pieces[2].urgent, 0);
    EXPECT_EQ(pieces[2].flags, Flags::ack);
    EXPECT_TRUE(pieces[2].valid);
}

TEST(Cuts, SizesAtTheEdges) {
    EXPECT_EQ(pieces_of(build({.payload = 0, .gso_size = 1000}), {}).size(), 1u);
    EXPECT_EQ(pieces_of(build({.payload = 1, .gso_size = 1000}), {}).size(), 1u);
    EXPECT_EQ(pieces_of(build({.payload = 1000, .gso_size = 1000}), {}).size(), 1u);
    EXPECT_EQ(pieces_of(build({.payload = 1001, .gso_size = 1000}), {}).size(), 2u);
    EXPECT_EQ(pieces_of(build({.payload = 65'483, .gso_size = 1448}), {}).size(), 46u);
    // A GSO size that the wire cannot carry is cut to what it can: 1500 - 20 - 32.
    EXPECT_EQ(pieces_of(build({.payload = 2896, .gso_size = 9000}), {}).size(), 2u);
}

TEST(Cuts, AFrameWithoutGsoIsOnePieceWithItsChecksum) {
    const auto pieces = pieces_of(build({.payload = 1000}), {});
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_TRUE(pieces[0].valid);
}

TEST(Cuts, WhatDoesNotAgreeIsRefused) {
    const Built good = build({.payload = 3000, .gso_size = 1000});
    const auto refused = [&](auto change) {
        Built bad = good;
        change(bad);
        EXPECT_FALSE(Cuts::plan(bad.bytes, bad.offload, {}));
    };
    refused([](Built& b) { b.offload.gso = device::Gso::tcp6; });
    refused([](Built& b) { b.offload.gso_size = 0; });
    refused([](Built& b) { b.offload.checksum_start = 24; });
    refused([](Built& b) { b.offload.checksum_start = 0xffff; });
    refused([](Built& b) { b.bytes[32] = 0x40; });   // data offset 16
    refused([](Built& b) { b.bytes[0] = 0x41; });    // IHL 4
    refused([](Built& b) { b.offload.gso = device::Gso::none; b.offload.checksum_start = 3050; });
    for (std::size_t size = 0; size < 52; ++size) refused([&](Built& b) { b.bytes.resize(size); });
    refused([](Built& b) { b.offload.checksum = device::Checksum::complete; b.bytes[9] = 17; });
}

TEST(CompleteChecksum, FillsTheField) {
    Built built = build({.payload = 501});
    EXPECT_FALSE(see(built.bytes).valid);
    EXPECT_TRUE(complete_checksum(built.bytes, built.offload));
    EXPECT_TRUE(see(built.bytes).valid);
    EXPECT_EQ(built.offload.checksum, device::Checksum::complete);
    const auto bytes = built.bytes;
    EXPECT_TRUE(complete_checksum(built.bytes, built.offload));  // complete already: untouched
    EXPECT_EQ(built.bytes, bytes);
}

TEST(CompleteChecksum, StaysInsideTheFrame) {
    std::array<std::uint8_t, 10> frame{};
    device::Offload offload{
        .checksum = device::Checksum::partial, .checksum_start = 8, .checksum_offset = 0};
    EXPECT_TRUE(complete_checksum(frame, offload));
    offload = {.checksum = device::Checksum::partial, .checksum_start = 8, .checksum_offset = 1};
    EXPECT_FALSE(complete_checksum(frame, offload));
    offload = {
        .checksum = device::Checksum::partial, .checksum_start = 0xffff, .checksum_offset = 0xffff};
    EXPECT_FALSE(complete_checksum(frame, offload));
}

TEST(CompleteChecksum, UdpNeverSaysNone) {  // RFC 768
    std::array<std::uint8_t, 8> udp{};
    store_be16(udp.data(), 0xffff);  // the sum is 0xffff, the checksum would be 0
    device::Offload offload{
        .checksum = device::Checksum::partial, .checksum_start = 0, .checksum_offset = 6};
    EXPECT_TRUE(complete_checksum(udp, offload));
    EXPECT_EQ(load_be16(udp.data() + 6), 0xffff);
}

struct SegmenterTest : ::testing::Test {
    MemoryLink link{{.caps = {}, .frames_max = 4}};
    Segmenter<MemoryLink::End> segmenter{link.end(0)};
    std::array<device::Frame, 16> batch;

    bool send(const Built& built) {
        const MutableBytes room = segmenter.reserve(built.bytes.size());
        if (room.empty()) return false;
        std::copy(built.bytes.begin(), built.bytes.end(), room.begin());
        segmenter.commit(Instant{}, built.bytes.size(), built.offload);
        return true;
    }
};

static_assert(device::Device<Segmenter<MemoryLink::End>>);

TEST_F(SegmenterTest, DeclaresWhatItDoes) {
    const device::Caps& caps = segmenter.caps();
    EXPECT_TRUE(caps.tso4 && caps.tso6 && caps.gso_ecn && caps.checksum);
    EXPECT_EQ(caps.mtu, 1500u);
    EXPECT_EQ(caps.frame_max, 65'535u);
}

TEST_F(SegmenterTest, SmallFramesAreSummedInPlace) {
    EXPECT_TRUE(send(build({.payload = 700})));
    ASSERT_EQ(link.end(1).receive(Instant{}, batch), 1u);
    EXPECT_EQ(batch[0].offload.checksum, device::Checksum::complete);
    EXPECT_TRUE(see(batch[0].bytes).valid);
}

TEST_F(SegmenterTest, ASmallGsoFrameIsCutToo) {
    EXPECT_TRUE(send(build({.payload = 1000, .gso_size = 500})));
    ASSERT_EQ(link.end(1).receive(Instant{}, batch), 2u);
    EXPECT_TRUE(see(batch[0].bytes).valid);
    EXPECT_TRUE(see(batch[1].bytes).valid);
}

TEST_F(SegmenterTest, AFullDeviceInTheMiddleOfABurstLosesNothing) {
    EXPECT_TRUE(send(build({.payload = 10'000, .gso_size = 1000})));
    EXPECT_FALSE(send(build({.payload = 1})));  // behind the burst, never before it
    std::uint32_t expected = 1000;
    std::size_t total = 0;
    for (int turn = 0; turn < 10; ++turn) {
        const std::size_t count = link.end(1).receive(Instant{}, batch);
        for (std::size_t i = 0; i < count; ++i) {
            const Seen seen = see(batch[i].bytes);
            EXPECT_TRUE(seen.valid);
            EXPECT_EQ(seen.seq, expected);
            expected += 1000;
        }
        total += count;
        segmenter.flush(Instant{});
    }
    EXPECT_EQ(total, 10u);
    EXPECT_TRUE(send(build({.payload = 1})));
}

TEST_F(SegmenterTest, WhatCannotBeCutIsDroppedAndCounted) {
    Built bad = build({.payload = 10'000, .gso_size = 1000});
    bad.bytes[0] = 0x65;
    EXPECT_TRUE(send(bad));
    EXPECT_EQ(segmenter.malformed(), 1u);
    EXPECT_TRUE(send(build({.payload = 10'000})));  // too big for the wire, and not GSO
    EXPECT_EQ(segmenter.malformed(), 2u);
    EXPECT_EQ(link.end(1).receive(Instant{}, batch), 0u);
}

TEST(Segmenter, LeavesToTheDeviceWhatItCanDo) {
    MemoryLink link(
        {.caps = {.frame_max = 65'535, .tso4 = true, .checksum = true}, .frames_max = 40});
    Segmenter<MemoryLink::End> segmenter{link.end(0)};
    std::array<device::Frame, 16> batch;
    for (const bool v4 : {true, false}) {
        const Built built = build({.v4 = v4, .payload = 5000, .gso_size = 1000});
        const MutableBytes room = segmenter.reserve(built.bytes.size());
        std::copy(built.bytes.begin(), built.bytes.end(), room.begin());
        segmenter.commit(Instant{}, built.bytes.size(), built.offload);
        EXPECT_EQ(link.end(1).receive(Instant{}, batch), v4 ? 1u : 5u);
        EXPECT_EQ(batch[0].offload.gso, v4 ? device::Gso::tcp4 : device::Gso::none);
    }
}

}  // namespace
}  // namespace estab::link
