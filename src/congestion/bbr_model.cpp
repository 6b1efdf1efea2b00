// The model: what acknowledgments and losses say about the path. draft-ietf-ccwg-bbr 5.5.
#include <algorithm>

#include "base/math.hpp"
#include "congestion/bbr.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint64_t loss_thresh_percent = 2;
constexpr std::uint64_t beta_percent = 70;
constexpr std::uint64_t headroom_percent = 15;
constexpr Duration min_rtt_filter = 10s;
constexpr Duration probe_rtt_interval = 5s;
constexpr std::uint8_t extra_acked_span = 5;      // rounds; two spans make the filter
constexpr std::uint64_t quantum_max = 64 * 1024;

std::uint64_t percent(std::uint64_t value, std::uint64_t of) {
    return value >= infinite ? infinite : mul_div(value, of, 100);
}

}  // namespace

// 5.5.10.3: near the start of the processing of an acknowledgment.
void Bbr::update_latest_delivery_signals(const Acked& e) {
    loss_round_start_ = false;
    bw_latest_ = std::max(bw_latest_, sample_bw_);
    inflight_latest_ = std::max(inflight_latest_, e.rate.delivered);
    if (e.rate.prior_delivered < loss_round_delivered_) return;
    loss_round_delivered_ = delivered_;
    loss_round_start_ = true;
}

// 5.5.1: a round is over when something is acknowledged that was sent after it began.
void Bbr::update_round(const Acked& e) {
    round_start_ = e.rate.prior_delivered >= next_round_delivered_;
    if (!round_start_) return;
    start_round();
    ++round_count_;
    ++rounds_since_probe_up_;
}

void Bbr::update_congestion_signals(const Acked& e) {
    update_round(e);
    // 5.5.5: what the application limited counts only if it is more than was known.
    if (sample_bw_ != 0 && (sample_bw_ >= max_bw() || !sample_limited_))
        bw_cycles_[1] = std::max(bw_cycles_[1], sample_bw_);
    if (!loss_round_start_) return;
    adapt_lower_bounds();
    is_loss_in_round_ = false;
}

// Once a round with losses, where they were not our own probing's doing.
void Bbr::adapt_lower_bounds() {
    if (is_probing_bw() || !is_loss_in_round_) return;
    if (bw_shortterm_ == infinite) bw_shortterm_ = max_bw();
    if (inflight_shortterm_ == infinite) inflight_shortterm_ = cwnd_;
    bw_shortterm_ = std::max(bw_latest_, percent(bw_shortterm_, beta_percent));
    inflight_shortterm_ = std::max(inflight_latest_, percent(inflight_shortterm_, beta_percent));
}

// 5.5.9: how much more than the rate lets expect arrives at once.
void Bbr::update_ack_aggregation(const Acked& e) {
    const auto interval = static_cast<std::uint64_t>(
        std::clamp<std::int64_t>(to_ns(now_ - extra_acked_start_), 0, to_ns(Duration{3600s})));
    std::uint64_t expected = mul_div(bw_, interval, 1'000'000'000);
    if (extra_acked_delivered_ <= expected) {
        extra_acked_delivered_ = expected = 0;
        extra_acked_start_ = now_;
    }
    extra_acked_delivered_ = std::min(extra_acked_delivered_ + e.bytes, infinite);
    const std::uint64_t extra = std::min(extra_acked_delivered_ - expected, cwnd_);
    if (round_start_ && ++extra_acked_rounds_ >= (full_bw_reached_ ? extra_acked_span : 1)) {
        extra_acked_rounds_ = 0;
        extra_acked_[1] = extra_acked_[0];
        extra_acked_[0] = 0;
    }
    extra_acked_[0] = std::max(extra_acked_[0], extra);
}

// 5.3.4.3: ProbeRTT comes every 5 s, so that the minimum of 10 s has two of them in it, and one
// that was spoilt by others does no harm. Before a stale minimum gives way to what may be a full
// queue's, ProbeRTT's window is taken from it.
void Bbr::update_min_rtt(const Acked& e) {
    probe_rtt_expired_ =
        min_rtt_ != no_rtt && now_ > after(probe_rtt_min_stamp_, probe_rtt_interval);
    if (probe_rtt_expired_ && phase_ != Phase::probe_rtt)
        probe_rtt_cwnd_ = std::max(bdp(bw_, 50), min_pipe_cwnd());
    if (e.rtt >= 0ns && (e.rtt < probe_rtt_min_ || probe_rtt_expired_)) {
        probe_rtt_min_ = e.rtt;
        probe_rtt_min_stamp_ = now_;
    }
    if (probe_rtt_min_ == no_rtt) return;
    if (probe_rtt_min_ < min_rtt_ || now_ > after(min_rtt_stamp_, min_rtt_filter)) {
        min_rtt_ = probe_rtt_min_;
        min_rtt_stamp_ = probe_rtt_min_stamp_;
    }
}

void Bbr::reset_congestion_signals() {
    is_loss_in_round_ = false;
    bw_latest_ = 0;
    inflight_latest_ = 0;
}

void Bbr::reset_short_term_model() { bw_shortterm_ = inflight_shortterm_ = infinite; }

// --- 5.5.10: losses

void Bbr::note_loss() {
    if (!is_loss_in_round_) {
        loss_round_delivered_ = delivered_;
        save_state_upon_loss();
    }
    is_loss_in_round_ = true;
}

void Bbr::save_state_upon_loss() {
    save_cwnd();
    undo_phase_ = Phase::none;
    undo_bw_shortterm_ = bw_shortterm_;
    undo_inflight_shortterm_ = inflight_shortterm_;
    undo_inflight_longterm_ = inflight_longterm_;
}

bool Bbr::is_inflight_too_high(std::uint64_t lost, std::uint64_t sent_in_flight) const {
    return lost > sent_in_flight * loss_thresh_percent / 100;
}

void Bbr::handle_inflight_too_high(std::uint64_t sent_in_flight, bool app_limited) {
    prev_probe_too_high_ = true;
    is_bw_probe_sample_ = false;  // once for each probe
    if (!app_limited)
        inflight_longterm_ = std::max(sent_in_flight, percent(target_inflight(), beta_percent));
    if (phase_ != Phase::probe_up) return;
    undo_phase_ = Phase::probe_up;
    start_probe_bw_down();
}

void Bbr::on(const Lost& e) {
    now_ = e.now;
    delivered_ = std::max(delivered_, e.delivered);
    note_loss();
    if (!e.continues && loss_ranges_in_round_ != 255) ++loss_ranges_in_round_;
    if (!is_bw_probe_sample_ || !is_inflight_too_high(e.lost, e.sent_in_flight)) return;
    // What was lost may be a burst of many segments: how much of it fitted before the losses were
    // too many?
    const std::uint64_t before = e.sent_in_flight - std::min(e.sent_in_flight, e.bytes);
    const std::uint64_t lost_before = e.lost - std::min<std::uint64_t>(e.lost, e.bytes);
    const std::uint64_t budget = before * loss_thresh_percent / 100;
    const std::uint64_t prefix =
        budget > lost_before ? (budget - lost_before) * 100 / (100 - loss_thresh_percent) : 0;
    handle_inflight_too_high(before + prefix, e.app_limited);
}

// --- 5.6.4: volumes

std::uint64_t Bbr::bdp(std::uint64_t bw, std::uint32_t gain) const {
    if (min_rtt_ == no_rtt) return initial_cwnd_;
    const auto rtt = static_cast<std::uint64_t>(to_ns(min_rtt_));
    return std::min(mul_div(mul_div(std::min(bw, infinite), rtt, 1'000'000'000), gain, 100),
                    infinite);
}

std::uint64_t Bbr::send_quantum() const {
    return std::max(std::min(pacing_rate_ / 1'000, quantum_max), 2 * std::uint64_t{mss_});
}

std::uint64_t Bbr::quantization_budget(std::uint64_t inflight_cap) const {
    inflight_cap = std::max({inflight_cap, 3 * send_quantum(), min_pipe_cwnd()});
    return phase_ == Phase::probe_up ? inflight_cap + 2 * std::uint64_t{mss_} : inflight_cap;
}

std::uint64_t Bbr::inflight(std::uint64_t bw, std::uint32_t gain) const {
    return quantization_budget(bdp(bw, gain));
}

std::uint64_t Bbr::inflight_with_headroom() const {
    if (inflight_longterm_ == infinite) return infinite;
    const std::uint64_t headroom =
        std::max<std::uint64_t>(mss_, percent(inflight_longterm_, headroom_percent));
    return std::max(inflight_longterm_ - std::min(inflight_longterm_, headroom), min_pipe_cwnd());
}

}  // namespace estab::congestion
