// Every profile does what it says, over 100,000 packets in virtual time; each is far enough from the
// next that jitter and the rate do not hide one another.
#include "link/profile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "link/lane.hpp"
#include "link/path_spec.hpp"

namespace estab::link {
namespace {

constexpr std::size_t packets = 100'000, size = 1000;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
double share(std::uint64_t part) { return static_cast<double>(part) / packets; }
double chance(Ppm ppm) { return static_cast<double>(ppm) / static_cast<double>(ppm_all); }
// Five standard deviations of a share of so many independent choices.
double band(double p) { return 5 * std::sqrt(p * (1 - p) / packets) + 1e-9; }

double expected_loss(const Direction& d) {
    const BurstLoss& b = d.burst_loss;
    if (b.enter == 0) return chance(d.loss);
    const double bad = chance(b.enter) / (chance(b.enter) + chance(b.leave));
    const double burst = bad * chance(b.loss_bad) + (1 - bad) * chance(b.loss_good);
    return 1 - (1 - burst) * (1 - chance(d.loss));
}

Duration time_to_send(const Direction& d) {
    if (d.rate_bits == 0) return {};
    return Duration{static_cast<std::int64_t>(size * 8 * 1'000'000'000ULL / d.rate_bits)};
}

struct Seen {
    Lane::Counters counters;
    double delay_mean = 0, delay_least = 1e9, delay_most = 0;
    std::vector<std::uint32_t> delivered;  // by the number each packet carries
};

Seen send(const Direction& direction, std::uint64_t seed, Duration spacing) {
    Lane lane({.direction = direction, .seed = seed, .round_trip = 2 * direction.delay});
    Seen seen;
    std::vector<std::uint8_t> packet(size);
    const Instant start{};
    const auto take = [&](Instant until) {
        while (const auto out = lane.pop(until)) {
            std::uint32_t number;
            std::memcpy(&number, out->bytes.data() + 500, sizeof number);
            lane.release();
            const double delay = seconds(out->at - (start + spacing * number));
            seen.delay_mean += delay;
            seen.delay_least = std::min(seen.delay_least, delay);
            seen.delay_most = std::max(seen.delay_most, delay);
            seen.delivered.push_back(number);
        }
    };
    for (std::uint32_t i = 0; i < packets; ++i) {
        const Instant now = start + spacing * i;
        take(now);
        std::memcpy(packet.data() + 500, &i, sizeof i);
        lane.push(now, packet);
    }
    take(start + spacing * packets + 3600s);
    seen.counters = lane.counters();
    seen.delay_mean /= static_cast<double>(seen.delivered.size());
    return seen;
}

Duration wide(const Direction& d) { return 2 * d.jitter + 2 * time_to_send(d) + 1us; }

void check(const Direction& d) {
    const Seen seen = send(d, 7, wide(d));
    const double loss = expected_loss(d);
    // Losses in bursts vary more: as if there were so many fewer choices as a burst is long.
    const double burst =
        d.burst_loss.enter == 0 ? 1 : std::sqrt(2 / chance(d.burst_loss.leave));
    EXPECT_NEAR(share(seen.counters.dropped_by_loss), loss, burst * band(loss));
    EXPECT_NEAR(share(seen.counters.reordered), chance(d.reorder.chance) * (1 - loss),
                band(chance(d.reorder.chance)) + chance(d.reorder.chance) * loss);
    EXPECT_EQ(seen.counters.dropped_by_queue, 0U);
    const double delay = seconds(d.delay + time_to_send(d)), jitter = seconds(d.jitter);
    // A packet that is held to be overtaken is late by as much as it is held at most.
    const double held = chance(d.reorder.chance) * seconds(d.reorder.hold_max);
    EXPECT_NEAR(seen.delay_mean, delay, 0.02 * jitter + held + 1e-6);
    EXPECT_GE(seen.delay_least, delay - jitter - 1e-6);
    if (d.reorder.chance == 0) {
        EXPECT_LE(seen.delay_most, delay + jitter + 1e-6);
    }
    if (jitter > 0) {
        EXPECT_LE(seen.delay_least, delay - 0.95 * jitter);
        EXPECT_GE(seen.delay_most, delay + 0.95 * jitter);
    }
}

// Twice as fast as the link is: what comes out is its rate, and the queue is as long as was asked.
void check_rate(const Direction& d) {
    if (d.rate_bits == 0 || d.queue.unit == Queue::Unit::unlimited) return;
    const Seen seen = send(d, 7, time_to_send(d) / 2);
    const double rate = static_cast<double>(seen.counters.left_bytes) * 8 /
                        seconds(time_to_send(d) / 2 * static_cast<std::int64_t>(packets));
    const double asked = static_cast<double>(d.rate_bits) * (1 - expected_loss(d));
    EXPECT_GE(rate, 0.97 * asked * (1 - expected_loss(d)));
    EXPECT_GT(seen.counters.dropped_by_queue, packets / 4);
    const Lane lane({.direction = d, .seed = 7, .round_trip = 2 * d.delay});
    const double queue = static_cast<double>(lane.queue_bytes_max()) * 8 /
                         static_cast<double>(d.rate_bits);
    const double drained = queue / seconds(time_to_send(d) / 2 * std::int64_t{packets});
    EXPECT_LE(rate, (1.01 + drained) * static_cast<double>(d.rate_bits));  // what waits comes later
    const double longest = seconds(d.delay + d.jitter + time_to_send(d)) + queue +
                           seconds(d.reorder.chance == 0 ? Duration{} : d.reorder.hold_max);
    EXPECT_LE(seen.delay_most, longest + 2 * seconds(time_to_send(d)));
    EXPECT_GE(seen.delay_most, seconds(d.delay) + 0.9 * queue);
}

class EachProfile : public ::testing::TestWithParam<const char*> {
protected:
    PathSpec spec() const { return *parse_path(find_profile(GetParam())->path); }
};
INSTANTIATE_TEST_SUITE_P(Link, EachProfile,
                         ::testing::Values("gprs", "edge", "3g", "lte", "5g", "dsl", "cable",
                                           "wifi-bad", "satellite", "leo", "datacentre",
                                           "transatlantic"),
                         [](const auto& each) {
                             std::string name = each.param;
                             std::erase(name, '-');
                             return name;
                         });

TEST_P(EachProfile, LosesAndDelaysAsItSays) {
    check(spec().up);
    check(spec().down);
}

TEST_P(EachProfile, HasItsRateAndQueue) {
    check_rate(spec().up);
    check_rate(spec().down);
}

TEST_P(EachProfile, TheSameSeedLosesTheSame) {
    const Direction d = spec().down;
    const Seen one = send(d, 3, wide(d)), again = send(d, 3, wide(d)), other = send(d, 4, wide(d));
    EXPECT_EQ(one.delivered, again.delivered);
    if (expected_loss(d) > 0) {
        EXPECT_NE(one.delivered, other.delivered);
    }
}

TEST(Profile, AllAreTested) { EXPECT_EQ(all_profiles().size(), 12U); }

TEST(Profile, TheKnobsOfTheCommandDoTheSame) {
    for (const char* text : {"loss=2%,delay=25ms", "delay=40ms±10ms", "burst-loss=0.5%/25%",
                             "reorder=1%", "rate=5mbit,queue=64KB"}) {
        SCOPED_TRACE(text);
        const PathSpec spec = *parse_path(text);
        check(spec.up);
        check_rate(spec.up);
    }
    const Direction twice = parse_path("duplicate=1%")->up, wrong = parse_path("corrupt=0.5%")->up;
    EXPECT_NEAR(share(send(twice, 7, 1us).counters.duplicated), 0.01, band(0.01));
    EXPECT_NEAR(share(send(wrong, 7, 1us).counters.corrupted), 0.005, band(0.005));
}

}  // namespace
}  // namespace estab::link
