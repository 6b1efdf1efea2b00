#include "base/time.hpp"

#include <gtest/gtest.h>

namespace estab {
namespace {

TEST(Time, UnitsAreCutNotRounded) {
    EXPECT_EQ(to_ns(3us), 3000);
    EXPECT_EQ(to_us(1999ns), 1);
    EXPECT_EQ(to_ms(1'999'999ns), 1);
    EXPECT_EQ(to_ms(2s), 2000);
}

TEST(Time, AfterAddsWithoutWrapping) {
    const Instant now{5s};
    EXPECT_EQ(after(now, 1s), Instant{6s});
    EXPECT_EQ(after(now, 0s), now);
    EXPECT_EQ(after(now, never - now), never);
    EXPECT_EQ(after(now, never - now - 1ns), never - 1ns);
    EXPECT_EQ(after(now, Duration::max()), never);
    EXPECT_EQ(after(never, 1ns), never);
    EXPECT_EQ(after(Instant{}, Duration::max()), never);
    EXPECT_EQ(after(now, -1s), Instant{4s});
}

TEST(Time, AfterWorksBeforeTheOriginToo) {
    EXPECT_EQ(after(Instant{-5s}, 1s), Instant{-4s});
    EXPECT_EQ(after(Instant{-5s}, Duration::max()), Instant{Duration::max() - 5s});
}

}  // namespace
}  // namespace estab
