// ICMP of both families (RFC 792, RFC 4443) as one set of meanings: echo, and errors about a packet
// of ours. Neighbour discovery is in ndp.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::wire {

inline constexpr std::size_t icmp_header_bytes = 8;

struct IcmpEcho {
    bool is_request = true;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
    Bytes data;
};

enum class IcmpReason : std::uint8_t {
    network_unreachable,
    host_unreachable,
    protocol_unreachable,  // v4 type 3 code 2; v6 type 4 code 1
    port_unreachable,
    prohibited,  // by an administrator, a policy or a precedence
    too_big,     // v4 type 3 code 4; v6 type 2
    hop_limit_exceeded,
    reassembly_timed_out,
    parameter_problem,
};

const char* to_string(IcmpReason);

struct Ports {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    friend constexpr bool operator==(Ports, Ports) = default;
};

// What somebody says about a packet of ours. All that follows `detail` is read from the packet that
// is quoted: so `source` and `ports->source` are ours. A forger has to guess them, and for TCP a
// sequence number inside the window too (RFC 5927 4.1).
struct IcmpError {
    IcmpReason reason = IcmpReason::network_unreachable;
    std::uint8_t type = 0, code = 0;  // as on the wire
    std::uint32_t detail =
        0;  // too_big: next-hop MTU, 0 if not told; parameter_problem: which byte
    Address source, destination;
    std::uint8_t protocol = 0;  // behind IPv6 extension headers
    std::optional<Ports>
        ports;  // of TCP and UDP, if enough is quoted and it is not a later fragment
    std::optional<SeqNum> seq;  // of TCP
    // Of UDP: the same of what it carries, if that should be TCP.
    std::optional<Ports> inner_ports{};
    SeqNum inner_seq{};
};

struct IcmpOther {  // redirects, source quench (RFC 6633), neighbour discovery, what nobody knows:
                    // ignore
    std::uint8_t type = 0, code = 0;
};

using IcmpMessage = std::variant<IcmpOther, IcmpEcho, IcmpError>;

// Exists only if the checksum is right and an error quotes at least a whole IP header of its
// family.
Result<IcmpMessage> parse_icmp(const IpPacket& packet);

bool icmp_checksum_is_valid(const IpPacket& packet);

// Is this an ICMP error? No error is ever sent about one (RFC 1122 3.2.2, RFC 4443 2.4 e).
bool carries_icmp_error(const IpPacket& packet);

struct IcmpEchoWrite {
    Address source, destination;
    IcmpEcho echo;
};
// Writes the message, without IP header; icmp_header_bytes + echo.data.size().
std::size_t write_icmp_echo(MutableBytes room, const IcmpEchoWrite& what);

struct IcmpErrorWrite {
    Address source, destination;  // of the error, one family
    IcmpReason reason = IcmpReason::port_unreachable;
    std::uint32_t detail = 0;
    Bytes about;  // the packet, from its IP header on
};
// How long the message will be: as much is quoted as an IP packet of 576 (RFC 1812 4.3.2.3) or 1280
// (RFC 4443 2.4 c) bytes can carry.
std::size_t icmp_error_bytes(const IcmpErrorWrite& what);
// Writes the message, without IP header; icmp_error_bytes().
std::size_t write_icmp_error(MutableBytes room, const IcmpErrorWrite& what);

}  // namespace estab::wire
