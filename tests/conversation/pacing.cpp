// Pacing: data goes out at a rate (draft-ietf-ccwg-bbr 5.6.2). Segments of 1000 octets.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms paced(std::uint32_t octets_per_second) {
    Terms s{.mss = 1000, .cwnd = 10'000, .sack = true, .rtt = 1ms};
    s.config.congestion_control = congestion::find("reno");
    s.config.pacing_rate_max = octets_per_second;
    s.config.tail_loss_probe = false;
    return s;
}

Duration spent(const Conversation& c, tcp::Limit limit) {
    return c.info().limited[static_cast<std::size_t>(limit)];
}

// Each takes a millisecond; the pause before the first does not count.
TEST(Pacing, SegmentsKeepTheirDistance) {
    Conversation c{established(paced(1'000'000))};
    c.run(R"(
        +0    app write 4000
        +0    -> 1:1001
        +0    quiet
        +1    -> 1001:2001
        +0    quiet
        +1    -> 2001:3001
        +1    -> 3001:4001
        +1    quiet
    )");
    EXPECT_GE(spent(c, tcp::Limit::pacing), 2900us);
    EXPECT_LE(spent(c, tcp::Limit::pacing), 3100us);
    EXPECT_EQ(c.info().pacing_rate, 1'000'000u);
}

TEST(Pacing, IsOffUnlessAskedFor) {
    Terms s = paced(0);
    Conversation c{established(s)};
    c.run(R"(
        +0    app write 3000
        +0    -> 1:1001
        +0    -> 1001:2001
        +0    -> 2001:3001
    )");
    EXPECT_EQ(spent(c, tcp::Limit::pacing), 0ms);
}

// Twice the window a round trip in slow start: 10,000 octets in 50 ms.
TEST(Pacing, FollowsTheWindowWhereTheAlgorithmNamesNoRate) {
    Terms s = paced(0);
    s.rtt = 100ms;
    s.config.pacing = true;
    Conversation c{established(s)};
    c.run(R"(
        +0    app write 3000
        +0    -> 1:1001
        +5    -> 1001:2001
        +5    -> 2001:3001
    )");
    EXPECT_EQ(c.info().pacing_rate, 200'000u);
}

TEST(Pacing, AcknowledgmentsDoNotWait) {
    Conversation c{established(paced(10'000))};
    c.run(R"(
        +0    app write 3000
        +0    -> 1:1001
        +10   <- 1:1001 ack 1
        +0    -> . ack 1001
        +90   -> 1001:2001
    )");
}

TEST(Pacing, RetransmissionsWaitToo) {
    Conversation c{established(paced(100'000))};
    c.run(R"(
        +0    app write 5000
        +0    -> 1:1001
        +10   -> 1001:2001
        +10   -> 2001:3001
        +10   -> 3001:4001
        +10   -> 4001:5001
        +2    <- . ack 1 sack 1001:5001
        +0    quiet
        +8    -> 1:1001
    )");
}

TEST(Pacing, CanBeTurnedOnWhileTheConnectionLives) {
    Conversation c{established(paced(0))};
    c.run(R"(
        +0    app write 2000
        +0    -> 1:1001
        +0    -> 1001:2001
        +10   <- . ack 2001
    )");
    tcp::Config* config = c.connection().own_config(c.machine().env());
    ASSERT_NE(config, nullptr);
    config->pacing_rate_max = 1'000'000;
    c.connection().apply_config(c.now());
    c.run(R"(
        +0    app write 2000
        +0    -> 2001:3001
        +0    quiet
        +1    -> 3001:4001
    )");
}

// What is delivered is measured, paced or not: two segments in a round trip of 100 ms.
TEST(DeliveryRate, IsWhatAcknowledgmentsShow) {
    Conversation c{established(paced(0))};
    c.run(R"(
        +0    app write 3000
        +0    drain
        +100  <- . ack 2001
    )");
    EXPECT_EQ(c.info().delivery_rate, 20'000u);
    EXPECT_EQ(c.info().delivered, 2000u);
    EXPECT_TRUE(c.info().app_limited);
}

}  // namespace
}  // namespace estab::conversation
