// The link header (-e) and the bytes under a line (-x, -X, -A).
#include <algorithm>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

struct Ethertype {
    std::uint16_t type;
    const char* name;
};
constexpr Ethertype ethertypes[] = {
    {0x0600, "NS"}, {0x0707, "GeoNet (old)"}, {0x0800, "IPv4"}, {0x0806, "ARP"},
    {0x1000, "Trail"}, {0x1111, "CALM FAST"}, {0x6001, "MOP DL"}, {0x6002, "MOP RC"},
    {0x6003, "DN"}, {0x6004, "LAT"}, {0x6007, "SCA"}, {0x6558, "TEB"}, {0x8035, "Reverse ARP"},
    {0x8038, "Lanbridge"}, {0x803c, "DEC DNS"}, {0x803e, "DEC DTS"}, {0x805b, "VEXP"},
    {0x805c, "VPROD"}, {0x809b, "Appletalk"}, {0x80f3, "Appletalk ARP"}, {0x8100, "802.1Q"},
    {0x8137, "IPX"}, {0x86dd, "IPv6"}, {0x8808, "MPCP"}, {0x8809, "Slow Protocols"},
    {0x880b, "PPP"}, {0x8847, "MPLS unicast"}, {0x8848, "MPLS multicast"}, {0x8863, "PPPoE D"},
    {0x8864, "PPPoE S"}, {0x886f, "MS NLB heartbeat"}, {0x888e, "EAPOL"},
    {0x8899, "Realtek protocols"}, {0x88a2, "AoE"}, {0x88a8, "802.1Q-QinQ"}, {0x88ca, "TIPC"},
    {0x88cc, "LLDP"}, {0x88e5, "802.1AE MACsec"}, {0x88f7, "PTP"}, {0x8902, "CFM"},
    {0x893a, "IEEE1905.1"}, {0x8947, "GeoNet"}, {0x894f, "NSH"}, {0x9000, "Loopback"},
    {0x9100, "802.1Q-9100"}, {0xabcd, "CFM (old)"}, {0xfefe, "OSI"}};

const char* ethertype_name(std::uint16_t type) {
    const auto* found = std::ranges::find(ethertypes, type, &Ethertype::type);
    return found == std::ranges::end(ethertypes) ? "Unknown" : found->name;
}

}  // namespace

void add_ethertype(TextBuffer& out, std::uint16_t type) {
    out.add("ethertype ");
    out.add(ethertype_name(type));
    out.add(" (0x");
    out.hex_octet(static_cast<std::uint8_t>(type >> 8));
    out.hex_octet(static_cast<std::uint8_t>(type));
    out.add(')');
}

namespace {

void add_frame_length(TextBuffer& out, std::uint32_t bytes) {
    out.add(", length ");
    out.decimal(bytes);
    out.add(": ");
}

// IEEE 802.1Q. They stand in front of the packet.
void add_tags(TextBuffer& out, Bytes frame, const NetworkPacket& packet) {
    for (std::size_t at = packet.offset - 4U * packet.vlan_tags; at < packet.offset; at += 4) {
        const std::uint16_t tag = load_be16(frame.data() + at);
        out.add("vlan ");
        out.decimal(tag & 0xfff);
        out.add(", p ");
        out.decimal(tag >> 13);
        if ((tag & 0x1000) != 0) out.add(", DEI");
        out.add(", ");
        const std::uint16_t type = load_be16(frame.data() + at + 2);
        if (type <= 1500) return out.add("802.3");
        add_ethertype(out, type);
        out.add(", ");
    }
}

void add_ethernet(TextBuffer& out, Bytes frame, std::uint32_t original_bytes,
                  const NetworkPacket& packet, bool quick) {
    add_mac(out, frame.data() + 6);
    out.add(" > ");
    add_mac(out, frame.data());
    out.add(", ");
    std::uint16_t type = load_be16(frame.data() + 12);
    if (type <= 1500) {  // a length, IEEE 802.3
        out.add("802.3");
        return add_frame_length(out, type);
    }
    if (quick) {
        const char* name = ethertype_name(type);
        out.add(name);
        if (*name == 'U') {
            out.add(" Ethertype (0x");
            out.hex_octet(static_cast<std::uint8_t>(type >> 8));
            out.hex_octet(static_cast<std::uint8_t>(type));
            out.add(')');
        }
    } else {
        add_ethertype(out, type);
    }
    add_frame_length(out, original_bytes);
    add_tags(out, frame, packet);
}

void add_family(TextBuffer& out, Bytes frame, const NetworkPacket& packet) {
    std::uint32_t family = load_be32(frame.data());
    if ((family & 0xffff0000U) != 0) family = __builtin_bswap32(family);
    out.add("AF ");
    out.add(ethertype_name(packet.ethertype));
    out.add(" (");
    out.decimal(family);
    out.add(')');
    add_frame_length(out, packet.original_bytes + 4);
}

// The address in a cooked header: at most eight octets.
void add_cooked_address(TextBuffer& out, Bytes octets) {
    for (std::size_t i = 0; i < octets.size(); ++i) {
        if (i != 0) out.add(':');
        out.hex_octet(octets[i]);
    }
    if (!octets.empty()) out.add(' ');
}

// Below 0x600 Linux has numbers of its own there: 1 and 4 are IEEE 802.3 without and with LLC.
void add_cooked_type(TextBuffer& out, std::uint16_t type) {
    if (type == 1 || type == 4) return out.add(type == 1 ? "802.3" : "802.2");
    add_ethertype(out, type);
}

void add_cooked_tags(TextBuffer& out, Bytes frame, const NetworkPacket& packet) {
    for (std::size_t at = packet.offset - 4U * packet.vlan_tags; at < packet.offset; at += 4) {
        const std::uint16_t tag = load_be16(frame.data() + at);
        add_number(out, "vlan ", tag & 0xfffU);
        add_number(out, ", p ", tag >> 13);
        if ((tag & 0x1000) != 0) out.add(", DEI");
        out.add(", ethertype ");
        out.add(ethertype_name(load_be16(frame.data() + at + 2)));
        out.add(", ");
    }
}

void add_sll(TextBuffer& out, Bytes frame, std::uint32_t original_bytes,
             const NetworkPacket& packet, bool quick) {
    const std::string_view way = direction_name(*packet.direction);
    for (std::size_t i = way.size(); i < 3; ++i) out.add(' ');
    out.add(way);
    out.add(' ');
    const std::size_t octets = std::min<std::size_t>(8, load_be16(frame.data() + 4));
    add_cooked_address(out, frame.subspan(6, octets));
    if (quick) return;
    add_cooked_type(out, load_be16(frame.data() + 14));
    add_frame_length(out, original_bytes);
    add_cooked_tags(out, frame, packet);
}

void add_sll2(TextBuffer& out, Bytes frame, std::uint32_t original_bytes,
              const NetworkPacket& packet, bool quick) {
    out.add("ifindex ");
    out.decimal(*packet.interface_index);
    out.add(' ');
    add_cooked_address(out, frame.subspan(12, std::min<std::size_t>(8, frame[11])));
    if (quick) return;
    add_cooked_type(out, load_be16(frame.data()));
    add_frame_length(out, original_bytes);
    add_cooked_tags(out, frame, packet);
}

constexpr std::size_t bytes_per_line = 16;

char shown(std::uint8_t c) { return c > 0x20 && c < 0x7f ? static_cast<char>(c) : '.'; }

void add_hex_line(TextBuffer& out, Bytes bytes, std::size_t offset) {
    out.add("0x");
    out.hex_octet(static_cast<std::uint8_t>(offset >> 8));
    out.hex_octet(static_cast<std::uint8_t>(offset));
    out.add(": ");
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i % 2 == 0) out.add(' ');
        out.hex_octet(bytes[i]);
    }
}

void add_hex_and_text(TextBuffer& out, Bytes bytes) {
    constexpr std::size_t width = bytes_per_line * 2 + bytes_per_line / 2;
    for (std::size_t at = 0; at < bytes.size(); at += bytes_per_line) {
        const Bytes line = bytes.subspan(at, std::min(bytes_per_line, bytes.size() - at));
        out.add("\n\t");
        add_hex_line(out, line, at);
        for (std::size_t used = line.size() * 2 + (line.size() + 1) / 2; used < width; ++used) {
            out.add(' ');
        }
        out.add("  ");
        for (const std::uint8_t c : line) out.add(shown(c));
    }
}

void add_text(TextBuffer& out, Bytes bytes) {
    out.add('\n');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::uint8_t c = bytes[i];
        if (c == '\r') {  // part of a line's end, or a dot
            if (i + 1 < bytes.size() && bytes[i + 1] != '\n') out.add('.');
            continue;
        }
        const bool as_it_is = (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n';
        out.add(as_it_is ? static_cast<char>(c) : '.');
    }
}

}  // namespace

void add_tag_types(TextBuffer& out, Bytes frame, const NetworkPacket& packet) {
    for (std::size_t at = packet.offset - 4U * packet.vlan_tags; at < packet.offset; at += 4) {
        out.add("ethertype ");
        out.add(ethertype_name(load_be16(frame.data() + at + 2)));
        out.add(", ");
    }
}

std::string_view direction_name(Direction direction) {
    static constexpr std::string_view names[] = {"In", "B", "M", "P", "Out", "?"};
    return names[static_cast<std::size_t>(direction)];
}

void print_link_header(TextBuffer& out, LinkType link, Bytes frame, std::uint32_t original_bytes,
                       const NetworkPacket& packet, bool quick) {
    switch (link) {
        case LinkType::ethernet: return add_ethernet(out, frame, original_bytes, packet, quick);
        case LinkType::null:
        case LinkType::loop: return add_family(out, frame, packet);
        case LinkType::raw_bsd:
        case LinkType::raw_openbsd:
        case LinkType::raw:
        case LinkType::ipv4:
        case LinkType::ipv6: return out.add("ip: ");
        case LinkType::linux_sll: return add_sll(out, frame, original_bytes, packet, quick);
        case LinkType::linux_sll2:
            return add_sll2(out, frame, original_bytes, packet, quick);
    }
}

void print_unknown(TextBuffer& out, Bytes bytes, const DumpOptions& options) {
    if (options.quick) return;
    if (options.hex == 0 && options.hex_and_text == 0) add_hex_and_text(out, bytes);
}

void add_hex_lines(TextBuffer& out, Bytes bytes, std::string_view indent) {
    for (std::size_t at = 0; at < bytes.size(); at += bytes_per_line) {
        out.add(indent);
        add_hex_line(out, bytes.subspan(at, std::min(bytes_per_line, bytes.size() - at)), at);
    }
}

void print_bytes(TextBuffer& out, Bytes bytes, const DumpOptions& options) {
    if (options.hex_and_text > 0) {
        add_hex_and_text(out, bytes);
    } else if (options.hex > 0) {
        add_hex_lines(out, bytes, "\n\t");
    } else if (options.text && !bytes.empty()) {
        add_text(out, bytes);
    }
}

}  // namespace estab::observe::dump
