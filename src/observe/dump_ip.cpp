#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint8_t hop_by_hop = 0, icmp = 1, tcp_protocol = 6, udp = 17, routing = 43,
                       fragment_header = 44, icmpv6 = 58, no_next = 59, destination = 60;

void print_upper(TextBuffer& out, Part part, std::uint8_t protocol, const Ip& ip, const Tcp& tcp) {
    switch (protocol) {
        case tcp_protocol: print_tcp(out, part, ip, tcp); return;
        case udp: print_udp(out, part, ip); return;
        case icmp:
            if (ip.v6) break;
            print_icmp(out, part);
            return;
        case icmpv6:
            if (!ip.v6) break;
            print_icmpv6(out, part);
            return;
        case no_next:
            if (!ip.v6) break;
            out.add("no next header");
            return;
        default: break;
    }
    out.add(" ip-proto-");
    out.decimal(protocol);
    out.add(' ');
    out.decimal(part.length);
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

void print_v4(TextBuffer& out, Part packet, const Tcp& tcp) {
    if (packet.has(1) && packet.bytes[0] >> 4 != 4) {
        out.add("IP, wrong link-layer encapsulation (invalid)");
        return;
    }
    out.add("IP ");
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
    Ip ip{header + 12, header + 16};
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
    print_upper(out, packet.cut(total).from(header_bytes), protocol, ip, tcp);
}

namespace {

// One extension header of IPv6 (RFC 8200 4). How many bytes it took; 0: the line ends here.
std::uint32_t print_extension(TextBuffer& out, std::uint8_t kind, Part part) {
    if (kind == fragment_header) {
        if (!part.has(8)) return add_cut(out, "frag"), 0;
        const std::uint32_t offset = load_be16(part.bytes.data() + 2) & 0xfff8U;
        out.add("frag (");
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
    if (kind == routing) {
        if (!part.has(4)) return add_cut(out, cut), 0;
        out.add("RT6 (len=");
        out.decimal(part.bytes[1]);
        out.add(", type=");
        out.decimal(part.bytes[2]);
        if (part.bytes[2] == 0) out.add(" [Deprecated]");
        out.add(", segleft=");
        out.decimal(part.bytes[3]);
        out.add(") ");
    }
    return bytes;
}

bool is_extension(std::uint8_t kind) {
    return kind == hop_by_hop || kind == destination || kind == routing || kind == fragment_header;
}

}  // namespace

void print_v6(TextBuffer& out, Part packet, const Tcp& tcp) {
    if (packet.has(1) && packet.bytes[0] >> 4 != 6) {
        out.add("IP6, wrong link-layer encapsulation (invalid)");
        return;
    }
    if (!packet.has(40)) return add_cut(out, "ip6");
    out.add("IP6 ");
    const std::uint8_t* header = packet.bytes.data();
    const std::uint32_t payload = load_be16(header + 4);
    if (packet.length < payload + 40) {
        out.add("truncated-ip6 - ");
        out.decimal(payload + 40 - packet.length);
        out.add(" bytes missing!");
    }
    Ip ip{header + 8, header + 24, true};
    std::uint8_t kind = header[6];
    Part part = packet.cut(payload + 40).from(40);
    if (kind != tcp_protocol && kind != udp) {
        add_pair(out, ip);
        out.add(": ");
        ip.names_printed = true;
    }
    while (is_extension(kind)) {  // each takes at least eight of the packet's bytes
        const std::uint32_t bytes = print_extension(out, kind, part);
        if (bytes == 0) return;
        if (!part.has(bytes)) return add_cut(out, "ip6");
        kind = part.bytes[0];
        part = part.from(bytes);
    }
    print_upper(out, part, kind, ip, tcp);
}

}  // namespace estab::observe::dump
