// RFC 7661 4.2 to 4.4.
#include "tcp/window_use.hpp"

#include <gtest/gtest.h>

namespace estab::tcp {
namespace {

struct Sender {
    WindowUse use;
    Instant now{1h};
    Seq una{1000};

    // Round trips of 100 ms in which `octets` are acknowledged, in two ACKs each.
    void rounds(int count, std::uint64_t octets) {
        for (int i = 0; i < count; ++i) {
            for (int half = 0; half < 2; ++half) {
                now = now + 50ms;
                una = una + octets / 2;
                const std::uint64_t flight = half == 0 ? octets / 2 : i + 1 < count ? octets : 0;
                use.on_acked(now, octets / 2, una, una + flight, 100ms);
            }
        }
    }
};

TEST(WindowUse, NothingIsKnownAtFirst) {
    Sender s;
    EXPECT_FALSE(s.use.is_known());
    EXPECT_TRUE(s.use.is_validated(1'000'000));
}

TEST(WindowUse, IsTheMostThatWasAcknowledgedInARoundTrip) {
    Sender s;
    s.rounds(3, 20'000);
    EXPECT_TRUE(s.use.is_known());
    EXPECT_GE(s.use.pipe_ack(), 20'000u);
    EXPECT_LE(s.use.pipe_ack(), 30'000u);
    const std::uint64_t cwnd = 2 * s.use.pipe_ack();
    EXPECT_TRUE(s.use.is_validated(cwnd)) << "half of it is enough";
    EXPECT_FALSE(s.use.is_validated(cwnd + 2));
}

TEST(WindowUse, IsForgottenAfterAPeriod) {  // 4.3: the larger of 3 round trips and 1 s
    Sender s;
    s.rounds(3, 50'000);
    s.rounds(8, 1'000);
    EXPECT_GE(s.use.pipe_ack(), 50'000u);
    s.rounds(30, 1'000);
    EXPECT_LE(s.use.pipe_ack(), 2'000u);
}

TEST(WindowUse, WhatIsNotUsedIsKeptForFiveMinutes) {  // 4.4.3
    Sender s;
    s.rounds(40, 1'000);
    EXPECT_FALSE(s.use.has_expired(s.now, 100'000));
    EXPECT_FALSE(s.use.has_expired(s.now + 299s, 100'000));
    EXPECT_TRUE(s.use.has_expired(s.now + 300s, 100'000));
    EXPECT_FALSE(s.use.has_expired(s.now + 301s, 100'000)) << "and then again as long";
    EXPECT_TRUE(s.use.has_expired(s.now + 600s, 100'000));
}

TEST(WindowUse, UseStartsTheFiveMinutesAnew) {
    Sender s;
    s.rounds(40, 1'000);
    EXPECT_FALSE(s.use.has_expired(s.now, 100'000));
    EXPECT_FALSE(s.use.has_expired(s.now + 200s, 1'000)) << "validated";
    EXPECT_FALSE(s.use.has_expired(s.now + 400s, 100'000));
}

}  // namespace
}  // namespace estab::tcp
