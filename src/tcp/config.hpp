// Every constant of TCP in one struct. A profile is a value of it; a connection points at one and
// gets a copy of its own when its owner changes something. Names are RFC 9293's or Linux's;
// config_fields.hpp lists them for people.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "congestion/algorithm.hpp"
#include "wire/tcp.hpp"

namespace estab::tcp {

enum class ProbeForm : std::uint8_t {
    zero_length,  // an ACK at SND.UNA - 1, as Linux
    one_octet,    // one octet of new data (RFC 9293 3.8.6.1)
};
enum class EcnMode : std::uint8_t {
    off,
    on,              // RFC 3168 asked for and accepted
    passive,         // accepted when the peer asks (Linux's default)
    accecn,          // RFC 9768 asked for; it and RFC 3168 accepted
    accecn_ask_ecn,  // RFC 3168 asked for; both accepted
    accecn_passive,  // neither asked for; both accepted
};
constexpr bool accepts_accecn(EcnMode mode) { return mode >= EcnMode::accecn; }
constexpr bool asks_for_accecn(EcnMode mode) { return mode == EcnMode::accecn; }
constexpr bool asks_for_ecn(EcnMode mode) {
    return mode == EcnMode::on || mode == EcnMode::accecn || mode == EcnMode::accecn_ask_ecn;
}
enum class MtuProbing : std::uint8_t {  // RFC 4821, as Linux's tcp_mtu_probing
    off,
    black_hole,  // smaller packets when the large ones seem to vanish
    always,      // from base_mss upwards, and again every mtu_probe_interval
};

// Bits of Config::fast_open, Linux's tcp_fastopen.
struct FastOpenMode {
    static constexpr std::uint32_t client = 1, server = 2, client_no_cookie = 4,
                                   server_no_cookie = 0x200, all_listeners = 0x400;
};

struct Config {
    // Retransmission timer: RFC 6298. rto_initial >= 1 s there.
    Duration rto_initial = 1s;
    Duration rto_min = 200ms;
    Duration rto_max = 120s;
    bool rto_min_above_srtt =
        true;  // as Linux: SRTT + max(rto_min, 4 RTTVAR); else max(rto_min, sum)
    Duration rto_slop = 0s;              // added to every RTO but the first, as FreeBSD
    Duration clock_granularity = 1us;    // G of RFC 6298 2.3: how exact the caller's `now` is

    // Handshake. Retries double the time-out; 7 give up after 255 s (MUST-23: at least 180 s).
    std::uint8_t syn_retries = 7;
    std::uint8_t syn_linear_timeouts = 0;  // the first so many retries wait rto_initial each
    std::uint8_t synack_retries = 5;
    std::uint8_t syn_plain_after = 0;    // retries from here on offer the MSS only; 0: never
    Duration syn_timeout = 0s;           // gives up after so long, whatever the retries; 0: never
    bool syn_fin_opens = false;          // a listener answers a SYN with FIN (RFC 793)
    bool queue_before_open = false;      // text may be written in SYN-SENT (RFC 9293 3.10.2)
    std::uint16_t mss = 0;               // both ways at most; 0: what the interface allows
    bool mss_of_path = false;            // SYNs offer what the path carries, as Linux
    std::uint16_t mss_min = 48;  // a smaller value from the peer counts as this (a peer's MSS of 0)
    bool syn_options = true;             // off: SYNs have none, and the peer's are passed over
    bool window_scaling = true;          // RFC 7323 2
    bool timestamps = true;              // RFC 7323 3
    bool sack = true;                    // RFC 2018
    bool dsack = true;                   // RFC 2883
    EcnMode ecn = EcnMode::passive;      // RFC 3168, 9768
    std::uint8_t ecn_retries = 0;        // of a SYN that ask for RFC 3168 again
    bool ecn_fallback = true;            // off: SYNs ask for ever, and changed marks are no reason
    std::uint8_t accecn_option = 2;      // RFC 9768 3.2.3: 0 never, 1 when it has changed, 2 often
    std::uint8_t accecn_option_beacon = 3;  // at least so often a round trip
    bool accecn_everywhere = false;      // marks and the option on every segment, as Linux
    wire::OptionOrder option_order = wire::OptionOrder::linux_;
    Duration timestamp_tick = 1ms;       // 1 ms to 1 s (RFC 7323 5.4)
    bool require_timestamps = false;     // drop segments without once agreed (RFC 7323 3.2 SHOULD)

    // Buffers, octets. Receive buffers start at recv_buffer and grow to recv_buffer_max when the
    // application keeps up; the window offered first is recv_window_initial (0: all of the buffer).
    std::uint32_t recv_buffer = 65'535;
    std::uint32_t recv_buffer_max = 6 * 1024 * 1024;
    std::uint32_t recv_window_initial = 0;
    bool recv_buffer_whole = false;      // rounded up to whole segments once the MSS is known
    bool window_overrun = false;  // a segment that begins in the window may end beyond it (Linux)
    bool window_exact = false;  // offer all the room there is, in however small steps, as FreeBSD
    std::uint32_t send_buffer = 87'380;
    std::uint32_t send_buffer_max = 4 * 1024 * 1024;
    bool recv_autotune = true;
    bool send_autotune = true;
    std::uint32_t notsent_lowat = 0xffff'ffff;  // writable only below so much unsent

    // Congestion control: RFC 5681, 6928.
    const congestion::Table* congestion_control = nullptr;  // nullptr: cubic
    std::uint32_t initial_window = 10;              // segments
    std::uint32_t initial_ssthresh = 0xffff'ffff;   // octets; 0xffffffff: infinite
    bool slow_start_after_idle = true;
    bool reduce_from_cwnd = false;  // a loss leaves a part of cwnd, as Linux; else of FlightSize
    bool idle_decay = true;  // cwnd halves for each RTO of it, as Linux (RFC 2861); else at once
    bool cwnd_validation = false;  // RFC 7661 instead: what was not used is kept for 5 minutes
    bool abe = false;                               // a mark costs less than a loss (RFC 8511)
    std::uint8_t dupack_threshold = 3;
    bool limited_transmit = true;                   // RFC 3042
    bool rack = true;                               // RFC 8985 6; off: RFC 6675
    bool tail_loss_probe = true;                    // RFC 8985 7
    Duration max_ack_delay = 200ms;                 // that a peer is granted there
    bool prr = true;                                // RFC 9937
    bool frto = true;                               // RFC 5682
    bool undo = true;                               // RFC 3522, 4015; DSACK
    std::uint32_t fixed_window = 10;                // segments, for congestion control "fixed"
    bool pacing = false;  // spread data over the round trip, also for algorithms that do not ask
    std::uint32_t pacing_rate_max = 0;  // octets per second; 0: as congestion control says
    // RFC 9040: a connection begins with what others to the same host have learnt of the path.
    bool tcb_sharing = false;
    std::uint32_t tcb_sharing_max = 1024;           // hosts; the one unused for longest goes
    Duration tcb_sharing_lifetime = 3600s;          // what is older says nothing

    // Sending.
    bool nagle = true;                   // RFC 9293 3.7.4
    bool nagle_minshall = true;          // hold only behind an unacknowledged small segment
    Duration cork_max = 200ms;           // MUST-60
    Duration sws_override = 500ms;       // RFC 9293 3.8.6.2.1: 0.1 to 1 s
    bool push_bursts = true;             // PSH where a burst of several segments ends, as Linux
    std::uint8_t burst_min = 2;          // segments in one burst, however slow the path is

    // Acknowledging.
    Duration delayed_ack = 40ms;         // MUST-40: below 0.5 s
    std::uint8_t ack_every = 2;          // full-sized segments (SHLD-19)
    bool ack_counts_all = false;         // ack_every counts segments of any size, as FreeBSD
    bool ack_repeats_fin = false;        // an ACK carries a FIN that is on its way, as FreeBSD
    std::uint8_t quick_acks = 16;        // segments acknowledged at once when a connection starts
    bool dialogue_delays = false;        // whoever answers at once lets ACKs wait for it, as Linux
    bool delay_fin_ack = true;           // let the ACK of a FIN wait for our own, as Linux

    // Persist and keepalive: RFC 9293 3.8.6.1, 3.8.4.
    ProbeForm probe_form = ProbeForm::zero_length;
    Duration persist_max = 120s;
    bool keepalive = false;              // MUST-25, MAY-5
    Duration keepalive_idle = 7200s;     // MUST-27, MUST-28
    Duration keepalive_interval = 75s;
    std::uint8_t keepalive_probes = 9;

    // Giving up: RFC 9293 3.8.3.
    std::uint8_t retries1 = 3;           // R1: tell the user and the routing (SHLD-10)
    std::uint8_t retries2 = 15;          // R2 (SHLD-11)
    std::uint8_t orphan_retries = 8;     // R2 when nobody owns the connection any more
    Duration user_timeout = 0s;          // replaces R2 where not 0; Duration::max(): never

    // Closing.
    Duration fin_wait_2 = 60s;           // an orphan waits so long for the peer's FIN
    Duration time_wait = 60s;            // 2 MSL
    bool rfc1337 = true;                 // a RST does not end TIME-WAIT
    bool time_wait_answers_syn = true;   // with a challenge ACK; FreeBSD passes over it
    bool time_wait_reuse = true;         // RFC 6191
    Duration time_wait_reuse_delay = 0s;  // for our own SYNs only after so long

    // Robustness: RFC 5961.
    bool reset_keeps_unread = false;     // a RST leaves what has arrived to be read, as Linux
    bool rfc5961 = true;
    bool unsent_ack_silent = false;      // what acknowledges the future is passed over, as Linux
    bool reset_always_told = false;      // also in CLOSING and LAST-ACK, as FreeBSD
    bool insecure_rst = false;           // RFC 793: any RST inside the window resets, unasked
    bool insecure_syn = false;           // RFC 793: so does a SYN
    std::uint32_t challenge_ack_limit = 1000;   // a second, for the whole stack
    Duration invalid_ratelimit = 500ms;         // between ACKs of one connection for bad segments

    // IP.
    std::uint8_t hop_limit = 64;         // MUST-49
    std::uint8_t dscp = 0;               // MUST-48
    std::uint16_t udp_tunnel_port = 0;   // of ours: segments may come in datagrams to it; 0: none
    std::uint16_t udp_peer_port = 0;     // of the peer's: our segments go in datagrams to it
    bool path_mtu_discovery = true;
    MtuProbing mtu_probing = MtuProbing::black_hole;  // RFC 4821
    std::uint16_t mtu_probe_base = 1024;    // MSS where a search begins
    // MSS that a black hole cannot push below. Linux's is 48; but every path carries 576 octets
    // (RFC 1122 3.3.2), and what looks like a black hole is mostly an outage.
    std::uint16_t mtu_probe_floor = 512;
    Duration mtu_probe_interval = 600s;     // until a larger one is tried again
    std::uint8_t mtu_probe_threshold = 8;   // octets: nearer than this the search is over
    bool icmp_ends_opening = true;       // hard errors end SYN-SENT and SYN-RECEIVED
    bool icmp_prohibited_is_hard = false;  // there; and so is an exceeded TTL, as FreeBSD
    bool soft_icmp_ends_opening = false;  // so do an unreachable net or host, as Linux
    bool hard_icmp_aborts = false;  // SHLD-26 also when established; RFC 5927 advises against it

    // Listeners.
    std::uint32_t backlog = 4096;        // at most; listen() may ask for less
    std::uint32_t syn_queue_max = 4096;  // half-open records of one listener
    bool syn_cookies = true;             // when the SYN queue is full
    bool syn_cookies_always = false;
    bool abort_on_overflow = false;      // RST instead of silence when the accept queue is full

    // TCP Fast Open: RFC 7413.
    std::uint32_t fast_open = 0;         // FastOpenMode; off: a SYN's data may be played back (6.1)
    std::uint32_t fast_open_pending = 1024;  // of a listener, before their handshakes are complete
    Duration fast_open_key_lifetime = 24h;   // a cookie is good for one to two of them
    Duration fast_open_blackhole = 3600s;    // no data in SYNs after they vanished; doubles
    bool fast_open_experimental = false;     // option 254 where 34 earned nothing (Linux)
    Duration fast_open_lost = 60s;           // nor where one vanished; doubles; 0: go on (Linux)
    Duration fast_open_refused = 0s;         // nor after a SYN-ACK gave no cookie, as FreeBSD

    // The stack as a whole.
    std::uint32_t time_wait_max = 262'144;
    std::uint32_t held_syns_max = 1024;
    Duration held_syn_timeout = 30s;
    std::uint32_t orphans_max = 65'536;

    friend bool operator==(const Config&, const Config&) = default;
};

// What is asked for and accepted: congestion control that needs every mark reported (RFC 9331) has
// Accurate ECN, unless ECN is off.
EcnMode ecn_mode(const Config& config);
// What our SYN or SYN-ACK offers, on an interface of `mtu` octets.
std::uint16_t advertised_mss(const Config& config, std::uint32_t mtu, bool v4);  // MUST-67
std::uint8_t wanted_shift(const Config& config);            // 0..14 (RFC 7323 2.3)
// Whole segments of `mss` octets, at most 65,535 in all.
std::uint32_t first_window(const Config& config, std::uint32_t mss);

namespace profile {
Config linux_();    // the default
Config rfc();       // RTO minimum 1 s, 2 MSL = 240 s, probes of one octet, ...
Config freebsd();
Config
tutorial();  // the textbook's numbers: 5 SYN retries, IW 1, keepalive 10 x 75 s, persist to 60 s
}  // namespace profile

}  // namespace estab::tcp
