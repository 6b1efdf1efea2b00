// The state machine and what follows from the model. draft-ietf-ccwg-bbr 5.2 to 5.4 and 5.6.
#include "congestion/bbr.hpp"

#include <algorithm>

#include "base/math.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint64_t pacing_margin_percent = 1;
constexpr std::uint8_t full_bw_rounds = 3;
constexpr std::uint8_t startup_loss_ranges = 6;    // BBRStartupFullLossCnt
constexpr std::uint64_t drain_rounds_max = 3;
constexpr Duration probe_rtt_duration = 200ms;
constexpr std::uint64_t reno_rounds_max = 63;

struct Gains {
    std::uint32_t pacing, cwnd;
};
// 5.6.1, per cent.
constexpr Gains gains_of(Phase phase) {
    switch (phase) {
    case Phase::none:
    case Phase::classic_queue: break;
    case Phase::startup: return {277, 200};
    case Phase::drain: return {50, 200};
    case Phase::probe_down: return {90, 200};
    case Phase::probe_cruise: return {100, 200};
    case Phase::probe_refill: return {100, 200};
    case Phase::probe_up: return {125, 225};
    case Phase::probe_rtt: return {100, 50};
    }
    return {100, 200};
}

// The core has no dice. What differs from flow to flow and from probe to probe is when things
// happen and how much has arrived by then; mixed well, that is as good for its purpose, which is
// that flows do not probe in step.
std::uint64_t mixed(std::uint64_t v) {
    v = (v ^ (v >> 30)) * 0xbf58'476d'1ce4'e5b9;
    v = (v ^ (v >> 27)) * 0x94d0'49bb'1331'11eb;
    return v ^ (v >> 31);
}

}  // namespace

// 5.2.1. The clock is heard of with the first acknowledgment.
void Bbr::on(const Start& e) {
    mss_ = std::max<std::uint32_t>(e.mss, 1);
    cwnd_ = initial_cwnd_ = prior_cwnd_ = std::clamp<std::uint64_t>(e.cwnd, mss_, infinite);
    if (e.srtt > 0ns) min_rtt_ = e.srtt;
    enter(Phase::startup);
    const Duration rtt = e.srtt > 0ns ? e.srtt : Duration{1ms};
    const std::uint64_t nominal = mul_div(std::min(cwnd_, std::uint64_t{1} << 34), 1'000'000'000,
                                          static_cast<std::uint64_t>(to_ns(rtt)));
    pacing_rate_ = std::max<std::uint64_t>(mul_div(nominal, pacing_gain_, 100), 1);
}

// 5.2.3.
void Bbr::on(const Acked& e) {
    now_ = e.now;
    mss_ = e.mss;
    delivered_ = std::max(delivered_, e.delivered);
    if (!started_) {
        started_ = true;
        min_rtt_stamp_ = probe_rtt_min_stamp_ = extra_acked_start_ = now_;
    }
    sample_bw_ = e.rate.rate();
    sample_limited_ = e.rate.app_limited || e.rate.prior_delivered < limited_until_;
    update_latest_delivery_signals(e);
    update_congestion_signals(e);
    update_ack_aggregation(e);
    check_full_bw_reached();
    check_startup_done(e);
    check_drain_done(e);
    update_probe_bw_cycle_phase(e);
    update_min_rtt(e);
    check_probe_rtt(e);
    if (loss_round_start_) {  // AdvanceLatestDeliverySignals
        bw_latest_ = sample_bw_;
        inflight_latest_ = e.rate.delivered;
        loss_ranges_in_round_ = 0;
    }
    bw_ = std::min(max_bw(), bw_shortterm_);
    set_pacing_rate(pacing_gain_);
    set_cwnd(e);
}

void Bbr::enter(Phase phase) {
    phase_ = phase;
    const Gains gains = gains_of(phase);
    pacing_gain_ = gains.pacing;
    cwnd_gain_ = gains.cwnd;
}

// --- 5.3.1, 5.3.2: Startup and Drain

void Bbr::reset_full_bw() {
    full_bw_ = 0;
    full_bw_count_ = 0;
    full_bw_now_ = false;
}

void Bbr::check_full_bw_reached() {
    if (full_bw_now_ || !round_start_ || sample_limited_) return;
    if (sample_bw_ >= full_bw_ + full_bw_ / 4) {
        reset_full_bw();
        full_bw_ = sample_bw_;
        return;
    }
    full_bw_now_ = ++full_bw_count_ >= full_bw_rounds;
    if (full_bw_now_) full_bw_reached_ = true;
}

void Bbr::check_startup_done(const Acked& e) {
    if (phase_ != Phase::startup) return;
    // 5.3.1.3: a round of fast recovery with many holes.
    if (!full_bw_reached_ && loss_round_start_ && in_recovery_ &&
        loss_ranges_in_round_ >= startup_loss_ranges &&
        is_inflight_too_high(e.rate.lost, e.rate.sent_in_flight)) {
        undo_phase_ = Phase::startup;
        full_bw_reached_ = full_bw_now_ = true;
        inflight_longterm_ = std::max(bdp(bw_, 100), inflight_latest_);
    }
    if (!full_bw_reached_) return;
    enter(Phase::drain);
    drain_start_round_ = round_count_;
}

void Bbr::check_drain_done(const Acked& e) {
    if (phase_ != Phase::drain) return;
    if (e.pipe > inflight(bw_, 100) && round_count_ <= drain_start_round_ + drain_rounds_max)
        return;
    start_probe_bw_down();
}

// --- 5.3.3: ProbeBW

bool Bbr::is_in_probe_bw() const {
    return phase_ == Phase::probe_down || phase_ == Phase::probe_cruise ||
           phase_ == Phase::probe_refill || phase_ == Phase::probe_up;
}

bool Bbr::is_probing_bw() const {
    return phase_ == Phase::startup || phase_ == Phase::probe_refill || phase_ == Phase::probe_up;
}

void Bbr::start_probe_bw_down() {
    reset_congestion_signals();
    probe_up_acked_per_inc_ = infinite;
    pick_probe_wait();
    cycle_stamp_ = now_;
    ack_phase_ = AckPhase::probe_stopping;
    start_round();
    enter(Phase::probe_down);
}

void Bbr::start_probe_bw_refill() {
    reset_short_term_model();
    bw_probe_up_rounds_ = 0;
    bw_probe_up_acked_ = 0;
    prev_probe_precautionary_ = false;
    ack_phase_ = AckPhase::refilling;
    start_round();
    enter(Phase::probe_refill);
}

void Bbr::start_probe_bw_up() {
    ack_phase_ = AckPhase::probe_starting;
    start_round();
    reset_full_bw();
    full_bw_ = sample_bw_;
    enter(Phase::probe_up);
    raise_inflight_longterm_slope();
}

void Bbr::pick_probe_wait() {
    const std::uint64_t dice =
        mixed(static_cast<std::uint64_t>(to_ns(now_.time_since_epoch())) ^ mixed(delivered_));
    rounds_since_probe_up_ = static_cast<std::uint32_t>(dice & 1);
    bw_probe_wait_ = 2s + Duration(static_cast<std::int64_t>((dice >> 1) % 1'000'000'000));
}

// 5.3.3.8: often enough to find more bandwidth, seldom enough for Reno and CUBIC to live.
bool Bbr::is_time_to_probe_bw() {
    const std::uint64_t reno_rounds = std::min(target_inflight() / mss_, reno_rounds_max);
    if (now_ <= after(cycle_stamp_, bw_probe_wait_) && rounds_since_probe_up_ < reno_rounds)
        return false;
    start_probe_bw_refill();
    return true;
}

bool Bbr::is_time_to_cruise(const Acked& e) const {
    return e.pipe <= inflight_with_headroom() && e.pipe <= inflight(max_bw(), 100);
}

bool Bbr::is_time_to_go_down(const Acked& e) {
    if (prev_probe_too_high_ && e.pipe >= inflight_longterm_) {
        prev_probe_precautionary_ = true;
        return true;
    }
    if (e.cwnd_limited && cwnd_ >= inflight_longterm_) {
        reset_full_bw();  // it is inflight_longterm that limits the rate
        full_bw_ = sample_bw_;
        return false;
    }
    return full_bw_now_;
}

void Bbr::update_probe_bw_cycle_phase(const Acked& e) {
    if (!full_bw_reached_ || adapt_long_term_model(e)) return;
    switch (phase_) {
    case Phase::probe_down:
        if (!is_time_to_probe_bw() && is_time_to_cruise(e)) enter(Phase::probe_cruise);
        return;
    case Phase::probe_cruise: is_time_to_probe_bw(); return;
    case Phase::probe_refill:
        if (!round_start_) return;
        is_bw_probe_sample_ = true;
        start_probe_bw_up();
        return;
    case Phase::probe_up:
        if (!is_time_to_go_down(e)) return;
        prev_probe_too_high_ = false;
        start_probe_bw_down();
        return;
    case Phase::none:
    case Phase::classic_queue:
    case Phase::startup:
    case Phase::drain:
    case Phase::probe_rtt: return;
    }
}

// True if it has decided where to go.
bool Bbr::adapt_long_term_model(const Acked& e) {
    if (ack_phase_ == AckPhase::probe_starting && round_start_)
        ack_phase_ = AckPhase::probe_feedback;
    if (ack_phase_ == AckPhase::probe_stopping && round_start_) {
        is_bw_probe_sample_ = false;
        ack_phase_ = AckPhase::init;
        if (is_in_probe_bw() && !sample_limited_ && bw_cycles_[1] != 0) {  // AdvanceMaxBwFilter
            bw_cycles_[0] = bw_cycles_[1];
            bw_cycles_[1] = 0;
        }
        if (is_in_probe_bw() && prev_probe_precautionary_ && !prev_probe_too_high_) {
            start_probe_bw_refill();
            return true;
        }
    }
    if (inflight_longterm_ == infinite ||
        is_inflight_too_high(e.rate.lost, e.rate.sent_in_flight))
        return false;
    inflight_longterm_ = std::max(inflight_longterm_, e.rate.sent_in_flight);
    if (phase_ == Phase::probe_up) probe_inflight_longterm_upward(e);
    return false;
}

void Bbr::raise_inflight_longterm_slope() {
    probe_up_acked_per_inc_ = std::max<std::uint64_t>(cwnd_ >> bw_probe_up_rounds_, mss_);
    bw_probe_up_rounds_ = std::min<std::uint8_t>(bw_probe_up_rounds_ + 1, 30);
}

void Bbr::probe_inflight_longterm_upward(const Acked& e) {
    if (!e.cwnd_limited || cwnd_ < inflight_longterm_) return;
    bw_probe_up_acked_ += e.bytes;
    if (bw_probe_up_acked_ >= probe_up_acked_per_inc_) {
        const std::uint64_t steps = bw_probe_up_acked_ / probe_up_acked_per_inc_;
        bw_probe_up_acked_ -= steps * probe_up_acked_per_inc_;
        inflight_longterm_ = std::min(inflight_longterm_ + steps * mss_, infinite - 1);
    }
    if (round_start_) raise_inflight_longterm_slope();
}

// --- 5.3.4: ProbeRTT

void Bbr::check_probe_rtt(const Acked& e) {
    if (phase_ != Phase::probe_rtt && probe_rtt_expired_ && !idle_restart_) {
        save_cwnd();
        enter(Phase::probe_rtt);
        probe_rtt_done_stamp_ = {};
        ack_phase_ = AckPhase::probe_stopping;
        start_round();
    }
    if (e.rate.delivered != 0) idle_restart_ = false;
    if (phase_ != Phase::probe_rtt) return;
    limited_until_ = delivered_ + e.pipe + 1;
    if (probe_rtt_done_stamp_ == Instant{}) {
        if (e.pipe > probe_rtt_cwnd_) return;
        probe_rtt_done_stamp_ = after(now_, probe_rtt_duration);
        probe_rtt_round_done_ = false;
        start_round();
        return;
    }
    if (round_start_) probe_rtt_round_done_ = true;
    if (probe_rtt_round_done_) check_probe_rtt_done();
}

void Bbr::check_probe_rtt_done() {
    if (probe_rtt_done_stamp_ == Instant{} || now_ <= probe_rtt_done_stamp_) return;
    probe_rtt_min_stamp_ = now_;
    cwnd_ = std::max(cwnd_, prior_cwnd_);
    reset_short_term_model();
    if (!full_bw_reached_) return enter(Phase::startup);
    start_probe_bw_down();
    enter(Phase::probe_cruise);
}

// --- 5.4: after a pause

void Bbr::on(const Resumed& e) {
    now_ = e.now;
    idle_restart_ = true;
    extra_acked_start_ = now_;
    extra_acked_delivered_ = 0;
    if (is_in_probe_bw()) {
        set_pacing_rate(100);
    } else if (phase_ == Phase::probe_rtt) {
        check_probe_rtt_done();
    }
}

// --- Losses, as episodes

void Bbr::save_cwnd() {
    const bool is_good = !in_recovery_ && phase_ != Phase::probe_rtt;
    prior_cwnd_ = is_good ? cwnd_ : std::max(prior_cwnd_, cwnd_);
}

// The draft leaves the answer to a congestion mark open but wants one: it is that to a loss of more
// than can be borne.
void Bbr::on(const Congested& e) {
    now_ = e.now;
    if (!e.ecn) {
        save_state_upon_loss();
        in_recovery_ = true;
        return;
    }
    note_loss();
    if (phase_ == Phase::startup) {
        full_bw_reached_ = full_bw_now_ = true;
        inflight_longterm_ = std::max({bdp(bw_, 100), inflight_latest_, min_pipe_cwnd()});
    } else if (is_bw_probe_sample_) {
        handle_inflight_too_high(e.in_flight, false);
    }
}

void Bbr::on(const Recovered& e) {
    now_ = e.now;
    in_recovery_ = false;
}

void Bbr::on(const TimedOut& e) {
    now_ = e.now;
    note_loss();
    save_state_upon_loss();
    cwnd_ = e.mss;  // what is in flight is lost; C.inflight + 1 is one segment
}

// 5.5.11.2.
void Bbr::on(const Undone& e) {
    now_ = e.now;
    cwnd_ = std::max(cwnd_, std::min(e.cwnd, infinite));
    in_recovery_ = false;
    is_loss_in_round_ = false;
    reset_full_bw();
    bw_shortterm_ = std::max(bw_shortterm_, undo_bw_shortterm_);
    inflight_shortterm_ = std::max(inflight_shortterm_, undo_inflight_shortterm_);
    inflight_longterm_ = std::max(inflight_longterm_, undo_inflight_longterm_);
    const Phase was = undo_phase_;
    undo_phase_ = Phase::none;
    if (was == Phase::startup && phase_ != Phase::startup) {
        full_bw_reached_ = false;
        if (phase_ != Phase::probe_rtt) enter(Phase::startup);
    } else if (was == Phase::probe_up && phase_ != Phase::probe_up &&
               phase_ != Phase::probe_rtt) {
        start_probe_bw_refill();
    }
}

void Bbr::on(const MssChanged& e) {
    mss_ = std::max<std::uint32_t>(e.to, 1);
    cwnd_ = std::max<std::uint64_t>(cwnd_, mss_);
}

// --- 5.6: the control parameters

void Bbr::set_pacing_rate(std::uint32_t gain) {
    const std::uint64_t rate =
        mul_div(std::min(bw_, infinite), gain * (100 - pacing_margin_percent), 10'000);
    if (full_bw_reached_ ? rate != 0 : rate > pacing_rate_) pacing_rate_ = rate;
}

void Bbr::set_cwnd(const Acked& e) {
    const std::uint64_t most = quantization_budget(
        std::min(bdp(bw_, cwnd_gain_) + std::max(extra_acked_[0], extra_acked_[1]), infinite));
    const std::uint64_t grown = std::min(cwnd_ + std::min(e.bytes, infinite), infinite);
    if (full_bw_reached_) {
        cwnd_ = std::min(grown, most);
    } else if (cwnd_ < most || delivered_ < initial_cwnd_) {
        cwnd_ = grown;
    }
    cwnd_ = std::max(cwnd_, min_pipe_cwnd());
    if (phase_ == Phase::probe_rtt)
        cwnd_ = std::min(cwnd_, std::max(probe_rtt_cwnd_, min_pipe_cwnd()));
    bound_cwnd_for_model();
}

void Bbr::bound_cwnd_for_model() {
    std::uint64_t cap = infinite;
    if (is_in_probe_bw() && phase_ != Phase::probe_cruise) {
        cap = inflight_longterm_;
    } else if (phase_ == Phase::probe_rtt || phase_ == Phase::probe_cruise) {
        cap = inflight_with_headroom();
    }
    cap = std::max(std::min(cap, inflight_shortterm_), min_pipe_cwnd());
    cwnd_ = std::min(cwnd_, cap);
}

}  // namespace estab::congestion
