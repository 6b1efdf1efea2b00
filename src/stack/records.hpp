// The packed forms of a connection that has little to remember: half-open, before the handshake is
// complete, and TIME-WAIT. 64 octets each, IPv6 included. A segment for one unpacks it into a
// tcp::Connection, which runs the same code as any other.
#pragma once

#include <cstdint>

#include "stack/timer_wheel.hpp"
#include "wire/address.hpp"

namespace estab::stack {

// What a record is: the upper two bits of a 32-bit ref; the rest is its index.
enum class Kind : std::uint32_t { connection = 0, half_open = 1, time_wait = 2 };

struct Ref {
    static constexpr std::uint32_t index_bits = 30;
    static constexpr std::uint32_t index_max = (1u << index_bits) - 1;
    static constexpr std::uint32_t make(Kind kind, std::uint32_t index) {
        return static_cast<std::uint32_t>(kind) << index_bits | index;
    }
    static constexpr Kind kind(std::uint32_t ref) { return static_cast<Kind>(ref >> index_bits); }
    static constexpr std::uint32_t index(std::uint32_t ref) { return ref & index_max; }
};

// A SYN that has been answered (RFC 4987 3.3: as small as can be).
struct HalfOpen {
    wire::FourTuple tuple;
    TimerLinks timer;            // when the SYN-ACK is sent again
    std::uint32_t iss, irs;
    std::uint32_t ts_recent;
    std::uint16_t peer_mss;
    static constexpr std::uint16_t no_scaling = 15;  // of snd_shift
    static constexpr std::uint16_t retransmits_max = 7;
    // ecn: 0 none, 1 RFC 3168, 4 and more RFC 9768, and the IP-ECN field of the SYN; 2 and 3 the
    // same after a SYN without ECN, which came unmarked or with CE.
    std::uint16_t snd_shift : 4, rcv_shift : 4, retransmits : 3, sack : 1, timestamps : 1, ecn : 3;
};
static_assert(sizeof(HalfOpen) <= 64);

struct TimeWait {
    wire::FourTuple tuple;
    TimerLinks timer;            // when 2 MSL are over
    std::uint32_t snd_nxt, rcv_nxt;
    std::uint32_t ts_recent;
    std::uint16_t window;        // as our last segment said it, before scaling
    std::uint8_t rcv_shift;
    bool timestamps;
};
static_assert(sizeof(TimeWait) <= 64);

}  // namespace estab::stack
