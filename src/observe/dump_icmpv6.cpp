// ICMPv6, neighbour discovery and listeners. RFC 4443, RFC 4861, RFC 3810.
#include <span>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
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
            add_number(out, "unknown unreach code (", code);
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
        add_number(out, " port ", load_be16(quoted.bytes.data() + 42));
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
    if (message.bytes[1] > 3) return add_number(out, "code-#", message.bytes[1]);
    out.add(what[message.bytes[1]]);
    add_number(out, " - octet ", load_be32(message.bytes.data() + 4));
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
    add_number(out, "/", option[2]);
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
        add_number(out, " option (", kind);
        add_number(out, "), length ", bytes);
        add_number(out, " (", options.bytes[1]);
        out.add("): ");
        if (!options.has(bytes)) return;
        if ((kind == 1 || kind == 2) && bytes == 8) add_mac(out, options.bytes.data() + 2);
        if (kind == 3 && bytes == 32) add_prefix(out, options.bytes.data());
        if (kind == rdnss && bytes >= 24) add_name_servers(out, options.bytes.first(bytes));
        if (kind == 5 && bytes == 8) add_number(out, " ", load_be32(options.bytes.data() + 4));
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
    add_number(out, "\n\thop limit ", p[4]);
    out.add(", Flags [");
    add_bits(out, p[5], bits);
    out.add("], pref ");
    out.add(preferences[p[5] >> 3 & 3]);
    add_number(out, ", router lifetime ", load_be16(p + 6));
    add_number(out, "s, reachable time ", load_be32(p + 8));
    add_number(out, "ms, retrans timer ", load_be32(p + 12));
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
    add_number(out, "max resp delay: ", load_be16(message.bytes.data() + 4));
    out.add(" addr: ");
    add_v6(out, message.bytes.data() + 8);
}

void print_listener_report(TextBuffer& out, Part message, const Context& context) {  // RFC 3810 5.2
    static constexpr const char* kinds[] = {"[v6-query]", "is_in", "is_ex", "to_in", "to_ex",
                                            "allow", "block"};
    const std::uint32_t groups = load_be16(message.bytes.data() + 6);
    out.add("multicast listener report v2");
    add_number(out, ", ", groups);
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
            add_number(out, ", ", sources);
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
        case 2: add_number(out, "packet too big, mtu ", load_be32(message.bytes.data() + 4)); break;
        case 3: print_exceeded_v6(out, message); break;
        case 4: print_parameter_v6(out, message); break;
        case 128:
            out.add("echo request");
            add_echo(out, message);
            break;
        case 129:
            out.add("echo reply");
            add_echo(out, message);
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
