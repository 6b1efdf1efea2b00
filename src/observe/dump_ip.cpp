#include "observe/dump_parts.hpp"
#include <utility>

#include "wire/checksum.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint8_t hop_by_hop = 0, icmp = 1, tcp_protocol = 6, udp = 17, routing = 43,
                       fragment_header = 44, icmpv6 = 58, no_next = 59, destination = 60,
                       ip_in_ip = 4, ip6_in_ip = 41, esp = 50;

void print_esp(TextBuffer& out, Part part) {  // RFC 4303 2
    if (!part.has(8)) return add_cut(out, "esp");
    out.add("ESP(spi=0x");
    out.hex_octets(part.bytes.first(4));
    out.add(",seq=0x");
    out.hex(load_be32(part.bytes.data() + 4));
    out.add("), length ");
    out.decimal(part.length);
}

void print_upper(TextBuffer& out, Part part, std::uint8_t protocol, const Ip& ip,
                 Context context) {
    const bool deep = ++context.depth > Context::depth_max;
    switch (protocol) {
        case tcp_protocol: print_tcp(out, part, ip, context); return;
        case udp: print_udp(out, part, ip, context); return;
        case icmp:
            if (ip.v6) break;
            print_icmp(out, part, context);
            return;
        case icmpv6:
            if (!ip.v6) break;
            print_icmpv6(out, part, ip, context);
            return;
        case no_next:
            if (!ip.v6) break;
            out.add("no next header");
            return;
        case ip_in_ip:
            if (deep) break;
            print_v4(out, part, context);
            return;
        case ip6_in_ip:
            if (deep) break;
            print_v6(out, part, context);
            return;
        case esp: print_esp(out, part); return;
        default: break;
    }
    out.add(" ip-proto-");
    out.decimal(protocol);
    out.add(' ');
    out.decimal(part.length);
}

struct Named {
    std::uint8_t protocol;
    const char* name;
};
constexpr Named protocol_names[] = {
    {0, "Options"}, {1, "ICMP"},       {2, "IGMP"},   {4, "IPIP"},    {6, "TCP"},
    {8, "EGP"},     {9, "IGRP"},       {17, "UDP"},   {33, "DCCP"},   {41, "IPv6"},
    {43, "Routing"}, {44, "Fragment"}, {46, "RSVP"},     {47, "GRE"},   {50, "ESP"},    {51, "AH"},
    {55, "Mobile IP"}, {58, "ICMPv6"}, {88, "EIGRP"}, {89, "OSPF"},   {103, "PIM"},
    {108, "Compressed IP"}, {112, "VRRP"}, {113, "PGM"}, {132, "SCTP"}, {135, "Mobility"}};

const char* ip_option_name(std::uint8_t kind) {
    switch (kind) {
        case 0: return "EOL";
        case 1: return "NOP";
        case 7: return "RR";
        case 68: return "timestamp";
        case 82: return "traceroute";
        case 130: return "security";
        case 131: return "LSRR";
        case 137: return "SSRR";
        case 148: return "RA";
        default: return "unknown";
    }
}

// RFC 791 3.1: the addresses of a route; a comma where the pointer has passed.
void add_route(TextBuffer& out, Bytes option) {
    const std::size_t length = option.size();
    if (length < 3 || (length + 1) % 4 != 0) {
        out.add(" [bad length ");
        out.decimal(length);
        return out.add(']');
    }
    const std::size_t pointer = option[2] - std::size_t{1};
    if (option[2] < 4 || (pointer + 1) % 4 != 0) {
        out.add(" [bad ptr ");
        out.decimal(option[2]);
        out.add(']');
    }
    char separator = ' ';
    for (std::size_t at = 3; at + 4 <= length; at += 4) {
        out.add(separator);
        add_v4(out, option.data() + at);
        separator = pointer > at && option[2] != 0 ? ',' : ' ';
    }
}

void add_ip_options(TextBuffer& out, Bytes options) {  // RFC 791 3.1
    out.add(", options (");
    const char* separator = "";
    while (!options.empty()) {
        const std::uint8_t kind = options[0];
        out.add(separator);
        separator = ",";
        out.add(ip_option_name(kind));
        if (kind == 0) break;
        const std::size_t length = kind == 1 ? 1 : options.size() < 2 ? 0 : options[1];
        if (length < (kind == 1 ? 1U : 2U) || length > options.size()) {
            out.add(" [bad length ");
            out.decimal(length);
            out.add(']');
            break;
        }
        if (kind == 7 || kind == 131 || kind == 137) add_route(out, options.first(length));
        options = options.subspan(length);
    }
    out.add(')');
}

// "(tos 0x0, ttl 64, …)" and a new line for what the packet carries.
void add_v4_header(TextBuffer& out, Part packet, std::uint32_t header_bytes) {
    const std::uint8_t* header = packet.bytes.data();
    static constexpr const char* ecn[] = {"", ",ECT(1)", ",ECT(0)", ",CE"};
    out.add("(tos 0x");
    out.hex(header[1]);
    out.add(ecn[header[1] & 3]);
    if (header[8] >= 1) {
        out.add(", ttl ");
        out.decimal(header[8]);
    }
    const std::uint32_t fragment = load_be16(header + 6);
    out.add(", id ");
    out.decimal(load_be16(header + 4));
    out.add(", offset ");
    out.decimal((fragment & 0x1fff) * 8);
    out.add(", flags [");
    if ((fragment & 0xe000) == 0) out.add("none");
    const char* separator = "";
    for (const auto& [bit, name] :
         {std::pair{0x2000U, "+"}, std::pair{0x4000U, "DF"}, std::pair{0x8000U, "rsvd"}}) {
        if ((fragment & bit) == 0) continue;
        out.add(separator);
        out.add(name);
        separator = ", ";
    }
    out.add("], proto ");
    out.add(protocol_name(header[9]));
    out.add(" (");
    out.decimal(header[9]);
    out.add("), length ");
    out.decimal(load_be16(header + 2));
    if (header_bytes > 20 && packet.has(header_bytes)) {
        add_ip_options(out, packet.bytes.subspan(20, header_bytes - 20));
    }
    if (packet.has(header_bytes)) {
        wire::Sum sum;
        sum.add(packet.bytes.first(header_bytes));
        if (!sum.is_valid()) {
            const std::uint32_t field = load_be16(header + 10);
            std::uint32_t right = field + sum.checksum();
            right = (right & 0xffff) + (right >> 16);
            out.add(", bad cksum ");
            out.hex(field);
            out.add(" (->");
            out.hex(right);
            out.add(")!");
        }
    }
    out.add(")\n    ");
}

void add_v6_header(TextBuffer& out, const std::uint8_t* header) {
    const std::uint32_t flow = load_be32(header);
    out.add('(');
    if ((flow & 0x0ff00000) != 0) {
        out.add("class 0x");
        out.hex_octet(static_cast<std::uint8_t>(flow >> 20));
        out.add(", ");
    }
    if ((flow & 0x000fffff) != 0) {
        out.add("flowlabel 0x");
        out.hex(flow >> 16 & 15);
        out.hex_octet(static_cast<std::uint8_t>(flow >> 8));
        out.hex_octet(static_cast<std::uint8_t>(flow));
        out.add(", ");
    }
    out.add("hlim ");
    out.decimal(header[7]);
    out.add(", next-header ");
    out.add(protocol_name(header[6]));
    out.add(" (");
    out.decimal(header[6]);
    out.add(") payload length: ");
    out.decimal(load_be16(header + 4));
    out.add(") ");
}

struct Zeros {
    int begin = -1, length = 0;
};

Zeros longest_zeros(const std::uint8_t* sixteen) {
    Zeros best, current;
    for (int i = 0; i < 8; ++i) {
        if (load_be16(sixteen + 2 * i) != 0) {
            current = {};
            continue;
        }
        if (current.length++ == 0) current.begin = i;
        if (current.length > best.length) best = current;
    }
    return best.length >= 2 ? best : Zeros{};
}

}  // namespace

const char* protocol_name(std::uint8_t protocol) {
    for (const Named& known : protocol_names) {
        if (known.protocol == protocol) return known.name;
    }
    return "unknown";
}

std::uint16_t right_checksum(const Ip& ip, std::uint8_t protocol, Bytes segment,
                             std::uint16_t field) {
    const auto address = [&](const std::uint8_t* octets) {
        return ip.v6 ? wire::Address::from_v6(octets) : wire::Address::from_v4(octets);
    };
    wire::Sum sum = wire::pseudo_header(address(ip.source), address(ip.destination), protocol,
                                        static_cast<std::uint32_t>(segment.size()));
    sum.add(segment);
    if (sum.is_valid()) return field;
    std::uint32_t right = std::uint32_t{field} + sum.checksum();
    right = (right & 0xffff) + (right >> 16);
    return static_cast<std::uint16_t>(right);
}

void add_v4(TextBuffer& out, const std::uint8_t* four) {
    out.decimal(four[0]);
    out.add('.');
    out.decimal(four[1]);
    out.add('.');
    out.decimal(four[2]);
    out.add('.');
    out.decimal(four[3]);
}

void add_v6(TextBuffer& out, const std::uint8_t* sixteen) {
    const Zeros zeros = longest_zeros(sixteen);
    for (int i = 0; i < 8; ++i) {
        if (i >= zeros.begin && i < zeros.begin + zeros.length) {
            if (i == zeros.begin) out.add(':');
            continue;
        }
        if (i != 0) out.add(':');
        // An address that ends in an IPv4 address: ::a.b.c.d and ::ffff:a.b.c.d.
        const bool mapped = zeros.length == 5 && load_be16(sixteen + 10) == 0xffff;
        if (i == 6 && zeros.begin == 0 && (zeros.length == 6 || mapped)) {
            add_v4(out, sixteen + 12);
            return;
        }
        out.hex(load_be16(sixteen + 2 * i));
    }
    if (zeros.length != 0 && zeros.begin + zeros.length == 8) out.add(':');
}

void add_address(TextBuffer& out, bool v6, const std::uint8_t* octets) {
    if (v6) {
        add_v6(out, octets);
    } else {
        add_v4(out, octets);
    }
}

void add_mac(TextBuffer& out, const std::uint8_t* six) {
    for (int i = 0; i < 6; ++i) {
        if (i != 0) out.add(':');
        out.hex_octet(six[i]);
    }
}

void add_pair(TextBuffer& out, const Ip& ip) {
    add_address(out, ip.v6, ip.source);
    out.add(" > ");
    add_address(out, ip.v6, ip.destination);
}

void add_ports(TextBuffer& out, const Ip& ip, std::uint16_t source, std::uint16_t target) {
    if (!ip.names_printed) {
        add_address(out, ip.v6, ip.source);
        out.add('.');
    }
    out.decimal(source);
    out.add(" > ");
    if (!ip.names_printed) {
        add_address(out, ip.v6, ip.destination);
        out.add('.');
    }
    out.decimal(target);
    out.add(": ");
}

namespace {

void add_wrong_version(TextBuffer& out, std::uint8_t first) {
    out.add("IP");
    out.decimal(first >> 4);
    if (first >> 4 == 6) out.add(", wrong link-layer encapsulation");
    out.add(" (invalid)");
}

}  // namespace

void print_v4(TextBuffer& out, Part packet, Context context) {
    if (!packet.has(1)) return add_cut(out, "ip");
    if (packet.bytes[0] >> 4 != 4) return add_wrong_version(out, packet.bytes[0]);
    if (!context.options.link_header) out.add("IP ");
    if (!packet.has(20)) return add_cut(out, "ip");
    const std::uint8_t* header = packet.bytes.data();
    const std::uint32_t header_bytes = (header[0] & 15U) * 4;
    if (header_bytes < 20) {
        out.add("bad-hlen ");
        out.decimal(header_bytes);
        return;
    }
    const std::uint32_t total = load_be16(header + 2);
    if (packet.length < total) {
        out.add("truncated-ip - ");
        out.decimal(total - packet.length);
        out.add(" bytes missing! ");
    }
    if (total < header_bytes) {
        out.add("bad-len ");
        out.decimal(total);
        return;
    }
    if (context.options.verbose > 0) add_v4_header(out, packet, header_bytes);
    Ip ip{header + 12, header + 16};
    context.fragment = (load_be16(header + 6) & 0x3fff) != 0;
    const std::uint8_t protocol = header[9];
    if ((load_be16(header + 6) & 0x1fff) != 0) {  // only the first fragment has the upper header
        add_pair(out, ip);
        out.add(": ip-proto-");
        out.decimal(protocol);
        return;
    }
    if (protocol != tcp_protocol && protocol != udp) {
        add_pair(out, ip);
        out.add(": ");
    }
    if (!packet.has(header_bytes)) return add_cut(out, "ip");
    print_upper(out, packet.cut(total).from(header_bytes), protocol, ip, context);
}

namespace {

void add_v6_options(TextBuffer& out, Bytes options) {  // RFC 8200 4.2
    constexpr std::uint8_t pad1 = 0, pad_n = 1, router_alert = 5;
    while (!options.empty()) {
        const std::uint8_t kind = options[0];
        if (kind == pad1) {
            out.add("(pad1)");
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options.size() - 2 < options[1]) break;
        const std::size_t length = options[1];
        if (kind == pad_n) {
            out.add("(padn)");
        } else if (kind == router_alert && length == 2) {
            out.add("(rtalert: 0x");
            out.hex_octets(options.subspan(2, 2));
            out.add(") ");
        } else {
            out.add("(opt_type 0x");
            out.hex_octet(kind);
            out.add(": len=");
            out.decimal(length);
            out.add(')');
        }
        options = options.subspan(2 + length);
    }
    out.add(' ');
}

// One extension header of IPv6 (RFC 8200 4). How many bytes it took; 0: the line ends here.
std::uint32_t print_extension(TextBuffer& out, std::uint8_t kind, Part part, bool verbose) {
    if (kind == fragment_header) {
        if (!part.has(8)) return add_cut(out, "frag"), 0;
        const std::uint32_t offset = load_be16(part.bytes.data() + 2) & 0xfff8U;
        out.add("frag (");
        if (verbose) {
            out.add("0x");
            out.hex_octets(part.bytes.subspan(4, 4));
            out.add(':');
        }
        out.decimal(offset);
        out.add('|');
        out.decimal(part.length - 8);
        out.add(')');
        if (offset != 0) return 0;
        out.add(' ');
        return 8;
    }
    const char* cut = kind == hop_by_hop ? "hbhopt" : kind == routing ? "srcrt" : "dstopt";
    if (!part.has(2)) return add_cut(out, cut), 0;
    const std::uint32_t bytes = (part.bytes[1] + 1U) * 8;
    if (kind != routing && !part.has(bytes)) return add_cut(out, cut), 0;
    if (kind == hop_by_hop) out.add("HBH ");
    if (kind == destination) out.add("DSTOPT ");
    if (kind != routing && verbose) add_v6_options(out, part.bytes.first(bytes).subspan(2));
    if (kind == routing) {
        if (!part.has(4)) return add_cut(out, cut), 0;
        out.add("RT6 (len=");
        out.decimal(part.bytes[1]);
        out.add(", type=");
        out.decimal(part.bytes[2]);
        if (part.bytes[2] == 0) out.add(" [Deprecated]");
        out.add(", segleft=");
        out.decimal(part.bytes[3]);
        if (part.bytes[2] == 0) {
            for (std::uint32_t i = 0; 24 + 16 * i <= bytes && part.has(24 + 16 * i); ++i) {
                out.add(", [");
                out.decimal(i);
                out.add(']');
                add_v6(out, part.bytes.data() + 8 + 16 * std::size_t{i});
            }
        }
        out.add(") ");
    }
    return bytes;
}

bool is_extension(std::uint8_t kind) {
    return kind == hop_by_hop || kind == destination || kind == routing || kind == fragment_header;
}

}  // namespace

void print_v6(TextBuffer& out, Part packet, Context context) {
    if (!packet.has(40)) return add_cut(out, "ip6");
    if (!context.options.link_header) out.add("IP6 ");
    if (packet.bytes[0] >> 4 != 6) {
        out.add("version error: ");
        out.decimal(packet.bytes[0] >> 4);
        out.add(" != 6");
        return;
    }
    const std::uint8_t* header = packet.bytes.data();
    const std::uint32_t payload = load_be16(header + 4);
    if (packet.length < payload + 40) {
        out.add("truncated-ip6 - ");
        out.decimal(payload + 40 - packet.length);
        out.add(" bytes missing!");
    }
    if (context.options.verbose > 0) add_v6_header(out, header);
    Ip ip{header + 8, header + 24, true};
    std::uint8_t kind = header[6];
    Part part = packet.cut(payload + 40).from(40);
    if (kind != tcp_protocol && kind != udp) {
        add_pair(out, ip);
        out.add(": ");
        ip.names_printed = true;
    }
    while (is_extension(kind)) {  // each takes at least eight of the packet's bytes
        if (kind == fragment_header) context.fragment = true;
        const std::uint32_t bytes =
            print_extension(out, kind, part, context.options.verbose > 0);
        if (bytes == 0) return;
        if (!part.has(bytes)) return add_cut(out, "ip6");
        kind = part.bytes[0];
        part = part.from(bytes);
    }
    print_upper(out, part, kind, ip, context);
}

}  // namespace estab::observe::dump
