// Packets as lines, as `tcpdump -nn` 4.99.3 prints them. TCP over IPv4 and IPv6 is byte for byte
// the same, impossible and cut off headers included; so are UDP, ICMP, ICMPv6, ARP, DNS, DHCP, NTP,
// TFTP, syslog, SIP, VXLAN and spanning trees in the forms of tests/captures/applications and odd.
// What tcpdump reads and this does not is said as tcpdump says what it does not know.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "observe/link_layer.hpp"
#include "observe/relative_numbers.hpp"
#include "observe/text.hpp"

namespace estab::observe {

enum class DumpTime : std::uint8_t {
    none,            // -t
    clock,           // HH:MM:SS.uuuuuu, UTC
    epoch,           // -tt
    since_previous,  // -ttt
    date,            // -tttt: YYYY-MM-DD HH:MM:SS.uuuuuu, UTC
    since_first,     // -ttttt
};

struct DumpOptions {
    DumpTime time = DumpTime::clock;
    bool absolute_numbers = false;  // -S
    bool nanoseconds = false;       // nine digits after the point instead of six
    int verbose = 0;                // -v: the IP header, checksums, all lines of an application
    bool quick = false;             // -q: lengths alone
    bool link_header = false;       // -e
    int hex = 0;                    // -x; 2: with the link header
    int hex_and_text = 0;           // -X, likewise
    bool text = false;              // -A
    bool accurate_ecn = false;      // the AE flag as `e`, which 4.99.3 does not show
    // What the index in an SLL2 header is called on the machine that captured; nullptr: nobody
    // knows.
    std::string_view (*interface_name)(std::uint32_t index) = nullptr;
    std::uint32_t connections_max = RelativeNumbers::connections_max_default;
};

class SegmentPrinter {
public:
    explicit SegmentPrinter(const DumpOptions& options = {});

    // One packet, without a line end. `time` counts from 1970-01-01 UTC.
    void print(TextBuffer& out, Instant time, const NetworkPacket& packet);
    // The packet in a captured frame. A link type we do not know is said so.
    void print_frame(TextBuffer& out, Instant time, LinkType link, Bytes frame,
                     std::uint32_t original_bytes);
    // An IP packet that we have ourselves, whole.
    void print_ip(TextBuffer& out, Instant time, Bytes packet);

    // The same into a buffer of ours: valid until the next call.
    std::string_view line(Instant time, const NetworkPacket& packet);
    std::string_view line_ip(Instant time, Bytes packet);

    void forget() { numbers_.clear(); }  // all connections

private:
    void print_time(TextBuffer& out, Instant time);
    void add_interface(TextBuffer& out, const NetworkPacket& packet);
    void print_packet(TextBuffer& out, const NetworkPacket& packet);

    DumpOptions options_;
    RelativeNumbers numbers_;
    std::optional<Instant> reference_;  // of the forms that print a difference
    TextBuffer line_;
};

}  // namespace estab::observe
