#include "tcp/rtt.hpp"

#include <algorithm>
#include <cstdlib>

namespace estab::tcp {
namespace {

constexpr std::int64_t rttvar_most = 0x7fff'ffff'ffff;  // 39 hours, and what its field holds

}  // namespace

void RttEstimator::add(Instant now, Duration rtt, std::uint32_t samples_per_rtt) {
    // A sample of 0 from a coarse clock is a very small time, not "no sample". Neither is one of
    // a day.
    constexpr std::int64_t longest = std::int64_t{1} << 46;
    const std::int64_t r = std::clamp<std::int64_t>(rtt.count(), 1, longest);
    note_minimum(now, r);
    if (srtt_ns_ == 0) {  // RFC 6298 2.2
        srtt_ns_ = r;
        rttvar_ns_ = (r / 2) & rttvar_most;
        return;
    }
    const std::int64_t n = std::max<std::uint32_t>(samples_per_rtt, 1);  // RFC 7323 G
    const std::int64_t rttvar = rttvar_ns_;
    rttvar_ns_ = (rttvar + (std::abs(srtt_ns_ - r) - rttvar) / (4 * n)) & rttvar_most;  // 6298 2.3
    srtt_ns_ = std::max<std::int64_t>(srtt_ns_ + (r - srtt_ns_) / (8 * n), 1);
}

void RttEstimator::note_minimum(Instant now, std::int64_t rtt_ns) {
    const auto period = static_cast<std::uint64_t>(to_ns(now.time_since_epoch()) >> period_shift) &
                        0xffff;
    if (period != period_) {
        min_before_ = ((period - period_) & 0xffff) == 1 ? min_now_ : none;
        min_now_ = none;
        period_ = period & 0xffff;
    }
    // Rounded down: nothing that the path can do is faster.
    const std::int64_t units = std::clamp<std::int64_t>(rtt_ns >> min_shift, 1, none - 1);
    min_now_ = std::min(min_now_, static_cast<std::uint32_t>(units));
}

void RttEstimator::restore(Duration srtt, Duration rttvar, Duration sample) {
    srtt_ns_ = std::max({srtt.count(), sample.count(), std::int64_t{1}});
    rttvar_ns_ = std::max({rttvar.count(), sample.count() / 2, std::int64_t{0}}) & rttvar_most;
}

Duration RttEstimator::rto(const Config& config) const {
    if (srtt_ns_ == 0) return std::clamp(config.rto_initial, config.rto_min, config.rto_max);
    const Duration variance = std::max(config.clock_granularity, Duration(4 * rttvar_ns_));
    const Duration rto = config.rto_min_above_srtt
                             ? Duration(srtt_ns_) + std::max(variance, config.rto_min)
                             : std::max(Duration(srtt_ns_) + variance, config.rto_min);
    return std::min(rto, config.rto_max);
}

}  // namespace estab::tcp
