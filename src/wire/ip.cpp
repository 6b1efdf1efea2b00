#include "wire/ip.hpp"

#include "base/check.hpp"
#include "wire/checksum.hpp"
#include "wire/ip_extensions.hpp"

namespace estab::wire {
namespace {

constexpr std::size_t v4_fixed = 20;
constexpr std::size_t v6_fixed = 40;

bool ends_inside(const Fragment& fragment, std::size_t payload_bytes) {
    return fragment.offset + payload_bytes <= 0xffff;
}

// Options are skipped. What matters is whether the list can be followed and whether it routes.
bool scan_v4_options(Bytes options, bool& source_routed) {
    constexpr std::uint8_t loose_route = 131, strict_route = 137;
    while (!options.empty() && options[0] != 0) {
        if (options[0] == 1) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return false;
        if (options[0] == loose_route || options[0] == strict_route) source_routed = true;
        options = options.subspan(options[1]);
    }
    return true;
}

void set_traffic_class(IpPacket& packet, std::uint8_t octet) {
    packet.dscp = octet >> 2;
    packet.ecn = static_cast<Ecn>(octet & 3);
}

// False: malformed.
bool read_v4(Bytes bytes, IpPacket& packet) {
    if (bytes.size() < v4_fixed) return false;
    const std::uint8_t* p = bytes.data();
    const std::size_t header_bytes = std::size_t{p[0]} % 16 * 4;
    const std::size_t total = load_be16(p + 2);
    if (header_bytes < v4_fixed || header_bytes > total || total > bytes.size())
        return false;

    packet.header = bytes.first(header_bytes);
    packet.payload = bytes.subspan(header_bytes, total - header_bytes);
    Sum sum;
    sum.add_words(p, header_bytes);
    if (!sum.is_valid()) return false;
    if (header_bytes != v4_fixed &&
        !scan_v4_options(packet.header.subspan(v4_fixed), packet.source_routed)) {
        return false;
    }

    set_traffic_class(packet, p[1]);
    const std::uint16_t where = load_be16(p + 6);
    packet.dont_fragment = (where & 0x4000) != 0;
    if ((where & 0x3fff) != 0) {
        packet.fragment = Fragment{.id = load_be16(p + 4),
                                   .offset = static_cast<std::uint16_t>((where & 0x1fff) * 8),
                                   .more = (where & 0x2000) != 0};
        if (!ends_inside(*packet.fragment, packet.payload.size())) return false;
    }
    packet.hop_limit = p[8];
    packet.protocol = p[9];
    packet.source = Address::from_v4(p + 12);
    packet.destination = Address::from_v4(p + 16);
    return true;
}

// Hop-by-hop or destination options: all are skipped but those that say "discard me if you do not
// know this" by their upper two bits. RFC 8200 4.2.
bool scan_v6_options(Bytes options) {
    constexpr std::uint8_t pad1 = 0;
    while (!options.empty()) {
        if (options[0] == pad1) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || std::size_t{options[1]} + 2 > options.size()) return false;
        if (options[0] >> 6 != 0) return false;
        options = options.subspan(std::size_t{options[1]} + 2);
    }
    return true;
}

// Takes one extension header off the front of `packet.payload`. False: it is not inside the packet
// or must not be accepted.
bool take_extension(IpPacket& packet) {
    const Bytes rest = packet.payload;
    const std::uint8_t kind = packet.protocol;
    const std::size_t length = ipv6_extension_bytes(kind, rest);
    if (length == 0) return false;

    if (kind == ipv6_hop_by_hop || kind == ipv6_destination_options) {
        if (!scan_v6_options(rest.subspan(2, length - 2))) return false;
    } else if (kind == ipv6_routing) {
        // Type 0 is deprecated (RFC 5095); another that still has a way to go is not for us (RFC
        // 8200 4.4).
        if (rest[2] == 0 || rest[3] != 0) packet.source_routed = true;
    } else if (kind == ipv6_fragment_header) {
        const std::uint16_t where = load_be16(rest.data() + 2);
        // An atomic fragment is a whole packet. RFC 6946 4.
        if ((where & 0xfff9) != 0) {
            packet.fragment = Fragment{.id = load_be32(rest.data() + 4),
                                       .offset = static_cast<std::uint16_t>(where & 0xfff8),
                                       .more = (where & 1) != 0};
        }
    }
    packet.protocol = rest[0];
    packet.payload = rest.subspan(length);
    return true;
}

bool read_v6(Bytes bytes, IpPacket& packet) {
    if (bytes.size() < v6_fixed) return false;
    const std::uint8_t* p = bytes.data();
    const std::size_t payload_bytes = load_be16(p + 4);
    if (payload_bytes > bytes.size() - v6_fixed) return false;

    const std::uint32_t first = load_be32(p);
    set_traffic_class(packet, static_cast<std::uint8_t>(first >> 20));
    packet.flow_label = first & 0xfffff;
    packet.dont_fragment = true;
    packet.protocol = p[6];
    packet.hop_limit = p[7];
    packet.source = Address::from_v6(p + 8);
    packet.destination = Address::from_v6(p + 24);
    // An IPv4-mapped address never belongs on a wire; inside, it would be taken for the IPv4 host.
    if (packet.source.is_v4() || packet.destination.is_v4()) return false;

    packet.payload = bytes.subspan(v6_fixed, payload_bytes);
    for (int n = 0; is_ipv6_extension(packet.protocol) && !packet.fragment; ++n) {
        if (n == ipv6_extensions_max) return false;
        if (packet.protocol == ipv6_hop_by_hop && n != 0)
            return false;  // only first: RFC 8200 4.1
        if (!take_extension(packet)) return false;
    }
    if (packet.fragment && !ends_inside(*packet.fragment, packet.payload.size()))
        return false;
    packet.header = bytes.first(v6_fixed + payload_bytes - packet.payload.size());
    return true;
}

std::uint8_t traffic_class(const IpWrite& what) {
    return static_cast<std::uint8_t>(what.dscp << 2 | static_cast<std::uint8_t>(what.ecn));
}

std::size_t write_v4(MutableBytes room, const IpWrite& what) {
    CHECK(room.size() >= v4_fixed);
    CHECK(what.payload_bytes <= 0xffff - v4_fixed);
    // Summed are the words that are written: reading them back would wait for narrower stores.
    std::uint8_t* p = room.data();
    const std::uint8_t* from = what.source.octets().data() + 12;
    const std::uint8_t* to = what.destination.octets().data() + 12;
    const std::uint64_t first = std::uint64_t{0x45} << 56 |
                                std::uint64_t{traffic_class(what)} << 48 |
                                (v4_fixed + what.payload_bytes) << 32 |
                                std::uint64_t{what.id} << 16 | (what.dont_fragment ? 0x4000u : 0u);
    const std::uint32_t second =
        std::uint32_t{what.hop_limit} << 24 | std::uint32_t{what.protocol} << 16;
    Sum sum;
    sum.add_be64(first);
    sum.add_be32(second);
    sum.add_words(from, 4);
    sum.add_words(to, 4);
    store_be64(p, first);
    store_be32(p + 8, second | sum.checksum());
    std::memcpy(p + 12, from, 4);
    std::memcpy(p + 16, to, 4);
    return v4_fixed;
}

std::size_t write_v6(MutableBytes room, const IpWrite& what) {
    CHECK(room.size() >= v6_fixed);
    CHECK(what.payload_bytes <= 0xffff);
    std::uint8_t* p = room.data();
    store_be32(p, std::uint32_t{6} << 28 | std::uint32_t{traffic_class(what)} << 20 |
                      (what.flow_label & 0xfffff));
    store_be16(p + 4, static_cast<std::uint16_t>(what.payload_bytes));
    p[6] = what.protocol;
    p[7] = what.hop_limit;
    std::memcpy(p + 8, what.source.octets().data(), 16);
    std::memcpy(p + 24, what.destination.octets().data(), 16);
    return v6_fixed;
}

}  // namespace

// Read in place: a packet's description is long, and one is made for every frame.
Result<IpPacket> IpPacket::parse(Bytes packet) {
    Result<IpPacket> result;
    const unsigned version = packet.empty() ? 0 : packet[0] >> 4;
    const bool is_good = (version == 4 && read_v4(packet, *result)) ||
                         (version == 6 && read_v6(packet, *result));
    if (!is_good) result = fail(Error::malformed);
    return result;
}

std::size_t write_ip(MutableBytes room, const IpWrite& what) {
    CHECK(what.source.is_v4() == what.destination.is_v4());
    return what.source.is_v4() ? write_v4(room, what) : write_v6(room, what);
}

}  // namespace estab::wire
