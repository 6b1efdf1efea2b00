#include "wire/arp.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace estab::wire {
namespace {

constexpr std::uint32_t ethernet_ipv4 = 0x00010800;  // hardware type 1, protocol type IPv4
constexpr std::uint16_t lengths = 0x0604;

}  // namespace

Result<Arp> Arp::parse(Bytes payload) {
    if (payload.size() < arp_bytes) return fail(Error::malformed);
    const std::uint8_t* p = payload.data();
    if (load_be32(p) != ethernet_ipv4 || load_be16(p + 4) != lengths)
        return fail(Error::not_supported);
    const std::uint16_t operation = load_be16(p + 6);
    if (operation != 1 && operation != 2) return fail(Error::not_supported);
    Arp arp;
    arp.operation = static_cast<ArpOperation>(operation);
    std::copy_n(p + 8, 6, arp.sender_mac.octets.begin());
    arp.sender = Address::from_v4(p + 14);
    std::copy_n(p + 18, 6, arp.target_mac.octets.begin());
    arp.target = Address::from_v4(p + 24);
    return arp;
}

std::size_t write_arp(MutableBytes room, const Arp& what) {
    CHECK(room.size() >= arp_bytes);
    CHECK(what.sender.is_v4() && what.target.is_v4());
    std::uint8_t* p = room.data();
    store_be32(p, ethernet_ipv4);
    store_be16(p + 4, lengths);
    store_be16(p + 6, static_cast<std::uint16_t>(what.operation));
    std::copy_n(what.sender_mac.octets.begin(), 6, p + 8);
    std::copy_n(what.sender.bytes().begin(), 4, p + 14);
    std::copy_n(what.target_mac.octets.begin(), 6, p + 18);
    std::copy_n(what.target.bytes().begin(), 4, p + 24);
    return arp_bytes;
}

}  // namespace estab::wire
