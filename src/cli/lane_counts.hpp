// What became of the packets on one way of a link, by the names that JSON and metrics share.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "link/lane.hpp"

namespace estab::cli {

inline auto lane_counts(const link::Lane::Counters& c) {
    return std::to_array<std::pair<const char*, std::uint64_t>>(
        {{"lost", c.dropped_by_loss + c.dropped_by_script},
         {"dropped_by_policer", c.dropped_by_policer},
         {"dropped_by_queue", c.dropped_by_queue},
         {"dropped_by_memory", c.dropped_by_memory},
         {"reordered", c.reordered},
         {"duplicated", c.duplicated},
         {"corrupted", c.corrupted},
         {"marked", c.marked},
         {"delivered", c.left}});
}

}  // namespace estab::cli
