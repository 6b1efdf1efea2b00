#include "wire/tcp.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/rng.hpp"

namespace estab::wire {
namespace {

const Address a4 = Address::v4(192, 0, 2, 1), b4 = Address::v4(198, 51, 100, 2);
const Address a6 = *Address::parse("2001:db8::1"), b6 = *Address::parse("2001:db8::2");

std::vector<std::uint8_t> written(const TcpHeader& header, const TcpWrite& what) {
    std::vector<std::uint8_t> room(70'000);
    room.resize(write_tcp(room, header, what));
    return room;
}

TcpHeader sample() {
    return {.source_port = 49152,
            .destination_port = 80,
            .seq = {0x01020304},
            .ack = {0xfffefdfc},
            .flags = {Flags::ack | Flags::psh | Flags::ae},
            .window = 64240,
            .urgent = 7,
            .options = {}};
}

TEST(TcpWire, AKnownSynByteForByte) {
    TcpHeader header{.source_port = 40000,
                     .destination_port = 80,
                     .seq = {1},
                     .ack = {},
                     .flags = {Flags::syn},
                     .window = 64240,
                     .urgent = 0,
                     .options = {}};
    header.options.mss = 1460;
    const std::vector<std::uint8_t> expected = {0x9c, 0x40, 0x00, 0x50, 0,    0,    0,    1,
                                                0,    0,    0,    0,    0x60, 0x02, 0xfa, 0xf0,
                                                0x68, 0x9a, 0,    0,    0x02, 0x04, 0x05, 0xb4};
    auto bytes = written(header, {.source = a4, .destination = b4, .payload = {}});
    ASSERT_EQ(bytes.size(), expected.size());
    EXPECT_TRUE(TcpView::parse(bytes)->checksum_is_valid(a4, b4));
    auto without = expected;
    std::copy_n(bytes.begin() + 16, 2, without.begin() + 16);
    EXPECT_EQ(bytes, without);
}

TEST(TcpWire, WhatIsWrittenIsRead) {
    const TcpHeader header = sample();
    const auto bytes = written(header, {.source = a4, .destination = b4, .payload = {}});
    const auto view = TcpView::parse(bytes);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->source_port(), header.source_port);
    EXPECT_EQ(view->destination_port(), header.destination_port);
    EXPECT_EQ(view->seq(), header.seq);
    EXPECT_EQ(view->ack(), header.ack);
    EXPECT_EQ(view->flags(), header.flags);
    EXPECT_EQ(view->window(), header.window);
    EXPECT_EQ(view->urgent(), header.urgent);
    EXPECT_EQ(view->header_bytes(), 20U);
    EXPECT_TRUE(view->payload().empty());
}

TEST(TcpWire, PayloadInOddPiecesHasARightChecksum) {
    Rng rng(11);
    std::vector<std::uint8_t> data(3000);
    std::iota(data.begin(), data.end(), std::uint8_t{0});
    for (int round = 0; round < 300; ++round) {
        std::vector<Bytes> parts;
        std::size_t size = 0;
        for (std::size_t n = rng.below(6); n != 0; --n) {
            const std::size_t part = rng.below(500);
            parts.push_back(Bytes(data).subspan(size, part));
            size += part;
        }
        TcpHeader header = sample();
        if (rng.chance(500'000)) header.options.timestamps = Timestamps{1, 2};
        const bool v4 = rng.chance(500'000);
        const TcpWrite what{.source = v4 ? a4 : a6, .destination = v4 ? b4 : b6, .payload = parts};
        const auto bytes = written(header, what);
        const auto view = TcpView::parse(bytes);
        ASSERT_TRUE(view && view->checksum_is_valid(what.source, what.destination));
        ASSERT_FALSE(view->checksum_is_valid(what.source, what.source));
        ASSERT_TRUE(std::equal(view->payload().begin(), view->payload().end(), data.begin(),
                               data.begin() + static_cast<std::ptrdiff_t>(size)));
    }
}

TEST(TcpWire, PartialChecksumIsThePseudoHeaderSum) {
    const std::uint8_t data[] = {1, 2, 3};
    const Bytes parts[] = {data};
    auto bytes = written(
        sample(), {.source = a4, .destination = b4, .payload = parts, .partial_checksum = true});
    ASSERT_EQ(bytes.size(), 23U);
    EXPECT_EQ(load_be16(bytes.data() + 16), pseudo_header(a4, b4, protocol_tcp, 23).folded());
    EXPECT_TRUE(std::equal(data, data + 3, bytes.data() + 20));
    ASSERT_TRUE(complete_checksum(bytes, 0, 16));
    EXPECT_TRUE(TcpView::parse(bytes)->checksum_is_valid(a4, b4));
}

TEST(TcpWire, ChecksumOfASegmentOf64KiB) {
    const std::vector<std::uint8_t> data(65'000, 0xff);
    const Bytes parts[] = {data};
    const auto bytes = written(sample(), {.source = a6, .destination = b6, .payload = parts});
    EXPECT_TRUE(TcpView::parse(bytes)->checksum_is_valid(a6, b6));
}

TEST(TcpView, DataOffsetMustBeInside) {
    std::vector<std::uint8_t> bytes(24, 0);
    for (std::uint8_t words = 0; words < 16; ++words) {
        bytes[12] = static_cast<std::uint8_t>(words << 4);
        EXPECT_EQ(TcpView::parse(bytes).has_value(), words == 5 || words == 6) << int{words};
    }
    bytes[12] = 0x50;
    EXPECT_TRUE(TcpView::parse(Bytes(bytes).first(20)));
    EXPECT_FALSE(TcpView::parse(Bytes(bytes).first(19)));
    EXPECT_FALSE(TcpView::parse({}));
}

}  // namespace
}  // namespace estab::wire
