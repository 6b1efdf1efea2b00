// The worlds after those of tests/simulation/swarm.cpp, up to 20,000.
#include "simulation/run_seed.hpp"

namespace estab::sim {
namespace {

class Swarm : public testing::TestWithParam<int> {};
TEST_P(Swarm, KeepsEveryRuleAndComesToAnEnd) {
    const auto first = static_cast<std::uint64_t>(GetParam()) * 250 + 1;
    for (std::uint64_t seed = first; seed != first + 250; ++seed) run_and_expect(seed);
}
INSTANTIATE_TEST_SUITE_P(Seeds, Swarm, testing::Range(4, 80));

}  // namespace
}  // namespace estab::sim
