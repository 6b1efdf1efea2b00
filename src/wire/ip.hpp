// IPv4 (RFC 791) and IPv6 (RFC 8200) headers: checked views and writers.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"

namespace estab::wire {

inline constexpr std::uint8_t protocol_icmp = 1;
inline constexpr std::uint8_t protocol_udp = 17;
inline constexpr std::uint8_t protocol_icmpv6 = 58;

enum class Ecn : std::uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };  // RFC 3168 5

struct Fragment {              // where a piece belongs; whole packets have none
    std::uint32_t id = 0;      // IPv4: 16 bits
    std::uint16_t offset = 0;  // bytes
    bool more = false;
};

// A packet of either family, ready for the layer above. Exists only if all lengths agree, the IPv4
// header checksum is right, no IPv6 address is a mapped IPv4 one, every extension header was inside
// the packet and none of its options says "discard if unknown".
struct IpPacket {
    Address source, destination;
    std::uint8_t protocol = 0;   // after IPv6 extension headers
    std::uint8_t hop_limit = 0;  // TTL
    std::uint8_t dscp = 0;       // upper six bits of the traffic class
    Ecn ecn = Ecn::not_ect;
    bool dont_fragment = false;  // IPv4 DF; true for IPv6
    bool source_routed = false;  // IPv4 LSRR/SSRR, IPv6 routing type 0 or segments left: dropped by
                                 // default (RFC 7126, RFC 5095)
    std::optional<Fragment> fragment;
    Bytes header;                  // with options or extension headers; of an IPv6 fragment its
                                   // last 8 bytes are the fragment header, and protocol and payload
                                   // are those of the fragmentable part, not looked into
    Bytes payload;                 // padding after the total length is cut off
    std::uint32_t flow_label = 0;  // IPv6

    static Result<IpPacket> parse(Bytes packet);
};

struct IpWrite {
    Address source, destination;  // of one family
    std::uint8_t protocol = 0;
    std::uint8_t hop_limit = 64;
    std::uint8_t dscp = 0;
    Ecn ecn = Ecn::not_ect;
    bool dont_fragment = true;
    std::uint16_t id = 0;          // IPv4
    std::uint32_t flow_label = 0;  // IPv6
    std::uint32_t payload_bytes = 0;
};

constexpr std::size_t ip_header_bytes(bool v4) { return v4 ? 20 : 40; }

// Writes the header at the front of `room`; its length. The payload is the caller's, right behind
// it.
std::size_t write_ip(MutableBytes room, const IpWrite& what);

}  // namespace estab::wire
