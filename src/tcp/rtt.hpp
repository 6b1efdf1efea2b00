// SRTT, RTTVAR and RTO: RFC 6298, with RFC 7323 appendix G when a window brings several samples.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"
#include "tcp/config.hpp"

namespace estab::tcp {

class RttEstimator {
public:
    // `samples_per_rtt`: how many to expect from one window of data, at least 1.
    void add(Instant now, Duration rtt, std::uint32_t samples_per_rtt = 1);

    // A time-out was spurious: what it was before, or what the late answer has shown (RFC 4015 3,
    // steps 6 and 7). Negative `sample`: there is none.
    void restore(Duration srtt, Duration rttvar, Duration sample);

    bool has_sample() const { return srtt_ns_ != 0; }
    Duration srtt() const { return Duration(srtt_ns_); }
    Duration rttvar() const { return Duration(rttvar_ns_); }
    // Of the last 2.3 to 4.6 minutes with samples: the path may have become a longer one (RFC 8985
    // 6.2). 34 s at most; 0: none yet.
    Duration rtt_min() const {
        const std::uint32_t least = std::min(min_now_, min_before_);
        return least == none ? Duration{0} : Duration(std::int64_t{least} << min_shift);
    }
    // Between rto_min and rto_max, without backoff: RFC 6298 2.2 to 2.5.
    Duration rto(const Config& config) const;

private:
    static constexpr std::uint32_t none = 0xffff'ffff;
    static constexpr int min_shift = 3;     // the minima are counted in 8 ns,
    static constexpr int period_shift = 37;  // and kept for periods of 137 s
    void note_minimum(Instant now, std::int64_t rtt_ns);

    std::int64_t srtt_ns_ = 0;
    std::int64_t rttvar_ns_ : 48 = 0;
    std::uint64_t period_ : 16 = 0;         // wraps
    std::uint32_t min_now_ = none;          // in this period
    std::uint32_t min_before_ = none;       // and in the one before it
};

}  // namespace estab::tcp
