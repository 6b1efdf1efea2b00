#include "observe/link_layer.hpp"

namespace estab::observe {
namespace {

constexpr std::uint16_t ethertype_vlan = 0x8100;     // IEEE 802.1Q
constexpr std::uint16_t ethertype_qinq = 0x88a8;     // IEEE 802.1ad
constexpr std::uint16_t ethertype_qinq_old = 0x9100;

bool is_tag(std::uint16_t ethertype) {
    return ethertype == ethertype_vlan || ethertype == ethertype_qinq ||
           ethertype == ethertype_qinq_old;
}

struct Frame {
    Bytes bytes;
    std::uint32_t original_bytes;
};

std::optional<NetworkPacket> behind(const Frame& frame, std::uint32_t header, std::uint16_t type) {
    if (frame.bytes.size() < header || frame.original_bytes < header) return std::nullopt;
    NetworkPacket packet;
    packet.ethertype = type;
    packet.bytes = frame.bytes.subspan(header);
    packet.original_bytes = frame.original_bytes - header;
    packet.offset = header;
    return packet;
}

// Behind tags that stand at `header`; `type` is what was there before them.
std::optional<NetworkPacket> behind_tags(const Frame& frame, std::uint32_t header,
                                         std::uint16_t type) {
    std::uint16_t vlan = 0;
    std::uint8_t tags = 0;
    while (is_tag(type) && tags < vlan_tags_max && frame.bytes.size() >= header + 4) {
        if (tags++ == 0) vlan = load_be16(frame.bytes.data() + header) & 0xfff;
        type = load_be16(frame.bytes.data() + header + 2);
        header += 4;
    }
    auto packet = behind(frame, header, type);
    if (packet) {
        packet->vlan_tags = tags;
        packet->vlan = vlan;
    }
    return packet;
}

std::optional<NetworkPacket> ethernet(const Frame& frame) {
    constexpr std::uint32_t header = 14;
    if (frame.bytes.size() < header) return std::nullopt;
    return behind_tags(frame, header, load_be16(frame.bytes.data() + 12));
}

// The version field says which of the two it is; anything else is not IP.
std::uint16_t type_by_version(Bytes packet) {
    if (packet.empty()) return 0;
    switch (packet[0] >> 4) {
        case 4: return ethertype_ipv4;
        case 6: return ethertype_ipv6;
        default: return 0;
    }
}

// AF_INET is 2 everywhere. AF_INET6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD and 30
// on Darwin. A file of the other byte order shows them in the upper half, where no family is.
std::optional<NetworkPacket> family(const Frame& frame) {
    if (frame.bytes.size() < 4) return std::nullopt;
    std::uint32_t value = load_be32(frame.bytes.data());
    if ((value & 0xffff0000U) != 0) value = __builtin_bswap32(value);
    std::uint16_t type = 0;
    if (value == 2) type = ethertype_ipv4;
    if (value == 10 || value == 24 || value == 28 || value == 30) type = ethertype_ipv6;
    return behind(frame, 4, type);
}

Direction direction(unsigned value) {
    return value <= 4 ? static_cast<Direction>(value) : Direction::unknown;
}

std::optional<NetworkPacket> sll(const Frame& frame) {
    if (frame.bytes.size() < 16) return std::nullopt;
    auto packet = behind_tags(frame, 16, load_be16(frame.bytes.data() + 14));
    if (packet) packet->direction = direction(load_be16(frame.bytes.data()));
    return packet;
}

std::optional<NetworkPacket> sll2(const Frame& frame) {
    if (frame.bytes.size() < 20) return std::nullopt;
    auto packet = behind_tags(frame, 20, load_be16(frame.bytes.data()));
    if (packet) {
        packet->interface_index = load_be32(frame.bytes.data() + 4);
        packet->direction = direction(frame.bytes[10]);
    }
    return packet;
}

}  // namespace

std::optional<NetworkPacket> network_packet(LinkType link, Bytes bytes,
                                            std::uint32_t original_bytes) {
    const Frame frame{bytes, original_bytes};
    switch (link) {
        case LinkType::null:
        case LinkType::loop: return family(frame);
        case LinkType::ethernet: return ethernet(frame);
        case LinkType::raw_bsd:
        case LinkType::raw_openbsd:
        case LinkType::raw: return behind(frame, 0, type_by_version(bytes));
        case LinkType::linux_sll: return sll(frame);
        case LinkType::ipv4: return behind(frame, 0, ethertype_ipv4);
        case LinkType::ipv6: return behind(frame, 0, ethertype_ipv6);
        case LinkType::linux_sll2: return sll2(frame);
    }
    return std::nullopt;  // a number that a file brought
}

bool is_known(LinkType link) { return to_string(link)[0] != 'u'; }

const char* to_string(LinkType link) {
    switch (link) {
        case LinkType::null: return "NULL";
        case LinkType::ethernet: return "EN10MB";
        case LinkType::raw_bsd:
        case LinkType::raw_openbsd:
        case LinkType::raw: return "RAW";
        case LinkType::loop: return "LOOP";
        case LinkType::linux_sll: return "LINUX_SLL";
        case LinkType::ipv4: return "IPV4";
        case LinkType::ipv6: return "IPV6";
        case LinkType::linux_sll2: return "LINUX_SLL2";
    }
    return "unknown";
}

}  // namespace estab::observe
