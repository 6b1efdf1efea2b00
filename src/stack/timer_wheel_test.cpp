#include "stack/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.hpp"

namespace estab::stack {
namespace {

struct Find {
    std::vector<TimerLinks>* records;
    TimerLinks& operator()(std::uint32_t ref) const { return records->at(ref); }
};

struct Fixture {
    explicit Fixture(Instant now = Instant(5s), std::size_t records_max = 8)
        : records(records_max), wheel(now, Find{&records}) {}

    std::vector<std::uint32_t> advance(Instant now) {
        std::vector<std::uint32_t> fired;
        wheel.advance(now, [&](std::uint32_t ref) { fired.push_back(ref); });
        return fired;
    }
    std::vector<TimerLinks> records;
    TimerWheel<Find> wheel;
};

using Refs = std::vector<std::uint32_t>;
constexpr Instant t0{5s};

static_assert(sizeof(TimerLinks) == 12);

TEST(TimerWheel, FiresAtTheTickAndNotBefore) {
    for (const Duration d :
         {1us, 255us, 256us, 257us, 65'535us, 65'536us, 200'000us, 60'000'000us}) {
        Fixture f;
        f.wheel.arm(3, t0 + d - 1ns);  // rounded up
        EXPECT_EQ(f.advance(t0 + d - 1ns), Refs{}) << d.count();
        EXPECT_EQ(f.wheel.deadline(), t0 + d);
        EXPECT_EQ(f.advance(t0 + d), Refs{3}) << d.count();
        EXPECT_EQ(f.wheel.deadline(), never);
    }
}

TEST(TimerWheel, LaterIsFoundLaterAndEarlierAtOnce) {
    Fixture f;
    f.wheel.arm(1, t0 + 10ms);
    f.wheel.arm(1, t0 + 20ms);
    EXPECT_EQ(f.advance(t0 + 10ms), Refs{1});
    f.wheel.arm(1, t0 + 30ms);
    f.wheel.arm(1, t0 + 15ms);
    EXPECT_EQ(f.advance(t0 + 15ms), Refs{1});
    EXPECT_EQ(f.advance(t0 + 30ms), Refs{});
    f.wheel.arm(1, never);
    EXPECT_EQ(f.wheel.armed(), 0u);
}

TEST(TimerWheel, TiesFireInTheOrderOfArming) {
    Fixture f;
    for (std::uint32_t ref : {4u, 2u, 7u, 0u}) f.wheel.arm(ref, t0 + 1s);
    f.advance(t0 + 999ms);
    f.wheel.arm(1, t0 + 1s);
    f.wheel.disarm(2);
    EXPECT_EQ(f.advance(t0 + 2h), (Refs{4, 7, 0, 1}));
}

TEST(TimerWheel, WhatFireArmsForNowFiresInTheNextCall) {
    Fixture f;
    f.wheel.arm(1, t0 + 1ms);
    f.wheel.arm(2, t0 + 2ms);
    f.wheel.arm(3, t0 + 3ms);
    Refs fired;
    const Instant now = t0 + 5ms;
    f.wheel.advance(now, [&](std::uint32_t ref) {
        fired.push_back(ref);
        if (ref == 1) {
            f.wheel.disarm(2);
            f.wheel.arm(1, now);
            f.wheel.arm(4, now - 2ms);
            f.wheel.arm(5, now + 1us);
        }
    });
    EXPECT_EQ(fired, (Refs{1, 3}));
    EXPECT_EQ(f.wheel.deadline(), now);
    f.wheel.disarm(4);
    f.wheel.arm(4, now);
    EXPECT_EQ(f.advance(now), (Refs{1, 4}));
    EXPECT_EQ(f.advance(now + 1us), Refs{5});
}

TEST(TimerWheel, TheFarFutureIsLookedAtHalfAWrapAway) {
    Fixture f;
    f.wheel.arm(1, t0 + 100h);
    Instant now = t0;
    int looks = 0;
    while (now < t0 + 100h) {
        now = f.wheel.deadline();
        for (std::uint32_t ref : f.advance(now)) {
            ++looks;
            if (now < t0 + 100h) f.wheel.arm(ref, t0 + 100h);
        }
        ASSERT_LT(looks, 1000);
    }
    EXPECT_EQ(now, t0 + 100h);
    EXPECT_EQ(looks, 168);  // 100 h in steps of 2^31 us, rounded up
}

TEST(TimerWheel, TicksWrap) {
    const Instant edge{Duration((std::int64_t{1} << 32) * 1000)};
    for (const Duration before : {1us, 2us, 300us, 70'000us, 20'000'000us, 1'000'000'000us}) {
        Fixture f{edge - before};
        f.wheel.arm(1, edge + 1us);
        f.wheel.arm(2, edge);
        f.wheel.arm(3, edge + 17min);
        EXPECT_EQ(f.advance(edge - 1ns), Refs{});
        EXPECT_EQ(f.advance(edge), Refs{2});
        EXPECT_EQ(f.advance(edge + 1us), Refs{1});
        EXPECT_EQ(f.advance(edge + 17min - 1us), Refs{});
        EXPECT_EQ(f.advance(edge + 17min), Refs{3});
    }
}

TEST(TimerWheel, TimeMayBeNegative) {
    Fixture f{Instant(-3s)};
    f.wheel.arm(1, Instant(-2s - 1ns));
    EXPECT_EQ(f.advance(Instant(-2s - 1us)), Refs{});
    EXPECT_EQ(f.advance(Instant(-2s)), Refs{1});
}

// The same with a map from (tick, order of arming) to ref.
class Law {
public:
    explicit Law(std::uint64_t seed)
        : rng_(seed), now_(Duration(static_cast<std::int64_t>(rng_.below(1ull << 43)))),
          f_(now_, records_max), tick_(tick_below(now_)), armed_(records_max, nowhere) {}

    void run(int steps) {
        for (int i = 0; i != steps && !::testing::Test::HasFatalFailure(); ++i) step();
    }

private:
    using Key = std::pair<std::int64_t, std::uint64_t>;
    static constexpr std::size_t records_max = 64;
    static constexpr Key nowhere{-1, 0};

    static std::int64_t tick_below(Instant at) { return to_us(at.time_since_epoch()); }

    void step() {
        switch (rng_.below(4)) {
            case 0: advance(); break;
            default: touch(); break;
        }
        ASSERT_EQ(f_.wheel.armed(), model_.size());
        const Instant deadline = f_.wheel.deadline();
        if (model_.empty()) {
            ASSERT_EQ(deadline, never);
            return;
        }
        const std::int64_t first = model_.begin()->first.first;
        ASSERT_LE(tick_below(deadline), first);
        ASSERT_GE(tick_below(deadline), tick_ + (first > tick_ ? 1 : 0));
    }
    Duration random_duration() {
        const std::uint64_t bits = 8 + rng_.below(36);
        return Duration(static_cast<std::int64_t>(rng_.below(std::uint64_t{1} << bits)));
    }
    // Arms or disarms something, in both.
    void touch() {
        const auto ref = static_cast<std::uint32_t>(rng_.below(records_max));
        if (rng_.chance(200'000)) {
            f_.wheel.disarm(ref);
            forget(ref);
            return;
        }
        Instant deadline = now_ + random_duration();
        if (rng_.chance(100'000)) deadline = now_ - random_duration();
        if (rng_.chance(300'000)) deadline -= deadline.time_since_epoch() % 64ms;  // ties
        f_.wheel.arm(ref, deadline);
        std::int64_t tick = tick_below(deadline + 999ns);
        tick = std::max(tick_, std::min(tick, tick_ + (std::int64_t{1} << 31) - 1));
        if (armed_[ref] != nowhere && armed_[ref].first <= tick) return;
        forget(ref);
        armed_[ref] = {tick, ++order_};
        model_[armed_[ref]] = ref;
    }
    void forget(std::uint32_t ref) {
        if (armed_[ref] != nowhere) model_.erase(armed_[ref]);
        armed_[ref] = nowhere;
    }
    void advance() {
        now_ += rng_.chance(200'000) ? Duration(0) : random_duration();
        if (rng_.chance(300'000)) now_ = std::max(now_, std::min(f_.wheel.deadline(), now_ + 1h));
        tick_ = tick_below(now_);
        const std::uint64_t order_before = order_;
        f_.wheel.advance(now_, [&](std::uint32_t ref) {
            auto expected = model_.begin();
            while (expected != model_.end() && expected->first.second > order_before) ++expected;
            ASSERT_NE(expected, model_.end());
            ASSERT_LE(expected->first.first, tick_);
            ASSERT_EQ(expected->second, ref);
            forget(ref);
            while (rng_.chance(400'000)) touch();
        });
        for (const auto& [key, ref] : model_) {
            ASSERT_TRUE(key.first > tick_ || key.second > order_before);
        }
    }

    Rng rng_;
    Instant now_;
    Fixture f_;
    std::int64_t tick_;
    std::vector<Key> armed_;
    std::map<Key, std::uint32_t> model_;
    std::uint64_t order_ = 0;
};

TEST(TimerWheel, IsAnOrderedMap) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE("--seed=" + std::to_string(seed));
        Law{seed}.run(4000);
    }
}

}  // namespace
}  // namespace estab::stack
