// Accurate ECN (RFC 9768): what both halves of a connection count. The flags AE, CWR and ECE of a
// segment without SYN are the three lowest bits of a counter; the option has octets.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/seq.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::tcp {

struct AccEcn {
    struct Counters {                 // RFC 9768 3.2.1: none begins at 0 but ceb
        std::uint32_t cep = 5;        // packets marked CE
        std::uint32_t ceb = 0;        // octets of text marked CE, ECT(0), ECT(1)
        std::uint32_t e0b = 1;
        std::uint32_t e1b = 1;
    };
    static constexpr std::uint8_t has_e0b = 1, has_ceb = 2, has_e1b = 4;

    // What has come in, to be told to the peer.
    Counters received;
    std::uint8_t ever = 0;            // which of the octet counters have moved at all
    std::uint8_t fresh = 0;           // and since the last option
    std::uint8_t ce_since_ack = 0;
    wire::Ecn last = wire::Ecn::not_ect;   // of the packet before
    wire::Ecn heard = wire::Ecn::not_ect;  // of the peer's SYN or SYN-ACK
    bool first_option = true;         // none has gone with text yet (3.2.3.2.1)
    bool sends_options = true;
    bool plain_reply = false;         // the peer's SYN came again: no option (3.2.3.2.2)
    bool saw_option = false;          // the peer has sent one
    bool told_with_dsack = false;     // an option went with the block that begins at `dsack`
    wire::SeqNum dsack{};
    Instant option_began = Instant::min();  // the segment that is being made has one
    Instant option_at = Instant::min();     // the last one went

    // What the peer has told about what went out.
    Counters delivered;
    bool first_ack = true;            // the next one is looked at for zeroing (3.2.2.4)
    bool first_ace = true;
    bool ts_known = false, ts_moved = false;  // the peer's clock, by the segment before this one
    std::uint32_t ts_seen = 0;
    std::uint16_t acked_average = 0;  // packets that one ACK is about, in 64ths
    bool reads_options = true;
    bool marks = true;                // text may go out as ECN-capable
    bool heeds = true;                // what the peer says is believed
    // Was there ever anything that arrived without a mark? If not for some round trips, it is no
    // queue that marks (3.2.2.3).
    bool all_marked = true;
    std::uint8_t marked_rounds = 0;
    Seq marked_until;                 // of the round trip
};

// How the IP-ECN field of a SYN or SYN-ACK is told in AE, CWR and ECE: tables 2 and 3.
constexpr std::uint16_t handshake_ace(wire::Ecn heard) {
    switch (heard) {
    case wire::Ecn::not_ect: return 0b010;
    case wire::Ecn::ect1: return 0b011;
    case wire::Ecn::ect0: return 0b100;
    case wire::Ecn::ce: return 0b110;
    }
    return 0b010;
}
constexpr std::uint16_t ace_flags(std::uint32_t ace) {
    return static_cast<std::uint16_t>((ace & 7) << 6);  // AE, CWR, ECE lie side by side
}
constexpr std::uint32_t ace_of(wire::Flags flags) { return flags.bits >> 6 & 7u; }

// What a SYN asks for (table 2). Everything that is not known today means the latest (3.1.3).
enum class EcnRequest : std::uint8_t { none, rfc3168, accecn };
constexpr EcnRequest ecn_request(wire::Flags syn) {
    switch (ace_of(syn)) {
    case 0b000: return EcnRequest::none;
    case 0b011: return EcnRequest::rfc3168;
    default: return EcnRequest::accecn;
    }
}
// What a SYN-ACK answers to one that asked for AccECN. 0b101 is not known today, and means it, too.
constexpr EcnRequest ecn_answer(wire::Flags syn_ack) {
    switch (ace_of(syn_ack)) {
    case 0b000: return EcnRequest::none;
    case 0b111: return EcnRequest::none;     // it echoes what it does not know
    case 0b001: return EcnRequest::rfc3168;
    default: return EcnRequest::accecn;
    }
}

}  // namespace estab::tcp
