// Segments as lines: read in tcpdump's notation or in the short form of the README beside this
// file, and printed as tcpdump prints them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tcp/segment.hpp"

namespace estab::conversation {

// What is subtracted from the numbers of one direction, so that a SYN is 0 and the first octet
// is 1.
struct Base {
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    wire::OptionOrder order = wire::OptionOrder::linux_;
};

// A segment as a line says it; what the line leaves out is not set.
struct SegmentLine {
    std::optional<std::uint16_t> flags;
    std::optional<std::uint32_t> seq, end, ack;
    std::optional<std::uint16_t> window, urgent;
    std::optional<std::uint32_t> length;
    std::optional<std::string> option_text;  // "nop,nop,TS val 1 ecr 2", as in the brackets
    wire::TcpOptions options;                // what the brackets or the short forms say
    bool sack_said = false;
    std::optional<wire::Ecn> ecn;

    // Throws std::invalid_argument with a sentence for people.
    static SegmentLine parse(std::string_view text);

    std::uint32_t payload_octets() const;
    // nullopt: it is what the line says. Otherwise what differs.
    std::optional<std::string> differs_from(const tcp::Segment& segment, Base base) const;
};

std::string flag_text(std::uint16_t flags);
std::string option_text(const wire::TcpOptions& options, Base base);
std::string segment_text(const tcp::Segment& segment, Base base);

std::vector<std::string> words(std::string_view text);

}  // namespace estab::conversation
