#include "wire/ip.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "wire/checksum.hpp"

namespace estab::wire {
namespace {

using Octets = std::vector<std::uint8_t>;

const Address a4 = Address::v4(192, 0, 2, 1), b4 = Address::v4(198, 51, 100, 2);
const Address a6 = *Address::parse("2001:db8::1"), b6 = *Address::parse("2001:db8::2");

Octets packet(IpWrite what, const Octets& payload) {
    what.payload_bytes = static_cast<std::uint32_t>(payload.size());
    Octets bytes(ip_header_bytes(what.source.is_v4()));
    EXPECT_EQ(write_ip(bytes, what), bytes.size());
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

// An IPv4 packet with options, or with other bytes patched in, and its header checksum put right.
Octets v4_packet(const Octets& options, const Octets& payload, std::uint16_t where = 0) {
    Octets bytes = packet({.source = a4, .destination = b4, .protocol = 6}, options);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    bytes[0] = static_cast<std::uint8_t>(0x45 + options.size() / 4);
    store_be16(bytes.data() + 2, static_cast<std::uint16_t>(bytes.size()));
    store_be16(bytes.data() + 4, 0x1234);
    store_be16(bytes.data() + 6, where);
    store_be16(bytes.data() + 10, 0);
    store_be16(bytes.data() + 10, checksum(Bytes(bytes).first(20 + options.size())));
    return bytes;
}

Octets v6_packet(std::uint8_t next, const Octets& payload) {
    return packet({.source = a6, .destination = b6, .protocol = next}, payload);
}

TEST(Ip, WhatIsWrittenIsRead) {
    const Octets payload = {1, 2, 3, 4, 5};
    for (const bool v4 : {true, false}) {
        const auto bytes = packet({.source = v4 ? a4 : a6,
                                   .destination = v4 ? b4 : b6,
                                   .protocol = 6,
                                   .hop_limit = 17,
                                   .dscp = 46,
                                   .ecn = Ecn::ce,
                                   .id = 9,
                                   .flow_label = 0xfabcd},
                                  payload);
        const auto ip = IpPacket::parse(bytes);
        ASSERT_TRUE(ip);
        EXPECT_EQ(ip->source, v4 ? a4 : a6);
        EXPECT_EQ(ip->destination, v4 ? b4 : b6);
        EXPECT_EQ(ip->protocol, 6);
        EXPECT_EQ(ip->hop_limit, 17);
        EXPECT_EQ(ip->dscp, 46);
        EXPECT_EQ(ip->ecn, Ecn::ce);
        EXPECT_TRUE(ip->dont_fragment);
        EXPECT_FALSE(ip->source_routed || ip->fragment);
        EXPECT_EQ(ip->flow_label, v4 ? 0U : 0xfabcdU);
        EXPECT_TRUE(
            std::equal(ip->payload.begin(), ip->payload.end(), payload.begin(), payload.end()));
    }
}

TEST(Ip, LinkPaddingIsCutOff) {
    for (Octets bytes : {v4_packet({}, {1, 2}), v6_packet(6, {1, 2})}) {
        bytes.resize(bytes.size() + 30);
        EXPECT_EQ(IpPacket::parse(bytes)->payload.size(), 2U);
    }
}

TEST(Ip, EveryTruncationIsRefused) {
    for (const Octets& bytes : {v4_packet({1, 1, 1, 0}, {1, 2, 3}), v6_packet(6, {1, 2, 3})}) {
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            EXPECT_FALSE(IpPacket::parse(Bytes(bytes).first(size))) << size;
        }
    }
}

TEST(Ip, OtherVersionsAreRefused) {
    Octets bytes = v4_packet({}, {});
    for (const unsigned version : {0U, 5U, 7U, 15U}) {
        bytes[0] = static_cast<std::uint8_t>(version << 4 | 5);
        EXPECT_FALSE(IpPacket::parse(bytes));
    }
}

TEST(Ipv4, HeaderChecksumIsVerified) {
    Octets bytes = v4_packet({}, {1});
    bytes[8] ^= 1;
    EXPECT_FALSE(IpPacket::parse(bytes));
}

TEST(Ipv4, LengthsMustAgree) {
    const auto with_lengths = [](std::uint8_t first, std::uint16_t total) {
        Octets bytes = v4_packet({}, Octets(20, 0));
        bytes[0] = first;
        store_be16(bytes.data() + 2, total);
        store_be16(bytes.data() + 10, 0);
        store_be16(
            bytes.data() + 10,
            checksum(Bytes(bytes).first(std::size_t{first} % 16 * 4 < 20 ? 20 : first % 16 * 4)));
        return IpPacket::parse(bytes).has_value();
    };
    EXPECT_TRUE(with_lengths(0x45, 40));
    EXPECT_TRUE(with_lengths(0x45, 20));
    EXPECT_FALSE(with_lengths(0x45, 19));
    EXPECT_FALSE(with_lengths(0x45, 0));
    EXPECT_FALSE(with_lengths(0x45, 41));
    EXPECT_FALSE(with_lengths(0x44, 40));
    EXPECT_TRUE(with_lengths(0x4a, 40));
    EXPECT_FALSE(with_lengths(0x4a, 39));
}

TEST(Ipv4, TheLargestPacket) {
    const Octets bytes = packet({.source = a4, .destination = b4, .protocol = 6}, Octets(65515, 0));
    EXPECT_EQ(IpPacket::parse(bytes)->payload.size(), 65515U);
}

TEST(Ipv4, OptionsAreSkippedAndSourceRoutesSeen) {
    const auto plain = IpPacket::parse(v4_packet({0x94, 4, 0, 0}, {7}));  // router alert
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->payload.size(), 1U);
    EXPECT_FALSE(plain->source_routed);
    EXPECT_TRUE(IpPacket::parse(v4_packet({1, 131, 7, 4, 1, 2, 3, 4}, {}))->source_routed);
    EXPECT_TRUE(IpPacket::parse(v4_packet({137, 3, 4, 0}, {}))->source_routed);
    EXPECT_FALSE(IpPacket::parse(v4_packet({0, 131, 3, 4}, {}))->source_routed);  // behind the end
    EXPECT_FALSE(IpPacket::parse(v4_packet({7, 0, 0, 0}, {})));
    EXPECT_FALSE(IpPacket::parse(v4_packet({7, 1, 0, 0}, {})));
    EXPECT_FALSE(IpPacket::parse(v4_packet({7, 5, 0, 0}, {})));
    EXPECT_FALSE(IpPacket::parse(v4_packet({1, 1, 1, 7}, {})));
}

TEST(Ipv4, Fragments) {
    const auto first = IpPacket::parse(v4_packet({}, Octets(8, 0), 0x2000));
    ASSERT_TRUE(first && first->fragment);
    EXPECT_TRUE(first->fragment->more);
    EXPECT_EQ(first->fragment->offset, 0);
    EXPECT_EQ(first->fragment->id, 0x1234U);
    const auto last = IpPacket::parse(v4_packet({}, Octets(8, 0), 0x0003));
    ASSERT_TRUE(last && last->fragment);
    EXPECT_FALSE(last->fragment->more);
    EXPECT_EQ(last->fragment->offset, 24);
    EXPECT_FALSE(IpPacket::parse(v4_packet({}, {}, 0x4000))->fragment);
    EXPECT_TRUE(IpPacket::parse(v4_packet({}, {}, 0x4000))->dont_fragment);
}

TEST(Ipv4, AFragmentThatEndsBehindTheLargestPacketIsRefused) {
    EXPECT_TRUE(IpPacket::parse(v4_packet({}, Octets(7, 0), 0x1fff)));
    EXPECT_FALSE(IpPacket::parse(v4_packet({}, Octets(8, 0), 0x1fff)));
}

TEST(Ipv6, ExtensionHeadersAreWalked) {
    const Octets chain = {60, 0, 1, 4, 0, 0, 0, 0,              // hop-by-hop: PadN
                          43, 0, 1, 2, 0, 0, 0, 0,              // destination options
                          51, 0, 2, 0, 0, 0, 0, 0,              // routing type 2, nothing left
                          6,  1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1,  // authentication, 12 bytes
                          42};
    const Octets whole = v6_packet(0, chain);
    const auto ip = IpPacket::parse(whole);
    ASSERT_TRUE(ip);
    EXPECT_EQ(ip->protocol, 6);
    ASSERT_EQ(ip->payload.size(), 1U);
    EXPECT_EQ(ip->payload[0], 42);
    EXPECT_EQ(ip->header.size(), 40 + chain.size() - 1);
    EXPECT_FALSE(ip->source_routed);
    for (std::size_t size = 0; size + 1 < chain.size(); ++size) {
        EXPECT_FALSE(IpPacket::parse(
            v6_packet(0, Octets(chain.begin(), chain.begin() + static_cast<int>(size)))))
            << size;
    }
}

TEST(Ipv6, RoutingTypeZeroAndUnfinishedRoutesAreSeen) {  // RFC 5095
    EXPECT_TRUE(IpPacket::parse(v6_packet(43, {6, 0, 0, 0, 0, 0, 0, 0}))->source_routed);
    EXPECT_TRUE(IpPacket::parse(v6_packet(43, {6, 0, 4, 1, 0, 0, 0, 0}))->source_routed);
    EXPECT_FALSE(IpPacket::parse(v6_packet(43, {6, 0, 4, 0, 0, 0, 0, 0}))->source_routed);
}

TEST(Ipv6, UnknownOptionsAreSkippedUnlessTheySayDiscard) {  // RFC 8200 4.2
    EXPECT_TRUE(IpPacket::parse(v6_packet(60, {6, 0, 0x1e, 4, 0, 0, 0, 0})));
    EXPECT_TRUE(IpPacket::parse(v6_packet(60, {6, 0, 0, 0, 0, 0, 0, 0})));
    EXPECT_FALSE(IpPacket::parse(v6_packet(60, {6, 0, 0x5e, 4, 0, 0, 0, 0})));
    EXPECT_FALSE(IpPacket::parse(v6_packet(60, {6, 0, 0x1e, 5, 0, 0, 0, 0})));
}

TEST(Ipv6, HopByHopOnlyInFront) {
    EXPECT_FALSE(IpPacket::parse(v6_packet(60, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0})));
}

TEST(Ipv6, TheWalkIsBounded) {
    const auto chain = [](int n) {
        Octets bytes;
        for (int i = 0; i < n; ++i)
            bytes.insert(bytes.end(),
                         {static_cast<std::uint8_t>(i + 1 == n ? 6 : 60), 0, 1, 4, 0, 0, 0, 0});
        return v6_packet(60, bytes);
    };
    EXPECT_TRUE(IpPacket::parse(chain(16)));
    EXPECT_FALSE(IpPacket::parse(chain(17)));
}

TEST(Ipv6, Fragments) {
    const auto middle =
        IpPacket::parse(v6_packet(44, {60, 0, 0x00, 0x11, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9}));
    ASSERT_TRUE(middle && middle->fragment);
    EXPECT_EQ(middle->fragment->offset, 16);
    EXPECT_TRUE(middle->fragment->more);
    EXPECT_EQ(middle->fragment->id, 0x01020304U);
    EXPECT_EQ(middle->protocol, 60);  // what the whole begins with; not looked into
    EXPECT_EQ(middle->payload.size(), 8U);
    EXPECT_FALSE(
        IpPacket::parse(v6_packet(44, {6, 0, 0xff, 0xf8, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8})));
}

TEST(Ipv6, AnAtomicFragmentIsWhole) {  // RFC 6946
    const auto ip = IpPacket::parse(v6_packet(44, {6, 0, 0, 0, 1, 2, 3, 4, 5}));
    ASSERT_TRUE(ip);
    EXPECT_FALSE(ip->fragment);
    EXPECT_EQ(ip->protocol, 6);
}

TEST(Ipv6, NoNextHeaderEndsTheWalk) {
    EXPECT_EQ(IpPacket::parse(v6_packet(60, {59, 0, 1, 4, 0, 0, 0, 0, 1, 2}))->protocol, 59);
}

TEST(Ipv6, MappedAddressesAreRefused) {
    for (const std::size_t at : {8UL, 24UL}) {
        Octets bytes = v6_packet(6, {});
        std::copy_n(a4.octets().begin(), 16, bytes.begin() + static_cast<std::ptrdiff_t>(at));
        EXPECT_FALSE(IpPacket::parse(bytes));
    }
}

TEST(Ipv6, TheLargestPacket) {
    EXPECT_EQ(IpPacket::parse(v6_packet(6, Octets(65535, 0)))->payload.size(), 65535U);
}

}  // namespace
}  // namespace estab::wire
