#include "congestion/reno.hpp"

#include <algorithm>

#include "base/math.hpp"
#include "congestion/slow_start.hpp"

namespace estab::congestion {
namespace {

constexpr Ppm beta_loss = 500'000;  // RFC 5681 (4)
constexpr Ppm beta_mark = 800'000;  // RFC 8511 4

std::uint64_t reduced(std::uint64_t in_flight, Ppm beta, std::uint32_t mss) {
    return std::max(mul_div(in_flight, beta, ppm_all), 2 * std::uint64_t{mss});
}

}  // namespace

void Reno::on(const Start& e) {
    cwnd_ = std::max<std::uint64_t>(e.cwnd, e.mss);
    ssthresh_ = e.ssthresh;
    acked_ = 0;
}

void Reno::on(const Acked& e) {
    if (e.in_recovery) return;
    if (options_.hystart && ssthresh_ >= infinite) {
        cwnd_ = std::min(cwnd_ + hystart_.grow(e), infinite);
        if (hystart_.is_over()) ssthresh_ = cwnd_;
        return;
    }
    if (!e.cwnd_limited) return;
    const std::uint64_t bytes = slow_start(cwnd_, ssthresh_, e.bytes);
    if (bytes == 0) return;
    acked_ += bytes;
    while (acked_ >= cwnd_) {
        acked_ -= cwnd_;
        cwnd_ += e.mss;
    }
    cwnd_ = std::min(cwnd_, infinite);
}

void Reno::on(const Congested& e) {
    ssthresh_ = reduced(e.in_flight, e.ecn && e.gentle ? beta_mark : beta_loss, e.mss);
    cwnd_ = std::max<std::uint64_t>(std::min(cwnd_, ssthresh_),
                                    e.mss);  // a loss never opens the window
    acked_ = 0;
}

void Reno::on(const TimedOut& e) {
    if (!e.repeated) ssthresh_ = reduced(e.in_flight, beta_loss, e.mss);
    cwnd_ = e.mss;  // the loss window
    acked_ = 0;
}

void Reno::on(const Recovered& e) {
    cwnd_ =
        std::max<std::uint64_t>(std::min(cwnd_, ssthresh_), e.mss);  // the MSS may have grown since
}

void Reno::on(const Undone& e) {
    cwnd_ = std::max(cwnd_, e.cwnd);
    ssthresh_ = e.ssthresh;
}

void Reno::on(const Restarted& e) {
    cwnd_ = std::min(cwnd_, e.restart_window);
    ssthresh_ = std::max(ssthresh_, e.ssthresh_least);
}

void Reno::on(const MssChanged& e) { cwnd_ = std::max<std::uint64_t>(cwnd_, e.to); }

}  // namespace estab::congestion
