#include "tcp/rtt.hpp"

#include <algorithm>
#include <cstdlib>

namespace estab::tcp {

void RttEstimator::add(Duration rtt, std::uint32_t samples_per_rtt) {
    // A sample of 0 from a coarse clock is a very small time, not "no sample".
    const std::int64_t r = std::max<std::int64_t>(rtt.count(), 1);
    min_ns_ = min_ns_ == 0 ? r : std::min(min_ns_, r);
    if (srtt_ns_ == 0) {  // RFC 6298 2.2
        srtt_ns_ = r;
        rttvar_ns_ = r / 2;
        return;
    }
    const std::int64_t n = std::max<std::uint32_t>(samples_per_rtt, 1);  // RFC 7323 G
    rttvar_ns_ += (std::abs(srtt_ns_ - r) - rttvar_ns_) / (4 * n);       // RFC 6298 2.3
    srtt_ns_ = std::max<std::int64_t>(srtt_ns_ + (r - srtt_ns_) / (8 * n), 1);
}

void RttEstimator::restore(Duration srtt, Duration rttvar, Duration sample) {
    srtt_ns_ = std::max({srtt.count(), sample.count(), std::int64_t{1}});
    rttvar_ns_ = std::max({rttvar.count(), sample.count() / 2, std::int64_t{0}});
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
