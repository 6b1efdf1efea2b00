// What happened, as plain data: the one vocabulary that traces, logs, comments in captures and
// tests share. An event is a kind, a time, the connection it belongs to and up to four numbers
// whose names the table in event.cpp gives; texts are made by readers in observe/. The core never
// formats anything.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/time.hpp"
#include "wire/address.hpp"

namespace estab::event {

enum class Kind : std::uint8_t {
    // connection: states and ends
    state,               // from, to (tcp::State)
    connected,           // rtt_ns
    closed,              // error (estab::Error + 1, 0: normally), icmp_type, icmp_code
    // sending
    retransmit,          // seq, end, cause (Cause), count
    retransmit_timeout,  // rto_ns, backoff, seq
    fast_retransmit,     // seq, in_flight, cwnd, ssthresh
    recovery_start,      // cause, recover, cwnd, ssthresh
    recovery_end,        // cwnd, ssthresh
    recovery_undone,     // cause, cwnd, ssthresh, rto_ns
    tail_loss_probe,     // seq, end, new data (0/1)
    reordering,          // seq, reordering window of RACK in ns
    congestion_window,   // cwnd, ssthresh, cause, in_flight
    pacing_rate,         // octets per second, cause, delivery rate in octets per second
    rtt_sample,          // rtt_ns, srtt_ns, rttvar_ns, rto_ns
    zero_window,         // seq
    window_probe,        // seq, count
    keepalive_probe,     // count
    // receiving
    out_of_order,        // seq, end, rcv_nxt
    duplicate,           // seq, end
    paws_reject,         // tsval, ts_recent
    challenge_ack,       // seq, ack, flags
    window_update,       // window
    out_of_window,       // seq, end
    urgent,              // up
    // path
    path_mtu,            // mtu, mss, cause (Cause)
    mtu_probe,           // mtu, step (Step)
    ecn,                 // mode (EcnUse), step (Step)
    fast_open,           // step (Step), octets of text in the SYN
    soft_error,          // icmp_type, icmp_code
    // listener
    syn_received,        // queue_length
    syn_queue_full,      // queue_length, cookies (0/1)
    syn_cookie_sent,     // mss
    syn_cookie_accepted, // mss, wscale, sack
    syn_cookie_failed,   // ack
    accept_queue_full,   // queue_length
    // stack
    dropped,             // reason (Drop)
    memory_pressure,     // used_bytes, limit_bytes
    evicted,             // what (Evicted), bytes
    reset_sent,          // seq, flags
    reset_received,      // seq, state
};
inline constexpr std::size_t kinds = static_cast<std::size_t>(Kind::reset_received) + 1;

enum class Cause : std::uint8_t {
    none,
    open,
    slow_start,
    avoidance,
    duplicate_acks,
    partial_ack,
    timeout,
    idle,
    undo,
    ecn,
    probe,
    set,
    rack,
    sack,
    tail_probe,
    timestamp,
    dsack,
    frto,
    icmp,
    black_hole,
    handshake,
    startup,             // from here on: phases of BBR
    drain,
    probe_down,
    probe_cruise,
    probe_refill,
    probe_up,
    probe_rtt,
    classic_queue,       // Prague's: what marks is no queue for low latency
    validation,          // cwnd was not used (RFC 7661)
    rescue,              // of a recovery that would wait for its time-out (RFC 6675)
    cache,               // from other connections to the same host (RFC 9040)
};

// How far something that takes several steps has come.
enum class Step : std::uint8_t {
    asked,       // a cookie was asked for
    sent,        // text in a SYN, a probe
    accepted,    // by the other side; of a listener: by us
    refused,     // not by the other side
    learnt,      // a cookie came
    given,       // a cookie went out
    bad_cookie,
    overflow,    // too many are pending
    blocked,     // not tried, since it has failed before
    lost,
    mangled,     // somebody on the way changes what we send
};
enum class EcnUse : std::uint8_t { none, rfc3168, accecn };

enum class Drop : std::uint8_t {
    malformed,
    checksum,
    not_ours,
    no_route,
    source_route,
    bad_source,
    fragment,
    memory,
    unsupported,
    queue_full,
    icmp_unproven,
};

enum class Evicted : std::uint8_t { half_open, time_wait, out_of_order, idle_connection };

struct Description {
    const char* name;                        // snake_case, as in events.jsonl
    std::array<const char*, 4> fields;       // names with unit suffix; nullptr past the last
};
const Description& describe(Kind);
const char* to_string(Cause);
const char* to_string(Drop);
const char* to_string(Step);
const char* to_string(EcnUse);

struct Event {
    Instant at{};
    Kind kind{};
    std::uint32_t connection = 0;            // index in the stack; 0xffffffff: none
    wire::FourTuple tuple{};                 // zero where there is none
    std::array<std::uint64_t, 4> values{};
};
inline constexpr std::uint32_t no_connection = 0xffff'ffff;

// Counts every event and keeps those that are asked for, in a ring of fixed size. Policy when full:
// the newest is dropped and counted.
class Log {
public:
    explicit Log(std::span<Event> room) : room_(room) {}

    void store(Kind kind, bool yes) { wanted_[static_cast<std::size_t>(kind)] = yes; }
    void store_all(bool yes) { wanted_.fill(yes); }
    bool wants(Kind kind) const { return wanted_[static_cast<std::size_t>(kind)]; }

    void count(Kind kind) { ++counts_[static_cast<std::size_t>(kind)]; }
    std::uint64_t counted(Kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
    void keep(const Event& event) {
        if (used_ == room_.size()) {
            ++lost_;
            return;
        }
        room_[(first_ + used_++) % room_.size()] = event;
    }
    // The oldest kept event, or nullptr; pop() forgets it.
    const Event* front() const { return used_ == 0 ? nullptr : &room_[first_]; }
    void pop() {
        first_ = (first_ + 1) % room_.size();
        --used_;
    }
    std::uint64_t lost() const { return lost_; }

private:
    std::span<Event> room_;
    std::size_t first_ = 0;
    std::size_t used_ = 0;
    std::uint64_t lost_ = 0;
    std::array<bool, kinds> wanted_{};
    std::array<std::uint64_t, kinds> counts_{};
};

}  // namespace estab::event
