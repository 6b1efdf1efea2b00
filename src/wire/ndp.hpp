// Neighbour discovery for IPv6 over Ethernet (RFC 4861): solicitations and advertisements of
// neighbours. Routers' messages and redirects are none of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"
#include "wire/ip.hpp"

namespace estab::wire {

struct NeighbourSolicitation {
    Address target;             // who has it?
    std::optional<Mac> source;  // the asker's own
};

struct NeighbourAdvertisement {
    Address target;
    std::optional<Mac> mac;  // the target's
    bool is_router = false;
    bool solicited = false;
    bool overrides = false;  // replaces what is known
};

using NdpMessage = std::variant<NeighbourSolicitation, NeighbourAdvertisement>;

// Error::not_supported for other ICMPv6 types; malformed for what RFC 4861 7.1.1 and 7.1.2 tell us
// to discard: a hop limit below 255, a wrong checksum, code, target or option length.
Result<NdpMessage> parse_ndp(const IpPacket& packet);

inline constexpr std::size_t ndp_bytes_max = 32;
inline constexpr std::uint8_t ndp_hop_limit = 255;

struct NdpWrite {
    Address source, destination;
    NdpMessage message;
};
// Writes the ICMPv6 message, without IP header; 24 bytes, or 32 with a link-layer address.
std::size_t write_ndp(MutableBytes room, const NdpWrite& what);

// ff02::1:ffXX:XXXX, where the one who has `address` listens. RFC 4291 2.7.1.
Address solicited_node(const Address& address);
// Where a multicast packet goes on Ethernet. RFC 1112 6.4, RFC 2464 7.
Mac multicast_mac(const Address& group);

}  // namespace estab::wire
