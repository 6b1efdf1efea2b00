// Slow start as all loss-based algorithms here do it: by the octets acknowledged, up to ssthresh.
#pragma once

#include <algorithm>
#include <cstdint>

namespace estab::congestion {

// Grows cwnd and returns the octets left over for congestion avoidance.
constexpr std::uint64_t slow_start(std::uint64_t& cwnd, std::uint64_t ssthresh,
                                   std::uint64_t bytes) {
    if (cwnd >= ssthresh) return bytes;
    const std::uint64_t used = std::min(bytes, ssthresh - cwnd);
    cwnd += used;
    return bytes - used;
}

}  // namespace estab::congestion
