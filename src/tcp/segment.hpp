// A segment as the machine sees it: numbers extended, the window scaled, options parsed. On the way
// in it may stand for several wire segments that were merged (`segments`), on the way out for
// several that the device will cut (`gso_size`).
#pragma once

#include <cstdint>
#include <optional>

#include "tcp/payload.hpp"
#include "tcp/seq.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::tcp {

struct Segment {
    Seq seq;
    Seq ack;                       // meaningful with Flags::ack
    wire::Flags flags;
    std::uint32_t wnd = 0;         // octets: scaled already (in), to be scaled by the writer (out)
    std::uint16_t window_field = 0;   // out: what goes on the wire
    std::uint16_t raw_window = 0;     // in: what was on the wire
    std::uint16_t urgent = 0;      // urgent pointer as on the wire
    wire::TcpOptions options;
    wire::Ecn ecn = wire::Ecn::not_ect;
    std::uint8_t hop_limit = 64;   // out
    std::uint8_t dscp = 0;         // out
    bool dont_fragment = true;     // out
    std::uint16_t gso_size = 0;    // out: octets a wire segment, 0: one wire segment
    std::uint16_t segments = 1;    // in: wire segments merged into this one
    std::uint32_t segment_size = 0;  // in: the largest payload among them
    Payload payload;

    bool has(std::uint16_t flag) const { return flags.has(flag); }
    // SEG.LEN counts SYN and FIN (RFC 9293 3.4).
    std::uint64_t length() const {
        return payload.size() + (has(wire::Flags::syn) ? 1u : 0u) +
               (has(wire::Flags::fin) ? 1u : 0u);
    }
    Seq end() const { return seq + length(); }
};

// How much one call of next_segment() may produce.
struct Room {
    std::uint32_t segment_max = 1460 + 60;  // octets of TCP header and payload in one frame
    bool gso = false;                        // the device cuts; segment_max is then a frame's
};

// Answers of those who have no connection (RFC 9293 3.10.7.1), as a function of the segment alone.
// None for a RST. `out` is complete but for addresses and ports.
bool answer_reset(const Segment& in, Segment& out);

}  // namespace estab::tcp
