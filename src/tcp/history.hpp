// What only a connection with a past has to remember: what held its sending back and for how long,
// and counts of what seldom happens. Borrowed when there is something to note, and kept. Policy
// when there is no memory: it is not noted.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/limits.hpp"

namespace estab::tcp {

struct History {
    LimitTimes limited;
    Instant last_refused = Instant::min();  // ACK for an unacceptable segment (rate limit)
    std::uint64_t octets_retransmitted = 0;
    std::uint32_t timeouts = 0, fast_retransmits = 0, tail_probes = 0, undos = 0;
    std::uint32_t duplicates_in = 0, out_of_order_in = 0, dsacks_in = 0, probes_out = 0;
};

}  // namespace estab::tcp
