// BBR version 3 (draft-ietf-ccwg-bbr): a model of the path, how fast it delivers and how long its
// round trip is without queues, from which follow how fast to send and how much may be in flight.
// What is lost bounds the model and does not by itself halve anything. Names and steps are the
// draft's; sizes are octets, rates octets per second, gains per cent.
#pragma once

#include <array>

#include "congestion/algorithm.hpp"

namespace estab::congestion {

class Bbr {
public:
    static constexpr std::string_view name = "bbr";
    static constexpr bool rules_recovery = true;  // its model answers losses, not PRR

    void on(const Start& e);
    void on(const Acked& e);
    void on(const Lost& e);
    void on(const Congested& e);
    void on(const TimedOut& e);
    void on(const Recovered& e);
    void on(const Undone& e);
    void on(const Resumed& e);
    void on(const Restarted&) {}  // a pause empties the path: it goes on at the rate it knows
    void on(const MssChanged& e);

    std::uint64_t cwnd() const { return cwnd_; }
    std::uint64_t ssthresh() const {  // of slow start there is nothing but Startup
        return phase_ == Phase::startup ? infinite : 2 * std::uint64_t{mss_};
    }
    std::uint64_t pacing_rate() const { return pacing_rate_; }
    bool has_memory() const { return round_count_ != 0; }
    Phase phase() const { return phase_; }

    std::uint64_t max_bw() const { return std::max(bw_cycles_[0], bw_cycles_[1]); }
    std::uint64_t bw() const { return bw_; }
    Duration min_rtt() const { return min_rtt_; }
    std::uint64_t inflight_longterm() const { return inflight_longterm_; }
    std::uint64_t inflight_shortterm() const { return inflight_shortterm_; }
    std::uint64_t bw_shortterm() const { return bw_shortterm_; }
    bool full_bw_reached() const { return full_bw_reached_; }

private:
    // What acknowledgments say, relative to the probing for bandwidth.
    enum class AckPhase : std::uint8_t {
        init, refilling, probe_starting, probe_feedback, probe_stopping
    };

    // Rounds and rates: bbr_model.cpp
    void update_latest_delivery_signals(const Acked& e);
    void update_congestion_signals(const Acked& e);
    void update_round(const Acked& e);
    void adapt_lower_bounds();
    void update_ack_aggregation(const Acked& e);
    void update_min_rtt(const Acked& e);
    void reset_congestion_signals();
    void reset_short_term_model();
    void note_loss();
    void save_state_upon_loss();
    bool is_inflight_too_high(std::uint64_t lost, std::uint64_t sent_in_flight) const;
    void handle_inflight_too_high(std::uint64_t sent_in_flight, bool app_limited);
    std::uint64_t bdp(std::uint64_t bw, std::uint32_t gain) const;
    std::uint64_t inflight(std::uint64_t bw, std::uint32_t gain) const;
    std::uint64_t inflight_with_headroom() const;
    std::uint64_t target_inflight() const { return std::min(bdp(bw_, 100), cwnd_); }
    std::uint64_t quantization_budget(std::uint64_t inflight_cap) const;
    std::uint64_t send_quantum() const;
    std::uint64_t min_pipe_cwnd() const { return 4 * std::uint64_t{mss_}; }
    void start_round() { next_round_delivered_ = delivered_; }

    // The state machine: bbr.cpp
    void check_full_bw_reached();
    void check_startup_done(const Acked& e);
    void check_drain_done(const Acked& e);
    void update_probe_bw_cycle_phase(const Acked& e);
    bool adapt_long_term_model(const Acked& e);
    void check_probe_rtt(const Acked& e);
    void check_probe_rtt_done();
    bool is_in_probe_bw() const;
    bool is_probing_bw() const;
    bool is_time_to_probe_bw();
    bool is_time_to_cruise(const Acked& e) const;
    bool is_time_to_go_down(const Acked& e);
    void probe_inflight_longterm_upward(const Acked& e);
    void raise_inflight_longterm_slope();
    void reset_full_bw();
    void enter(Phase phase);
    void start_probe_bw_down();
    void start_probe_bw_refill();
    void start_probe_bw_up();
    void pick_probe_wait();
    void save_cwnd();
    void set_pacing_rate(std::uint32_t gain);
    void set_cwnd(const Acked& e);
    void bound_cwnd_for_model();

    static constexpr Duration no_rtt = Duration::max();

    Instant now_{};
    std::uint64_t delivered_ = 0;             // C.delivered
    std::uint32_t mss_ = 1;                   // C.SMSS
    Phase phase_ = Phase::startup;
    AckPhase ack_phase_ = AckPhase::init;
    bool started_ = false;                    // an acknowledgment has told the time
    bool sample_limited_ = false;             // RS.is_app_limited, or taken in ProbeRTT
    bool round_start_ = false, loss_round_start_ = false, is_loss_in_round_ = false;
    bool full_bw_reached_ = false, full_bw_now_ = false;
    bool is_bw_probe_sample_ = false;
    bool prev_probe_too_high_ = false, prev_probe_precautionary_ = false;
    bool probe_rtt_expired_ = false, probe_rtt_round_done_ = false, idle_restart_ = false;
    bool in_recovery_ = false;
    std::uint8_t full_bw_count_ = 0;
    std::uint8_t loss_ranges_in_round_ = 0;   // saturating
    std::uint8_t bw_probe_up_rounds_ = 0;
    std::uint8_t extra_acked_rounds_ = 0;

    std::uint64_t cwnd_ = 0, initial_cwnd_ = 0, prior_cwnd_ = 0;
    std::uint64_t pacing_rate_ = 0;
    std::uint32_t pacing_gain_ = 100, cwnd_gain_ = 200;

    std::uint64_t round_count_ = 0, next_round_delivered_ = 0, drain_start_round_ = 0;
    std::uint64_t sample_bw_ = 0;             // RS.delivery_rate
    std::array<std::uint64_t, 2> bw_cycles_{};  // the most of the last probing cycle, of this one
    std::uint64_t bw_ = 0, bw_shortterm_ = infinite, bw_latest_ = 0;
    std::uint64_t full_bw_ = 0;

    std::uint64_t inflight_longterm_ = infinite, inflight_shortterm_ = infinite;
    std::uint64_t inflight_latest_ = 0, loss_round_delivered_ = 0;
    std::uint64_t bw_probe_up_acked_ = 0, probe_up_acked_per_inc_ = infinite;
    std::uint32_t rounds_since_probe_up_ = 0;
    Duration bw_probe_wait_{0};
    Instant cycle_stamp_{};

    Duration min_rtt_ = no_rtt;
    Instant min_rtt_stamp_{}, probe_rtt_done_stamp_{};
    Duration probe_rtt_min_ = no_rtt;         // the least since the last ProbeRTT
    Instant probe_rtt_min_stamp_{};
    std::uint64_t probe_rtt_cwnd_ = 0;
    std::uint64_t limited_until_ = 0;         // samples of what was sent before that many were
                                              // delivered are of ProbeRTT's making

    Instant extra_acked_start_{};
    std::uint64_t extra_acked_delivered_ = 0;
    std::array<std::uint64_t, 2> extra_acked_{};  // the most of these rounds, of those before

    Phase undo_phase_ = Phase::none;
    std::uint64_t undo_bw_shortterm_ = 0;
    std::uint64_t undo_inflight_shortterm_ = 0, undo_inflight_longterm_ = 0;
};

}  // namespace estab::congestion
