// UDP, ARP, ICMP and ICMPv6, in the forms that stand between TCP lines.
#include <algorithm>
#include <span>

#include "observe/dump_parts.hpp"
#include "wire/checksum.hpp"

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

namespace {

void add_udp_checksum(TextBuffer& out, Part datagram, std::uint32_t length, const Ip& ip) {
    const std::uint16_t field = load_be16(datagram.bytes.data() + 6);
    if (field == 0) return out.add("[no cksum] ");
    if (!datagram.has(length)) return;
    const std::uint16_t right = right_checksum(ip, 17, datagram.bytes.first(length), field);
    if (right == field) return out.add("[udp sum ok] ");
    const auto add = [&out](std::uint16_t value) {
        out.add("0x");
        out.hex_octet(static_cast<std::uint8_t>(value >> 8));
        out.hex_octet(static_cast<std::uint8_t>(value));
    };
    out.add("[bad udp cksum ");
    add(field);
    out.add(" -> ");
    add(right);
    out.add("!] ");
}

}  // namespace

void print_udp(TextBuffer& out, Part datagram, const Ip& ip, const Context& context) {
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
    if (context.options.verbose > 1 && !context.options.quick && !context.fragment) {
        add_udp_checksum(out, datagram, length, ip);
    }
    add_code(out, "UDP, length ", length - 8);
}

void print_arp(TextBuffer& out, Part packet, const Context& context) {  // RFC 826, Ethernet, IPv4
    if (!packet.has(28) || load_be32(packet.bytes.data() + 2) != 0x08000604) {
        return add_cut(out, "arp");
    }
    const std::uint8_t* p = packet.bytes.data();
    const std::uint16_t operation = load_be16(p + 6);
    if (!context.options.link_header) out.add("ARP, ");
    if (context.options.verbose > 0) out.add("Ethernet (len 6), IPv4 (len 4), ");
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
    } else if (operation == 3) {  // RFC 903
        out.add("Reverse Request who-is ");
        add_mac(out, p + 18);
        out.add(" tell ");
        add_mac(out, p + 8);
    } else if (operation == 4) {
        out.add("Reverse Reply ");
        add_mac(out, p + 18);
        out.add(" at ");
        add_v4(out, p + 24);
    } else {
        add_code(out, "Unknown (", operation);
        out.add(") ");
        return print_unknown(out, packet.bytes, context.options);
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

// RFC 792: where else to send what goes there.
void print_redirect(TextBuffer& out, Part message) {
    static constexpr const char* names[] = {"redirect ", "redirect ", "redirect-tos ",
                                            "redirect-tos "};
    const std::uint8_t code = message.bytes[1];
    const Quoted quoted{message.from(8)};
    if (!quoted.readable()) return add_cut(out, "icmp");
    if (code > 3) {
        add_code(out, "redirect-#", code);
        out.add(' ');
    } else {
        out.add(names[code]);
    }
    add_v4(out, quoted.destination());
    out.add(code == 1 || code == 3 ? " to host " : " to net ");
    add_v4(out, message.bytes.data() + 4);
}

// Milliseconds since midnight, RFC 792.
void add_time_of_day(TextBuffer& out, std::uint32_t ms) {
    if (ms < 36'000'000) out.add('0');
    out.decimal(ms / 3'600'000);  // more than 24 hours only where the number means something else
    out.add(':');
    out.padded(ms / 60'000 % 60, 2);
    out.add(':');
    out.padded(ms / 1000 % 60, 2);
    out.add('.');
    out.padded(ms % 1000, 3);
}

void print_timestamp(TextBuffer& out, Part message) {
    const bool reply = message.bytes[0] == 14;
    out.add(reply ? "time stamp reply" : "time stamp query");
    add_code(out, " id ", load_be16(message.bytes.data() + 4));
    add_code(out, " seq ", load_be16(message.bytes.data() + 6));
    if (!reply) return;
    if (!message.has(20)) return add_cut(out, "icmp");
    out.add(": org ");
    add_time_of_day(out, load_be32(message.bytes.data() + 8));
    out.add(", recv ");
    add_time_of_day(out, load_be32(message.bytes.data() + 12));
    out.add(", xmit ");
    add_time_of_day(out, load_be32(message.bytes.data() + 16));
}

void print_address_mask(TextBuffer& out, Part message) {  // RFC 950
    if (message.bytes[0] == 17) return out.add("address mask request");
    if (!message.has(12)) return add_cut(out, "icmp");
    out.add("address mask is 0x");
    out.hex_octets(message.bytes.subspan(8, 4));
}

void print_echo(TextBuffer& out, Part message) {
    add_code(out, ", id ", load_be16(message.bytes.data() + 4));
    add_code(out, ", seq ", load_be16(message.bytes.data() + 6));
}

}  // namespace

namespace {

void add_icmp_checksum(TextBuffer& out, Bytes message) {
    wire::Sum sum;
    sum.add(message);
    if (sum.is_valid()) return;
    const std::uint32_t field = load_be16(message.data() + 2);
    std::uint32_t right = field + sum.checksum();
    right = (right & 0xffff) + (right >> 16);
    out.add(" (wrong icmp cksum ");
    out.hex(field);
    out.add(" (->");
    out.hex(right);
    out.add(")!)");
}

}  // namespace

void print_icmp(TextBuffer& out, Part message, const Context& context) {
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
        case 5: print_redirect(out, message); break;
        case 10: out.add("router solicitation"); break;
        case 13:
        case 14: print_timestamp(out, message); break;
        case 15: out.add("information request"); break;
        case 16: out.add("information reply"); break;
        case 17:
        case 18: print_address_mask(out, message); break;
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
    if (context.options.verbose == 0) return;
    if (!context.fragment && message.has(message.length)) add_icmp_checksum(out, message.bytes);
    const bool is_error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    const Part quoted = message.from(8);
    if (!is_error || !quoted.has(4)) return;
    out.add("\n\t");
    // What was quoted is as long as it says of itself; the rest stayed at home.
    const std::uint32_t total = load_be16(quoted.bytes.data() + 2);
    print_v4(out, {quoted.bytes.first(std::min<std::size_t>(quoted.bytes.size(), total)), total},
             context);
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
        default:
            add_code(out, "unknown unreach code (", code);
            return out.add(')');
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

struct Bit {
    std::uint8_t bit;
    const char* name;
};
void add_bits(TextBuffer& out, std::uint8_t value, std::span<const Bit> bits) {
    const char* separator = "";
    for (const Bit& known : bits) {
        if ((value & known.bit) == 0) continue;
        out.add(separator);
        out.add(known.name);
        separator = ", ";
    }
    if (*separator == '\0') out.add("none");
}

void add_lifetime(TextBuffer& out, std::uint32_t seconds) {
    if (seconds == 0xffffffff) return out.add("infinity");
    out.decimal(seconds);
    out.add('s');
}

void add_prefix(TextBuffer& out, const std::uint8_t* option) {  // RFC 4861 4.6.2
    static constexpr Bit bits[] = {{0x80, "onlink"}, {0x40, "auto"}, {0x20, "router"}};
    add_v6(out, option + 16);
    add_code(out, "/", option[2]);
    out.add(", Flags [");
    add_bits(out, option[3], bits);
    out.add("], valid time ");
    add_lifetime(out, load_be32(option + 4));
    out.add(", pref. time ");
    add_lifetime(out, load_be32(option + 8));
}

void add_name_servers(TextBuffer& out, Bytes option) {  // RFC 8106 5.1
    out.add(" lifetime ");
    add_lifetime(out, load_be32(option.data() + 4));
    out.add(',');
    for (std::size_t at = 8; at + 16 <= option.size(); at += 16) {
        out.add(" addr: ");
        add_v6(out, option.data() + at);
    }
}

// RFC 4861 4.6. Of options that are not known here only the number is told.
void print_neighbor_options(TextBuffer& out, Part options, const Context& context) {
    static constexpr const char* names[] = {"unknown", "source link-address",
                                            "destination link-address", "prefix info",
                                            "redirected header", "mtu"};
    while (options.has(2) && options.bytes[1] != 0) {
        const std::uint8_t kind = options.bytes[0];
        const std::uint32_t bytes = options.bytes[1] * 8U;
        out.add("\n\t  ");
        constexpr std::uint8_t rdnss = 25;
        out.add(kind == rdnss ? "rdnss" : kind <= 5 ? names[kind] : names[0]);
        add_code(out, " option (", kind);
        add_code(out, "), length ", bytes);
        add_code(out, " (", options.bytes[1]);
        out.add("): ");
        if (!options.has(bytes)) return;
        if ((kind == 1 || kind == 2) && bytes == 8) add_mac(out, options.bytes.data() + 2);
        if (kind == 3 && bytes == 32) add_prefix(out, options.bytes.data());
        if (kind == rdnss && bytes >= 24) add_name_servers(out, options.bytes.first(bytes));
        if (kind == 5 && bytes == 8) add_code(out, " ", load_be32(options.bytes.data() + 4));
        if (context.options.verbose > 1) {
            add_hex_lines(out, options.bytes.subspan(2, bytes - 2), "\n\t    ");
        }
        options = options.from(bytes);
    }
}

void print_neighbor(TextBuffer& out, Part message, const Context& context) {  // RFC 4861 4.3, 4.4
    const bool solicitation = message.bytes[0] == 135;
    const bool verbose = context.options.verbose > 0;
    out.add(solicitation ? "neighbor solicitation" : "neighbor advertisement");
    if (verbose) add_length(out, message.length);
    out.add(solicitation ? ", who has " : ", tgt is ");
    if (!message.has(24)) return add_cut(out, "icmp6");
    add_v6(out, message.bytes.data() + 8);
    if (!verbose) return;
    if (!solicitation) {
        static constexpr const char* names[] = {"router", "solicited", "override"};
        out.add(", Flags [");
        const unsigned flags = message.bytes[4] >> 5;
        const char* separator = "";
        for (unsigned i = 0; i < 3; ++i) {
            if ((flags >> (2 - i) & 1) == 0) continue;
            out.add(separator);
            out.add(names[i]);
            separator = ", ";
        }
        if (flags == 0) out.add("none");
        out.add(']');
    }
    print_neighbor_options(out, message.from(24), context);
}

void print_router_advertisement(TextBuffer& out, Part message, const Context& context) {
    out.add("router advertisement");
    add_length(out, message.length);
    if (context.options.verbose == 0) return;
    if (!message.has(16)) return add_cut(out, "icmp6");
    static constexpr Bit bits[] = {
        {0x80, "managed"}, {0x40, "other stateful"}, {0x20, "home agent"}};
    static constexpr const char* preferences[] = {"medium", "high", "rsv", "low"};  // RFC 4191 2.2
    const std::uint8_t* p = message.bytes.data();
    add_code(out, "\n\thop limit ", p[4]);
    out.add(", Flags [");
    add_bits(out, p[5], bits);
    out.add("], pref ");
    out.add(preferences[p[5] >> 3 & 3]);
    add_code(out, ", router lifetime ", load_be16(p + 6));
    add_code(out, "s, reachable time ", load_be32(p + 8));
    add_code(out, "ms, retrans timer ", load_be32(p + 12));
    out.add("ms");
    print_neighbor_options(out, message.from(16), context);
}

void print_redirect_v6(TextBuffer& out, Part message, const Context& context) {  // RFC 4861 4.5
    out.add("redirect");
    if (context.options.verbose > 0) add_length(out, message.length);
    if (!message.has(40)) return add_cut(out, "icmp6");
    out.add(", ");
    add_v6(out, message.bytes.data() + 24);
    out.add(" to ");
    add_v6(out, message.bytes.data() + 8);
    if (context.options.verbose > 0) print_neighbor_options(out, message.from(40), context);
}

void print_listener(TextBuffer& out, Part message) {  // RFC 2710 3
    out.add(message.bytes[0] == 130 ? "multicast listener query" : "multicast listener report");
    if (!message.has(24)) return add_cut(out, "icmp6");
    add_code(out, "max resp delay: ", load_be16(message.bytes.data() + 4));
    out.add(" addr: ");
    add_v6(out, message.bytes.data() + 8);
}

void print_listener_report(TextBuffer& out, Part message, const Context& context) {  // RFC 3810 5.2
    static constexpr const char* kinds[] = {"[v6-query]", "is_in", "is_ex", "to_in", "to_ex",
                                            "allow", "block"};
    const std::uint32_t groups = load_be16(message.bytes.data() + 6);
    out.add("multicast listener report v2");
    add_code(out, ", ", groups);
    out.add(" group record(s)");
    if (context.options.verbose == 0) return;
    Part rest = message.from(8);
    for (std::uint32_t i = 0; i < groups && rest.has(20); ++i) {
        const std::uint32_t sources = load_be16(rest.bytes.data() + 2);
        out.add(" [gaddr ");
        add_v6(out, rest.bytes.data() + 4);
        out.add(' ');
        out.add(rest.bytes[0] < 7 ? kinds[rest.bytes[0]] : "[unknown]");
        if (context.options.verbose > 1) {
            out.add(" {");
            for (std::uint32_t j = 0; j < sources && rest.has(36 + 16 * j); ++j) {
                if (j != 0) out.add(' ');
                add_v6(out, rest.bytes.data() + 20 + 16 * std::size_t{j});
            }
            out.add(" }");
        } else {
            add_code(out, ", ", sources);
            out.add(" source(s)");
        }
        out.add(']');
        rest = rest.from(20 + 16 * sources + 4U * rest.bytes[1]);
    }
}

}  // namespace

void print_icmpv6(TextBuffer& out, Part message, const Ip& ip, const Context& context) {
    if (!message.has(8)) return add_cut(out, "icmp6");
    const bool verbose = context.options.verbose > 0;
    if (verbose && !context.fragment && message.has(message.length)) {
        const std::uint16_t field = load_be16(message.bytes.data() + 2);
        const std::uint16_t right =
            right_checksum(ip, 58, message.bytes.first(message.length), field);
        if (right == field) {
            out.add("[icmp6 sum ok] ");
        } else {
            out.add("[bad icmp6 cksum 0x");
            out.hex_octets(message.bytes.subspan(2, 2));
            out.add(" -> 0x");
            out.hex_octet(static_cast<std::uint8_t>(right >> 8));
            out.hex_octet(static_cast<std::uint8_t>(right));
            out.add("!] ");
        }
    }
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
        case 130:
            if (message.length != 24) {
                out.add("multicast listener query");
            } else {
                print_listener(out, message);
            }
            break;
        case 131: print_listener(out, message); break;
        case 133:
            out.add("router solicitation");
            add_length(out, message.length);
            if (verbose) print_neighbor_options(out, message.from(8), context);
            return;
        case 134: return print_router_advertisement(out, message, context);
        case 135:
        case 136:
            print_neighbor(out, message, context);
            if (verbose) return;
            break;
        case 137:
            print_redirect_v6(out, message, context);
            if (verbose) return;
            break;
        case 143:
            print_listener_report(out, message, context);
            if (verbose) return;
            break;
        default:
            out.add("unknown icmp6 type (");
            out.decimal(message.bytes[0]);
            out.add(')');
            break;
    }
    if (!verbose) add_length(out, message.length);
}

}  // namespace estab::observe::dump
