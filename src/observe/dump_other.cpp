// UDP, ARP, ICMP and ICMPv6, in the forms that stand between TCP lines.
#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

void add_length(TextBuffer& out, std::uint32_t length) {
    out.add(", length ");
    out.decimal(length);
}

void add_code(TextBuffer& out, std::string_view what, std::uint32_t code) {
    out.add(what);
    out.decimal(code);
}

const char* upper_name(std::uint8_t protocol) {
    return protocol == 6 ? "tcp" : protocol == 17 ? "udp" : nullptr;
}

}  // namespace

void print_udp(TextBuffer& out, Part datagram, const Ip& ip) {
    if (!datagram.has(4)) {
        if (!ip.names_printed) {
            add_pair(out, ip);
            out.add(": ");
        }
        return add_cut(out, "udp");
    }
    const std::uint8_t* header = datagram.bytes.data();
    add_ports(out, ip, load_be16(header), load_be16(header + 2));
    if (datagram.length < 8) return add_code(out, "truncated-udp ", datagram.length);
    if (!datagram.has(8)) return add_cut(out, "udp");
    const std::uint32_t length = load_be16(header + 4);
    if (length < 8) return add_code(out, "truncated-udplength ", length);
    if (length > datagram.length) {
        add_code(out, "UDP, bad length ", length - 8);
        return add_code(out, " > ", datagram.length - 8);
    }
    add_code(out, "UDP, length ", length - 8);
}

void print_arp(TextBuffer& out, Part packet) {  // RFC 826, for IPv4 over Ethernet
    if (!packet.has(28) || load_be32(packet.bytes.data() + 2) != 0x08000604) {
        return add_cut(out, "arp");
    }
    const std::uint8_t* p = packet.bytes.data();
    const std::uint16_t operation = load_be16(p + 6);
    out.add("ARP, ");
    if (operation == 1) {
        out.add("Request who-has ");
        add_v4(out, p + 24);
        constexpr std::uint8_t zero[6] = {};
        if (std::memcmp(p + 18, zero, 6) != 0 &&
            std::memcmp(p + 18, "\xff\xff\xff\xff\xff\xff", 6) != 0) {
            out.add(" (");
            add_mac(out, p + 18);
            out.add(')');
        }
        out.add(" tell ");
        add_v4(out, p + 14);
    } else if (operation == 2) {
        out.add("Reply ");
        add_v4(out, p + 14);
        out.add(" is-at ");
        add_mac(out, p + 8);
    } else {
        add_code(out, "Unknown (", operation);
        out.add(')');
    }
    add_length(out, packet.length);
}

namespace {

// The packet that an ICMP error quotes. RFC 792.
struct Quoted {
    Part packet;
    bool readable() const { return packet.has(20) && packet.bytes[0] >> 4 == 4; }
    const std::uint8_t* destination() const { return packet.bytes.data() + 16; }
    std::uint8_t protocol() const { return packet.bytes[9]; }
    std::uint32_t header_bytes() const { return (packet.bytes[0] & 15U) * 4; }
};

void print_port_unreachable(TextBuffer& out, const Quoted& quoted) {
    add_v4(out, quoted.destination());
    const std::uint32_t at = quoted.header_bytes();
    if (!quoted.packet.has(at + 4)) return add_cut(out, "icmp");
    if (const char* name = upper_name(quoted.protocol())) {
        out.add(' ');
        out.add(name);
        add_code(out, " port ", load_be16(quoted.packet.bytes.data() + at + 2));
    } else {
        add_code(out, " protocol ", quoted.protocol());
        add_code(out, " port ", load_be16(quoted.packet.bytes.data() + at + 2));
    }
    out.add(" unreachable");
}

struct UnreachableText {
    const char* before;
    const char* after;
};

constexpr UnreachableText unreachable_texts[] = {
    {"net ", " unreachable"}, {"host ", " unreachable"}, {"", ""}, {"", ""}, {"", ""},
    {"", " unreachable - source route failed"}, {"net ", " unreachable - unknown"},
    {"host ", " unreachable - unknown"}, {"", " unreachable - source host isolated"},
    {"net ", " unreachable - admin prohibited"}, {"host ", " unreachable - admin prohibited"},
    {"net ", " unreachable - tos prohibited"}, {"host ", " unreachable - tos prohibited"},
    {"host ", " unreachable - admin prohibited filter"},
    {"host ", " unreachable - host precedence violation"},
    {"host ", " unreachable - precedence cutoff"}};

void print_unreachable(TextBuffer& out, Part message) {
    const Quoted quoted{message.from(8)};
    if (!quoted.readable()) return add_cut(out, "icmp");
    const std::uint8_t code = message.bytes[1];
    if (code == 3) return print_port_unreachable(out, quoted);
    if (code > 15) {
        add_v4(out, quoted.destination());
        return add_code(out, " unreachable - #", code);
    }
    out.add(unreachable_texts[code].before);
    add_v4(out, quoted.destination());
    out.add(unreachable_texts[code].after);
    if (code == 2) {
        add_code(out, " protocol ", quoted.protocol());
        out.add(" unreachable");
    }
    if (code == 4) {
        out.add(" unreachable - need to frag");
        if (const std::uint16_t mtu = load_be16(message.bytes.data() + 6); mtu != 0) {
            add_code(out, " (mtu ", mtu);
            out.add(')');
        }
    }
}

void print_echo(TextBuffer& out, Part message) {
    add_code(out, ", id ", load_be16(message.bytes.data() + 4));
    add_code(out, ", seq ", load_be16(message.bytes.data() + 6));
}

}  // namespace

void print_icmp(TextBuffer& out, Part message) {
    if (!message.has(8)) return add_cut(out, "icmp");
    const std::uint8_t type = message.bytes[0], code = message.bytes[1];
    out.add("ICMP ");
    switch (type) {
        case 0:
        case 8:
            out.add(type == 8 ? "echo request" : "echo reply");
            print_echo(out, message);
            break;
        case 3: print_unreachable(out, message); break;
        case 4: out.add("source quench"); break;
        case 11:
            if (code == 0) {
                out.add("time exceeded in-transit");
            } else if (code == 1) {
                out.add("ip reassembly time exceeded");
            } else {
                add_code(out, "time exceeded-#", code);
            }
            break;
        case 12:
            if (code == 0) {
                add_code(out, "parameter problem - octet ", message.bytes[4]);
            } else {
                add_code(out, "parameter problem - code ", code);
            }
            break;
        default: add_code(out, "type-#", type); break;
    }
    add_length(out, message.length);
}

namespace {

void print_unreachable_v6(TextBuffer& out, Part message) {  // RFC 4443 3.1
    const Part quoted = message.from(8);
    if (!quoted.has(40)) return add_cut(out, "icmp6");
    const std::uint8_t* target = quoted.bytes.data() + 24;
    const std::uint8_t code = message.bytes[1];
    out.add("destination unreachable, ");
    switch (code) {
        case 0: out.add("unreachable route "); break;
        case 1: out.add(" unreachable prohibited "); break;
        case 2: out.add("beyond scope "); break;
        case 3: out.add("unreachable address "); break;
        case 4: out.add("unreachable port, "); break;
        default: return add_code(out, "unknown unreach code ", code);
    }
    add_v6(out, target);
    if (code == 2) {
        out.add(", source address ");
        add_v6(out, quoted.bytes.data() + 8);
    }
    if (code == 4) {
        const char* name = upper_name(quoted.bytes[6]);
        if (name == nullptr || !quoted.has(44)) return add_cut(out, "icmp6");
        out.add(' ');
        out.add(name);
        add_code(out, " port ", load_be16(quoted.bytes.data() + 42));
    }
}

void print_exceeded_v6(TextBuffer& out, Part message) {
    out.add("time exceeded in-transit");
    if (message.bytes[1] == 1) return out.add(" (reassembly)");
    if (message.bytes[1] != 0 || !message.has(48)) return;
    out.add(" for ");
    add_v6(out, message.bytes.data() + 32);
}

void print_parameter_v6(TextBuffer& out, Part message) {
    static constexpr std::string_view what[] = {"erroneous", "next header", "option",
                                                "incomplete header chain"};
    out.add("parameter problem, ");
    if (message.bytes[1] > 3) return add_code(out, "code-#", message.bytes[1]);
    out.add(what[message.bytes[1]]);
    add_code(out, " - octet ", load_be32(message.bytes.data() + 4));
}

void print_neighbor(TextBuffer& out, Part message, bool solicitation) {  // RFC 4861 4.3, 4.4
    out.add(solicitation ? "neighbor solicitation, who has " : "neighbor advertisement, tgt is ");
    if (!message.has(24)) return add_cut(out, "icmp6");
    add_v6(out, message.bytes.data() + 8);
}

}  // namespace

void print_icmpv6(TextBuffer& out, Part message) {
    if (!message.has(8)) return add_cut(out, "icmp6");
    out.add("ICMP6, ");
    switch (message.bytes[0]) {
        case 1: print_unreachable_v6(out, message); break;
        case 2: add_code(out, "packet too big, mtu ", load_be32(message.bytes.data() + 4)); break;
        case 3: print_exceeded_v6(out, message); break;
        case 4: print_parameter_v6(out, message); break;
        case 128:
            out.add("echo request");
            print_echo(out, message);
            break;
        case 129:
            out.add("echo reply");
            print_echo(out, message);
            break;
        case 133: out.add("router solicitation"); break;
        case 134: out.add("router advertisement"); break;
        case 135: print_neighbor(out, message, true); break;
        case 136: print_neighbor(out, message, false); break;
        case 143:
            add_code(out, "multicast listener report v2, ", load_be16(message.bytes.data() + 6));
            out.add(" group record(s)");
            break;
        default:
            out.add("unknown icmp6 type (");
            out.decimal(message.bytes[0]);
            out.add(')');
            break;
    }
    add_length(out, message.length);
}

}  // namespace estab::observe::dump
