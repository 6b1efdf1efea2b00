// ARP for IPv4 over Ethernet (RFC 826).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"

namespace estab::wire {

inline constexpr std::size_t arp_bytes = 28;

enum class ArpOperation : std::uint8_t { request = 1, reply = 2 };

struct Arp {
    ArpOperation operation = ArpOperation::request;
    Mac sender_mac;
    Address sender;
    Mac target_mac;  // zero in a request
    Address target;

    static Result<Arp> parse(Bytes payload);  // padding behind it is ignored
};

// Writes arp_bytes at the front of `room`; arp_bytes. Both addresses are IPv4.
std::size_t write_arp(MutableBytes room, const Arp& what);

}  // namespace estab::wire
