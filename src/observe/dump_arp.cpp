// ARP and RARP. RFC 826, RFC 903.
#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
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
        add_number(out, "Unknown (", operation);
        out.add(") ");
        return print_unknown(out, packet.bytes, context.options);
    }
    add_length(out, packet.length);
}

}  // namespace estab::observe::dump
