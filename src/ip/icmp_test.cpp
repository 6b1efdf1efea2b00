#include "ip/icmp.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "wire/checksum.hpp"

namespace estab::ip {
namespace {

using wire::Address;
using wire::IcmpReason;
using wire::IpPacket;
constexpr Instant start{};

Address address(const char* text) { return *Address::parse(text); }

std::vector<std::uint8_t> packet(const char* from, const char* to, std::uint8_t protocol,
                                 const std::vector<std::uint8_t>& payload) {
    const Address source = address(from);
    std::vector<std::uint8_t> bytes(wire::ip_header_bytes(source.is_v4()));
    wire::write_ip(bytes, {.source = source, .destination = address(to), .protocol = protocol,
                           .payload_bytes = static_cast<std::uint32_t>(payload.size())});
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

// Ports 4660 to 80, sequence number 0xdeadbeef.
const std::vector<std::uint8_t> tcp{0x12, 0x34, 0,    80, 0xde, 0xad, 0xbe, 0xef, 0, 0,
                                    0,    0,    0x50, 2,  0,    0,    0,    0,    0, 0};

class IcmpHost : public testing::Test {
protected:
    IcmpHost() {
        EXPECT_TRUE(routes.add_address(*wire::Prefix::parse("10.77.0.2/24")));
        EXPECT_TRUE(routes.add_address(*wire::Prefix::parse("fd77::2/64")));
    }
    // The error that somebody sends to `to` about a packet of ours.
    static std::vector<std::uint8_t> error(const char* from, const char* to,
                                           const std::vector<std::uint8_t>& about,
                                           IcmpReason reason, std::uint32_t detail = 0) {
        std::vector<std::uint8_t> message(1300);
        message.resize(wire::write_icmp_error(message, {.source = address(from),
                                                        .destination = address(to),
                                                        .reason = reason,
                                                        .detail = detail,
                                                        .about = about}));
        return packet(from, to, address(from).is_v4() ? 1 : 58, message);
    }
    std::optional<IcmpReport> read(const std::vector<std::uint8_t>& bytes) {
        const Icmp::Input input = icmp.read(*IpPacket::parse(bytes));
        const auto* report = std::get_if<IcmpReport>(&input);
        return report == nullptr ? std::nullopt : std::optional(*report);
    }
    std::optional<IpPacket> answer(const std::vector<std::uint8_t>& about,
                                   const Icmp::ErrorAnswer& how = {}) {
        room.assign(1500, 0);
        room.resize(icmp.answer_error(start, room, *IpPacket::parse(about), how));
        if (room.empty()) return std::nullopt;
        return *IpPacket::parse(room);
    }
    std::optional<IpPacket> echo(const std::vector<std::uint8_t>& request,
                                 std::size_t room_bytes = 1500) {
        const auto parsed = *IpPacket::parse(request);
        const Icmp::Input input = icmp.read(parsed);
        const auto* asked = std::get_if<wire::IcmpEcho>(&input);
        if (asked == nullptr) return std::nullopt;
        room.assign(room_bytes, 0);
        room.resize(icmp.answer_echo(room, parsed, *asked));
        if (room.empty()) return std::nullopt;
        return *IpPacket::parse(room);
    }
    static std::vector<std::uint8_t> ping(const char* from, const char* to,
                                          bool is_request = true) {
        const std::vector<std::uint8_t> data{1, 2, 3, 4, 5};
        std::vector<std::uint8_t> message(13);
        wire::write_icmp_echo(message, {address(from), address(to), {is_request, 7, 9, data}});
        return packet(from, to, address(from).is_v4() ? 1 : 58, message);
    }

    event::Counters counters;
    Routes routes;
    Icmp icmp{counters, routes};
    std::vector<std::uint8_t> room;
};

TEST_F(IcmpHost, AnswersEcho) {  // RFC 1122 3.2.2.6, RFC 4443 4.2
    for (const auto& [from, to] :
         {std::pair{"10.77.0.9", "10.77.0.2"}, std::pair{"fd77::9", "fd77::2"}}) {
        const auto reply = echo(ping(from, to));
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->source, address(to));
        EXPECT_EQ(reply->destination, address(from));
        const auto message = wire::parse_icmp(*reply);
        ASSERT_TRUE(message);
        const auto& told = std::get<wire::IcmpEcho>(*message);
        EXPECT_FALSE(told.is_request);
        EXPECT_EQ(told.id, 7);
        EXPECT_EQ(told.sequence, 9);
        EXPECT_EQ(told.data.size(), 5u);
        EXPECT_EQ(told.data[4], 5);
    }
    EXPECT_EQ(counters.Icmp_InEchos, 2u);
    EXPECT_EQ(counters.Icmp_OutEchoReps, 2u);
}

TEST_F(IcmpHost, AnswersNoEchoToManyOrFromNobody) {  // RFC 1122 3.2.2.6
    EXPECT_FALSE(echo(ping("10.77.0.9", "10.77.0.255")));
    EXPECT_FALSE(echo(ping("10.77.0.9", "224.0.0.1")));
    EXPECT_FALSE(echo(ping("10.77.0.255", "10.77.0.2")));
    EXPECT_FALSE(echo(ping("0.0.0.0", "10.77.0.2")));
    EXPECT_FALSE(echo(ping("10.77.0.9", "10.77.0.3")));
    EXPECT_FALSE(echo(ping("fd77::9", "ff02::1")));
    EXPECT_FALSE(echo(ping("10.77.0.9", "10.77.0.2", false)));
    EXPECT_EQ(counters.Icmp_OutMsgs, 0u);
}

TEST_F(IcmpHost, AnswersEchoOnlyWhereItFits) {
    EXPECT_FALSE(echo(ping("10.77.0.9", "10.77.0.2"), 32));
    EXPECT_TRUE(echo(ping("10.77.0.9", "10.77.0.2"), 33));
}

TEST_F(IcmpHost, CountsWhatIsMalformed) {
    auto bytes = ping("10.77.0.9", "10.77.0.2");
    bytes.back() ^= 1;
    EXPECT_FALSE(echo(bytes));
    EXPECT_EQ(counters.Icmp_InMsgs, 1u);
    EXPECT_EQ(counters.Icmp_InErrors, 1u);
}

TEST_F(IcmpHost, SendsErrorsThatQuoteThePacket) {  // RFC 1122 3.2.2, RFC 4443 3.1
    for (const auto& [from, to] :
         {std::pair{"10.77.0.9", "10.77.0.2"}, std::pair{"fd77::9", "fd77::2"}}) {
        const auto sent =
            answer(packet(from, to, 6, tcp), {.reason = IcmpReason::port_unreachable});
        ASSERT_TRUE(sent);
        EXPECT_EQ(sent->source, address(to));
        EXPECT_EQ(sent->destination, address(from));
        const auto message = wire::parse_icmp(*sent);
        ASSERT_TRUE(message);
        const auto& error = std::get<wire::IcmpError>(*message);
        EXPECT_EQ(error.reason, IcmpReason::port_unreachable);
        EXPECT_EQ(error.seq, wire::SeqNum{0xdeadbeef});
    }
    EXPECT_EQ(counters.Icmp_OutDestUnreachs, 2u);
}

TEST_F(IcmpHost, SendsNoErrorLongerThanItMayBe) {  // RFC 1812 4.3.2.3, RFC 4443 2.4(c)
    const std::vector<std::uint8_t> payload(1400, 7);
    EXPECT_TRUE(answer(packet("10.77.0.9", "10.77.0.2", 17, payload)));
    EXPECT_EQ(room.size(), 576u);
    EXPECT_TRUE(answer(packet("fd77::9", "fd77::2", 17, payload)));
    EXPECT_EQ(room.size(), 1280u);
}

TEST_F(IcmpHost, SendsNoErrorWhereNoneMayBe) {  // RFC 1122 3.2.2, RFC 4443 2.4(e)
    const auto quoted = packet("10.77.0.2", "10.77.0.9", 6, tcp);
    EXPECT_FALSE(answer(error("10.77.0.9", "10.77.0.2", quoted, IcmpReason::host_unreachable)));
    EXPECT_FALSE(answer(packet("10.77.0.9", "10.77.0.255", 17, tcp)));
    EXPECT_FALSE(answer(packet("10.77.0.9", "255.255.255.255", 17, tcp)));
    EXPECT_FALSE(answer(packet("10.77.0.9", "224.0.0.251", 17, tcp)));
    EXPECT_FALSE(answer(packet("0.0.0.0", "10.77.0.2", 17, tcp)));
    EXPECT_FALSE(answer(packet("10.77.0.255", "10.77.0.2", 17, tcp)));
    EXPECT_FALSE(answer(packet("224.0.0.1", "10.77.0.2", 17, tcp)));
    EXPECT_FALSE(answer(packet("127.0.0.1", "10.77.0.2", 17, tcp)));
    EXPECT_FALSE(answer(packet("fd77::9", "ff02::1", 17, tcp)));
    EXPECT_FALSE(answer(packet("::", "fd77::2", 17, tcp)));
    EXPECT_FALSE(answer(packet("10.77.0.9", "10.77.0.2", 17, tcp), {.link_broadcast = true}));
    auto later = packet("10.77.0.9", "10.77.0.2", 17, tcp);
    store_be16(&later[6], 1);
    store_be16(&later[10], 0);
    store_be16(&later[10], wire::checksum(Bytes(later).first(20)));
    EXPECT_FALSE(answer(later));
    EXPECT_EQ(counters.Icmp_OutMsgs, 0u);
    EXPECT_TRUE(answer(ping("10.77.0.9", "10.77.0.2"), {.reason = IcmpReason::prohibited}));
}

TEST_F(IcmpHost, SpeaksFromAnAddressOfItsOwn) {
    const auto sent =
        answer(packet("10.77.0.9", "192.0.2.1", 6, tcp), {.reason = IcmpReason::host_unreachable});
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->source, address("10.77.0.2"));
    ASSERT_TRUE(routes.accept(*wire::Prefix::parse("0.0.0.0/0")));
    EXPECT_EQ(answer(packet("10.77.0.9", "192.0.2.1", 6, tcp))->source, address("192.0.2.1"));
}

TEST_F(IcmpHost, LimitsTheRateOfErrors) {  // RFC 4443 2.4(f)
    Icmp slow(counters, routes, {.per_second = 10, .burst = 3});
    const auto bytes = packet("10.77.0.9", "10.77.0.2", 17, tcp);
    const auto about = *IpPacket::parse(bytes);
    room.assign(1500, 0);
    const auto sends = [&](Instant now) { return slow.answer_error(now, room, about, {}) != 0; };
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(sends(start));
    EXPECT_FALSE(sends(start));
    EXPECT_FALSE(sends(start + 100ms - 1ns));
    EXPECT_TRUE(sends(start + 100ms));
    EXPECT_FALSE(sends(start + 100ms));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(sends(start + 1h));
    EXPECT_FALSE(sends(start + 1h));
}

TEST_F(IcmpHost, TellsTcpWhatAnErrorIsAbout) {  // RFC 1122 4.2.3.9, RFC 5927 4.1
    const auto report =
        read(error("10.77.0.1", "10.77.0.2", packet("10.77.0.2", "192.0.2.1", 6, tcp),
                   IcmpReason::too_big, 1400));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->kind, IcmpKind::too_big);
    EXPECT_EQ(report->type, 3);
    EXPECT_EQ(report->code, 4);
    EXPECT_EQ(report->mtu, 1400u);
    EXPECT_EQ(report->protocol, 6);
    EXPECT_EQ(report->tuple.local, (wire::Endpoint{address("10.77.0.2"), 0x1234}));
    EXPECT_EQ(report->tuple.remote, (wire::Endpoint{address("192.0.2.1"), 80}));
    EXPECT_EQ(report->seq, wire::SeqNum{0xdeadbeef});
}

TEST_F(IcmpHost, TellsSoftFromHard) {  // RFC 1122 4.2.3.9, RFC 5461 2
    const auto about = packet("fd77::2", "fd77::9", 6, tcp);
    const std::pair<IcmpReason, IcmpKind> table[] = {
        {IcmpReason::network_unreachable, IcmpKind::soft},
        {IcmpReason::host_unreachable, IcmpKind::soft},
        {IcmpReason::hop_limit_exceeded, IcmpKind::soft},
        {IcmpReason::reassembly_timed_out, IcmpKind::soft},
        {IcmpReason::parameter_problem, IcmpKind::soft},
        {IcmpReason::port_unreachable, IcmpKind::hard},
        {IcmpReason::protocol_unreachable, IcmpKind::hard},
        {IcmpReason::prohibited, IcmpKind::hard},
        {IcmpReason::too_big, IcmpKind::too_big},
    };
    for (const auto& [reason, kind] : table) {
        const auto report = read(error("fd77::1", "fd77::2", about, reason, 1400));
        ASSERT_TRUE(report) << to_string(reason);
        EXPECT_EQ(report->kind, kind) << to_string(reason);
        EXPECT_EQ(report->reason, reason);
    }
    EXPECT_EQ(to_error(IcmpReason::port_unreachable), Error::refused);
}

TEST_F(IcmpHost, IgnoresSourceQuench) {  // RFC 6633 3, MUST-55
    auto bytes = error("10.77.0.1", "10.77.0.2", packet("10.77.0.2", "192.0.2.1", 6, tcp),
                       IcmpReason::host_unreachable);
    bytes[20] = 4;
    bytes[21] = 0;
    store_be16(&bytes[22], 0);
    store_be16(&bytes[22], wire::checksum(Bytes(bytes).subspan(20)));
    const Icmp::Input input = icmp.read(*IpPacket::parse(bytes));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(input));
    EXPECT_EQ(counters.Icmp_InErrors, 0u);
}

TEST_F(IcmpHost, IgnoresErrorsAboutWhatWeNeverSent) {
    EXPECT_FALSE(read(error("10.77.0.1", "10.77.0.2", packet("10.77.0.3", "192.0.2.1", 6, tcp),
                            IcmpReason::host_unreachable)));
    EXPECT_FALSE(read(error("10.77.0.1", "10.77.0.2", packet("10.77.0.2", "192.0.2.1", 1, tcp),
                            IcmpReason::host_unreachable)));
}

}  // namespace
}  // namespace estab::ip
