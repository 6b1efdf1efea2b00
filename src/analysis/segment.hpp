// A TCP segment as a capture shows it: perhaps cut off, perhaps merged from many by the card that
// received it. Unlike wire::TcpView it exists as soon as its fixed header is there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "observe/link_layer.hpp"

namespace estab::analysis {

namespace flag {
inline constexpr std::uint16_t fin = 0x001, syn = 0x002, rst = 0x004, psh = 0x008, ack = 0x010,
                               urg = 0x020, ece = 0x040, cwr = 0x080, ae = 0x100;
}  // namespace flag

// An address in two halves; IPv4 is ::ffff:a.b.c.d.
struct Host {
    std::uint64_t high = 0, low = 0;
    friend bool operator==(const Host&, const Host&) = default;
    friend auto operator<=>(const Host&, const Host&) = default;
};

struct End {
    Host host;
    std::uint16_t port = 0;
    friend bool operator==(const End&, const End&) = default;
    friend auto operator<=>(const End&, const End&) = default;
};

struct SackBlock {
    std::uint32_t begin, end;
};

struct Segment {
    std::uint64_t frame = 0;  // its number in the file
    Instant time{};
    End source, destination;
    std::uint32_t seq = 0, ack = 0;
    std::uint32_t text_bytes = 0;  // of payload, captured or not
    std::uint16_t flags = 0;
    std::uint16_t window = 0;  // as it stands in the header
    std::uint32_t tsval = 0, tsecr = 0;
    std::uint16_t ip_id = 0;  // IPv4 alone
    std::uint8_t ecn = 0;     // the two bits in the IP header; 3: congestion experienced
    bool v6 = false;
    bool has_timestamps = false;
    std::uint16_t mss = 0;                 // of a SYN; 0: not said
    std::optional<std::uint8_t> scale{};   // of a SYN
    bool sack_permitted = false;           // of a SYN
    bool multipath = false;                // RFC 8684
    bool fast_open = false;                // RFC 7413
    bool header_cut = false;               // the capture does not have all of the TCP header
    std::uint8_t sack_count = 0;
    std::array<SackBlock, 4> sack{};

    bool has(std::uint16_t bits) const { return (flags & bits) != 0; }
    // What it takes of the sequence space: SYN and FIN count.
    std::uint32_t length() const {
        return text_bytes + (has(flag::syn) ? 1U : 0U) + (has(flag::fin) ? 1U : 0U);
    }
};

// Fills `into` and says so, or says that the packet is no TCP segment that can be read: another
// protocol, a later fragment, a header that lies or was cut off. A checksum is not looked at.
bool read_segment(const observe::NetworkPacket& packet, Segment& into);

}  // namespace estab::analysis
