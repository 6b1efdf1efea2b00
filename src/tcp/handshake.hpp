// What a handshake has agreed on. A listener makes it from a SYN, keeps it in a half-open record or
// gets it back from a cookie.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/seq.hpp"
#include "wire/ip.hpp"

namespace estab::tcp {

struct Handshake {
    Seq iss, irs;
    std::uint16_t peer_mss = 536;
    std::uint8_t snd_shift = 0, rcv_shift = 0;
    bool scaling = false, sack = false, timestamps = false, ecn = false;
    bool accecn = false;             // RFC 9768; then `ecn` is not
    bool plain_syn = false;          // and a SYN without ECN has come, too
    wire::Ecn syn_ecn = wire::Ecn::not_ect;  // that the peer's SYN came with
    std::uint32_t ts_recent = 0;
    std::uint32_t ts_offset = 0;
    std::uint32_t syn_window = 0;    // the window that the peer's SYN offered, octets
    std::uint32_t rcv_window = 0;    // the window that our SYN-ACK offered, octets
    Instant syn_ack_sent{};          // when it went out first
    std::uint8_t retransmits = 0;    // of the SYN-ACK
};

}  // namespace estab::tcp
