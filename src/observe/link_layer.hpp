// From a captured frame to the packet in it: the link types that captures of TCP come in.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace estab::observe {

// Numbers of the LINKTYPE_ registry, as they stand in a file.
enum class LinkType : std::uint16_t {
    null = 0,        // BSD loopback: the address family, in the byte order of who captured
    ethernet = 1,
    raw_bsd = 12,    // DLT_RAW where it is 12 or 14
    raw_openbsd = 14,
    raw = 101,       // IPv4 or IPv6 by the version field
    loop = 108,      // OpenBSD loopback: the address family, big-endian
    linux_sll = 113,
    ipv4 = 228,
    ipv6 = 229,
    linux_sll2 = 276,
};

inline constexpr std::uint16_t ethertype_ipv4 = 0x0800;
inline constexpr std::uint16_t ethertype_arp = 0x0806;
inline constexpr std::uint16_t ethertype_ipv6 = 0x86dd;

// Which way a frame went, as LINUX_SLL and SLL2 say it.
enum class Direction : std::uint8_t { in, broadcast, multicast, other_host, out, unknown };

struct NetworkPacket {
    std::uint16_t ethertype = 0;      // below 0x600: an 802.3 length, contents unknown
    Bytes bytes;                      // what was captured of it, up to the end of the frame
    std::uint32_t original_bytes = 0; // what it was on the wire
    std::uint32_t offset = 0;         // where it begins in the frame
    std::uint8_t vlan_tags = 0;       // 802.1Q and 802.1ad, at most vlan_tags_max
    std::uint16_t vlan = 0;           // id of the outermost tag
    std::optional<std::uint32_t> interface_index; // SLL2
    std::optional<Direction> direction;           // SLL, SLL2
};

// More tags than this are taken for the packet itself.
inline constexpr std::uint8_t vlan_tags_max = 8;

// Nothing when the link type is unknown or its header was cut off.
std::optional<NetworkPacket> network_packet(LinkType link, Bytes frame,
                                            std::uint32_t original_bytes);

bool is_known(LinkType link);
const char* to_string(LinkType link);

}  // namespace estab::observe
