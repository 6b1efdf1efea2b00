// The pieces of the dump printer: one function per protocol. Everything here reads bytes that may
// be cut off anywhere, by the capture or by a header that lies.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "observe/dump.hpp"
#include "observe/text.hpp"

namespace estab::observe::dump {

// Something that was `length` bytes long, as far as it is there.
struct Part {
    Bytes bytes;
    std::uint32_t length = 0;

    bool has(std::size_t count) const { return bytes.size() >= count; }
    Part from(std::uint32_t offset) const {
        return {offset <= bytes.size() ? bytes.subspan(offset) : Bytes{},
                offset <= length ? length - offset : 0};
    }
    Part cut(std::uint32_t to) const {  // the first `to` bytes
        return {to < bytes.size() ? bytes.first(to) : bytes, to};
    }
};

// What the layers above IP need to know of it.
struct Ip {
    const std::uint8_t* source;
    const std::uint8_t* destination;
    bool v6 = false;
    bool names_printed = false;  // "source > destination: " stands there already
};

// Over what was captured, behind the pseudo-header: the checksum that should stand in `field`, or
// the one that does when it is right.
std::uint16_t right_checksum(const Ip& ip, std::uint8_t protocol, Bytes segment,
                             std::uint16_t field);
const char* protocol_name(std::uint8_t protocol);

struct Context {  // what all of them work with
    const DumpOptions& options;
    RelativeNumbers& numbers;
    bool fragment = false;  // one of several: no checksum of the whole can be told from it
    unsigned depth = 0;     // of packets in packets; deeper than depth_max they are not looked into
    static constexpr unsigned depth_max = 16;
};

void add_v4(TextBuffer& out, const std::uint8_t* four);
void add_v6(TextBuffer& out, const std::uint8_t* sixteen);
void add_address(TextBuffer& out, bool v6, const std::uint8_t* octets);
void add_mac(TextBuffer& out, const std::uint8_t* six);
void add_pair(TextBuffer& out, const Ip& ip);  // "source > destination"
void add_ports(TextBuffer& out, const Ip& ip, std::uint16_t source, std::uint16_t destination);
inline void add_number(TextBuffer& out, std::string_view what, std::uint64_t number) {
    out.add(what);
    out.decimal(number);
}
inline void add_length(TextBuffer& out, std::uint32_t length) {
    add_number(out, ", length ", length);
}
void add_hex16(TextBuffer& out, std::uint16_t value);  // "0x0a0b"
void add_echo(TextBuffer& out, Part message);          // the identifier and number of a ping
const char* upper_name(std::uint8_t protocol);         // "tcp", "udp", or nothing
// What is not printable as ^X, with M- in front above 127.
void add_visible(TextBuffer& out, Bytes text);
void add_time_span(TextBuffer& out, std::uint32_t seconds);  // "1h30m"
inline void add_cut(TextBuffer& out, std::string_view protocol) {
    out.add(" [|");
    out.add(protocol);
    out.add(']');
}

void print_v4(TextBuffer& out, Part packet, Context context);
void print_v6(TextBuffer& out, Part packet, Context context);
void print_arp(TextBuffer& out, Part packet, const Context& context);
void print_tcp(TextBuffer& out, Part segment, const Ip& ip, const Context& context);
void print_udp(TextBuffer& out, Part datagram, const Ip& ip, const Context& context);
// What a datagram carries. `length` is what UDP says that the application sent; its octets end
// where IP's do.
void print_dns(TextBuffer& out, Part message, const Context& context, bool multicast);
void print_dhcp(TextBuffer& out, Part message, const Context& context);
void print_ntp(TextBuffer& out, Part message, const Context& context);
void print_tftp(TextBuffer& out, Part message);
void print_syslog(TextBuffer& out, Part message, const Context& context);
void print_vxlan(TextBuffer& out, Part message, const Context& context);
void print_otv(TextBuffer& out, Part message, const Context& context);
void print_icmp(TextBuffer& out, Part message, const Context& context);
void print_icmpv6(TextBuffer& out, Part message, const Ip& ip, const Context& context);

// The link header as -e shows it, up to the packet.
void print_link_header(TextBuffer& out, LinkType link, Bytes frame, std::uint32_t original_bytes,
                       const NetworkPacket& packet, bool quick);
// A frame within a packet.
void print_ethernet(TextBuffer& out, Part frame, const Context& context);
// What stands behind a cooked header, which tells the tags even without -e.
void print_cooked(TextBuffer& out, LinkType link, Part frame, const NetworkPacket& packet,
                  const Context& context);
void add_tag_types(TextBuffer& out, Bytes frame, const NetworkPacket& packet);
void add_ethertype(TextBuffer& out, std::uint16_t type);  // "ethertype IPv4 (0x0800)"
// What nobody here can read, unless the bytes are printed anyway.
void print_unknown(TextBuffer& out, Bytes bytes, const DumpOptions& options);
std::string_view direction_name(Direction direction);
// Under the line: -x, -X or -A.
void print_bytes(TextBuffer& out, Bytes bytes, const DumpOptions& options);
// "\n\t0x0000:  0200 0000 090a", each line behind `indent`.
void add_hex_lines(TextBuffer& out, Bytes bytes, std::string_view indent);

struct OptionContext {
    std::uint32_t sack_base = 0;  // what is subtracted from the numbers in SACK blocks
    std::uint8_t flags = 0;
    bool whole = false;           // the segment was captured to its end
    bool behind = false;          // the octet behind the header was captured
    // Which protocol is named where something was cut off. tcpdump says mptcp from such an option
    // on.
    std::string_view cut = "tcp";
};
// The inside of "options [...]" and its end. False: the line ends here, without a length.
bool print_tcp_options(TextBuffer& out, Part options, OptionContext& context);
// After "mptcp": false when the option is not what its subtype says.
bool print_mptcp(TextBuffer& out, Bytes option, std::uint8_t flags);

struct Ports {
    std::uint16_t source, destination;
    bool either(std::uint16_t port) const { return source == port || destination == port; }
};
// What follows "length N": the application's first line, for ports known for it.
void print_application(TextBuffer& out, Part text, Ports ports, bool verbose);
void print_sip(TextBuffer& out, Part text, bool verbose);

}  // namespace estab::observe::dump
