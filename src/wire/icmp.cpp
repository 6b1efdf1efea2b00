#include "wire/icmp.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/checksum.hpp"
#include "wire/ip_extensions.hpp"

namespace estab::wire {
namespace {

struct TypeCode {
    std::uint8_t type, code;
};

namespace v4 {
constexpr std::uint8_t echo_reply = 0, unreachable = 3, echo_request = 8, time_exceeded = 11,
                       parameter_problem = 12;
}
namespace v6 {
constexpr std::uint8_t unreachable = 1, too_big = 2, time_exceeded = 3, parameter_problem = 4,
                       echo_request = 128, echo_reply = 129;
}

std::optional<IcmpReason> reason_v4(TypeCode m) {
    if (m.type == v4::time_exceeded && m.code == 0) return IcmpReason::hop_limit_exceeded;
    if (m.type == v4::time_exceeded && m.code == 1) return IcmpReason::reassembly_timed_out;
    if (m.type == v4::parameter_problem) return IcmpReason::parameter_problem;
    if (m.type != v4::unreachable) return std::nullopt;
    switch (m.code) {  // RFC 792; RFC 1122 3.2.2.1; RFC 1812 5.2.7.1
    case 0:
    case 5:
    case 6:
    case 11: return IcmpReason::network_unreachable;
    case 1:
    case 7:
    case 8:
    case 12: return IcmpReason::host_unreachable;
    case 2: return IcmpReason::protocol_unreachable;
    case 3: return IcmpReason::port_unreachable;
    case 4: return IcmpReason::too_big;
    case 9:
    case 10:
    case 13:
    case 14:
    case 15: return IcmpReason::prohibited;
    default: return std::nullopt;
    }
}

std::optional<IcmpReason> reason_v6(TypeCode m) {
    if (m.type == v6::too_big) return IcmpReason::too_big;
    if (m.type == v6::time_exceeded && m.code == 0) return IcmpReason::hop_limit_exceeded;
    if (m.type == v6::time_exceeded && m.code == 1) return IcmpReason::reassembly_timed_out;
    if (m.type == v6::parameter_problem) {
        return m.code == 1 ? IcmpReason::protocol_unreachable : IcmpReason::parameter_problem;
    }
    if (m.type != v6::unreachable) return std::nullopt;
    switch (m.code) {  // RFC 4443 3.1
    case 0:
    case 2: return IcmpReason::network_unreachable;
    case 3: return IcmpReason::host_unreachable;
    case 4: return IcmpReason::port_unreachable;
    case 1:
    case 5:
    case 6: return IcmpReason::prohibited;
    default: return std::nullopt;
    }
}

TypeCode on_wire_v4(IcmpReason reason) {
    switch (reason) {
    case IcmpReason::network_unreachable: return {v4::unreachable, 0};
    case IcmpReason::host_unreachable: return {v4::unreachable, 1};
    case IcmpReason::protocol_unreachable: return {v4::unreachable, 2};
    case IcmpReason::port_unreachable: return {v4::unreachable, 3};
    case IcmpReason::too_big: return {v4::unreachable, 4};
    case IcmpReason::prohibited: return {v4::unreachable, 13};
    case IcmpReason::hop_limit_exceeded: return {v4::time_exceeded, 0};
    case IcmpReason::reassembly_timed_out: return {v4::time_exceeded, 1};
    case IcmpReason::parameter_problem: return {v4::parameter_problem, 0};
    }
    CHECK(false);
    return {};
}

TypeCode on_wire_v6(IcmpReason reason) {
    switch (reason) {
    case IcmpReason::network_unreachable: return {v6::unreachable, 0};
    case IcmpReason::host_unreachable: return {v6::unreachable, 3};
    case IcmpReason::protocol_unreachable: return {v6::parameter_problem, 1};
    case IcmpReason::port_unreachable: return {v6::unreachable, 4};
    case IcmpReason::too_big: return {v6::too_big, 0};
    case IcmpReason::prohibited: return {v6::unreachable, 1};
    case IcmpReason::hop_limit_exceeded: return {v6::time_exceeded, 0};
    case IcmpReason::reassembly_timed_out: return {v6::time_exceeded, 1};
    case IcmpReason::parameter_problem: return {v6::parameter_problem, 0};
    }
    CHECK(false);
    return {};
}

// The quoted packet is cut anywhere and its checksums may be of before or after what went wrong, so
// only what is there is read, and IpPacket::parse() would be too strict. False: not even a header.
bool read_quoted_v4(Bytes quoted, IcmpError& error, Bytes& transport) {
    if (quoted.size() < 20) return false;
    const std::size_t header_bytes = std::size_t{quoted[0]} % 16 * 4;
    if (quoted[0] >> 4 != 4 || header_bytes < 20 || header_bytes > quoted.size()) return false;
    error.protocol = quoted[9];
    error.source = Address::from_v4(quoted.data() + 12);
    error.destination = Address::from_v4(quoted.data() + 16);
    const bool later_fragment = (load_be16(quoted.data() + 6) & 0x1fff) != 0;
    transport = later_fragment ? Bytes{} : quoted.subspan(header_bytes);
    return true;
}

bool read_quoted_v6(Bytes quoted, IcmpError& error, Bytes& transport) {
    if (quoted.size() < 40 || quoted[0] >> 4 != 6) return false;
    error.protocol = quoted[6];
    error.source = Address::from_v6(quoted.data() + 8);
    error.destination = Address::from_v6(quoted.data() + 24);
    transport = quoted.subspan(40);
    for (int n = 0; is_ipv6_extension(error.protocol); ++n) {
        const std::size_t length = ipv6_extension_bytes(error.protocol, transport);
        const bool followable = length != 0 && n != ipv6_extensions_max;
        const bool later_fragment = followable && error.protocol == ipv6_fragment_header &&
                                    (load_be16(transport.data() + 2) & 0xfff8) != 0;
        if (followable) error.protocol = transport[0];
        if (!followable || later_fragment) {
            transport = {};
            break;
        }
        transport = transport.subspan(length);
    }
    return true;
}

Result<IcmpMessage> parse_error(IcmpError error, Bytes message, bool is_v4) {
    error.type = message[0];
    error.code = message[1];
    if (error.reason == IcmpReason::too_big) {
        error.detail = is_v4 ? load_be16(message.data() + 6) : load_be32(message.data() + 4);
    } else if (error.reason == IcmpReason::parameter_problem) {
        error.detail = is_v4 ? message[4] : load_be32(message.data() + 4);
    }
    Bytes transport;
    const Bytes quoted = message.subspan(icmp_header_bytes);
    const bool readable =
        is_v4 ? read_quoted_v4(quoted, error, transport) : read_quoted_v6(quoted, error, transport);
    if (!readable) return fail(Error::malformed);
    const bool is_tcp = error.protocol == protocol_tcp;
    if ((is_tcp || error.protocol == protocol_udp) && transport.size() >= 4) {
        error.ports = Ports{load_be16(transport.data()), load_be16(transport.data() + 2)};
        if (is_tcp && transport.size() >= 8) error.seq = SeqNum{load_be32(transport.data() + 4)};
        if (!is_tcp && transport.size() >= 16) {
            error.inner_ports =
                Ports{load_be16(transport.data() + 8), load_be16(transport.data() + 10)};
            error.inner_seq = SeqNum{load_be32(transport.data() + 12)};
        }
    }
    return error;
}

// Behind type and code comes the checksum, then four bytes whose meaning depends on them.
struct Head {
    Address source, destination;
    TypeCode message;
    std::uint32_t rest;
};

void finish(MutableBytes message, const Head& head) {
    std::uint8_t* p = message.data();
    p[0] = head.message.type;
    p[1] = head.message.code;
    store_be16(p + 2, 0);
    store_be32(p + 4, head.rest);
    Sum sum;
    if (!head.source.is_v4()) {
        sum = pseudo_header(head.source, head.destination, protocol_icmpv6,
                            static_cast<std::uint32_t>(message.size()));
    }
    sum.add(message);
    store_be16(p + 2, sum.checksum());
}

}  // namespace

const char* to_string(IcmpReason reason) {
    switch (reason) {
    case IcmpReason::network_unreachable: return "network unreachable";
    case IcmpReason::host_unreachable: return "host unreachable";
    case IcmpReason::protocol_unreachable: return "protocol unreachable";
    case IcmpReason::port_unreachable: return "port unreachable";
    case IcmpReason::prohibited: return "administratively prohibited";
    case IcmpReason::too_big: return "packet too big";
    case IcmpReason::hop_limit_exceeded: return "hop limit exceeded";
    case IcmpReason::reassembly_timed_out: return "reassembly timed out";
    case IcmpReason::parameter_problem: return "parameter problem";
    }
    return "unknown reason";
}

bool icmp_checksum_is_valid(const IpPacket& packet) {
    Sum sum;
    if (!packet.source.is_v4()) {
        sum = pseudo_header(packet.source, packet.destination, protocol_icmpv6,
                            static_cast<std::uint32_t>(packet.payload.size()));
    }
    sum.add(packet.payload);
    return sum.is_valid();
}

Result<IcmpMessage> parse_icmp(const IpPacket& packet) {
    const bool is_v4 = packet.source.is_v4();
    const Bytes message = packet.payload;
    if (packet.protocol != (is_v4 ? protocol_icmp : protocol_icmpv6)) return fail(Error::malformed);
    if (packet.fragment || message.size() < icmp_header_bytes) return fail(Error::malformed);
    if (!icmp_checksum_is_valid(packet)) return fail(Error::malformed);

    const TypeCode kind{message[0], message[1]};
    if (kind.code == 0 && (kind.type == (is_v4 ? v4::echo_request : v6::echo_request) ||
                           kind.type == (is_v4 ? v4::echo_reply : v6::echo_reply))) {
        return IcmpEcho{.is_request = kind.type == (is_v4 ? v4::echo_request : v6::echo_request),
                        .id = load_be16(message.data() + 4),
                        .sequence = load_be16(message.data() + 6),
                        .data = message.subspan(icmp_header_bytes)};
    }
    const auto reason = is_v4 ? reason_v4(kind) : reason_v6(kind);
    if (!reason) return IcmpOther{kind.type, kind.code};
    IcmpError error;
    error.reason = *reason;
    return parse_error(error, message, is_v4);
}

bool carries_icmp_error(const IpPacket& packet) {
    if (packet.payload.empty()) return false;
    const std::uint8_t type = packet.payload[0];
    if (packet.protocol == protocol_icmpv6) return type < 128;  // RFC 4443 2.1
    if (packet.protocol != protocol_icmp) return false;
    return type == v4::unreachable || type == 4 || type == 5 || type == v4::time_exceeded ||
           type == v4::parameter_problem;
}

std::size_t write_icmp_echo(MutableBytes room, const IcmpEchoWrite& what) {
    const std::size_t total = icmp_header_bytes + what.echo.data.size();
    CHECK(room.size() >= total);
    CHECK(what.source.is_v4() == what.destination.is_v4());
    std::copy(what.echo.data.begin(), what.echo.data.end(), room.begin() + icmp_header_bytes);
    const bool is_v4 = what.source.is_v4();
    const std::uint8_t type = what.echo.is_request ? (is_v4 ? v4::echo_request : v6::echo_request)
                                                   : (is_v4 ? v4::echo_reply : v6::echo_reply);
    finish(room.first(total), {what.source,
                               what.destination,
                               {type, 0},
                               std::uint32_t{what.echo.id} << 16 | what.echo.sequence});
    return total;
}

std::size_t icmp_error_bytes(const IcmpErrorWrite& what) {
    const bool is_v4 = what.source.is_v4();
    const std::size_t quote_max = (is_v4 ? 576 : 1280) - ip_header_bytes(is_v4) - icmp_header_bytes;
    return icmp_header_bytes + std::min(what.about.size(), quote_max);
}

std::size_t write_icmp_error(MutableBytes room, const IcmpErrorWrite& what) {
    const std::size_t total = icmp_error_bytes(what);
    CHECK(room.size() >= total);
    CHECK(what.source.is_v4() == what.destination.is_v4());
    const bool is_v4 = what.source.is_v4();
    std::copy_n(what.about.begin(), total - icmp_header_bytes, room.begin() + icmp_header_bytes);
    std::uint32_t rest = 0;
    if (what.reason == IcmpReason::too_big)
        rest = is_v4 ? std::min(what.detail, 0xffffU) : what.detail;
    if (what.reason == IcmpReason::parameter_problem)
        rest = is_v4 ? what.detail << 24 : what.detail;
    finish(room.first(total), {what.source, what.destination,
                               is_v4 ? on_wire_v4(what.reason) : on_wire_v6(what.reason), rest});
    return total;
}

}  // namespace estab::wire
