// What takes too long for every build: see tests/simulation/bars.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "sim/dumbbell.hpp"

namespace estab::sim {
namespace {

TEST(Bars, TenFlowsOfCubicShareFairly) {  // Jain's index, the median of 20 seeds
    std::vector<Ppm> indices;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        DumbbellSettings s;
        s.seed = seed;
        s.flows.resize(10);
        s.spread = 1s;
        s.there.rate_bits = 100'000'000;
        s.there.queue = {.unit = link::Queue::Unit::bdp_thousandths, .limit = 1000};
        s.warm_up = 10s;
        s.referee = s.measure_rtt = false;
        Dumbbell d(s);
        d.run_to(d.end());
        const DumbbellReport r = d.report();
        EXPECT_GE(r.goodput_bits, 96'000'000u) << "seed " << seed;
        indices.push_back(r.jain);
    }
    std::sort(indices.begin(), indices.end());
    EXPECT_GE((indices[9] + indices[10]) / 2, 930'000u);
}

}  // namespace
}  // namespace estab::sim
