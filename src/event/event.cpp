#include "event/event.hpp"

namespace estab::event {
namespace {

constexpr std::array<Description, kinds> table{{
    {"state", {"from", "to"}},
    {"connected", {"rtt_ns"}},
    {"closed", {"error", "icmp_type", "icmp_code"}},
    {"retransmit", {"seq", "end", "cause", "count"}},
    {"retransmit_timeout", {"rto_ns", "backoff", "seq"}},
    {"fast_retransmit", {"seq", "in_flight_bytes", "cwnd_bytes", "ssthresh_bytes"}},
    {"recovery_start", {"cause", "recover", "cwnd_bytes", "ssthresh_bytes"}},
    {"recovery_end", {"cwnd_bytes", "ssthresh_bytes"}},
    {"recovery_undone", {"cause", "cwnd_bytes", "ssthresh_bytes", "rto_ns"}},
    {"tail_loss_probe", {"seq", "end", "new_data"}},
    {"reordering", {"seq", "window_ns"}},
    {"congestion_window", {"cwnd_bytes", "ssthresh_bytes", "cause", "in_flight_bytes"}},
    {"pacing_rate", {"rate_bytes_per_s", "cause", "delivery_rate_bytes_per_s"}},
    {"rtt_sample", {"rtt_ns", "srtt_ns", "rttvar_ns", "rto_ns"}},
    {"zero_window", {"seq"}},
    {"window_probe", {"seq", "count"}},
    {"keepalive_probe", {"count"}},
    {"out_of_order", {"seq", "end", "rcv_nxt"}},
    {"duplicate", {"seq", "end"}},
    {"paws_reject", {"tsval", "ts_recent"}},
    {"challenge_ack", {"seq", "ack", "flags"}},
    {"window_update", {"window_bytes"}},
    {"out_of_window", {"seq", "end"}},
    {"urgent", {"up"}},
    {"path_mtu", {"mtu_bytes", "mss_bytes", "cause"}},
    {"mtu_probe", {"mtu_bytes", "step"}},
    {"ecn", {"mode", "step"}},
    {"fast_open", {"step", "octets"}},
    {"soft_error", {"icmp_type", "icmp_code"}},
    {"syn_received", {"queue_length"}},
    {"syn_queue_full", {"queue_length", "cookies"}},
    {"syn_cookie_sent", {"mss_bytes"}},
    {"syn_cookie_accepted", {"mss_bytes", "window_scale", "sack"}},
    {"syn_cookie_failed", {"ack"}},
    {"accept_queue_full", {"queue_length"}},
    {"dropped", {"reason"}},
    {"memory_pressure", {"used_bytes", "limit_bytes"}},
    {"evicted", {"what", "bytes"}},
    {"reset_sent", {"seq", "flags"}},
    {"reset_received", {"seq", "state"}},
}};

}  // namespace

const Description& describe(Kind kind) { return table[static_cast<std::size_t>(kind)]; }

const char* to_string(Cause cause) {
    switch (cause) {
    case Cause::none: return "none";
    case Cause::open: return "open";
    case Cause::slow_start: return "slow_start";
    case Cause::avoidance: return "avoidance";
    case Cause::duplicate_acks: return "duplicate_acks";
    case Cause::partial_ack: return "partial_ack";
    case Cause::timeout: return "timeout";
    case Cause::idle: return "idle";
    case Cause::undo: return "undo";
    case Cause::ecn: return "ecn";
    case Cause::probe: return "probe";
    case Cause::set: return "set";
    case Cause::rack: return "rack";
    case Cause::sack: return "sack";
    case Cause::tail_probe: return "tail_probe";
    case Cause::timestamp: return "timestamp";
    case Cause::dsack: return "dsack";
    case Cause::frto: return "frto";
    case Cause::icmp: return "icmp";
    case Cause::black_hole: return "black_hole";
    case Cause::handshake: return "handshake";
    case Cause::startup: return "startup";
    case Cause::drain: return "drain";
    case Cause::probe_down: return "probe_down";
    case Cause::probe_cruise: return "probe_cruise";
    case Cause::probe_refill: return "probe_refill";
    case Cause::probe_up: return "probe_up";
    case Cause::probe_rtt: return "probe_rtt";
    case Cause::classic_queue: return "classic_queue";
    case Cause::validation: return "validation";
    case Cause::rescue: return "rescue";
    case Cause::cache: return "cache";
    }
    return "?";
}

const char* to_string(Drop reason) {
    switch (reason) {
    case Drop::malformed: return "malformed";
    case Drop::checksum: return "checksum";
    case Drop::not_ours: return "not_ours";
    case Drop::no_route: return "no_route";
    case Drop::source_route: return "source_route";
    case Drop::bad_source: return "bad_source";
    case Drop::fragment: return "fragment";
    case Drop::memory: return "memory";
    case Drop::unsupported: return "unsupported";
    case Drop::queue_full: return "queue_full";
    case Drop::icmp_unproven: return "icmp_unproven";
    }
    return "?";
}

const char* to_string(Step step) {
    switch (step) {
    case Step::asked: return "asked";
    case Step::sent: return "sent";
    case Step::accepted: return "accepted";
    case Step::refused: return "refused";
    case Step::learnt: return "learnt";
    case Step::given: return "given";
    case Step::bad_cookie: return "bad_cookie";
    case Step::overflow: return "overflow";
    case Step::blocked: return "blocked";
    case Step::lost: return "lost";
    case Step::mangled: return "mangled";
    }
    return "?";
}

const char* to_string(EcnUse use) {
    switch (use) {
    case EcnUse::none: return "none";
    case EcnUse::rfc3168: return "rfc3168";
    case EcnUse::accecn: return "accecn";
    }
    return "?";
}

}  // namespace estab::event
