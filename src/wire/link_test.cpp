// Ethernet, ARP and UDP: small things, one story each.
#include <gtest/gtest.h>

#include <vector>

#include "wire/arp.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ip.hpp"
#include "wire/udp.hpp"

namespace estab::wire {
namespace {

using Octets = std::vector<std::uint8_t>;

const Mac mac_a{{2, 0, 0, 0, 0, 1}}, mac_b{{2, 0, 0, 0, 0, 2}};
const Address a4 = Address::v4(192, 0, 2, 1), b4 = Address::v4(198, 51, 100, 2);
const Address a6 = *Address::parse("2001:db8::1"), b6 = *Address::parse("2001:db8::2");

Octets frame(const Octets& behind_addresses) {
    Octets bytes(14);
    write_ethernet(bytes, {.destination = mac_b, .source = mac_a, .type = 0});
    bytes.resize(12);
    bytes.insert(bytes.end(), behind_addresses.begin(), behind_addresses.end());
    return bytes;
}

TEST(Ethernet, WhatIsWrittenIsRead) {
    Octets bytes(14);
    EXPECT_EQ(
        write_ethernet(bytes, {.destination = mac_b, .source = mac_a, .type = ethertype_ipv6}),
        14U);
    bytes.push_back(9);
    const auto read = EthernetFrame::parse(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->destination, mac_b);
    EXPECT_EQ(read->source, mac_a);
    EXPECT_EQ(read->type, ethertype_ipv6);
    EXPECT_EQ(read->payload.size(), 1U);
    EXPECT_EQ(read->tags, 0);
}

TEST(Ethernet, UpToTwoTagsAreSkipped) {
    const auto one = EthernetFrame::parse(frame({0x81, 0, 0, 5, 8, 0, 7}));
    ASSERT_TRUE(one);
    EXPECT_EQ(one->type, ethertype_ipv4);
    EXPECT_EQ(one->tags, 1);
    EXPECT_EQ(one->payload.size(), 1U);
    EXPECT_EQ(EthernetFrame::parse(frame({0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 6}))->type,
              ethertype_arp);
    EXPECT_FALSE(EthernetFrame::parse(frame({0x81, 0, 0, 5, 0x81, 0, 0, 5, 0x81, 0, 0, 5, 8, 0})));
}

TEST(Ethernet, EveryTruncationOfTheHeaderIsRefused) {
    const Octets bytes = frame({0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 6});
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(EthernetFrame::parse(Bytes(bytes).first(size)));
    EXPECT_TRUE(EthernetFrame::parse(bytes));
}

TEST(Arp, WhatIsWrittenIsRead) {
    Octets bytes(60, 0);
    EXPECT_EQ(write_arp(bytes, {ArpOperation::reply, mac_a, a4, mac_b, b4}), arp_bytes);
    const auto arp = Arp::parse(bytes);
    ASSERT_TRUE(arp);
    EXPECT_EQ(arp->operation, ArpOperation::reply);
    EXPECT_EQ(arp->sender_mac, mac_a);
    EXPECT_EQ(arp->sender, a4);
    EXPECT_EQ(arp->target_mac, mac_b);
    EXPECT_EQ(arp->target, b4);
    for (std::size_t size = 0; size < arp_bytes; ++size)
        EXPECT_FALSE(Arp::parse(Bytes(bytes).first(size)));
}

TEST(Arp, OtherHardwareProtocolsAndOperationsAreNotOurs) {
    Octets good(arp_bytes);
    write_arp(good, {ArpOperation::request, mac_a, a4, {}, b4});
    for (const std::size_t at : {0U, 1U, 2U, 3U, 4U, 5U, 6U}) {
        Octets bytes = good;
        bytes[at] ^= 0x10;
        EXPECT_FALSE(Arp::parse(bytes)) << at;
    }
    good[7] = 3;
    EXPECT_FALSE(Arp::parse(good));
    good[7] = 0;
    EXPECT_FALSE(Arp::parse(good));
}

Octets datagram(const UdpWrite& what) {
    Octets room(100);
    room.resize(write_udp(room, what));
    return room;
}

TEST(UdpWire, WhatIsWrittenIsRead) {
    const Octets one = {1, 2, 3}, two = {4, 5};
    const Bytes parts[] = {one, {}, two};
    for (const bool v4 : {true, false}) {
        const Endpoint a{v4 ? a4 : a6, 1000}, b{v4 ? b4 : b6, 53};
        Octets bytes = datagram({.source = a, .destination = b, .payload = parts});
        bytes.push_back(0);  // padding
        const auto udp = UdpView::parse(bytes);
        ASSERT_TRUE(udp);
        EXPECT_EQ(udp->source_port(), 1000);
        EXPECT_EQ(udp->destination_port(), 53);
        EXPECT_EQ(Octets(udp->payload().begin(), udp->payload().end()), (Octets{1, 2, 3, 4, 5}));
        EXPECT_TRUE(udp->checksum_is_valid(a.address, b.address));
        EXPECT_FALSE(udp->checksum_is_valid(a.address, a.address));
    }
}

TEST(UdpWire, AChecksumOfZeroIsSentAsAllOnes) {  // RFC 768
    int seen = 0;
    for (std::uint32_t word = 0; word < 0x10000; ++word) {
        const Octets data = {static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)};
        const Bytes parts[] = {data};
        const Octets bytes =
            datagram({.source = {a4, 1}, .destination = {b4, 2}, .payload = parts});
        const auto udp = UdpView::parse(bytes);
        ASSERT_NE(udp->checksum(), 0);
        ASSERT_TRUE(udp->checksum_is_valid(a4, b4));
        if (udp->checksum() == 0xffff) ++seen;
    }
    EXPECT_EQ(seen, 1);
}

TEST(UdpWire, NoChecksumIsAcceptedOverIpv4Only) {
    Octets bytes = datagram({.source = {a4, 1}, .destination = {b4, 2}, .payload = {}});
    store_be16(bytes.data() + 6, 0);
    EXPECT_TRUE(UdpView::parse(bytes)->checksum_is_valid(a4, b4));
    EXPECT_FALSE(UdpView::parse(bytes)->checksum_is_valid(a6, b6));
}

TEST(UdpWire, PartialChecksumIsThePseudoHeaderSum) {
    const Octets data = {1, 2, 3};
    const Bytes parts[] = {data};
    Octets bytes = datagram(
        {.source = {a4, 1}, .destination = {b4, 2}, .payload = parts, .partial_checksum = true});
    ASSERT_TRUE(complete_checksum(bytes, 0, 6));
    EXPECT_TRUE(UdpView::parse(bytes)->checksum_is_valid(a4, b4));
}

TEST(UdpWire, LengthMustBeInside) {
    Octets bytes(12, 0);
    for (std::uint16_t length = 0; length < 20; ++length) {
        store_be16(bytes.data() + 4, length);
        EXPECT_EQ(UdpView::parse(bytes).has_value(), length >= 8 && length <= 12) << length;
    }
    EXPECT_FALSE(UdpView::parse(Bytes(bytes).first(7)));
}

}  // namespace
}  // namespace estab::wire
