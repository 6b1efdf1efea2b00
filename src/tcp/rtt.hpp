// SRTT, RTTVAR and RTO: RFC 6298, with RFC 7323 appendix G when a window brings several samples.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/config.hpp"

namespace estab::tcp {

class RttEstimator {
public:
    // `samples_per_rtt`: how many to expect from one window of data, at least 1.
    void add(Duration rtt, std::uint32_t samples_per_rtt = 1);

    // A time-out was spurious: what it was before, or what the late answer has shown (RFC 4015 3,
    // steps 6 and 7). Negative `sample`: there is none.
    void restore(Duration srtt, Duration rttvar, Duration sample);

    bool has_sample() const { return srtt_ns_ != 0; }
    Duration srtt() const { return Duration(srtt_ns_); }
    Duration rttvar() const { return Duration(rttvar_ns_); }
    Duration rtt_min() const { return Duration(min_ns_); }  // 0: none yet
    // Between rto_min and rto_max, without backoff: RFC 6298 2.2 to 2.5.
    Duration rto(const Config& config) const;

private:
    std::int64_t srtt_ns_ = 0;
    std::int64_t rttvar_ns_ = 0;
    std::int64_t min_ns_ = 0;
};

}  // namespace estab::tcp
