// IPv6 extension headers (RFC 8200 4): how long each is. Shared by the packet parser and by what
// reads the packets that ICMP errors quote.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace estab::wire {

inline constexpr std::uint8_t ipv6_hop_by_hop = 0;
inline constexpr std::uint8_t ipv6_routing = 43;
inline constexpr std::uint8_t ipv6_fragment_header = 44;
inline constexpr std::uint8_t ipv6_authentication = 51;
inline constexpr std::uint8_t ipv6_destination_options = 60;
inline constexpr int ipv6_extensions_max = 16;  // more in one packet is an attack: malformed

constexpr bool is_ipv6_extension(std::uint8_t protocol) {
    return protocol == ipv6_hop_by_hop || protocol == ipv6_routing ||
           protocol == ipv6_fragment_header || protocol == ipv6_authentication ||
           protocol == ipv6_destination_options;
}

// Bytes of the extension header that `rest` begins with, at least 8; 0 when it is not inside.
constexpr std::size_t ipv6_extension_bytes(std::uint8_t kind, Bytes rest) {
    if (rest.size() < 8) return 0;
    std::size_t length = (std::size_t{rest[1]} + 1) * 8;
    if (kind == ipv6_authentication) length = (std::size_t{rest[1]} + 2) * 4;  // RFC 4302 2.2
    if (kind == ipv6_fragment_header) length = 8;
    return length <= rest.size() ? length : 0;
}

}  // namespace estab::wire
