// Random worlds in which no rule may be broken and everything must come to an end.
#include "sim/swarm.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace estab::sim {
namespace {

// A CHECK that fails ends the program: say which seed it was.
char current[96];
void on_abort(int) {
    std::size_t length = 0;
    while (current[length] != 0) ++length;
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, current, length);
    std::signal(SIGABRT, SIG_DFL);
}

void run(std::uint64_t seed) {
    std::snprintf(current, sizeof current, "a check failed: %s\n", replay_command(seed).c_str());
    std::signal(SIGABRT, on_abort);
    const SwarmResult result = run_seed(seed);
    std::string trace;
    for (const std::string& line : result.trace) trace += line + "\n";
    EXPECT_TRUE(result.ok) << result.reason << "\n"
                           << result.world << "\n"
                           << trace << replay_command(seed);
}

// In pieces, so that ctest can run them side by side.
class Swarm : public testing::TestWithParam<int> {};
TEST_P(Swarm, KeepsEveryRuleAndComesToAnEnd) {
    for (int i = 0; i < 50; ++i) run(static_cast<std::uint64_t>(GetParam() * 50 + i + 1));
}
INSTANTIATE_TEST_SUITE_P(Seeds, Swarm, testing::Range(0, 20));

// What these found is mended: the window of a retransmission that acknowledges more (11, 165, 348),
// ECT after a SYN without ECN (18), the clock of a packed TIME-WAIT (308).
TEST(SwarmSeed, FoundThisOnce) {
    for (const std::uint64_t seed : {11u, 18u, 165u, 308u, 348u, 614u, 723u, 974u}) run(seed);
}

TEST(SwarmSeed, IsTheSameWorldTwice) {
    for (std::uint64_t seed : {3u, 14u, 15u})
        EXPECT_EQ(run_seed(seed).hash, run_seed(seed).hash) << seed;
}

}  // namespace
}  // namespace estab::sim
