#include "ip/reassembler.hpp"

#include <numeric>

#include <gtest/gtest.h>

#include "wire/checksum.hpp"

namespace estab::ip {
namespace {

using wire::Address;
using wire::IpPacket;
constexpr Instant start{};
constexpr Address us = Address::v4(192, 0, 2, 1);
constexpr Address peer = Address::v4(198, 51, 100, 7);

struct Piece {
    std::uint32_t id = 1;
    std::size_t offset = 0;
    std::size_t size = 8;
    bool more = true;
    Address source = peer;
    wire::Ecn ecn = wire::Ecn::not_ect;
    std::uint8_t fill = 0;  // added to every byte
    std::size_t v4_options_bytes = 0;
    std::uint8_t v6_inner = wire::protocol_udp;
};

// Byte i of a datagram's data is i mod 251, so a piece knows what it should carry.
std::vector<std::uint8_t> data(const Piece& piece) {
    std::vector<std::uint8_t> bytes(piece.size);
    for (std::size_t i = 0; i < piece.size; ++i) {
        bytes[i] = static_cast<std::uint8_t>((piece.offset + i) % 251 + piece.fill);
    }
    return bytes;
}

std::vector<std::uint8_t> v4(const Piece& piece) {
    const std::size_t header_bytes = 20 + piece.v4_options_bytes;
    std::vector<std::uint8_t> packet(header_bytes, 1);  // options: no operation
    wire::write_ip(
        packet, {.source = piece.source,
                 .destination = us,
                 .protocol = 17,
                 .ecn = piece.ecn,
                 .dont_fragment = false,
                 .id = static_cast<std::uint16_t>(piece.id),
                 .payload_bytes = static_cast<std::uint32_t>(piece.v4_options_bytes + piece.size)});
    packet[0] = static_cast<std::uint8_t>(0x40 | header_bytes / 4);
    store_be16(&packet[6],
               static_cast<std::uint16_t>(piece.offset / 8 | (piece.more ? 0x2000 : 0)));
    store_be16(&packet[10], 0);
    store_be16(&packet[10], wire::checksum(packet));
    const auto payload = data(piece);
    packet.insert(packet.end(), payload.begin(), payload.end());
    return packet;
}

const Address us6 = *Address::parse("2001:db8::1");
const Address peer6 = *Address::parse("2001:db8::7");

// With destination options in front of the fragment header.
std::vector<std::uint8_t> v6(const Piece& piece) {
    std::vector<std::uint8_t> packet(40);
    wire::write_ip(packet, {.source = peer6, .destination = us6, .protocol = 60, .ecn = piece.ecn,
                            .payload_bytes = static_cast<std::uint32_t>(16 + piece.size)});
    packet.insert(packet.end(), {44, 0, 1, 4, 0, 0, 0, 0});
    packet.insert(packet.end(), {piece.v6_inner, 0, 0, 0, 0, 0, 0, 0});
    store_be16(&packet[50], static_cast<std::uint16_t>(piece.offset | (piece.more ? 1 : 0)));
    store_be32(&packet[52], piece.id);
    const auto payload = data(piece);
    packet.insert(packet.end(), payload.begin(), payload.end());
    return packet;
}

class Reassembly : public testing::Test {
protected:
    std::optional<IpPacket> add(Instant now, const std::vector<std::uint8_t>& bytes) {
        const auto packet = IpPacket::parse(bytes);
        EXPECT_TRUE(packet.has_value());
        const auto whole = reassembler.add(now, *packet);
        if (!whole) return std::nullopt;
        const auto parsed = IpPacket::parse(*whole);
        EXPECT_TRUE(parsed.has_value());
        if (!parsed) return std::nullopt;
        EXPECT_FALSE(parsed->fragment.has_value());
        return *parsed;
    }
    std::optional<IpPacket> add(const Piece& piece) { return add(start, v4(piece)); }

    static void expect_data(const std::optional<IpPacket>& packet, std::size_t size) {
        ASSERT_TRUE(packet.has_value());
        EXPECT_TRUE(std::ranges::equal(packet->payload, data({.offset = 0, .size = size})));
    }

    event::Counters counters;
    Reassembler reassembler{counters};
};

TEST_F(Reassembly, PutsPiecesTogether) {  // RFC 791 3.2
    EXPECT_FALSE(add({.offset = 0, .size = 16}));
    EXPECT_FALSE(add({.offset = 16, .size = 8}));
    const auto whole = add({.offset = 24, .size = 3, .more = false});
    expect_data(whole, 27);
    EXPECT_EQ(whole->source, peer);
    EXPECT_EQ(whole->protocol, 17);
    EXPECT_EQ(reassembler.datagrams(), 0u);
    EXPECT_EQ(reassembler.used_bytes(), 0u);
    EXPECT_EQ(counters.Ip_ReasmReqds, 3u);
    EXPECT_EQ(counters.Ip_ReasmOKs, 1u);
    EXPECT_EQ(counters.Ip_ReasmFails, 0u);
}

TEST_F(Reassembly, TakesThemInAnyOrder) {  // RFC 815
    std::vector<Piece> pieces{
        {.offset = 0}, {.offset = 8}, {.offset = 16}, {.offset = 24, .size = 5, .more = false}};
    std::vector<std::size_t> order(pieces.size());
    std::iota(order.begin(), order.end(), 0u);
    do {
        for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(add(pieces[order[i]]));
        expect_data(add(pieces[order[3]]), 29);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(Reassembly, KeepsTheHeaderOfTheFirst) {  // options that are not copied are only there
    EXPECT_FALSE(add({.offset = 8, .more = false}));
    const auto whole = add({.offset = 0, .v4_options_bytes = 8});
    expect_data(whole, 16);
    EXPECT_EQ(whole->header.size(), 28u);
}

TEST_F(Reassembly, TellsDatagramsApart) {
    EXPECT_FALSE(add({.id = 1, .offset = 0}));
    EXPECT_FALSE(add({.id = 2, .offset = 8, .more = false}));
    EXPECT_FALSE(
        add({.id = 1, .offset = 8, .more = false, .source = Address::v4(198, 51, 100, 8)}));
    EXPECT_EQ(reassembler.datagrams(), 3u);
    expect_data(add({.id = 1, .offset = 8, .more = false}), 16);
}

TEST_F(Reassembly, CutsTheFragmentHeaderOut) {  // RFC 8200 4.5
    EXPECT_FALSE(add(start, v6({.offset = 1232, .size = 100, .more = false})));
    const auto whole = add(start, v6({.offset = 0, .size = 1232}));
    expect_data(whole, 1332);
    EXPECT_EQ(whole->protocol, wire::protocol_udp);
    EXPECT_EQ(whole->header.size(), 48u);
}

TEST_F(Reassembly, LeavesAtomicFragmentsAlone) {  // RFC 6946: such a packet is whole
    const auto bytes = v6({.offset = 0, .size = 13, .more = false});
    EXPECT_FALSE(IpPacket::parse(bytes)->fragment.has_value());
}

TEST_F(Reassembly, RefusesAFragmentInAFragment) {
    EXPECT_FALSE(add(start, v6({.offset = 0, .size = 16, .v6_inner = 44})));
    EXPECT_EQ(reassembler.datagrams(), 0u);
}

TEST_F(Reassembly, ToleratesExactDuplicates) {  // RFC 8200 4.5
    EXPECT_FALSE(add({.offset = 0}));
    EXPECT_FALSE(add({.offset = 0}));
    EXPECT_FALSE(add({.offset = 16, .more = false}));
    EXPECT_FALSE(add({.offset = 16, .more = false}));
    expect_data(add({.offset = 8}), 24);
}

TEST_F(Reassembly, DropsAllOfADatagramWithAnOverlap) {  // RFC 5722 4
    const std::vector<std::vector<Piece>> attacks{
        {{.offset = 0}, {.offset = 0, .fill = 1}},                        // same place, other bytes
        {{.offset = 8, .size = 16}, {.offset = 0, .size = 16}},           // into the next
        {{.offset = 0, .size = 16}, {.offset = 8, .size = 16}},           // out of the last
        {{.offset = 8, .size = 8}, {.offset = 0, .size = 24}},            // around
        {{.offset = 0, .size = 24}, {.offset = 8, .size = 8}},            // inside
        {{.offset = 8, .more = false}, {.offset = 16}},                   // past the end
        {{.offset = 16}, {.offset = 8, .more = false}},                   // an end too early
        {{.offset = 8, .more = false}, {.offset = 16, .more = false}},    // two ends
        {{.offset = 8}, {.offset = 8, .more = false}},                    // the end or not
        {{.offset = 8, .more = false}, {.offset = 8}},
    };
    std::uint64_t fails = 0;
    for (const auto& attack : attacks) {
        for (const Piece& piece : attack) EXPECT_FALSE(add(piece));
        EXPECT_EQ(reassembler.datagrams(), 0u) << "attack " << fails;
        EXPECT_EQ(counters.Ip_ReasmFails, ++fails);
    }
    EXPECT_FALSE(add(start, v6({.offset = 8, .size = 16})));
    EXPECT_FALSE(add(start, v6({.offset = 0, .size = 16})));
    EXPECT_EQ(reassembler.datagrams(), 0u);
}

TEST_F(Reassembly, RefusesPiecesThatCannotBe) {
    EXPECT_FALSE(add({.offset = 0}));
    EXPECT_FALSE(add({.offset = 8, .size = 7}));  // more to come, and not a multiple of 8
    EXPECT_EQ(reassembler.datagrams(), 0u);
    EXPECT_FALSE(add({.offset = 8, .size = 0, .more = false}));
    EXPECT_EQ(reassembler.datagrams(), 0u);
    EXPECT_EQ(counters.Ip_ReasmFails, 2u);
}

TEST_F(Reassembly, StopsAtTheLongestPacket) {  // the ping of death, and one byte less
    const auto send = [this](std::size_t last_bytes) {
        for (std::size_t at = 0; at < 65'472; at += 1488) {
            EXPECT_FALSE(add({.offset = at, .size = 1488}));
        }
        return add({.offset = 65'472, .size = last_bytes, .more = false});
    };
    expect_data(send(43), 65'515);
    EXPECT_FALSE(send(44));
    EXPECT_EQ(counters.Ip_ReasmFails, 1u);
    EXPECT_FALSE(add({.offset = 65'504, .size = 16, .more = false}));
    EXPECT_EQ(reassembler.datagrams(), 0u);
    EXPECT_FALSE(add({.offset = 65'504, .size = 11, .more = false}));
    EXPECT_EQ(reassembler.datagrams(), 1u);
}

TEST_F(Reassembly, CountsTheFirstHeadersOptionsToo) {
    EXPECT_FALSE(add({.offset = 65'504, .size = 11, .more = false}));
    for (std::size_t at = 1488; at < 65'472; at += 1488)
        EXPECT_FALSE(add({.offset = at, .size = 1488}));
    EXPECT_FALSE(add({.offset = 65'472, .size = 32}));
    EXPECT_FALSE(add({.offset = 0, .size = 1488, .v4_options_bytes = 4}));
    EXPECT_EQ(reassembler.datagrams(), 0u);
    EXPECT_EQ(counters.Ip_ReasmFails, 1u);
}

TEST_F(Reassembly, KeepsTheMarkOfAnyPiece) {  // RFC 3168 5.3
    EXPECT_FALSE(add({.offset = 0, .ecn = wire::Ecn::ect0}));
    EXPECT_EQ(add({.offset = 8, .more = false, .ecn = wire::Ecn::ce})->ecn, wire::Ecn::ce);
    EXPECT_FALSE(add({.offset = 0, .ecn = wire::Ecn::not_ect}));
    EXPECT_FALSE(add({.offset = 8, .more = false, .ecn = wire::Ecn::ce}));
    EXPECT_EQ(counters.Ip_ReasmFails, 1u);
    EXPECT_FALSE(add(start, v6({.offset = 0, .ecn = wire::Ecn::ect1})));
    EXPECT_EQ(add(start, v6({.offset = 8, .more = false, .ecn = wire::Ecn::ce}))->ecn,
              wire::Ecn::ce);
}

TEST_F(Reassembly, GivesUpAfterItsTime) {  // RFC 791 3.2, RFC 8200 4.5
    EXPECT_EQ(reassembler.deadline(), never);
    add(start, v6({.offset = 0}));
    add(start + 1s, v4({.offset = 0}));
    add(start + 20s, v4({.offset = 8}));  // does not prolong it
    EXPECT_EQ(reassembler.deadline(), start + 31s);
    EXPECT_FALSE(reassembler.expire(start + 31s - 1ns));
    const auto first = reassembler.expire(start + 31s);
    ASSERT_TRUE(first);
    EXPECT_TRUE(std::ranges::equal(*first, v4({.offset = 0})));
    EXPECT_FALSE(reassembler.expire(start + 31s));
    EXPECT_EQ(reassembler.deadline(), start + 60s);
    EXPECT_TRUE(std::ranges::equal(*reassembler.expire(start + 60s), v6({.offset = 0})));
    EXPECT_EQ(counters.Ip_ReasmTimeout, 2u);
    EXPECT_EQ(counters.Ip_ReasmFails, 2u);
    EXPECT_EQ(reassembler.used_bytes(), 0u);
}

TEST_F(Reassembly, QuotesNothingWithoutTheFirst) {  // RFC 1122 3.3.2
    add({.offset = 8});
    const auto first = reassembler.expire(start + 30s);
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->empty());
}

TEST_F(Reassembly, TakesNothingMoreOnceTheTimeIsUp) {
    add(start, v4({.offset = 0}));
    EXPECT_FALSE(add(start + 30s, v4({.offset = 8, .more = false})));
    EXPECT_EQ(counters.Ip_ReasmTimeout, 1u);
    EXPECT_EQ(reassembler.datagrams(), 1u);
}

TEST_F(Reassembly, DropsTheOldestOfASourceThatHasItsShare) {
    const Address other = Address::v4(203, 0, 113, 1);
    add({.id = 99, .offset = 0, .source = other});
    for (std::uint32_t id = 1; id <= 17; ++id) add({.id = id, .offset = 0});
    EXPECT_EQ(reassembler.datagrams(), 17u);
    EXPECT_EQ(counters.Ip_ReasmFails, 1u);
    expect_data(add({.id = 99, .offset = 8, .more = false, .source = other}), 16);
    expect_data(add({.id = 2, .offset = 8, .more = false}), 16);
    EXPECT_FALSE(add({.id = 1, .offset = 8, .more = false}));
}

TEST_F(Reassembly, StaysBelowItsBytesUnderAFlood) {
    for (std::uint32_t i = 0; i < 5000; ++i) {
        const Address from =
            Address::v4(203, 0, static_cast<std::uint8_t>(i / 64), static_cast<std::uint8_t>(i));
        EXPECT_FALSE(add({.id = i, .offset = 8 * (i % 1000), .size = 1480, .source = from}));
        ASSERT_LE(reassembler.used_bytes(), 256u * 1024);
        ASSERT_LE(reassembler.datagrams(), 64u);
    }
    add({.offset = 0});
    expect_data(add({.offset = 8, .more = false}), 16);
}

TEST_F(Reassembly, HoldsOneSourceToItsBytes) {
    for (std::uint32_t id = 1; id <= 8; ++id) {
        for (std::size_t at = 0; at < 40'000; at += 1480)
            add({.id = id, .offset = at, .size = 1480});
        EXPECT_LE(reassembler.used_bytes(), 128u * 1024);
    }
    EXPECT_EQ(reassembler.datagrams(), 3u);
}

TEST_F(Reassembly, RefusesADatagramOfTooManyPieces) {
    for (std::size_t i = 0; i < 128; ++i) EXPECT_FALSE(add({.offset = 16 * i}));
    EXPECT_EQ(reassembler.datagrams(), 1u);
    EXPECT_FALSE(add({.offset = 16 * 128}));
    EXPECT_EQ(reassembler.datagrams(), 0u);
}

}  // namespace
}  // namespace estab::ip
