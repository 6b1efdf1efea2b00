#include "guess.hpp"

#include <gtest/gtest.h>

using namespace estab;

// A path that loses a tenth of the packets, holds others back and copies some. Not a second of real
// time passes, and a seed that fails once always fails.
TEST(Guess, FindsTheNumberOnABadNetwork) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        sim::World world({.seed = seed});
        auto [left, right, link] = sim::pair(
            world, {.loss = 100'000,
                    .delay = 40ms,
                    .reorder = {.chance = 50'000},
                    .duplicate = 50'000});
        guess::Server server(right, 7000, 42);
        guess::Client client(left, {right.v4(), 7000});
        EXPECT_TRUE(world.run_until([&] { return client.found == 42; }, Instant(300s))) << seed;
        EXPECT_TRUE(world.referee().is_content()) << seed;
    }
}
