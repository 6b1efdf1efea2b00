#include "wire/icmp.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "wire/checksum.hpp"
#include "wire/ndp.hpp"
#include "wire/udp.hpp"

namespace estab::wire {
namespace {

using Octets = std::vector<std::uint8_t>;

const Address a4 = Address::v4(192, 0, 2, 1), b4 = Address::v4(198, 51, 100, 2);
const Address a6 = *Address::parse("2001:db8::1"), b6 = *Address::parse("2001:db8::2");

Address from(bool v4) { return v4 ? a4 : a6; }
Address to(bool v4) { return v4 ? b4 : b6; }

Octets ip_around(bool v4, const Octets& payload, std::uint8_t hop_limit = 64) {
    const IpWrite what{.source = from(v4),
                       .destination = to(v4),
                       .protocol = v4 ? protocol_icmp : protocol_icmpv6,
                       .hop_limit = hop_limit,
                       .payload_bytes = static_cast<std::uint32_t>(payload.size())};
    Octets bytes(ip_header_bytes(v4));
    write_ip(bytes, what);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

// A TCP segment of ours as it left.
Octets sent(bool v4, std::size_t size) {
    const Octets data(size, 0x55);
    const Bytes parts[] = {data};
    TcpHeader header;
    header.source_port = 40000;
    header.destination_port = 80;
    header.seq = {0xdeadbeef};
    Octets tcp(20 + size);
    write_tcp(tcp, header, {.source = to(v4), .destination = from(v4), .payload = parts});
    Octets bytes(ip_header_bytes(v4));
    write_ip(bytes, {.source = to(v4),
                     .destination = from(v4),
                     .protocol = protocol_tcp,
                     .payload_bytes = static_cast<std::uint32_t>(tcp.size())});
    bytes.insert(bytes.end(), tcp.begin(), tcp.end());
    return bytes;
}

Octets error_packet(bool v4, IcmpReason reason, std::uint32_t detail, Bytes about) {
    const IcmpErrorWrite what{.source = from(v4),
                              .destination = to(v4),
                              .reason = reason,
                              .detail = detail,
                              .about = about};
    Octets message(icmp_error_bytes(what));
    EXPECT_EQ(write_icmp_error(message, what), message.size());
    return ip_around(v4, message);
}

std::optional<IcmpError> read_error(const Octets& packet) {
    const auto ip = IpPacket::parse(packet);
    if (!ip) return std::nullopt;
    const auto message = parse_icmp(*ip);
    if (!message || !std::holds_alternative<IcmpError>(*message)) return std::nullopt;
    return std::get<IcmpError>(*message);
}

// A message of any type and code with its checksum put right.
Octets raw(bool v4, Octets message) {
    store_be16(message.data() + 2, 0);
    Sum sum;
    if (!v4)
        sum = pseudo_header(a6, b6, protocol_icmpv6, static_cast<std::uint32_t>(message.size()));
    sum.add(message);
    store_be16(message.data() + 2, sum.checksum());
    return ip_around(v4, message);
}

TEST(Icmp, EchoBothWays) {
    const Octets data = {1, 2, 3};
    for (const bool v4 : {true, false}) {
        for (const bool request : {true, false}) {
            Octets message(11);
            EXPECT_EQ(write_icmp_echo(message, {from(v4), to(v4), {request, 0x1234, 0x5678, data}}),
                      11U);
            const Octets packet = ip_around(v4, message);
            const auto read = parse_icmp(*IpPacket::parse(packet));
            ASSERT_TRUE(read && std::holds_alternative<IcmpEcho>(*read));
            const auto& echo = std::get<IcmpEcho>(*read);
            EXPECT_EQ(echo.is_request, request);
            EXPECT_EQ(echo.id, 0x1234);
            EXPECT_EQ(echo.sequence, 0x5678);
            EXPECT_EQ(Octets(echo.data.begin(), echo.data.end()), data);
            EXPECT_FALSE(carries_icmp_error(*IpPacket::parse(packet)));
        }
    }
}

TEST(Icmp, EveryReasonIsReadAsItWasWritten) {
    for (const bool v4 : {true, false}) {
        const Octets about = sent(v4, 100);
        for (int r = 0; r <= static_cast<int>(IcmpReason::parameter_problem); ++r) {
            const auto reason = static_cast<IcmpReason>(r);
            const auto error = read_error(error_packet(v4, reason, 40, about));
            ASSERT_TRUE(error) << to_string(reason);
            EXPECT_EQ(error->reason, reason);
            EXPECT_EQ(error->detail,
                      reason == IcmpReason::too_big || reason == IcmpReason::parameter_problem
                          ? 40U
                          : 0U);
            EXPECT_EQ(error->source, to(v4));
            EXPECT_EQ(error->destination, from(v4));
            EXPECT_EQ(error->protocol, protocol_tcp);
            EXPECT_EQ(error->ports, (Ports{40000, 80}));
            EXPECT_EQ(error->seq, SeqNum{0xdeadbeef});
        }
    }
}

TEST(Icmp, NextHopMtuOfBothFamilies) {  // RFC 1191 4, RFC 8201
    EXPECT_EQ(read_error(error_packet(true, IcmpReason::too_big, 1400, sent(true, 0)))->detail,
              1400U);
    EXPECT_EQ(read_error(error_packet(true, IcmpReason::too_big, 70'000, sent(true, 0)))->detail,
              65535U);
    EXPECT_EQ(read_error(error_packet(false, IcmpReason::too_big, 70'000, sent(false, 0)))->detail,
              70'000U);
}

TEST(Icmp, QuotesAsMuchAsFitsASmallPacket) {
    EXPECT_EQ(error_packet(true, IcmpReason::port_unreachable, 0, sent(true, 1400)).size(), 576U);
    EXPECT_EQ(error_packet(false, IcmpReason::port_unreachable, 0, sent(false, 1400)).size(),
              1280U);
    EXPECT_EQ(error_packet(true, IcmpReason::port_unreachable, 0, sent(true, 0)).size(),
              20U + 8 + 40);
}

TEST(Icmp, AQuoteCutShortTellsWhatItHas) {
    for (const bool v4 : {true, false}) {
        const Octets about = sent(v4, 0);
        const std::size_t header = ip_header_bytes(v4);
        for (std::size_t size = 0; size <= about.size(); ++size) {
            const auto error = read_error(
                error_packet(v4, IcmpReason::host_unreachable, 0, Bytes(about).first(size)));
            ASSERT_EQ(error.has_value(), size >= header) << size;
            if (!error) continue;
            EXPECT_EQ(error->ports.has_value(), size >= header + 4);
            EXPECT_EQ(error->seq.has_value(), size >= header + 8);
        }
    }
}

TEST(Icmp, ALaterFragmentHasNoPorts) {
    Octets about = sent(true, 8);
    store_be16(about.data() + 6, 0x2001);
    EXPECT_FALSE(read_error(error_packet(true, IcmpReason::host_unreachable, 0, about))->ports);
    Octets v6 = sent(false, 8);
    v6[6] = 44;
    const Octets fragment = {6, 0, 0, 9, 0, 0, 0, 1};
    v6.insert(v6.begin() + 40, fragment.begin(), fragment.end());
    const auto later = read_error(error_packet(false, IcmpReason::host_unreachable, 0, v6));
    EXPECT_EQ(later->protocol, protocol_tcp);
    EXPECT_FALSE(later->ports);
    v6[43] = 1;
    EXPECT_EQ(read_error(error_packet(false, IcmpReason::host_unreachable, 0, v6))->ports,
              (Ports{40000, 80}));
}

TEST(Icmp, AnExtensionHeaderCutInTheQuoteEndsTheReading) {
    Octets v6 = sent(false, 0);
    v6[6] = 60;
    const Octets longer = {6, 255, 0, 0, 0, 0, 0, 0};
    v6.insert(v6.begin() + 40, longer.begin(), longer.end());
    const auto error = read_error(error_packet(false, IcmpReason::host_unreachable, 0, v6));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->protocol, 60);
    EXPECT_FALSE(error->ports);
}

TEST(Icmp, UdpHasPortsAndNoSequenceNumber) {
    Octets about = sent(true, 0);
    about[9] = protocol_udp;
    const auto error = read_error(error_packet(true, IcmpReason::port_unreachable, 0, about));
    EXPECT_EQ(error->ports, (Ports{40000, 80}));
    EXPECT_FALSE(error->seq);
}

TEST(Icmp, WrongChecksumsAndShortMessagesAreRefused) {
    for (const bool v4 : {true, false}) {
        Octets packet = error_packet(v4, IcmpReason::port_unreachable, 0, sent(v4, 0));
        packet.back() ^= 1;
        EXPECT_FALSE(parse_icmp(*IpPacket::parse(packet)));
        const Octets brief = ip_around(v4, {0, 0, 0xff, 0xff, 0, 0, 0});
        EXPECT_FALSE(parse_icmp(*IpPacket::parse(brief)));
    }
}

TEST(Icmp, AQuoteOfTheOtherFamilyIsRefused) {
    EXPECT_FALSE(read_error(error_packet(true, IcmpReason::port_unreachable, 0, sent(false, 0))));
    EXPECT_FALSE(read_error(error_packet(false, IcmpReason::port_unreachable, 0, sent(true, 40))));
}

TEST(Icmp, TheOtherFamilysIcmpIsRefused) {
    Octets message(8);
    write_icmp_echo(message, {a4, b4, {}});
    Octets packet = ip_around(true, message);
    auto ip = *IpPacket::parse(packet);
    ip.protocol = protocol_icmpv6;
    EXPECT_FALSE(parse_icmp(ip));
}

TEST(Icmp, WhatNobodyActsOnIsOther) {  // redirect, source quench, unknown codes and types
    for (const auto& [type, code] :
         {std::pair{5, 1}, {4, 0}, {3, 16}, {11, 2}, {13, 0}, {8, 1}, {255, 255}}) {
        Octets message(36, 0);
        message[0] = static_cast<std::uint8_t>(type);
        message[1] = static_cast<std::uint8_t>(code);
        const Octets packet = raw(true, message);
        const auto read = parse_icmp(*IpPacket::parse(packet));
        ASSERT_TRUE(read);
        EXPECT_TRUE(std::holds_alternative<IcmpOther>(*read)) << type;
    }
    for (const int type : {0, 5, 127, 133, 137, 200}) {
        Octets message(56, 0);
        message[0] = static_cast<std::uint8_t>(type);
        const Octets packet = raw(false, message);
        EXPECT_TRUE(std::holds_alternative<IcmpOther>(*parse_icmp(*IpPacket::parse(packet))))
            << type;
    }
}

TEST(Icmp, ErrorsAreRecognisedSoThatNoneIsSentAboutThem) {  // RFC 1122 3.2.2
    for (const bool v4 : {true, false}) {
        const Octets error = error_packet(v4, IcmpReason::port_unreachable, 0, sent(v4, 0));
        EXPECT_TRUE(carries_icmp_error(*IpPacket::parse(error)));
        const Octets segment = sent(v4, 0);
        EXPECT_FALSE(carries_icmp_error(*IpPacket::parse(segment)));
    }
}

const Mac mac{{2, 0, 0, 0, 0, 9}};
const Address target = *Address::parse("fe80::1:2:3");

Octets ndp_packet(const NdpWrite& what, std::uint8_t hop_limit = 255) {
    Octets message(ndp_bytes_max);
    message.resize(write_ndp(message, what));
    Octets bytes(40);
    write_ip(bytes, {.source = what.source,
                     .destination = what.destination,
                     .protocol = protocol_icmpv6,
                     .hop_limit = hop_limit,
                     .payload_bytes = static_cast<std::uint32_t>(message.size())});
    bytes.insert(bytes.end(), message.begin(), message.end());
    return bytes;
}

Result<NdpMessage> read_ndp(const Octets& packet) { return parse_ndp(*IpPacket::parse(packet)); }

TEST(Ndp, SolicitationBothWays) {
    const auto read =
        read_ndp(ndp_packet({a6, solicited_node(target), NeighbourSolicitation{target, mac}}));
    ASSERT_TRUE(read && std::holds_alternative<NeighbourSolicitation>(*read));
    EXPECT_EQ(std::get<NeighbourSolicitation>(*read).target, target);
    EXPECT_EQ(std::get<NeighbourSolicitation>(*read).source, mac);
}

TEST(Ndp, AdvertisementBothWays) {
    for (unsigned bits = 0; bits < 8; ++bits) {
        const NeighbourAdvertisement told{.target = target,
                                          .mac = mac,
                                          .is_router = (bits & 1) != 0,
                                          .solicited = (bits & 2) != 0,
                                          .overrides = (bits & 4) != 0};
        const auto read = read_ndp(ndp_packet({a6, b6, told}));
        ASSERT_TRUE(read && std::holds_alternative<NeighbourAdvertisement>(*read));
        const auto& back = std::get<NeighbourAdvertisement>(*read);
        EXPECT_EQ(back.target, target);
        EXPECT_EQ(back.mac, mac);
        EXPECT_EQ(back.is_router, told.is_router);
        EXPECT_EQ(back.solicited, told.solicited);
        EXPECT_EQ(back.overrides, told.overrides);
    }
}

TEST(Ndp, WhatMustBeDiscarded) {  // RFC 4861 7.1.1, 7.1.2
    const NdpWrite good{a6, solicited_node(target), NeighbourSolicitation{target, mac}};
    EXPECT_TRUE(read_ndp(ndp_packet(good)));
    EXPECT_FALSE(read_ndp(ndp_packet(good, 254)));
    for (const std::size_t at : {1U, 2U, 23U, 30U}) {
        Octets packet = ndp_packet(good);
        packet[40 + at] ^= 1;
        EXPECT_FALSE(read_ndp(packet)) << at;
    }
    EXPECT_FALSE(
        read_ndp(ndp_packet({a6, b6, NeighbourSolicitation{*Address::parse("ff02::1"), mac}})));
    EXPECT_FALSE(read_ndp(
        ndp_packet({Address{}, solicited_node(target), NeighbourSolicitation{target, mac}})));
    EXPECT_FALSE(read_ndp(ndp_packet({Address{}, target, NeighbourSolicitation{target, {}}})));
    EXPECT_TRUE(read_ndp(
        ndp_packet({Address{}, solicited_node(target), NeighbourSolicitation{target, {}}})));
    NeighbourAdvertisement told{
        .target = target, .mac = mac, .is_router = false, .solicited = true, .overrides = false};
    EXPECT_FALSE(read_ndp(ndp_packet({a6, *Address::parse("ff02::1"), told})));
    told.solicited = false;
    EXPECT_TRUE(read_ndp(ndp_packet({a6, *Address::parse("ff02::1"), told})));
}

Octets with_option(const Octets& option) {
    Octets message(24, 0);
    message[0] = 135;
    std::copy_n(target.octets().begin(), 16, message.begin() + 8);
    message.insert(message.end(), option.begin(), option.end());
    return raw(false, message);
}

TEST(Ndp, OptionsAreWalked) {
    const auto read = [](const Octets& option) {
        Octets packet = with_option(option);
        packet[7] = 255;
        return read_ndp(packet);
    };
    EXPECT_TRUE(read({}));
    const auto second = read({14, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 9});
    ASSERT_TRUE(second);
    EXPECT_EQ(std::get<NeighbourSolicitation>(*second).source, mac);
    EXPECT_FALSE(read({1, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_FALSE(read({1, 2, 0, 0, 0, 0, 0, 0}));
    EXPECT_FALSE(read({1}));
}

TEST(Ndp, RoutersMessagesAreNotOurs) {
    for (const int type : {133, 134, 137}) {
        Octets message(40, 0);
        message[0] = static_cast<std::uint8_t>(type);
        EXPECT_EQ(read_ndp(raw(false, message)).error(), Error::not_supported);
    }
}

TEST(Ndp, GroupAddresses) {
    EXPECT_EQ(solicited_node(*Address::parse("2001:db8::12:3456")).text(), "ff02::1:ff12:3456");
    EXPECT_EQ(multicast_mac(*Address::parse("ff02::1:ff12:3456")).text(), "33:33:ff:12:34:56");
    EXPECT_EQ(multicast_mac(Address::v4(224, 129, 2, 3)).text(), "01:00:5e:01:02:03");
}

}  // namespace
}  // namespace estab::wire
