// Ethernet II frames without FCS: read (VLAN tags skipped) and written (untagged).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"

namespace estab::wire {

inline constexpr std::uint16_t ethertype_ipv4 = 0x0800;
inline constexpr std::uint16_t ethertype_arp = 0x0806;
inline constexpr std::uint16_t ethertype_ipv6 = 0x86dd;
inline constexpr std::size_t ethernet_header_bytes = 14;
inline constexpr Mac broadcast_mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct EthernetFrame {
    Mac destination, source;
    std::uint16_t type = 0;  // behind the tags; below 0x600 it is an IEEE 802.3 length
    std::uint8_t tags = 0;   // 802.1Q and 802.1ad, at most 2
    Bytes payload;           // with padding, if there is some

    static Result<EthernetFrame> parse(Bytes frame);
};

struct EthernetWrite {
    Mac destination, source;
    std::uint16_t type = 0;
};

// Writes the 14 bytes at the front of `room`; 14.
std::size_t write_ethernet(MutableBytes room, const EthernetWrite& what);

}  // namespace estab::wire
