#include "link/rate_trace.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "link/lane.hpp"

namespace estab::link {
namespace {

RateTrace trace(std::string_view text) { return *parse_rate_trace("t", text); }

// Milliseconds at which frames of these sizes, which all wait since the beginning, have left.
std::vector<std::int64_t> departures(std::string_view text, const std::vector<std::size_t>& sizes) {
    TraceClock clock;
    Instant now{};
    std::vector<std::int64_t> out;
    for (const std::size_t size : sizes) {
        now = clock.send(now, size, trace(text));
        out.push_back(to_ms(now.time_since_epoch()));
    }
    return out;
}

using Times = std::vector<std::int64_t>;

TEST(RateTrace, OnePacketLeavesAtEachLine) {
    EXPECT_EQ(departures("3\n5\n5\n9\n", {1500, 1500, 1500, 1500}), (Times{3, 5, 5, 9}));
}

TEST(RateTrace, BeginsAnewAtItsEnd) {
    EXPECT_EQ(departures("2\n10\n", {1500, 1500, 1500, 1500, 1500}), (Times{2, 10, 12, 20, 22}));
    EXPECT_EQ(departures("0\n10\n", {1500, 1500, 1500, 1500}), (Times{0, 10, 10, 20}));
}

TEST(RateTrace, SmallFramesShareALineAndBigOnesTakeSeveral) {
    EXPECT_EQ(departures("1\n2\n3\n", {500, 500, 500, 501, 1000}), (Times{1, 1, 1, 2, 3}));
    EXPECT_EQ(departures("1\n2\n3\n", {1501, 1499}), (Times{2, 2}));
    EXPECT_EQ(departures("1\n2\n3\n4\n", {4500, 1500}), (Times{3, 4}));
}

TEST(RateTrace, WhatNobodyWaitedForIsLost) {
    const RateTrace t = trace("1\n2\n3\n10\n");
    TraceClock clock;
    EXPECT_EQ(clock.send(Instant(0ms), 1000, t), Instant(1ms));
    EXPECT_EQ(clock.send(Instant(1500us), 100, t), Instant(2ms));  // not the 500 octets of before
    EXPECT_EQ(clock.send(Instant(9ms), 1500, t), Instant(10ms));
    EXPECT_EQ(clock.send(Instant(10ms), 1500, t), Instant(11ms));
    EXPECT_EQ(clock.send(Instant(1'000'000'002ms), 1500, t), Instant(1'000'000'002ms));
    EXPECT_EQ(clock.send(Instant(1'000'000'010ms), 1500, t), Instant(1'000'000'010ms));
}

TEST(RateTrace, TheRateIsAnAverage) {
    EXPECT_EQ(trace("1\n").rate_bits(), 12'000'000u);
    EXPECT_EQ(trace("0\n0\n100\n").rate_bits(), 360'000u);
}

TEST(RateTrace, SaysWhichLineIsWrong) {
    const auto problem = [](std::string_view text) { return parse_rate_trace("t", text).error(); };
    EXPECT_EQ(problem("1\nx\n"), "t:2: not a whole number of milliseconds, one on each line");
    EXPECT_EQ(problem("1\n\n2\n"), "t:2: not a whole number of milliseconds, one on each line");
    EXPECT_EQ(problem("4294967296\n"), "t:1: not a whole number of milliseconds, one on each line");
    EXPECT_EQ(problem("5\n4\n"), "t:2: goes back in time");
    EXPECT_EQ(problem(""), "t: the last line, which is how long the trace is, is not above 0");
    EXPECT_EQ(problem("0\n"), "t: the last line, which is how long the trace is, is not above 0");
    EXPECT_EQ(trace("1\r\n2").at_ms.size(), 2u);
}

TEST(RateTrace, ALaneSendsByIt) {
    Direction direction;
    follow(direction, trace("5\n10\n15\n20\n"));
    direction.queue = {.unit = Queue::Unit::packets, .limit = 2};
    EXPECT_EQ(direction.rate_bits, 2'400'000u);
    Lane lane({.direction = direction});
    const std::vector<std::uint8_t> frame(1500);
    for (int i = 0; i < 4; ++i) lane.push(Instant(1s), frame);
    EXPECT_EQ(lane.counters().dropped_by_queue, 1u);
    for (const Duration at : {5ms, 10ms, 15ms}) {
        EXPECT_FALSE(lane.pop(Instant(1s + at - 1ns)));
        EXPECT_EQ(lane.deadline(), Instant(1s + at));
        EXPECT_TRUE(lane.pop(Instant(1s + at)));
    }
    direction.delay = 1s;  // a trace goes on where another thing changes
    lane.change(direction);
    lane.push(Instant(1016ms), frame);
    EXPECT_EQ(lane.pop(Instant(3s))->at, Instant(2020ms));
}

TEST(RateTrace, IsAnItemOfAPath) {
    const auto spec = parse_path("up:rate-trace=x.trace,delay=5ms");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->up.rate_trace.file, "x.trace");
    EXPECT_EQ(spec->down.rate_trace.file, "");
    PathSpec read = *spec;
    follow(read.up, trace("1\n"));
    read.up.rate_trace.file = "x.trace";
    EXPECT_EQ(print(read), "up:rate-trace=x.trace,delay=5ms");
    EXPECT_EQ(parse_path("rate-trace=x,rate=1mbit")->up.rate_trace.file, "");  // the later one
    EXPECT_EQ(parse_path("rate=1mbit,rate-trace=x")->up.rate_bits, 0u);
    EXPECT_FALSE(parse_path("rate-trace="));
}

}  // namespace
}  // namespace estab::link
