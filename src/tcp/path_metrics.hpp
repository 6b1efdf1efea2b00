// What a connection leaves to others with the same host (RFC 9040).
#pragma once

#include <cstdint>

#include "base/time.hpp"

namespace estab::tcp {

struct PathMetrics {
    Duration srtt{0}, rttvar{0};      // 0: not known
    std::uint64_t ssthresh = 0;       // octets; 0: never found
    std::uint32_t reordering = 0;     // segments
    std::uint16_t mtu = 0;            // found by the segments themselves (RFC 4821); 0: not
    friend bool operator==(const PathMetrics&, const PathMetrics&) = default;
};

}  // namespace estab::tcp
