// Random worlds in which no rule may be broken and everything must come to an end.
#include "simulation/run_seed.hpp"

namespace estab::sim {
namespace {

// In pieces, so that ctest can run them side by side.
class Swarm : public testing::TestWithParam<int> {};
TEST_P(Swarm, KeepsEveryRuleAndComesToAnEnd) {
    const auto first = static_cast<std::uint64_t>(GetParam()) * 50 + 1;
    for (std::uint64_t seed = first; seed != first + 50; ++seed) run_and_expect(seed);
}
INSTANTIATE_TEST_SUITE_P(Seeds, Swarm, testing::Range(0, 20));

// What these found is mended: the window of a retransmission that acknowledges more (11, 165, 348),
// ECT after a SYN without ECN (18), the clock of a packed TIME-WAIT (308), what the referee kept of an
// end with Fast Open that was given up (4924).
TEST(SwarmSeed, FoundThisOnce) {
    for (const std::uint64_t seed : {11u, 18u, 165u, 308u, 348u, 614u, 723u, 974u, 4924u})
        run_and_expect(seed);
}

TEST(SwarmSeed, IsTheSameWorldTwice) {
    for (std::uint64_t seed : {3u, 14u, 15u})
        EXPECT_EQ(run_seed(seed).hash, run_seed(seed).hash) << seed;
}

}  // namespace
}  // namespace estab::sim
