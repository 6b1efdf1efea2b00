// What input has noted and output has yet to say.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace estab::tcp {

struct Owed {
    bool syn : 1 = false;        // SYN or, in SYN-RECEIVED, SYN-ACK
    bool ack : 1 = false;        // now
    bool reset : 1 = false;
    bool challenge : 1 = false;
    bool probe : 1 = false;      // window probe
    bool keepalive : 1 = false;
    bool fin : 1 = false;        // retransmission of our FIN
    bool dsack : 1 = false;
    bool handshake_ack : 1 = false;  // alone, before anything else (RFC 9768 3.2.2.1)
    std::uint8_t unused : 7 = 0;
    // One for each out-of-order segment, when the peer lacks SACK.
    std::uint8_t duplicate_acks = 0;
    bool any() const {  // all at once: it is asked with every segment
        return std::bit_cast<std::array<std::uint8_t, 3>>(*this) !=
               std::array<std::uint8_t, 3>{};
    }
};

}  // namespace estab::tcp
