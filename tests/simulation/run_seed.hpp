// One world of the swarm, as a test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "sim/swarm.hpp"

namespace estab::sim {

// A CHECK that fails ends the program: say which seed it was.
inline char current[96];
inline void on_abort(int) {
    std::size_t length = 0;
    while (current[length] != 0) ++length;
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, current, length);
    std::signal(SIGABRT, SIG_DFL);
}

inline void run_and_expect(std::uint64_t seed) {
    std::snprintf(current, sizeof current, "a check failed: %s\n", replay_command(seed).c_str());
    std::signal(SIGABRT, on_abort);
    const SwarmResult result = run_seed(seed);
    std::string trace;
    for (const std::string& line : result.trace) trace += line + "\n";
    EXPECT_TRUE(result.ok) << result.reason << "\n"
                           << result.world << "\n"
                           << trace << replay_command(seed);
}

}  // namespace estab::sim
