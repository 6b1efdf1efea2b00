// UDP, and which application a port is known for.
#include <algorithm>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
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

// True: a port says which application it is, and it was printed.
bool print_known(TextBuffer& out, Part message, Ports ports, const Context& context) {
    if (ports.either(53)) {
        print_dns(out, message, context, false);
    } else if (ports.either(67) || ports.either(68)) {
        print_dhcp(out, message, context);
    } else if (ports.either(69)) {
        print_tftp(out, message);
    } else if (ports.either(514)) {
        print_syslog(out, message, context);
    } else if (ports.either(5060)) {
        print_sip(out, message, context.options.verbose > 0);
    } else if (ports.either(4789)) {
        print_vxlan(out, message, context);
    } else if (ports.either(8472)) {
        print_otv(out, message, context);
    } else if (ports.either(123)) {
        print_ntp(out, message, context);
    } else if (ports.either(5353)) {
        print_dns(out, message, context, true);
    } else {
        return false;
    }
    return true;
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
    if (datagram.length < 8) return add_number(out, "truncated-udp ", datagram.length);
    if (!datagram.has(8)) return add_cut(out, "udp");
    const std::uint32_t length = load_be16(header + 4);
    if (length < 8) return add_number(out, "truncated-udplength ", length);
    const bool plain = context.options.quick;
    if (context.options.verbose > 1 && !plain && !context.fragment) {
        add_udp_checksum(out, datagram, length, ip);
    }
    const Ports ports{load_be16(header), load_be16(header + 2)};
    const Part rest = datagram.from(8);
    const std::uint32_t said = std::min(length, datagram.length) - 8;
    if (!plain && print_known(out, {rest.bytes, said}, ports, context)) return;
    if (length > datagram.length) {
        add_number(out, "UDP, bad length ", length - 8);
        return add_number(out, " > ", datagram.length - 8);
    }
    add_number(out, "UDP, length ", length - 8);
}

}  // namespace estab::observe::dump
