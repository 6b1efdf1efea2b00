// What a connection tells its owner, and is told by ICMP.
#pragma once

#include <bit>
#include <cstdint>

#include "base/result.hpp"
#include "wire/tcp.hpp"

namespace estab::tcp {

// What changed since the owner last asked. All may be set at once.
struct Notice {
    bool connected : 1 = false;   // the handshake is complete
    bool readable : 1 = false;    // octets or the end of the stream arrived
    bool writable : 1 = false;    // the send buffer has room again
    bool urgent : 1 = false;      // the urgent mark moved (MUST-32)
    bool trouble : 1 = false;     // R1 retransmissions or a soft ICMP error (SHLD-9, MUST-47)
    bool closed : 1 = false;      // it is over: error() says how
    bool any() const { return *this != Notice{}; }
    void add(Notice more) { *this = from(bits() | more.bits()); }
    friend bool operator==(Notice a, Notice b) { return a.bits() == b.bits(); }

private:
    // All at once: they are asked with every segment.
    std::uint8_t bits() const { return std::bit_cast<std::uint8_t>(*this) & 63; }
    static Notice from(int bits) { return std::bit_cast<Notice>(static_cast<std::uint8_t>(bits)); }
};

struct IcmpError {               // already matched to this connection's 4-tuple
    enum class Kind : std::uint8_t { soft, hard, too_big } kind{};
    std::uint8_t type = 0, code = 0;
    wire::SeqNum seq;            // of the segment that it quotes
    std::uint32_t mtu = 0;       // too_big: of the next hop, 0 unknown
    Error error = Error::host_unreachable;  // what a user would be told
};

}  // namespace estab::tcp
