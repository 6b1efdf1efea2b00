// What can be asked about a connection.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/time.hpp"
#include "tcp/active.hpp"
#include "tcp/limits.hpp"
#include "tcp/state.hpp"

namespace estab::tcp {

struct Statistics {              // counts since the connection began
    std::uint64_t octets_sent = 0, octets_acked = 0, octets_received = 0, octets_retransmitted = 0;
    std::uint32_t segments_in = 0, segments_out = 0, data_in = 0, data_out = 0;
    std::uint32_t retransmits = 0, timeouts = 0, fast_retransmits = 0;
    std::uint32_t duplicates_in = 0, out_of_order_in = 0, dsacks_in = 0, probes_out = 0;
    std::uint32_t tail_probes = 0, undos = 0;
};

struct Info {                    // what `ss -i` shows; sizes in octets
    State state{};
    std::uint32_t rto_us = 0, rtt_us = 0, rttvar_us = 0, rtt_min_us = 0;
    std::uint16_t snd_mss = 0, rcv_mss = 0, path_mtu = 0;
    std::uint8_t snd_shift = 0, rcv_shift = 0;
    bool sack = false, timestamps = false, ecn = false, scaling = false;
    bool accecn = false, fast_open = false;  // RFC 9768; text went or came with the SYN
    std::uint64_t cwnd = 0, ssthresh = 0;
    std::uint64_t unacked = 0, not_sent = 0, unread = 0, in_flight = 0, lost = 0;
    std::uint64_t sacked_segments = 0, delivered = 0, resent = 0;  // resent: and in flight
    std::uint32_t reordering = 0;    // segments
    std::uint32_t reorderings = 0;   // how often
    std::uint64_t delivery_rate = 0, pacing_rate = 0;  // octets per second; 0: not known
    bool app_limited = false;        // the application has not kept the path busy of late
    bool in_disorder = false;        // duplicate ACKs or SACK blocks, and no episode yet
    // RFC 9768: packets with a CE mark, and octets of text marked CE, ECT(0), ECT(1).
    std::uint32_t delivered_ce = 0, received_ce = 0;
    std::array<std::uint32_t, 3> delivered_octets{}, received_octets{};
    std::uint32_t snd_wnd = 0, rcv_wnd = 0, rcv_space = 0, snd_buffer = 0;
    std::uint8_t backoff = 0, retries = 0, probes = 0;
    Recovery recovery{};
    bool reducing = false;           // cwnd comes down in answer to ECN
    enum class Timer : std::uint8_t { off, on, keepalive, timewait, persist } timer{};
    Duration timer_left{};
    Duration since_sent{}, since_received{}, since_ack{};
    std::string_view congestion_control;
    Statistics statistics;
    std::array<Duration, limits> limited{};  // by tcp::Limit, since ESTABLISHED
    Limit limit{};                           // now
    Duration busy{};                         // with something written and not acknowledged
};

}  // namespace estab::tcp
