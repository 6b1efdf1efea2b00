// CoDel, PIE and RED against the numbers of their texts.
#include <gtest/gtest.h>

#include "link/codel.hpp"
#include "link/pie.hpp"
#include "link/red.hpp"

namespace estab::link {
namespace {

constexpr Instant at(Duration d) { return Instant{d}; }
double part(Chance chance) { return static_cast<double>(chance) / static_cast<double>(certain); }

// --- CoDel: a queue that always has a packet, which has waited for a given time.

struct Standing {
    Duration waited{};
    std::uint64_t bytes_left = 100'000;
    bool can_mark = false;
    int drops = 0, marks = 0, left = 1'000'000;
    std::optional<CoDel::Head> pull() {
        if (left == 0) return {};
        --left;
        return CoDel::Head{.waited = waited, .bytes_left = bytes_left};
    }
    bool mark() {
        marks += can_mark;
        return can_mark;
    }
    void drop() { ++drops; }
};

// When something is dropped or marked, with a dequeue each millisecond.
std::vector<Duration> hits(CoDel& codel, Standing& queue, Duration from, Duration to) {
    std::vector<Duration> when;
    for (Duration t = from; t <= to; t += 1ms) {
        const int before = queue.drops + queue.marks;
        EXPECT_TRUE(codel.dequeue(at(t), queue));
        for (int i = before; i < queue.drops + queue.marks; ++i) when.push_back(t);
    }
    return when;
}

TEST(CoDel, DropsAtDistancesThatShrinkWithTheSquareRoot) {  // RFC 8289 3.3: the control law
    CoDel codel({});
    Standing queue{.waited = 6ms};
    // Bad for an interval of 100 ms; then 100/sqrt(1), 100/sqrt(2), 100/sqrt(3), 100/sqrt(4) ms.
    EXPECT_EQ(hits(codel, queue, 1s, 1400ms),
              (std::vector<Duration>{1100ms, 1200ms, 1271ms, 1329ms, 1379ms}));
    EXPECT_EQ(codel.count(), 5u);
}

TEST(CoDel, TheSquareRootIsExact) {
    EXPECT_EQ(square_root(0), 0u);
    EXPECT_EQ(square_root(99), 9u);
    EXPECT_EQ(square_root(100), 10u);
    EXPECT_EQ(square_root(u128{10'000'000'000'000'000} / 2), 70'710'678u);  // 100 ms / sqrt(2)
}

TEST(CoDel, LeavesAShortQueueAlone) {
    CoDel codel({});
    Standing below{.waited = 5ms - 1ns};
    EXPECT_TRUE(hits(codel, below, 1s, 3s).empty());
    Standing one_packet{.waited = 50ms, .bytes_left = 1500};  // RFC 8289 5.5: an MTU is no queue
    EXPECT_TRUE(hits(codel, one_packet, 4s, 6s).empty());
}

TEST(CoDel, ABurstThatIsGoneAfterLessThanAnIntervalIsForgiven) {
    CoDel codel({});
    Standing queue{.waited = 20ms};
    EXPECT_TRUE(hits(codel, queue, 1s, 1099ms).empty());
    queue.waited = 1ms;
    EXPECT_TRUE(hits(codel, queue, 1100ms, 1100ms).empty());
    queue.waited = 20ms;
    EXPECT_TRUE(hits(codel, queue, 1101ms, 1200ms).empty());  // the interval begins again
}

TEST(CoDel, GoesOnNearTheRateThatWorkedShortlyBefore) {  // RFC 8289 5.4
    CoDel codel({});
    Standing queue{.waited = 20ms};
    hits(codel, queue, 1s, 2s);
    const std::uint32_t before = codel.count();
    EXPECT_GT(before, 10u);
    queue.waited = 1ms;
    hits(codel, queue, 2001ms, 2010ms);
    EXPECT_FALSE(codel.is_dropping());
    queue.waited = 20ms;
    hits(codel, queue, 2011ms, 2111ms);
    EXPECT_TRUE(codel.is_dropping());
    EXPECT_EQ(codel.count(), before - 1);  // since the last time it began: all but the first
}

TEST(CoDel, MarksInPlaceOfDropsAndThePacketGoesOn) {
    CoDel codel({});
    Standing queue{.waited = 6ms, .can_mark = true};
    EXPECT_EQ(hits(codel, queue, 1s, 1400ms).size(), 5u);
    EXPECT_EQ(queue.drops, 0);
}

TEST(CoDel, AnEmptiedQueueEndsIt) {
    CoDel codel({});
    Standing queue{.waited = 20ms};
    hits(codel, queue, 1s, 1150ms);
    queue.left = 0;
    EXPECT_FALSE(codel.dequeue(at(2s), queue));
    EXPECT_FALSE(codel.is_dropping());
}

// --- PIE

TEST(Pie, MovesByTargetAndByChange) {  // RFC 8033 4.2: alpha 1/8, beta 5/4 a second, auto-tuned
    Pie pie({});
    pie.update(30ms);
    EXPECT_NEAR(part(pie.chance()), (0.125 * 0.015 + 1.25 * 0.030) / 2048, 1e-9);
    pie.update(30ms);  // 1.9e-5 is below 1e-4
    EXPECT_NEAR(part(pie.chance()), (0.125 * 0.015 + 1.25 * 0.030) / 2048 + 0.125 * 0.015 / 128,
                1e-9);
}

TEST(Pie, IsMoreCautiousTheSmallerTheChance) {
    struct Row {
        double from, divisor;
    };
    constexpr Row rows[] = {{5e-7, 2048}, {5e-6, 512}, {5e-5, 128}, {5e-4, 32}, {5e-3, 8}, {5e-2, 2}};
    Pie pie({});
    pie.update(100ms);
    for (const Row& row : rows) {
        while (part(pie.chance()) < row.from) {
            const Chance before = pie.chance();
            pie.update(100ms);
            ASSERT_GT(pie.chance(), before);
        }
    }
    // At 20 to 50 % the whole of alpha * 85 ms counts, and no step is above 2 %.
    while (part(pie.chance()) < 0.3) pie.update(100ms);
    Chance before = pie.chance();
    pie.update(100ms);
    EXPECT_NEAR(part(pie.chance() - before), 0.125 * 0.085, 1e-9);
    before = pie.chance();
    pie.update(300ms);
    EXPECT_NEAR(part(pie.chance() - before), 0.02, 1e-9);
}

TEST(Pie, DecaysWhereNothingWaits) {
    Pie pie({});
    for (int i = 0; i < 2000; ++i) pie.update(100ms);
    EXPECT_EQ(pie.chance(), certain);
    pie.update(0ms);
    const Chance before = pie.chance();
    pie.update(0ms);
    EXPECT_LT(pie.chance(), before - before / 64);
}

TEST(Pie, LetsABurstOf150MillisecondsPass) {  // RFC 8033 4.4
    Pie pie({});
    Rng rng(1);
    for (int i = 0; i < 9; ++i) {
        pie.update(400ms);
        EXPECT_EQ(pie.on_enqueue(1'000'000, false, rng), Verdict::pass);
    }
    EXPECT_EQ(pie.burst(), 15ms);
    pie.update(400ms);
    EXPECT_EQ(pie.burst(), 0ms);
    for (int i = 0; i < 200; ++i) pie.update(400ms);
    int drops = 0;
    for (int i = 0; i < 1000; ++i) drops += pie.on_enqueue(1'000'000, true, rng) == Verdict::drop;
    EXPECT_GT(drops, 100);  // above 10 % even what could be marked is dropped
    EXPECT_EQ(pie.on_enqueue(3000, false, rng), Verdict::pass);  // two packets are no queue
}

TEST(Pie, SpreadsItsDropsOut) {  // RFC 8033 5.4: none before 0.85, one at the latest by 8.5
    Pie pie({});
    Rng rng(1);
    while (part(pie.chance()) < 0.02) pie.update(60ms);
    int since = 0, drops = 0;
    const double chance = part(pie.chance());
    for (int i = 0; i < 20'000; ++i) {
        ++since;
        if (pie.on_enqueue(1'000'000, true, rng) == Verdict::pass) continue;
        EXPECT_GE(since * chance, 0.85 - chance);
        EXPECT_LE(since * chance, 8.5 + chance);
        since = 0;
        ++drops;
    }
    EXPECT_GT(drops, 100);
}

// --- RED

TEST(Red, TheChanceGrowsBetweenTheThresholdsAndThenGently) {
    const std::pair<std::uint64_t, double> rows[] = {
        {29'999, 0}, {30'000, 0}, {60'000, 0.05}, {90'000, 0.1}, {135'000, 0.55}, {180'000, 1}};
    for (const auto& [octets, chance] : rows) {
        Red red({.low_bytes = 30'000, .high_bytes = 90'000, .weight_bits = 0});
        Rng rng(1);
        red.on_enqueue(at(1s), octets, false, rng);
        EXPECT_EQ(red.average(), octets);
        EXPECT_NEAR(part(red.chance()), chance, 1e-6) << octets;
    }
}

TEST(Red, TheAverageFollowsSlowly) {  // w_q = 2^-9: 512 packets move it by 1 - 1/e
    Red red({.low_bytes = 1'000'000, .high_bytes = 2'000'000});
    Rng rng(1);
    for (int i = 0; i < 512; ++i) red.on_enqueue(at(1s), 100'000, false, rng);
    EXPECT_NEAR(static_cast<double>(red.average()), 63'200, 300);
    red.on_empty(at(2s));
    red.on_enqueue(at(2s + 512ms), 0, false, rng);  // as if 512 packets had found nothing
    EXPECT_NEAR(static_cast<double>(red.average()), 63'200 * 0.368, 300);
}

TEST(Red, HitsAtUniformDistances) {  // with chance 0.02 at the latest every 50th
    Red red({.low_bytes = 0, .high_bytes = 100'000, .most = chance_of(2, 50), .weight_bits = 0});
    Rng rng(1);
    int since = 0, marks = 0, longest = 0;
    for (int i = 0; i < 10'000; ++i) {
        ++since;
        const Verdict verdict = red.on_enqueue(at(1s), 50'000, true, rng);
        EXPECT_NE(verdict, Verdict::drop);
        if (verdict == Verdict::pass) continue;
        longest = std::max(longest, since);
        since = 0;
        ++marks;
    }
    EXPECT_LE(longest, 50);
    EXPECT_NEAR(marks, 10'000 / 25.5, 40);  // half of 50 on average
}

}  // namespace
}  // namespace estab::link
