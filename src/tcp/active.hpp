// The part of a connection that exists only while something is outstanding, queued or unread.
// Borrowed from a pool; a small summary survives in the Connection while it is idle.
#pragma once

#include <cstdint>

#include "congestion/algorithm.hpp"
#include "tcp/buffers.hpp"
#include "tcp/delivery_rate.hpp"
#include "tcp/prr.hpp"
#include "tcp/rack.hpp"
#include "tcp/sent.hpp"
#include "tcp/window_use.hpp"

namespace estab::tcp {

enum class Recovery : std::uint8_t {
    open,      // nothing is known to be missing
    fast,      // fast recovery: RFC 5681 3.2, RFC 6582
    timeout,   // after a retransmission time-out, until everything sent before it is acknowledged
};

// What an episode of loss recovery took away, to be given back if it proves to have been none
// (RFC 3522, RFC 4015, RFC 5682 and DSACK, RFC 2883).
struct Undo {
    bool armed = false;
    Instant first_retransmit = never;    // `never`: nothing has been sent again yet
    Seq from, until;                     // the numbers that the episode was about
    Seq expires;                         // acknowledged past it: no more news of it can come
    std::uint64_t cwnd = 0, ssthresh = 0;    // before it
    std::uint64_t unproven = 0;          // octets sent again that no DSACK has called needless
    bool proven = false;                 // a DSACK has called some needless
    Duration srtt{}, rttvar{};           // when the timer ran out; zero: it did not
};

// Forward RTO-Recovery (RFC 5682 2.1, 3.1): after a time-out, new data tells a lost flight from a
// late one.
enum class Frto : std::uint8_t {
    off,
    first_ack,   // the first segment has gone again; what does the next ACK say?
    new_data,    // it acknowledged something: two new segments go, nothing is sent again
    spurious,    // what was never sent again has arrived
};

// RFC 8985 7: what the last segments of a flight lack is acknowledgments behind them.
struct TailProbe {
    bool outstanding = false;
    bool is_retransmission = false;
    Seq end;                             // TLP.end_seq
};

struct Active {
    Active(ChunkPool& chunks, SentPool& sents, Seq snd, Seq rcv, const congestion::Control& cc)
        : send(chunks, snd), recv(chunks, rcv), sent(sents), control(cc) {}

    SendBuffer send;
    RecvBuffer recv;
    SentQueue sent;
    congestion::Control control;

    DeliveryRate rate;

    // When data may go out; unused where nothing paces it.
    bool paced = false;
    Instant next_send_at{};             // not before that
    Instant pacing_at = never;          // when held back now: when to come again
    std::uint64_t pacing_noted = 0;     // the rate that the last event told

    Recovery recovery = Recovery::open;
    Frto frto = Frto::off;
    Seq recover;                        // RFC 6582, 6675: SND.NXT when the episode began
    bool retransmit_now = false;        // the one retransmission that cwnd does not hold back
    bool cwnd_limited = false;          // cwnd was used up, and ...
    Seq use_until;                      // ... what was sent until then is not acknowledged yet
    std::uint64_t flight_max = 0;       // the most octets in flight in that time
    WindowUse use;                      // RFC 7661, where it is on
    std::uint64_t unused_flight = 0;    // a loss found the window unused: what it was worth, and
    std::uint64_t resent_before = 0;    // what had been sent again by then
    Undo undo;

    // With SACK.
    Rack rack;
    Prr prr;
    bool with_prr = false;              // its window is the one in force
    bool reducing = false;              // by ECN, without a loss: Linux's CWR state
    Seq ecn_recover;                    // one reaction to ECN per window
    std::uint32_t reordering = 0;       // the widest that was seen, segments
    std::uint16_t arrived_mss = 0;      // of the largest segment that has arrived whole
    TailProbe tail;
    bool tail_probe_due = false;
    bool early_is_probe = false;        // early_at: when the tail is probed, or doubt becomes loss
    Instant early_at = never;
    Instant doubt_until = never;        // when RACK must look again
    Seq judged_below;                   // RFC 6675: what lies below has been judged
    Seq rescued_until;                  // RescueRxt, where the last rescue was for

    // Without SACK. A duplicate ACK says that one segment has left the network;
    // counting those octets out of the pipe is RFC 5681's inflation of cwnd seen from the other
    // side.
    std::uint32_t duplicate_acks = 0;
    std::uint64_t left_network = 0;     // octets that duplicate ACKs have vouched for
    Seq syn_text_end;                   // what went with the SYN ended a message; Seq(): nothing
    Seq small_end;                      // end of the last segment sent below the MSS (Minshall)

    // Receiving: ranges in the order in which SACK reports them (RFC 2018 4), newest first.
    std::array<Seq, 4> sack_recent{};
    std::uint8_t sack_recent_count = 0;
};

}  // namespace estab::tcp
