#include "sim/dumbbell.hpp"

#include <gtest/gtest.h>

#include "congestion/algorithm.hpp"

namespace estab::sim {
namespace {

DumbbellSettings small() {
    DumbbellSettings s;
    s.there.rate_bits = 10'000'000;
    s.there.queue = {.unit = link::Queue::Unit::bdp_thousandths, .limit = 1000};
    s.duration = 10s;
    s.warm_up = 3s;
    return s;
}

TEST(Dumbbell, OneFlowFillsTheLink) {
    Dumbbell d(small());
    d.run_to(d.end());
    const DumbbellReport r = d.report();
    EXPECT_TRUE(r.violations.empty()) << text(r.violations.front());
    EXPECT_GT(r.utilisation, 900'000u);
    EXPECT_LE(r.utilisation, 1'000'200u);  // a packet may end within the window
    EXPECT_GT(r.flows[0].goodput_bits, 8'500'000u);
    EXPECT_LE(r.flows[0].goodput_bits, 9'700'000u);
    EXPECT_GE(r.flows[0].rtt_p50, Duration(40ms));
    EXPECT_LE(r.flows[0].rtt_p99, Duration(90ms));
    EXPECT_EQ(r.jain, 1'000'000u);
}

TEST(Dumbbell, FlowsShareIt) {
    DumbbellSettings s = small();
    s.flows.resize(2);
    s.duration = 20s;
    Dumbbell d(s);
    d.run_to(d.end());
    const DumbbellReport r = d.report();
    EXPECT_GT(r.jain, 800'000u);
    EXPECT_GT(r.goodput_bits, 8'500'000u);
}

TEST(Dumbbell, PiecesAreTheSameRun) {
    Dumbbell whole(small()), pieces(small());
    whole.run_to(whole.end());
    for (Instant at = pieces.world().now(); at < pieces.end(); at = after(at, 333ms))
        pieces.run_to(at);
    pieces.run_to(pieces.end());
    EXPECT_EQ(whole.report().hash, pieces.report().hash);
}

TEST(Dumbbell, DisciplinesKeepTheQueueShortAndTheLinkBusy) {
    struct Row {
        const char* queue;
        Duration p50_max;
    };
    constexpr Row rows[] = {{"queue=codel", 8ms},
                            {"queue=fq_codel", 8ms},
                            {"queue=pie", 25ms},
                            {"queue=dualpi2", 25ms},
                            {"queue=red/60k/180k/10%", 15ms}};
    for (const Row& row : rows) {
        DumbbellSettings s;
        s.flows.resize(2);
        s.there = link::parse_path(row.queue)->up;
        s.there.rate_bits = 50'000'000;
        s.duration = 15s;
        s.warm_up = 5s;
        Dumbbell dumbbell(s);
        dumbbell.run_to(dumbbell.end());
        const DumbbellReport report = dumbbell.report();
        EXPECT_LE(report.queue_p50, row.p50_max) << row.queue;
        EXPECT_GE(report.utilisation, 850'000u) << row.queue;
        EXPECT_TRUE(report.violations.empty()) << row.queue;
    }
}

TEST(Dumbbell, DatagramsTakeTheirShareWhateverHappens) {
    DumbbellSettings s = small();
    s.warm_up = {};
    s.datagrams = {{.rate_bits = 4'000'000, .payload = 972},  // 500 of 1000 octets a second
                   {.rate_bits = 1'000'000, .begin = 2s, .length = 4s, .on = 1s, .off = 1s},
                   {.rate_bits = 1'000'000, .is_random = true, .is_back = true}};
    Dumbbell d(s);
    d.run_to(d.end());
    const DumbbellReport r = d.report();
    EXPECT_EQ(r.datagrams[0].sent, 5001u);
    EXPECT_GT(r.datagrams[0].arrived, 4900u);
    EXPECT_LE(r.datagrams[0].arrived, 5000u);
    EXPECT_EQ(r.datagrams[0].octets, r.datagrams[0].arrived * 972);
    EXPECT_NEAR(static_cast<double>(r.datagrams[1].sent), 2e6 / (8 * 1228), 2);
    EXPECT_NEAR(static_cast<double>(r.datagrams[2].sent), 1e7 / (8 * 1228), 100);
    EXPECT_LT(r.flows[0].goodput_bits, 5'900'000u);
    EXPECT_GT(r.flows[0].goodput_bits, 4'000'000u);
}

TEST(Dumbbell, ALinkFollowsATrace) {
    DumbbellSettings s = small();
    link::follow(s.there, *link::parse_rate_trace("", "1\n2\n2\n4\n"));  // 12 Mbit/s
    EXPECT_EQ(s.there.rate_bits, 12'000'000u);
    Dumbbell d(s);
    d.run_to(d.end());
    const DumbbellReport r = d.report();
    EXPECT_GT(r.utilisation, 950'000u);
    EXPECT_LE(r.utilisation, 1'000'500u);
    EXPECT_GT(r.goodput_bits, 11'000'000u);
}

}  // namespace
}  // namespace estab::sim
