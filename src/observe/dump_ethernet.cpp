// What an Ethernet frame carries: by its type, or by IEEE 802.2 LLC where there is a length
// instead; spanning trees and LLDP.
#include <algorithm>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint16_t ethertype_rarp = 0x8035, ethertype_lldp = 0x88cc, length_max = 1500;

struct Flag {
    std::uint8_t bit;
    const char* name;
};
template <std::size_t n>
void add_flags(TextBuffer& out, std::uint8_t value, const Flag (&flags)[n]) {
    const char* separator = "";
    for (const Flag& flag : flags) {
        if ((value & flag.bit) == 0) continue;
        out.add(separator);
        out.add(flag.name);
        separator = ", ";
    }
    if (*separator == '\0') out.add("none");
}

void add_bridge(TextBuffer& out, const std::uint8_t* eight) {
    out.hex_octets({eight, 2});
    out.add('.');
    add_mac(out, eight + 2);
}

void add_age(TextBuffer& out, const std::uint8_t* p) {  // in 256ths of a second
    const unsigned hundredths = (load_be16(p) * 100U + 128) / 256;
    out.decimal(hundredths / 100);
    out.add('.');
    out.padded(hundredths % 100, 2);
    out.add('s');
}

constexpr Flag bridge_flags[] = {{0x01, "Topology change"}, {0x02, "Proposal"},
                                 {0x10, "Learn"},           {0x20, "Forward"},
                                 {0x40, "Agreement"},       {0x80, "Topology change ACK"}};

struct Bridge {
    static constexpr std::uint8_t configuration = 0, rapid = 2, change = 0x80;
    static constexpr std::uint8_t version_rapid = 2, version_multiple = 3;
};

void add_times(TextBuffer& out, const std::uint8_t* p) {
    static constexpr const char* names[] = {"\n\tmessage-age ", ", max-age ", ", hello-time ",
                                            ", forwarding-delay "};
    for (std::size_t i = 0; i < 4; ++i) {
        out.add(names[i]);
        add_age(out, p + 27 + 2 * i);
    }
}

void print_configuration(TextBuffer& out, Part unit, const Context& context) {
    static constexpr const char* roles[] = {"Unknown", "Alternate", "Root", "Designated"};
    const std::uint8_t* p = unit.bytes.data();
    out.add(", Flags [");
    add_flags(out, p[4], bridge_flags);
    out.add("], bridge-id ");
    add_bridge(out, p + 17);
    out.add('.');
    out.hex_octets({p + 25, 2});
    add_length(out, unit.length);
    if (context.options.verbose == 0) return;
    add_times(out, p);
    out.add("\n\troot-id ");
    add_bridge(out, p + 5);
    add_number(out, ", root-pathcost ", load_be32(p + 13));
    if (p[3] != Bridge::rapid) return;
    out.add(", port-role ");
    out.add(roles[p[4] >> 2 & 3]);
}

void print_stp(TextBuffer& out, Part unit, const Context& context) {  // IEEE 802.1D 9.3
    out.add("STP ");
    if (unit.length < 4) return out.add(" (invalid)");
    if (!unit.has(4)) return add_cut(out, "stp");
    const std::uint8_t* p = unit.bytes.data();
    if (load_be16(p) != 0) {
        add_number(out, "unknown protocol ID ", load_be16(p));
        return;
    }
    const std::uint8_t version = p[2], type = p[3];
    if (version != 0 && version != Bridge::version_rapid && version != Bridge::version_multiple) {
        out.add("unknown version");
        return;
    }
    out.add(version == 0                       ? "802.1d"
            : version == Bridge::version_rapid ? "802.1w"
                                               : "802.1s");
    if (type == Bridge::change) return out.add(", Topology Change");
    if (type != Bridge::configuration && type != Bridge::rapid) {
        out.add(", unknown type");
        return;
    }
    out.add(type == Bridge::rapid ? ", Rapid STP" : ", Config");
    constexpr std::uint32_t configuration_bytes = 35;
    if (unit.length < configuration_bytes + (type == Bridge::rapid ? 1 : 0)) {
        return out.add(" (invalid)");
    }
    if (!unit.has(configuration_bytes)) return add_cut(out, "stp");
    if (version != Bridge::version_multiple) return print_configuration(out, unit, context);
    out.add(", CIST Flags [");
    add_flags(out, p[4], bridge_flags);
    out.add(']');
    add_length(out, unit.length);
}

// The station's name is what the short form tells. IEEE 802.1AB 8.
void print_lldp(TextBuffer& out, Part unit) {
    constexpr std::uint8_t system_name = 5;
    add_number(out, "LLDP, length ", unit.length);
    Part rest = unit;
    while (rest.length >= 2) {
        if (!rest.has(2)) return add_cut(out, "lldp");
        const std::uint16_t head = load_be16(rest.bytes.data());
        const std::uint32_t octets = head & 0x1ff;
        rest = rest.from(2);
        if (head >> 9 == 0) return;
        if (!rest.has(octets)) return add_cut(out, "lldp");
        if (head >> 9 == system_name) {
            out.add(": ");
            add_visible(out, rest.bytes.first(octets));
        }
        rest = rest.from(octets);
    }
}

const char* service_name(std::uint8_t point) {
    switch (point & 0xfe) {
        case 0x00: return "Null";
        case 0x06: return "IP";
        case 0x42: return "STP";
        case 0xaa: return "SNAP";
        case 0xe0: return "IPX";
        case 0xf0: return "NetBeui";
        case 0xfe: return point == 0xfe ? "OSI" : "Global";
        default: return nullptr;
    }
}

void add_point(TextBuffer& out, const char* what, std::uint8_t point, const char* kind) {
    const char* name = service_name(point);
    out.add(what);
    out.add(name != nullptr ? name : "Unknown");
    out.add(" (0x");
    out.hex_octet(point & 0xfe);
    out.add(") ");
    out.add(kind);
}

void add_stations(TextBuffer& out, const std::uint8_t* addresses) {
    if (addresses == nullptr) return;
    add_mac(out, addresses + 6);
    out.add(" > ");
    add_mac(out, addresses);
    out.add(' ');
}

const char* command_name(std::uint8_t control) {
    switch (control & 0xef) {
        case 0x03: return "ui";
        case 0x0f: return "dm";
        case 0x43: return "disc";
        case 0x63: return "ua";
        case 0x6f: return "sabme";
        case 0x87: return "frmr";
        case 0xaf: return "xid";
        case 0xe3: return "test";
        default: return "unknown";
    }
}

// Frames of LLC's own, IEEE 802.2 5.4. True: what they carry is not read.
bool print_control(TextBuffer& out, Part frame, const std::uint8_t* addresses, bool link_header) {
    const std::uint8_t* p = frame.bytes.data();
    const bool unnumbered = (p[2] & 3) == 3;
    if (!unnumbered && !frame.has(4)) return add_cut(out, "llc"), true;
    const std::uint16_t control = unnumbered ? p[2] : static_cast<std::uint16_t>(p[2] | p[3] << 8);
    if (!link_header) {
        add_stations(out, addresses);
        const char* name = service_name(p[0]);
        if (name != nullptr) {
            out.add(name);
            out.add(' ');
        } else {
            out.add("Unknown DSAP 0x");
            out.hex_octet(p[0] & 0xfe);
            out.add(' ');
        }
    }
    const unsigned poll = unnumbered ? control >> 4 & 1U : control >> 8 & 1U;
    static constexpr const char* flags[] = {"Command", "Response", "Poll", "Final"};
    const char* flag = flags[(p[1] & 1U) | poll << 1];
    if (unnumbered) {
        out.add("Unnumbered, ");
        out.add(command_name(p[2]));
    } else if ((p[2] & 3) == 1) {
        static constexpr const char* names[] = {"Receiver Ready", "Receiver not Ready", "Reject",
                                                "Reserved"};
        out.add("Supervisory, ");
        out.add(names[p[2] >> 2 & 3]);
        add_number(out, ", rcv seq ", control >> 9);
    } else {
        add_number(out, "Information, send seq ", control >> 1 & 0x7fU);
        add_number(out, ", rcv seq ", control >> 9);
    }
    out.add(", Flags [");
    out.add(flag);
    out.add(']');
    add_length(out, frame.length);
    return (p[2] & 3) != 1;
}

bool print_type(TextBuffer& out, std::uint16_t type, Part packet, const Context& context) {
    switch (type) {
        case ethertype_ipv4: print_v4(out, packet, context); return true;
        case ethertype_ipv6: print_v6(out, packet, context); return true;
        case ethertype_rarp:
        case ethertype_arp: print_arp(out, packet, context); return true;
        case ethertype_lldp: print_lldp(out, packet); return true;
        default: return false;
    }
}

// RFC 1042: an Ethernet type behind LLC's header. False: not a type that is read here.
bool print_snap(TextBuffer& out, Part frame, const std::uint8_t* addresses,
                const Context& context) {
    const std::uint8_t* p = frame.bytes.data();
    const Part packet = frame.from(8);
    const std::uint32_t organisation = load_be32(p + 2) & 0xffffff;
    const std::uint16_t type = load_be16(p + 6);
    const auto add_header = [&] {
        if (!context.options.link_header) out.add("SNAP, ");
        if (organisation != 0 || context.options.link_header) {
            out.add("oui ");
            out.add(organisation == 0 ? "Ethernet" : "Unknown");
            out.add(" (0x");
            out.hex_octets({p + 3, 3});
            out.add("), ");
        }
        if (organisation == 0) {
            add_ethertype(out, type);
        } else {
            out.add("pid Unknown (");
            add_hex16(out, type);
            out.add(')');
        }
        add_length(out, packet.length);
        out.add(": ");
    };
    if (context.options.link_header) add_header();
    if (organisation == 0 && print_type(out, type, packet, context)) return true;
    if (!context.options.link_header) {
        add_stations(out, addresses);
        add_header();
    }
    return false;
}

void print_llc(TextBuffer& out, Part frame, const std::uint8_t* addresses,
               const Context& context) {
    if (!frame.has(3)) {
        add_cut(out, "llc");
        DumpOptions loud = context.options;
        loud.quick = false;  // as there
        return print_unknown(out, frame.bytes, loud);
    }
    const std::uint8_t* p = frame.bytes.data();
    const bool unnumbered = (p[2] & 3) == 3;
    if (context.options.link_header) {
        add_point(out, "LLC, dsap ", p[0], (p[0] & 1) != 0 ? "Group" : "Individual");
        add_point(out, ", ssap ", p[1], (p[1] & 1) != 0 ? "Response" : "Command");
        out.add(", ctrl 0x");
        if (!unnumbered && frame.has(4)) out.hex_octet(p[3]);
        out.hex_octet(p[2]);
        out.add(": ");
    }
    if (p[0] == p[1] && p[2] == 3) {
        if (p[0] == 0x42) return print_stp(out, frame.from(3), context);
        if (p[0] == 0x06) return print_v4(out, frame.from(3), context);
        if (p[0] == 0xaa && !frame.has(8)) return add_cut(out, "snap");
        if (p[0] == 0xaa && print_snap(out, frame, addresses, context)) return;
        if (p[0] == 0xaa) return print_unknown(out, frame.bytes, context.options);
    }
    if (print_control(out, frame, addresses, context.options.link_header)) {
        print_unknown(out, frame.bytes, context.options);
    }
}

}  // namespace

void print_ethernet(TextBuffer& out, Part frame, const Context& context) {
    const auto packet = network_packet(LinkType::ethernet, frame.bytes, frame.length);
    if (!packet) return add_cut(out, "ether");
    if (context.depth > Context::depth_max) return;
    const Part part{packet->bytes, packet->original_bytes};
    const bool by_length = packet->ethertype <= length_max;
    const bool known = by_length || packet->ethertype == ethertype_lldp ||
                       packet->ethertype == ethertype_rarp ||
                       packet->ethertype == ethertype_ipv4 ||
                       packet->ethertype == ethertype_ipv6 || packet->ethertype == ethertype_arp;
    if (context.options.link_header || !known) {
        print_link_header(out, LinkType::ethernet, frame.bytes, frame.length, *packet,
                          context.options.quick);
    }
    if (by_length) {  // what is behind that length pads the frame
        const std::uint32_t octets = std::min<std::uint32_t>(packet->ethertype, part.length);
        return print_llc(out, part.cut(octets), frame.bytes.data(), context);
    }
    if (!print_type(out, packet->ethertype, part, context)) {
        print_unknown(out, part.bytes, context.options);
    }
}

void print_cooked(TextBuffer& out, LinkType link, Part frame, const NetworkPacket& packet,
                  const Context& context) {
    constexpr std::uint16_t with_llc = 4;  // Linux' ETH_P_802_2
    const bool header = context.options.link_header;
    const Part part{packet.bytes, packet.original_bytes};
    const auto add_header = [&] {
        print_link_header(out, link, frame.bytes, frame.length, packet, context.options.quick);
    };
    if (header) add_header();
    if (!header && !context.options.quick) add_tag_types(out, frame.bytes, packet);
    if (packet.ethertype == with_llc) return print_llc(out, part, nullptr, context);
    if (print_type(out, packet.ethertype, part, context)) return;
    if (!header) add_header();
    print_unknown(out, part.bytes, context.options);
}

}  // namespace estab::observe::dump
