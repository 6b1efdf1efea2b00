// What a sender has to reach on paths that everybody measures: goodput, patience with reordering,
// clocks that tick slowly, and loss. In virtual time, so the numbers are the same everywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "congestion/algorithm.hpp"
#include "sim/dumbbell.hpp"

namespace estab::sim {
namespace {

constexpr std::uint64_t mbit = 1'000'000;

DumbbellSettings path(std::uint64_t rate, Duration rtt) {
    DumbbellSettings s;
    s.there.rate_bits = rate;
    s.there.queue = {.unit = link::Queue::Unit::bdp_thousandths, .limit = 1000};
    s.rtt = rtt;
    s.referee = false;
    s.measure_rtt = false;
    return s;
}

DumbbellReport run(const DumbbellSettings& settings) {
    Dumbbell d(settings);
    d.run_to(d.end());
    return d.report();
}

TEST(Bars, CubicFillsALinkBehindOneBdp) {  // 96.5 of 100 Mbit/s is all that headers leave
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.warm_up = 10s;
    EXPECT_GE(run(s).goodput_bits, 96 * mbit);
}

// Random loss says nothing about the path: BBR goes on at the rate that it measures, where CUBIC is
// left with 4 of 100 Mbit/s.
TEST(Bars, BbrBearsOnePercentOfLoss) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.flows[0].congestion_control = congestion::find("bbr");
    s.there.loss = 10'000;
    s.warm_up = 5s;
    s.duration = 35s;
    EXPECT_GE(run(s).goodput_bits, 80 * mbit);
}

TEST(Bars, BbrFillsALinkAndLeavesTheQueueEmpty) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.flows[0].congestion_control = congestion::find("bbr");
    s.warm_up = 5s;
    s.duration = 35s;
    const DumbbellReport r = run(s);
    EXPECT_GE(r.goodput_bits, 92 * mbit);
    EXPECT_LE(r.queue_p50, 2ms);
    EXPECT_GT(r.flows[0].limited[static_cast<std::size_t>(tcp::Limit::pacing)], 25s);
}

TEST(Bars, TwoBbrFlowsShareALink) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.flows[0].congestion_control = congestion::find("bbr");
    s.flows.push_back(s.flows[0]);
    s.spread = 2s;
    s.warm_up = 20s;
    s.duration = 60s;
    const DumbbellReport r = run(s);
    EXPECT_GE(r.goodput_bits, 90 * mbit);
    EXPECT_GE(r.jain, 950'000u);
}

DumbbellSettings dualpi2(std::vector<const char*> algorithms) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.there.queue = {.discipline = link::Queue::Discipline::dualpi2};
    s.flows.resize(algorithms.size());
    for (std::size_t i = 0; i < algorithms.size(); ++i)
        s.flows[i].congestion_control = congestion::find(algorithms[i]);
    s.warm_up = 5s;
    s.duration = 20s;
    return s;
}

// RFC 9331 2: low queuing delay at full use of the link.
TEST(Bars, PragueKeepsTheQueueShortAndTheLinkBusy) {
    for (const Duration rtt : {10ms, 40ms}) {
        DumbbellSettings s = dualpi2({"prague"});
        s.rtt = rtt;
        const DumbbellReport r = run(s);
        EXPECT_GE(r.utilisation, 900'000u) << rtt / 1ms;
        EXPECT_LE(r.l4s_p99, 5ms) << rtt / 1ms;
        EXPECT_EQ(r.flows[0].congestion_control, "prague");
        EXPECT_GT(r.marked, 100u);
        EXPECT_EQ(r.flows[0].retransmits, 0u);
    }
}

// RFC 9332: the coupling gives a flow of each kind about the same.
TEST(Bars, PragueAndCubicShareALinkThroughDualPi2) {
    DumbbellSettings s = dualpi2({"prague", "cubic"});
    s.duration = 40s;
    const DumbbellReport r = run(s);
    EXPECT_GE(r.utilisation, 900'000u);
    EXPECT_LE(r.l4s_p99, 5ms);
    EXPECT_GE(r.jain, 800'000u);
}

// Without a report of every mark it is CUBIC, and says so: here the receiver knows no ECN.
TEST(Bars, PragueWithoutAccurateEcnIsCubic) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.flows[0].congestion_control = congestion::find("prague");
    s.flows[0].ecn = tcp::EcnMode::off;
    s.duration = 5s;
    EXPECT_EQ(run(s).flows[0].congestion_control, "cubic");
}

// A clock that ticks every 16 ms wakes the sender as late: what was not sent meanwhile goes then.
TEST(Bars, BbrWithACoarseClockIsNotSlow) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.flows[0].congestion_control = congestion::find("bbr");
    s.clock = 16ms;
    s.warm_up = 5s;
    s.duration = 25s;
    EXPECT_GE(run(s).goodput_bits, 80 * mbit);
}

// Pacing is for every algorithm that wants it: CUBIC fills the link with it as without.
TEST(Bars, PacedCubicFillsALink) {
    DumbbellSettings s = path(100 * mbit, 40ms);
    s.flows[0].pacing = true;
    s.warm_up = 10s;
    s.duration = 40s;
    EXPECT_GE(run(s).goodput_bits, 94 * mbit);
}

// 5 % of jitter, and one packet in a hundred overtaken by three: no loss, and no loss of speed.
TEST(Bars, ReorderingIsNotTakenForLoss) {
    DumbbellSettings s = path(100 * mbit, 100ms);
    s.there.jitter = 5ms;
    s.there.reorder = {.chance = 10'000, .packets = 3, .hold_max = 10ms};
    s.warm_up = 10s;
    s.duration = 70s;
    Dumbbell d(s);
    d.run_to(d.end() - 30s);
    const std::uint64_t early = d.report().flows[0].octets;
    d.run_to(d.end());
    const FlowReport f = d.report().flows[0];
    EXPECT_LE(f.spurious * 1000, f.segments);
    EXPECT_GE(early * 8, 30 * 95 * mbit);
    EXPECT_GE((f.octets - early) * 8, 30 * 95 * mbit);  // the window has not been worn down
}

// A clock that ticks every 16 ms gives many segments one time. That must make no losses.
class Clocks : public testing::TestWithParam<Duration> {};

TEST_P(Clocks, MakeNoLosses) {
    for (const Duration jitter : {0ms, 5ms}) {
        DumbbellSettings s = path(50 * mbit, 100ms);
        s.there.queue.limit = 4000;  // more than the buffers fill: nothing is lost
        s.there.jitter = jitter;
        if (jitter != 0ms) s.there.reorder = {.chance = 10'000, .packets = 3, .hold_max = 10ms};
        s.clock = GetParam();
        s.duration = 15s;
        const DumbbellReport r = run(s);
        EXPECT_EQ(r.dropped_by_queue + r.dropped_by_loss, 0u);
        EXPECT_EQ(r.flows[0].retransmits, 0u) << jitter / 1ms;
        EXPECT_EQ(r.flows[0].spurious, 0u) << jitter / 1ms;
        EXPECT_GE(r.goodput_bits, 45 * mbit) << jitter / 1ms;
    }
}

INSTANTIATE_TEST_SUITE_P(Ticks, Clocks, testing::Values(Duration(500us), 4ms, 16ms),
                         [](const auto& i) { return std::to_string(i.param / 1us) + "us"; });

// 10 MiB over 100 ms through buffers of 32 KiB with loss in both directions, as in smoltcp's own
// table. That stack has no congestion control there, so neither has `fixed`: what is compared is
// recovery. BBR, which does not take every loss for congestion, carries more, too, except where the
// buffer is all that limits.
struct Lossy {
    const char* control;
    Ppm loss;
    std::uint64_t smoltcp;  // octets a second
};
class LossyPath : public testing::TestWithParam<Lossy> {};

std::uint64_t octets_a_second(const Lossy& lossy, std::uint64_t seed) {
    DumbbellSettings s = path(0, 100ms);
    s.seed = seed;
    s.there.queue = {};
    s.there.loss = s.loss_back = lossy.loss;
    s.octets = 10u << 20;
    s.duration = 3600s;
    tcp::Config& c = s.flows[0];
    c.congestion_control = congestion::find(lossy.control);
    c.fixed_window = 64;
    c.send_buffer = c.recv_buffer = 32 << 10;
    c.send_autotune = c.recv_autotune = false;
    return run(s).flows[0].goodput_bits / 8;
}

TEST_P(LossyPath, CarriesMoreThanSmoltcp) {
    std::array<std::uint64_t, 3> of{};
    for (std::size_t i = 0; i < of.size(); ++i) of[i] = octets_a_second(GetParam(), i + 1);
    std::ranges::sort(of);
    EXPECT_GE(of[1], GetParam().smoltcp) << of[0] << " to " << of[2];
}

INSTANTIATE_TEST_SUITE_P(
    Losses, LossyPath,
    testing::Values(Lossy{"fixed", 0, 323'000}, Lossy{"fixed", 10'000, 220'000},
                    Lossy{"fixed", 50'000, 77'000}, Lossy{"fixed", 100'000, 38'000},
                    Lossy{"fixed", 300'000, 1'200}, Lossy{"bbr", 10'000, 220'000},
                    Lossy{"bbr", 50'000, 77'000}, Lossy{"bbr", 100'000, 38'000},
                    Lossy{"bbr", 300'000, 1'200}),
    [](const auto& i) { return i.param.control + std::to_string(i.param.loss) + "ppm"; });

}  // namespace
}  // namespace estab::sim
