// The part of a connection that exists only while something is outstanding, queued or unread.
// Borrowed from a pool; a small summary survives in the Connection while it is idle.
#pragma once

#include <cstdint>

#include "congestion/algorithm.hpp"
#include "tcp/buffers.hpp"
#include "tcp/sent.hpp"

namespace estab::tcp {

enum class Recovery : std::uint8_t {
    open,      // nothing is known to be missing
    fast,      // fast recovery: RFC 5681 3.2, RFC 6582
    timeout,   // after a retransmission time-out, until everything sent before it is acknowledged
};

struct Active {
    Active(ChunkPool& chunks, SentPool& sents, Seq snd, Seq rcv, const congestion::Control& cc)
        : send(chunks, snd), recv(chunks, rcv), sent(sents), control(cc) {}

    SendBuffer send;
    RecvBuffer recv;
    SentQueue sent;
    congestion::Control control;

    // Loss recovery without SACK. A duplicate ACK says that one segment has left the network;
    // counting those octets out of the pipe is RFC 5681's inflation of cwnd seen from the other
    // side.
    Recovery recovery = Recovery::open;
    Seq recover;                        // RFC 6582: SND.NXT when the episode began
    std::uint32_t duplicate_acks = 0;
    std::uint64_t left_network = 0;     // octets that duplicate ACKs have vouched for
    bool retransmit_now = false;        // the one retransmission that cwnd does not hold back
    bool cwnd_limited = false;          // cwnd stopped us since the last acknowledgment
    Seq small_end;                      // end of the last segment sent below the MSS (Minshall)

    // Receiving: ranges in the order in which SACK reports them (RFC 2018 4), newest first.
    std::array<Seq, 4> sack_recent{};
    std::uint8_t sack_recent_count = 0;
};

}  // namespace estab::tcp
