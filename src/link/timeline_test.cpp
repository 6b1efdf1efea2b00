#include "link/timeline.hpp"

#include <gtest/gtest.h>

namespace estab::link {
namespace {

using namespace std::chrono_literals;

std::vector<Moment> moments(std::string_view path, std::string_view timeline) {
    const auto parsed = parse_timeline(path, timeline);
    EXPECT_TRUE(parsed) << parsed.error().text();
    return parsed ? *parsed : std::vector<Moment>{};
}

std::string problem(std::string_view timeline) {
    const auto parsed = parse_timeline("", timeline);
    return parsed ? "" : parsed.error().text();
}

TEST(Timeline, WhatChangesHoldsFromThenOn) {
    const auto all = moments("delay=10ms", "at 20s rate 500kbit; at 30s up:loss=10%");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0], (Moment{20s, *parse_path("delay=10ms,rate=500kbit"), false}));
    EXPECT_EQ(all[1], (Moment{30s, *parse_path("delay=10ms,rate=500kbit,up:loss=10%"), false}));
}

TEST(Timeline, AnOutageEndsByItself) {
    const auto all = moments("loss=1%", "at 5s down 3s");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0], (Moment{5s, *parse_path("loss=100%"), false}));
    EXPECT_EQ(all[1], (Moment{8s, *parse_path("loss=1%"), false}));
}

TEST(Timeline, WhatChangesInAnOutageShowsBehindIt) {
    const auto all = moments("", "at 5s down 3s; at 6s rate 1mbit; at 7s down 2s");
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[1].path, *parse_path("rate=1mbit,loss=100%"));
    EXPECT_EQ(all[3], (Moment{9s, *parse_path("rate=1mbit"), false}));
}

TEST(Timeline, AResetLeavesThePathAsItIs) {
    const auto all = moments("delay=1ms", "at 30s rst");
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0], (Moment{30s, *parse_path("delay=1ms"), true}));
}

TEST(Timeline, EntriesMayStandInAnyOrder) {
    const auto all = moments("", " at 2s loss 5% ;; at 1s rst; ");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(all[0].resets);
    EXPECT_EQ(all[1].at, 2s);
}

TEST(Timeline, SaysWhichEntryIsWrongAndWhy) {
    EXPECT_EQ(problem(""), "");
    EXPECT_NE(problem("5s down 3s").find("at TIME"), std::string::npos);
    EXPECT_NE(problem("at soon down 3s").find("not one"), std::string::npos);
    EXPECT_NE(problem("at 5s down").find("how long"), std::string::npos);
    EXPECT_NE(problem("at 5s down 0s").find("how long"), std::string::npos);
    EXPECT_NE(problem("at 5s").find("at TIME"), std::string::npos);
    EXPECT_NE(problem("at 5s seed 3").find("at TIME"), std::string::npos);
    EXPECT_EQ(problem("at 5s loss 200%").find("at 5s loss 200%: "), 0U);
    EXPECT_NE(problem("at 5s rate").find("at 5s rate: "), std::string::npos);
    EXPECT_NE(problem("at 5s rst 3").find("at 5s rst 3: "), std::string::npos);
}

TEST(Timeline, IsBounded) {
    std::string many;
    for (int i = 0; i < 1001; ++i) many += "at 1s rst;";
    EXPECT_NE(problem(many).find("1000"), std::string::npos);
}

}  // namespace
}  // namespace estab::link
