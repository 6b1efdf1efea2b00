// Random worlds from seeds. First everything goes wrong and nothing may break a rule (safety); then
// the faults stop and everything must come to its end (liveness). A seed is a bug report: the same
// seed is the same world, packet for packet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace estab::sim {

class Observer;

struct SwarmSettings {
    std::uint64_t check_every = 512;          // steps between looks at all invariants
    std::uint64_t steps_max = 20'000'000;     // more: it does not come to an end
    std::size_t trace_packets = 40;           // the last ones, in the report of a failure
    Observer* observer = nullptr;             // sees every packet and event as well
};

struct SwarmResult {
    std::uint64_t seed = 0;
    bool ok = false;
    std::string reason;                       // the first thing that went wrong
    std::string world;                        // what it was made of, for people
    std::vector<std::string> trace;           // of a failure
    std::uint64_t hash = 0;
    std::uint64_t packets = 0, steps = 0;
    std::uint32_t talks = 0, done = 0, failed = 0;
    Duration virtual_time{};
};

SwarmResult run_seed(std::uint64_t seed, const SwarmSettings& settings = {});

// What a person types to see it again.
std::string replay_command(std::uint64_t seed);

}  // namespace estab::sim
