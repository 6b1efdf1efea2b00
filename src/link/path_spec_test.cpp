#include "link/path_spec.hpp"

#include <gtest/gtest.h>

#include "base/rng.hpp"

namespace estab::link {
namespace {

PathSpec parsed(std::string_view text) {
    const auto spec = parse_path(text);
    EXPECT_TRUE(spec) << (spec ? "" : spec.error().text());
    return spec ? *spec : PathSpec{};
}
std::string problem(std::string_view text) {
    const auto spec = parse_path(text);
    return spec ? "accepted as " + print(*spec) : spec.error().text();
}

TEST(PathSpec, TheExampleMeansThis) {
    const PathSpec spec = parsed(PathSpec::example);
    for (const Direction& d : {spec.up, spec.down}) {
        EXPECT_EQ(d.loss, 10'000u);
        EXPECT_EQ(d.delay, 20ms);
        EXPECT_EQ(d.jitter, 2ms);
        EXPECT_EQ(d.reorder.chance, 10'000u);
        EXPECT_EQ(d.duplicate, 10'000u);
        EXPECT_EQ(d.corrupt, 1'000u);
        EXPECT_EQ(d.rate_bits, 50'000'000u);
        EXPECT_EQ(d.queue.unit, Queue::Unit::bytes);
        EXPECT_EQ(d.queue.limit, 65'536u);
    }
    EXPECT_EQ(spec.seed, 7u);
}

TEST(PathSpec, NothingIsAPathThatDoesNothing) {
    EXPECT_EQ(parsed(""), PathSpec{});
    EXPECT_EQ(print({}), "");
}

TEST(PathSpec, DelayMayCarryItsJitter) {
    for (const std::string_view text :
         {"delay=40ms±10ms", "delay=40ms+-10ms", "jitter=10ms,delay=40ms"}) {
        EXPECT_EQ(parsed(text).up.delay, 40ms) << text;
        EXPECT_EQ(parsed(text).down.jitter, 10ms) << text;
    }
}

TEST(PathSpec, PrefixesNameADirectionAndLaterItemsOverride) {
    PathSpec spec = parsed("up:loss=2%,down:rate=5mbit");
    EXPECT_EQ(spec.up.loss, 20'000u);
    EXPECT_EQ(spec.down.loss, 0u);
    EXPECT_EQ(spec.up.rate_bits, 0u);
    EXPECT_EQ(spec.down.rate_bits, 5'000'000u);
    spec = parsed("delay=20ms,down:delay=5ms");
    EXPECT_EQ(spec.up.delay, 20ms);
    EXPECT_EQ(spec.down.delay, 5ms);
    EXPECT_EQ(parsed("down:loss=5%,loss=1%").down.loss, 10'000u);
}

TEST(PathSpec, UnitsAreExact) {
    EXPECT_EQ(parsed("queue=64k").up.queue, parsed("queue=64KiB").up.queue);
    EXPECT_EQ(parsed("queue=64k").up.queue, parsed("queue=64KB").up.queue);
    EXPECT_EQ(parsed("queue=64k").up.queue, parsed("queue=65536").up.queue);
    EXPECT_EQ(parsed("queue=2m").up.queue.limit, 2'097'152u);
    EXPECT_EQ(parsed("queue=100p").up.queue.unit, Queue::Unit::packets);
    EXPECT_EQ(parsed("queue=0.5bdp").up.queue.unit, Queue::Unit::bdp_thousandths);
    EXPECT_EQ(parsed("queue=0.5bdp").up.queue.limit, 500u);
    EXPECT_EQ(parsed("rate=64kbit").up.rate_bits, 64'000u);
    EXPECT_EQ(parsed("rate=1.5Gbit").up.rate_bits, 1'500'000'000u);
    EXPECT_EQ(parsed("delay=1.5ms").up.delay, 1'500us);
    EXPECT_EQ(parsed("delay=0").up.delay, 0ms);
    EXPECT_EQ(parsed("loss=0.0001%").up.loss, 1u);
    EXPECT_EQ(parsed("loss=1ppm").up.loss, 1u);
    EXPECT_EQ(parsed("loss=100%").up.loss, ppm_all);
    EXPECT_EQ(parsed("seed=18446744073709551615").seed, UINT64_MAX);
}

TEST(PathSpec, ItemsWithParts) {
    const Direction d = parsed("burst-loss=0.5%/25%,reorder=1%/5p/20ms,drop=3+7-9").up;
    EXPECT_EQ(d.burst_loss, (BurstLoss{.enter = 5'000, .leave = 250'000}));
    EXPECT_EQ(d.reorder, (Reorder{.chance = 10'000, .packets = 5, .hold_max = 20ms}));
    EXPECT_EQ(d.drops, (std::vector<PacketRange>{{3, 3}, {7, 9}}));
    EXPECT_EQ(parsed("burst-loss=1%/10%/50%/0.1%").up.burst_loss.loss_good, 1'000u);
    EXPECT_EQ(parsed("reorder=1%/5ms").up.reorder.packets, 3u);
    EXPECT_TRUE(parsed("drop=3,drop=none").up.drops.empty());
}

TEST(PathSpec, DisciplinesWithParts) {
    const Queue a = parsed("queue=codel/10ms/200ms/1000p/drop").up.queue;
    EXPECT_EQ(a, (Queue{.discipline = Queue::Discipline::codel,
                            .unit = Queue::Unit::packets,
                            .limit = 1000,
                            .target = 10ms,
                            .interval = 200ms,
                            .drops_only = true}));
    EXPECT_EQ(parsed("queue=fq_codel").up.queue, Queue{.discipline = Queue::Discipline::fq_codel});
    const Queue r = parsed("queue=red/30k/90k/10%/200k").up.queue;
    EXPECT_EQ(r.low_bytes, 30'720u);
    EXPECT_EQ(r.high_bytes, 92'160u);
    EXPECT_EQ(r.most, 100'000u);
    EXPECT_EQ(r.limit, 204'800u);
    EXPECT_EQ(parsed("queue=pie/20ms").up.queue.target, 20ms);
    EXPECT_EQ(parsed("queue=dualpi2,queue=1bdp").up.queue.discipline,
              Queue::Discipline::drop_tail);
    EXPECT_EQ(parsed("police=10mbit").up.policer, (Policer{.rate_bits = 10'000'000}));
    EXPECT_EQ(parsed("police=1mbit/10k").up.policer.burst_bytes, 10'240u);
    EXPECT_EQ(parsed("ce=1ms").up.ce,
              (MarkThreshold{.unit = MarkThreshold::Unit::time, .value = 1'000'000}));
    EXPECT_EQ(parsed("ce=20p").up.ce.unit, MarkThreshold::Unit::packets);
    EXPECT_EQ(parsed("ce=30k").up.ce.value, 30'720u);
    EXPECT_EQ(parsed("ce=30k,ce=none").up.ce, MarkThreshold{});
}

TEST(PathSpec, ErrorsNameTheItemTheFaultAndTheRemedy) {
    EXPECT_EQ(problem("loss=abc"), "loss=abc: not a percentage (example: loss=2%)");
    EXPECT_EQ(problem("delay=1ms,up:loss=2"), "up:loss=2: not a percentage (example: loss=2%)");
    EXPECT_EQ(
        problem("los=2%"),
        "los=2%: unknown (possible: loss, burst-loss, drop, rate, rate-trace, police, queue, ce, delay, "
        "jitter, reorder, duplicate, corrupt, seed)");
    EXPECT_EQ(
        problem("queue=cake"),
        "queue=cake: not a limit in bytes (k, m), packets (p) or bandwidth-delay products (bdp), "
        "unlimited, or red, codel, fq_codel, pie or dualpi2 with /-separated parts (times, limit, "
        "drop; for red MIN/MAX/P%) (example: queue=64k, queue=1bdp, queue=codel/5ms/100ms, "
        "queue=fq_codel/1000p)");
    EXPECT_EQ(problem("loss=1%,"), ",: an item is missing (example: loss=1%,delay=20ms)");
    EXPECT_EQ(problem("up:seed=1"), "up:seed=1: one seed is for both directions (example: seed=7)");
}

TEST(PathSpec, RefusesWhatItWouldHaveToGuess) {
    for (const std::string_view text : {"loss",
                                        "loss=",
                                        "loss=101%",
                                        "loss=-1%",
                                        "loss=.%",
                                        "loss=0.00001%",
                                        "loss=1%%",
                                        "rate=0mbit",
                                        "rate=5",
                                        "rate=5mbps",
                                        "delay=20",
                                        "delay=2h",
                                        "delay=3601s",
                                        "delay=10ms±",
                                        "delay=±1ms",
                                        "drop=0",
                                        "drop=5-3",
                                        "drop=",
                                        "drop=1+x",
                                        "drop=1+",
                                        "drop=7-",
                                        "reorder=1%/",
                                        "burst-loss=1%",
                                        "burst-loss=1%/2%/3%/4%/5%",
                                        "queue=1x",
                                        "queue=codel/",
                                        "queue=codel/5ms/100ms/1s",
                                        "queue=codel/0ms",
                                        "queue=pie/10p/20p",
                                        "queue=red/30k",
                                        "queue=red/30k/20k",
                                        "queue=red/5ms",
                                        "police=10k",
                                        "police=1mbit/x",
                                        "ce=1%",
                                        "seed=",
                                        "seed=-1",
                                        "seed=1.5",
                                        "seed=18446744073709551616",
                                        "up:",
                                        ",",
                                        "=",
                                        "delay=0.00000000000000000000000000001s",
                                        "rate=99999999999999999999999999999999999999999gbit"}) {
        EXPECT_FALSE(parse_path(text)) << text;
    }
}

Direction random_direction(Rng& random) {
    Direction d;
    const auto maybe = [&] { return random.below(2) == 0; };
    const auto share = [&] { return static_cast<Ppm>(random.below(ppm_all + 1)); };
    const auto time = [&] {
        return Duration{static_cast<std::int64_t>(random.below(3'600'000'000'000))};
    };
    if (maybe()) d.loss = share();
    if (maybe()) d.burst_loss = {share(), share(), share(), share()};
    for (std::uint64_t i = random.below(5); i > 0; --i) {
        const std::uint64_t first = 1 + random.below(1'000);
        d.drops.push_back({first, first + random.below(3)});
    }
    if (maybe()) d.rate_bits = 1 + random.below(1'000'000'000'000);
    if (maybe()) {
        d.queue = {.unit = static_cast<Queue::Unit>(1 + random.below(3)),
                   .limit = random.below(1u << 24)};
    }
    if (maybe()) {
        d.queue.discipline = static_cast<Queue::Discipline>(random.below(6));
        const bool is_red = d.queue.discipline == Queue::Discipline::red;
        if (is_red) d.queue.low_bytes = 1 + random.below(1000);
        if (is_red) d.queue.high_bytes = 1001 + random.below(1000);
        if (is_red && maybe()) d.queue.most = 1 + static_cast<Ppm>(random.below(ppm_all));
        if (!is_red && d.queue.discipline != Queue::Discipline::drop_tail) {
            if (maybe()) d.queue.target = time() + 1ns;
            if (d.queue.target != Duration{} && maybe()) d.queue.interval = time() + 1ns;
            d.queue.drops_only = maybe();
        }
    }
    if (maybe()) d.policer = {.rate_bits = 1 + random.below(1'000'000'000)};
    if (maybe()) d.policer.burst_bytes = d.policer.rate_bits != 0 ? random.below(1u << 20) : 65'536;
    if (maybe()) {
        d.ce = {.unit = static_cast<MarkThreshold::Unit>(1 + random.below(3)),
                .value = random.below(1'000'000'000'000)};
    }
    if (maybe()) d.delay = time();
    if (maybe())
        d.jitter = maybe() ? time() : Duration{std::chrono::milliseconds{random.below(1'000)}};
    if (maybe()) {
        d.reorder = {.chance = share(), .packets = static_cast<std::uint32_t>(random.below(10)),
                     .hold_max = maybe() ? time() : 10ms};
    }
    if (maybe()) d.duplicate = share();
    if (maybe()) d.corrupt = share();
    return d;
}

TEST(PathSpec, PrintIsTheInverseOfParse) {
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        Rng random(seed);
        const PathSpec spec{.up = random_direction(random), .down = random_direction(random),
                            .seed = random.next()};
        const std::string text = print(spec);
        const auto again = parse_path(text);
        ASSERT_TRUE(again) << "--seed=" << seed << " " << text << ": " << again.error().text();
        ASSERT_EQ(*again, spec) << "--seed=" << seed << " " << text;
    }
    EXPECT_EQ(print(parsed("down:rate=5mbit,delay=40ms+-10ms,up:loss=2%,seed=7")),
              "up:loss=2%,down:rate=5mbit,delay=40ms,jitter=10ms,seed=7");
}

}  // namespace
}  // namespace estab::link
