#include <estab/sim.hpp>
#include <gtest/gtest.h>

TEST(MyTransfer, SurvivesABadNetwork) {
    using namespace estab;
    sim::World world({.seed = 7});
    auto [left, right, link] = sim::pair(world, {.loss = 20'000, .delay = 20ms});   // 2 %
    sim::Ledger ledger(1);
    sim::Server server(ledger, right, {.port = 80});
    const auto number = ledger.add({.up = 1'000'000, .down = 1'000});
    sim::Talk talk(ledger, {.host = left,
                            .server = {right.v4(), 80},
                            .number = number,
                            .begin = world.now()});
    EXPECT_TRUE(world.run_until([&] { return ledger.is_over(); }, Instant(600s)));
    EXPECT_TRUE(ledger.complaints().empty());
    EXPECT_TRUE(world.referee().is_content());
}
