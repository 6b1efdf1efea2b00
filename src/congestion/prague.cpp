#include "congestion/prague.hpp"

#include <algorithm>

#include "base/math.hpp"
#include "congestion/slow_start.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint32_t gain = 16;       // 1 / g, as in RFC 8257 4.2
// Shorter round trips behave as this one, so that they take no more (RFC 9331 4.3, item 3).
constexpr Duration reference = 25ms;
constexpr std::uint64_t octet = std::uint64_t{1} << 20;
constexpr std::uint64_t window_max = std::uint64_t{1} << 34;
constexpr std::uint64_t pacing_percent = 103;  // or cwnd would never be used up
// Queues for low latency mark from a millisecond on; classic ones bear five and more.
constexpr Duration classic_delay = 4ms;
constexpr std::uint8_t classic_enough = 16, classic_most = 32;  // rounds
constexpr Ppm beta_classic = 800'000;    // RFC 8511 4, for Reno

}  // namespace

void Prague::on(const Start& e) {
    cwnd_ = std::clamp<std::uint64_t>(e.cwnd, e.mss, window_max);
    ssthresh_ = e.ssthresh;
    srtt_ = std::max(e.srtt, Duration{0});
}

Duration Prague::reference_rtt() const { return std::max(srtt_, reference); }

void Prague::on(const Acked& e) {
    srtt_ = e.srtt;
    rtt_min_ = e.rtt_min;
    if (e.rtt >= 0ns) round_rtt_ = std::min(round_rtt_, e.rtt);
    if (e.now >= round_end_) begin_round(e);
    acked_ += e.bytes;
    marked_ += std::min(e.ce_bytes, e.bytes);
    if (e.ce_bytes != 0) has_seen_marks_ = true;
    if (e.in_recovery) return;
    if (ssthresh_ >= infinite) {
        cwnd_ = std::min(cwnd_ + std::min(hystart_.grow(e), window_max), window_max);
        if (hystart_.is_over()) ssthresh_ = cwnd_;
        return;
    }
    if (e.cwnd_limited) avoid(e);
}

// Alpha follows the share of marked octets once a round, which is never shorter than the reference:
// flows of all round trips forget at the same pace.
void Prague::begin_round(const Acked& e) {
    round_end_ = after(e.now, reference_rtt());
    if (acked_ != 0) {
        if (has_seen_marks_) {
            const auto share = static_cast<std::uint32_t>(mul_div(alpha_one, marked_, acked_));
            // Rounded so that it reaches 0 and not only comes near it.
            alpha_ = alpha_ - (alpha_ + gain - 1) / gain + share / gain;
        }
        judge_queue();
    }
    acked_ = marked_ = 0;
    round_rtt_ = Duration::max();
}

// Marks while a queue stands that no queue for low latency would let stand; a few rounds may be an
// accident.
void Prague::judge_queue() {
    if (marked_ == 0 || round_rtt_ == Duration::max() || rtt_min_ == 0ns) return;
    if (round_rtt_ - rtt_min_ > classic_delay) {
        classic_score_ = std::min<std::uint8_t>(classic_score_ + 1, classic_most);
    } else if (classic_score_ != 0) {
        --classic_score_;
    }
    if (classic_score_ >= classic_enough) classic_ = true;
    if (classic_score_ == 0) classic_ = false;
}

// One segment for each window of what was not marked, and on short round trips as much less as they
// come more often.
void Prague::avoid(const Acked& e) {
    const std::uint64_t clean = e.bytes - std::min(e.ce_bytes, e.bytes);
    const std::uint64_t bytes = slow_start(cwnd_, ssthresh_, std::min(clean, window_max));
    if (bytes == 0) return;
    std::uint64_t more = mul_div(std::min(bytes, cwnd_) * octet, e.mss, cwnd_);
    if (srtt_ < reference && !classic_) {
        const auto is = static_cast<std::uint64_t>(std::max(srtt_, Duration{1us}).count());
        const auto seems = static_cast<std::uint64_t>(reference.count());
        more = mul_div(mul_div(more, is, seems), is, seems);
    }
    fraction_ += more;
    cwnd_ = std::min(cwnd_ + fraction_ / octet, window_max);
    fraction_ %= octet;
}

void Prague::cut_to(std::uint64_t window, std::uint32_t mss) {
    cwnd_ = std::min(cwnd_, std::max<std::uint64_t>(window, mss));
    ssthresh_ = std::max(cwnd_, 2 * std::uint64_t{mss});
    fraction_ = 0;
}

void Prague::on(const Congested& e) {
    if (e.ecn) {
        if (e.now < cut_until_) return;  // one reduction a round
        cut_until_ = after(e.now, reference_rtt());
        before_cut_ = cwnd_;
        const std::uint64_t gentle = cwnd_ - mul_div(cwnd_, alpha_, 2 * std::uint64_t{alpha_one});
        return cut_to(classic_ ? mul_div(cwnd_, beta_classic, ppm_all) : gentle, e.mss);
    }
    // A loss costs half, and what marks have just taken counts (RFC 9331 4.3, item 1).
    const std::uint64_t flight = std::min(e.in_flight, cwnd_);
    const bool has_just_cut = e.now < cut_until_;
    std::uint64_t left = flight / 2;
    if (has_just_cut) left = std::max(left, std::min(before_cut_ / 2, cwnd_ - cwnd_ / 8));
    cut_to(std::max<std::uint64_t>(left, 2 * std::uint64_t{e.mss}), e.mss);
    before_cut_ = 0;
    cut_until_ = after(e.now, reference_rtt());
}

void Prague::on(const TimedOut& e) {
    if (!e.repeated)
        ssthresh_ = std::max(std::min(e.in_flight, cwnd_) / 2, 2 * std::uint64_t{e.mss});
    cwnd_ = e.mss;
    fraction_ = 0;
}

void Prague::on(const Recovered& e) {
    cwnd_ = std::max<std::uint64_t>(std::min(cwnd_, ssthresh_), e.mss);
}

void Prague::on(const Undone& e) {
    cwnd_ = std::max(cwnd_, std::min(e.cwnd, window_max));
    ssthresh_ = e.ssthresh;
}

void Prague::on(const Restarted& e) {
    cwnd_ = std::min(cwnd_, e.restart_window);
    ssthresh_ = std::max(ssthresh_, e.ssthresh_least);
}

void Prague::on(const MssChanged& e) { cwnd_ = std::max<std::uint64_t>(cwnd_, e.to); }

// cwnd a round trip, and twice that in slow start. As long as no round trip is known, as fast as
// one of a millisecond.
std::uint64_t Prague::pacing_rate() const {
    const Duration rtt = srtt_ > 0ns ? srtt_ : Duration{1ms};
    const std::uint64_t percent = cwnd_ < ssthresh_ ? 200 : pacing_percent;
    return std::max<std::uint64_t>(mul_div(cwnd_ * percent / 100, 1'000'000'000,
                                           static_cast<std::uint64_t>(to_ns(rtt))), 1);
}

}  // namespace estab::congestion
