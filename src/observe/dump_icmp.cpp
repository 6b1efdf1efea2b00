// ICMP: messages, and what an error quotes. RFC 792.
#include <algorithm>

#include "observe/dump_parts.hpp"
#include "wire/checksum.hpp"

namespace estab::observe::dump {
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
        add_number(out, " port ", load_be16(quoted.packet.bytes.data() + at + 2));
    } else {
        add_number(out, " protocol ", quoted.protocol());
        add_number(out, " port ", load_be16(quoted.packet.bytes.data() + at + 2));
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
        return add_number(out, " unreachable - #", code);
    }
    out.add(unreachable_texts[code].before);
    add_v4(out, quoted.destination());
    out.add(unreachable_texts[code].after);
    if (code == 2) {
        add_number(out, " protocol ", quoted.protocol());
        out.add(" unreachable");
    }
    if (code == 4) {
        out.add(" unreachable - need to frag");
        if (const std::uint16_t mtu = load_be16(message.bytes.data() + 6); mtu != 0) {
            add_number(out, " (mtu ", mtu);
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
        add_number(out, "redirect-#", code);
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
    add_number(out, " id ", load_be16(message.bytes.data() + 4));
    add_number(out, " seq ", load_be16(message.bytes.data() + 6));
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
            add_echo(out, message);
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
                add_number(out, "time exceeded-#", code);
            }
            break;
        case 12:
            if (code == 0) {
                add_number(out, "parameter problem - octet ", message.bytes[4]);
            } else {
                add_number(out, "parameter problem - code ", code);
            }
            break;
        default: add_number(out, "type-#", type); break;
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

}  // namespace estab::observe::dump
