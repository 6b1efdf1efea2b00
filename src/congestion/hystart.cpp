#include "congestion/hystart.hpp"

#include <algorithm>

namespace estab::congestion {
namespace {

// RFC 9406 4.3. No limit L on what one acknowledgment adds: bursts are bounded where segments are
// made.
constexpr Duration threshold_min = 4ms;
constexpr Duration threshold_max = 16ms;
constexpr int threshold_divisor = 8;
constexpr std::uint8_t samples_wanted = 8;
constexpr std::uint64_t conservative_divisor = 4;
constexpr std::uint8_t conservative_rounds_max = 5;

}  // namespace

std::uint64_t Hystart::grow(const Acked& e) {
    if (rounds_.begin_with(e)) begin_round();
    if (e.rtt >= 0ns) {
        current_ = std::min(current_, e.rtt);
        if (samples_ < samples_wanted) ++samples_;
    }
    if (samples_ >= samples_wanted) judge();
    if (!e.cwnd_limited) return 0;
    return phase_ == Phase::slow_start ? e.bytes : e.bytes / conservative_divisor;
}

bool HystartTrain::ends_with(const Acked& e, std::uint64_t cwnd) {
    constexpr std::uint64_t low_window = 16;  // segments
    constexpr Duration train_gap = 2ms;
    if (e.rtt >= 0ns) least_ = std::min(least_, std::max<Duration>(e.rtt, 1us));
    if (cwnd < low_window * e.mss) return false;
    if (rounds_.begin_with(e)) {
        round_start_ = last_ack_ = e.now;
        current_ = Duration::max();
        samples_ = 0;
    }
    if (least_ == Duration::max()) return false;
    if (e.now - last_ack_ <= train_gap) {
        last_ack_ = e.now;
        if (e.now - round_start_ > least_ / 2) return true;
    }
    if (e.rtt < 0ns) return false;
    current_ = std::min(current_, e.rtt);
    if (samples_ < samples_wanted) {
        ++samples_;
        return false;
    }
    return current_ > least_ + std::clamp<Duration>(least_ / threshold_divisor, threshold_min,
                                                    threshold_max);
}

// The round in which conservative slow start began counts as its first.
void Hystart::begin_round() {
    if (phase_ == Phase::conservative && ++conservative_rounds_ == conservative_rounds_max) {
        phase_ = Phase::over;
    }
    last_ = current_;
    current_ = Duration::max();
    samples_ = 0;
}

// RFC 9406 4.2, with samples enough in this round.
void Hystart::judge() {
    switch (phase_) {
    case Phase::slow_start: {
        if (last_ == Duration::max()) return;
        const Duration rise =
            std::max(threshold_min, std::min<Duration>(last_ / threshold_divisor, threshold_max));
        if (current_ < last_ || current_ - last_ < rise) return;
        baseline_ = current_;
        conservative_rounds_ = 0;
        phase_ = Phase::conservative;
        return;
    }
    case Phase::conservative:
        if (current_ >= baseline_) return;
        baseline_ = Duration::max();  // the rise was an accident
        phase_ = Phase::slow_start;
        return;
    case Phase::over: return;
    }
}

}  // namespace estab::congestion
