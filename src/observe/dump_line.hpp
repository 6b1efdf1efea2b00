// A TCP segment as a line of tcpdump says it, taken apart: the form that tcpdump prints since 4.1
// ("Flags [P.], seq 1:152, ack 1, win 229, options [...], length 151") and the one before it
// ("P 1:152(151) ack 1 win 229 <...>").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "wire/address.hpp"

namespace estab::observe {

struct LineTime {
    enum class Kind : std::uint8_t { none, clock, epoch, date };
    Kind kind = Kind::none;
    Duration value{};  // since midnight, or since 1970
};

// The IP header, as far as -v shows it.
struct LineHeader {
    std::uint8_t traffic_class = 0;
    std::uint8_t hop_limit = 64;
    std::uint16_t id = 0;
    std::uint32_t flow_label = 0;
    bool dont_fragment = true;
};

struct DumpLine {
    LineTime time;
    LineHeader ip;
    wire::Endpoint source, destination;
    std::uint16_t flags = 0;
    std::optional<std::uint32_t> seq, seq_end, ack;
    std::optional<std::uint32_t> length;  // of the payload
    std::uint16_t window = 0, urgent = 0;
    std::vector<std::uint8_t> options;    // as on the wire
    std::vector<std::size_t> sack_at;     // where in them a number of a SACK block stands
    std::string text;                     // the beginning of the payload, where it is shown
};

enum class LineKind : std::uint8_t {
    segment,
    header_only,  // of -v: the segment is on the next line
    hex,          // octets of the packet before
    other_packet, // ARP, UDP, ICMP, …
    nothing,      // empty, a remark behind #, what tcpdump says about itself
    unknown,      // perhaps the text of -A
    wrong,        // see `what`
};

struct LineError {
    std::size_t column = 0;  // from 1
    std::string what;        // "a window is expected here"
};

// Reads one line, without its end. `into.time` and `into.ip` stay as they are where the line is
// the second one of -v.
LineKind read_dump_line(std::string_view line, bool behind_header, DumpLine& into,
                        LineError& error);
// The octets of a line of -x, -xx, -X or -XX, at most 16.
std::vector<std::uint8_t> hex_line_octets(std::string_view line);

}  // namespace estab::observe
