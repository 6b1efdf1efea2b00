#include <algorithm>
#include <cstring>
#include <utility>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, ack_flag = 0x10, urg = 0x20;
constexpr std::uint32_t header_bytes_min = 20;

void add_flags(TextBuffer& out, std::uint8_t flags, bool ae) {
    static constexpr char letters[] = "FSRP.UEW";
    out.add("Flags [");
    if (flags == 0 && !ae) out.add("none");
    for (unsigned bit = 0; bit < 8; ++bit) {
        if ((flags >> bit & 1) != 0) out.add(letters[bit]);
    }
    if (ae) out.add('e');
    out.add(']');
}

struct Numbers {
    std::uint32_t seq, ack;
    std::uint32_t sack_base = 0;
};

// The two halves of an address for comparison and storage; an IPv4 address is all in the second.
std::array<std::uint64_t, 2> halves(bool v6, const std::uint8_t* octets) {
    if (v6) return {load_be64(octets), load_be64(octets + 8)};
    return {0, load_be32(octets)};
}

Numbers relative(Numbers wire, const Ip& ip, Ports ports, std::uint8_t flags,
                 RelativeNumbers& table) {
    RelativeNumbers::Key key{halves(ip.v6, ip.source), halves(ip.v6, ip.destination),
                             std::uint32_t{ports.source} << 16 | ports.destination, ip.v6};
    const bool reversed = ports.source > ports.destination ||
                          (ports.source == ports.destination && key.source > key.destination);
    if (reversed) {
        std::swap(key.source, key.destination);
        key.ports = std::uint32_t{ports.destination} << 16 | ports.source;
    }
    // The sender's first byte counts as 1, hence ack - 1 for the side that spoke before.
    const RelativeNumbers::Base fresh = reversed
                                            ? RelativeNumbers::Base{wire.ack - 1, wire.seq}
                                            : RelativeNumbers::Base{wire.seq, wire.ack - 1};
    RelativeNumbers::Base* known = table.find(key);
    Numbers shown = wire;
    RelativeNumbers::Base base = fresh;
    if (known == nullptr) {
        table.add(key, fresh);
    } else if ((flags & syn) != 0) {
        *known = fresh;
    } else {
        base = *known;
        shown.seq -= reversed ? base.ack : base.seq;
        shown.ack -= reversed ? base.seq : base.ack;
    }
    shown.sack_base = reversed ? base.seq : base.ack;
    return shown;
}

struct Shown {
    std::uint8_t flags;
    std::uint32_t length;
    bool always;  // the sequence number too where nothing is sent
};

void add_numbers(TextBuffer& out, const Numbers& n, const Shown& shown) {
    const std::uint8_t flags = shown.flags;
    const std::uint32_t length = shown.length;
    if (shown.always || length > 0 || (flags & (syn | fin | rst)) != 0) {
        out.add(", seq ");
        out.decimal(n.seq);
        if (length > 0) {
            out.add(':');
            out.decimal(n.seq + length);
        }
    }
    if ((flags & ack_flag) != 0) {
        out.add(", ack ");
        out.decimal(n.ack);
    }
}

void add_too_long(TextBuffer& out, std::uint32_t header_bytes, std::uint32_t length) {
    out.add(" [bad hdr length ");
    out.decimal(header_bytes);
    out.add(" - too long, > ");
    out.decimal(length);
    out.add(']');
}

void add_octets(TextBuffer& out, std::uint16_t value) {
    out.hex_octet(static_cast<std::uint8_t>(value >> 8));
    out.hex_octet(static_cast<std::uint8_t>(value));
}

void add_checksum(TextBuffer& out, Part segment, const Ip& ip) {
    const std::uint16_t field = load_be16(segment.bytes.data() + 16);
    const std::uint16_t right =
        right_checksum(ip, 6, segment.bytes.first(segment.length), field);
    out.add(", cksum 0x");
    add_octets(out, field);
    if (right == field) return out.add(" (correct)");
    out.add(" (incorrect -> 0x");
    add_octets(out, right);
    out.add(')');
}

// What a RST says of its reason (RFC 9293 3.5.2 leaves room for it).
void add_reset_text(TextBuffer& out, Part text) {
    constexpr std::size_t text_max = 30;
    out.add(text.has(text.length) ? " [RST" : " [!RST");
    if (text.length > text_max) out.add('+');
    out.add(' ');
    for (const std::uint8_t octet : text.bytes.first(std::min(text.bytes.size(), text_max))) {
        std::uint8_t c = octet;
        if (c >= 0x80) {
            out.add("M-");
            c &= 0x7f;
        }
        if (c < 0x20 || c == 0x7f) {
            out.add('^');
            c ^= 0x40;
        }
        out.add(static_cast<char>(c));
    }
    out.add(']');
}

}  // namespace

void print_tcp(TextBuffer& out, Part segment, const Ip& ip, const Context& context) {
    if (!segment.has(4)) {
        if (!ip.names_printed) {
            add_pair(out, ip);
            out.add(':');
        }
        return add_cut(out, "tcp");
    }
    const std::uint8_t* header = segment.bytes.data();
    const Ports ports{load_be16(header), load_be16(header + 2)};
    add_ports(out, ip, ports.source, ports.destination);
    if (!segment.has(header_bytes_min)) return add_cut(out, "tcp");

    const std::uint32_t header_bytes = (header[12] >> 4) * 4U;
    if (header_bytes < header_bytes_min) {
        out.add(" tcp ");
        out.decimal(segment.length - header_bytes);
        out.add(" [bad hdr length ");
        out.decimal(header_bytes);
        out.add(" - too short, < 20]");
        return;
    }
    const std::uint8_t flags = header[13];
    if (context.options.quick) {
        out.add("tcp ");
        out.decimal(segment.length - header_bytes);
        if (header_bytes > segment.length) add_too_long(out, header_bytes, segment.length);
        return;
    }
    add_flags(out, flags, context.options.accurate_ecn && (header[12] & 1) != 0);
    Numbers numbers{load_be32(header + 4), load_be32(header + 8)};
    if (!context.options.absolute_numbers && (flags & ack_flag) != 0) {
        numbers = relative(numbers, ip, ports, flags, context.numbers);
    }
    if (header_bytes > segment.length) return add_too_long(out, header_bytes, segment.length);
    if (context.options.verbose > 0 && !context.fragment && segment.has(segment.length)) {
        add_checksum(out, segment, ip);
    }
    const Part text = segment.from(header_bytes);
    add_numbers(out, numbers, {flags, text.length, context.options.verbose > 1});
    out.add(", win ");
    out.decimal(load_be16(header + 14));
    if ((flags & urg) != 0) {
        out.add(", urg ");
        out.decimal(load_be16(header + 18));
    }
    OptionContext found{.sack_base = numbers.sack_base,
                        .flags = flags,
                        .whole = segment.has(segment.length),
                        .behind = segment.has(header_bytes + 1)};
    if (header_bytes > header_bytes_min) {
        out.add(", options [");
        const Part options = segment.cut(header_bytes).from(header_bytes_min);
        if (!print_tcp_options(out, options, found)) return;
    }
    out.add(", length ");
    out.decimal(text.length);
    if (text.length == 0) return;
    if (!segment.has(header_bytes)) {
        out.add(" [remaining caplen(");
        out.decimal(segment.bytes.size());
        out.add(") < header length(");
        out.decimal(header_bytes);
        out.add(")]");
        return add_cut(out, found.cut);
    }
    if ((flags & rst) != 0 && context.options.verbose > 0) return add_reset_text(out, text);
    print_application(out, text, ports, context.options.verbose > 0);
}

}  // namespace estab::observe::dump
