#include "congestion/cubic.hpp"

#include <algorithm>

#include "congestion/slow_start.hpp"

namespace estab::congestion {
namespace {

constexpr Ppm beta_loss = 700'000;  // beta_cubic, RFC 9438 4.6
// C = 0.4 segments per second cubed (RFC 9438 5.1) is 2 / 5.
constexpr std::uint64_t c_numerator = 2;
constexpr std::uint64_t c_denominator = 5;
// alpha_cubic = 3 (1 - beta) / (1 + beta), RFC 9438 4.3.
constexpr std::uint64_t alpha_numerator = 3 * (ppm_all - beta_loss);
constexpr std::uint64_t alpha_denominator = ppm_all + beta_loss;

// Far above what TCP's window field can say (2^30), and low enough for the arithmetic here.
constexpr std::uint64_t window_max = std::uint64_t{1} << 34;
// One octet, where a window grows by less than that.
constexpr std::uint64_t octet = std::uint64_t{1} << 20;

constexpr u128 cubed(std::uint64_t v) { return static_cast<u128>(v) * v * v; }

}  // namespace

// K = cbrt((W_max - cwnd) / C), to the nanosecond: cube nanoseconds have 27 digits, and 2^34 * 2.5
// * 10^27 is below 2^126.
Duration cubic_k(std::uint64_t w_max, std::uint64_t cwnd, std::uint32_t mss) {
    if (cwnd >= w_max) return 0ns;
    const std::uint64_t gap = std::min(w_max - cwnd, window_max);
    constexpr u128 scale = cubed(1'000'000'000) * c_denominator / c_numerator;
    return Duration(static_cast<std::int64_t>(cube_root(gap * scale / mss)));
}

// W_max + C (t - K)^3. In microseconds, and no further from K than 2^31 of them: 93 bits for the
// cube.
std::uint64_t cubic_window(Duration since, Duration k, std::uint64_t w_max, std::uint32_t mss) {
    const Duration distance = since < k ? k - since : since - k;
    const std::uint64_t us = std::min<std::uint64_t>(static_cast<std::uint64_t>(to_us(distance)),
                                                     std::uint64_t{1} << 31);
    constexpr u128 scale = cubed(1'000'000) * c_denominator;
    const u128 change = cubed(us) * c_numerator * std::min<std::uint64_t>(mss, 1u << 30) / scale;
    const std::uint64_t octets = static_cast<std::uint64_t>(std::min<u128>(change, window_max));
    if (since < k) return w_max > octets ? w_max - octets : 0;
    return w_max + octets;
}

void Cubic::on(const Start& e) {
    cwnd_ = std::clamp<std::uint64_t>(e.cwnd, e.mss, window_max);
    ssthresh_ = e.ssthresh;
}

void Cubic::on(const Acked& e) {
    if (e.in_recovery) return;
    if (options_.hystart && ssthresh_ >= infinite) {
        cwnd_ = std::min(cwnd_ + std::min(hystart_.grow(e), window_max), window_max);
        if (hystart_.is_over()) ssthresh_ = cwnd_;
        return;
    }
    if (options_.train && ssthresh_ >= infinite && train_.ends_with(e, cwnd_)) ssthresh_ = cwnd_;
    std::uint64_t bytes = std::min(e.bytes, window_max);
    if (cwnd_ < ssthresh_) {
        if (!e.cwnd_limited) return;
        bytes = slow_start(cwnd_, ssthresh_, bytes);
    }
    if (bytes != 0) avoid(e, bytes);
    cwnd_ = std::min(cwnd_, window_max);
}

// RFC 9438 4.2 to 4.5. Never faster than slow start, whatever the curve says.
void Cubic::avoid(const Acked& e, std::uint64_t bytes) {
    if (curve_.running) leave_out_idle_time(e);
    if (!curve_.running && e.cwnd_limited) begin_epoch(e);
    last_ack_ = e.now;
    drained_ = e.in_flight <= e.bytes;
    if (!e.cwnd_limited) return;
    const std::uint64_t most = cwnd_ + bytes;
    const Duration since = std::max(e.now - curve_.epoch, Duration{0});
    grow_friendly(bytes, e.mss);
    const std::uint64_t reno = curve_.w_est / octet;
    const Duration ahead = options_.train ? e.rtt_min : e.srtt;  // Linux looks less far
    if (options_.train && curve_.cwnd_prior == 0) {  // no loss yet: at least 5 % in a round trip
        const Duration then = since + std::clamp<Duration>(ahead, 0s, 3600s);
        const std::uint64_t wanted = cubic_window(then, curve_.k, curve_.w_max, e.mss);
        grow_cubic(std::clamp(wanted, cwnd_ + cwnd_ / 20, cwnd_ + cwnd_ / 2), bytes);
    } else if (cubic_window(since, curve_.k, curve_.w_max, e.mss) < reno) {
        cwnd_ = std::max(cwnd_, reno);
    } else {
        const Duration then = since + std::clamp<Duration>(ahead, 0s, 3600s);
        const std::uint64_t wanted = cubic_window(then, curve_.k, curve_.w_max, e.mss);
        grow_cubic(std::clamp(wanted, cwnd_, cwnd_ + cwnd_ / 2), bytes);
    }
    cwnd_ = std::min(cwnd_, most);
}

// The first acknowledgment of a stage of congestion avoidance. Where no loss has shown W_max, after
// a time-out or HyStart++, it is the window of now and K is 0: RFC 9438 4.8, 4.10.
void Cubic::begin_epoch(const Acked& e) {
    curve_.running = true;
    curve_.epoch = e.now;
    curve_.w_max = std::max(curve_.w_max, cwnd_);
    curve_.k = cubic_k(curve_.w_max, cwnd_, e.mss);
    curve_.w_est = cwnd_ * octet;
    fraction_ = 0;
}

// RFC 9438 5.8: t counts only while cwnd is what holds the sender back, or the curve would run away
// from a window that nobody has tried. After a pause the first acknowledgment is one round trip
// younger than it.
void Cubic::leave_out_idle_time(const Acked& e) {
    const Duration gap = e.now - last_ack_;
    if (!e.cwnd_limited) {
        curve_.epoch = after(curve_.epoch, gap);
    } else if (drained_ && gap > e.srtt) {
        curve_.epoch = after(curve_.epoch, gap - std::max(e.srtt, Duration{0}));
    }
}

// RFC 9438 4.3: W_est grows by alpha for each window, and by a whole segment as soon as it is where
// the last reduction was.
void Cubic::grow_friendly(std::uint64_t bytes, std::uint32_t mss) {
    std::uint64_t more = mul_div(bytes * octet, mss, cwnd_);
    if (curve_.w_est / octet < curve_.cwnd_prior)
        more = mul_div(more, alpha_numerator, alpha_denominator);
    curve_.w_est = std::min(curve_.w_est + more, window_max * octet);
}

// RFC 9438 4.4, 4.5: (target - cwnd) / cwnd for each segment, all of it for a window.
void Cubic::grow_cubic(std::uint64_t target, std::uint64_t bytes) {
    fraction_ += mul_div((target - cwnd_) * octet, std::min(bytes, cwnd_), cwnd_);
    cwnd_ += fraction_ / octet;
    fraction_ %= octet;
}

std::uint64_t Cubic::part_of(std::uint64_t window, Ppm part, std::uint32_t mss) const {
    const std::uint64_t left = mul_div(window, part, ppm_all);
    return options_.train && mss != 0 ? left / mss * mss : left;
}

void Cubic::on(const Congested& e) {
    if (e.ecn) {
        can_undo_ = false;  // a mark is never spurious
    } else {
        before_ = curve_;
        in_episode_ = can_undo_ = true;
    }
    // FlightSize, but not the new data that duplicate ACKs sent beyond cwnd (RFC 5681 3.2, step 2).
    const std::uint64_t flight = std::min(e.in_flight, cwnd_);
    const Ppm beta = e.ecn && e.gentle ? options_.beta_ecn : beta_loss;
    const std::uint64_t left = part_of(flight, beta, e.mss);
    const bool release = options_.fast_convergence && cwnd_ < curve_.w_max;
    curve_.w_max = release ? mul_div(cwnd_, ppm_all + beta_loss, 2 * ppm_all) : cwnd_;
    curve_.cwnd_prior = cwnd_;
    curve_.running = false;
    ssthresh_ = std::max(left, 2 * std::uint64_t{e.mss});
    cwnd_ = std::min(cwnd_, e.ecn ? left : ssthresh_);
    cwnd_ = std::max<std::uint64_t>(cwnd_, e.mss);
}

// RFC 9438 4.8: as Reno, but ssthresh by beta; the curve then begins where slow start ends.
void Cubic::on(const TimedOut& e) {
    // One in a fast recovery, or in slow start after another, belongs to the same episode.
    if (!in_episode_ || curve_.running) before_ = curve_;
    in_episode_ = can_undo_ = true;
    if (!e.repeated) {
        const std::uint64_t flight = std::min(e.in_flight, cwnd_);
        ssthresh_ = std::max(part_of(flight, beta_loss, e.mss), 2 * std::uint64_t{e.mss});
        curve_.cwnd_prior = cwnd_;
    }
    curve_.w_max = 0;
    curve_.running = false;
    cwnd_ = e.mss;
}

void Cubic::on(const Recovered&) { in_episode_ = false; }

void Cubic::on(const Undone& e) {
    cwnd_ = std::max(cwnd_, std::min(e.cwnd, window_max));
    ssthresh_ = e.ssthresh;
    curve_.running = false;
    if (can_undo_) curve_ = before_;
    in_episode_ = can_undo_ = false;
}

void Cubic::on(const Restarted& e) {
    ssthresh_ = std::max(ssthresh_, e.ssthresh_least);
    if (e.restart_window >= cwnd_) return;
    cwnd_ = e.restart_window;
    curve_.running = false;
}

// The curve is counted in segments: it begins anew with those of the new size.
void Cubic::on(const MssChanged& e) {
    cwnd_ = std::max<std::uint64_t>(cwnd_, e.to);
    curve_.running = false;
}

}  // namespace estab::congestion
