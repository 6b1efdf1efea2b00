#include <gtest/gtest.h>

#include "sim/talk.hpp"

namespace estab::sim {
namespace {

TEST(Agenda, CallsTheFirstFirst) {
    Agenda agenda;
    const auto a = agenda.add(), b = agenda.add(), c = agenda.add();
    agenda.set(a, Instant(3s));
    agenda.set(b, Instant(1s));
    agenda.set(c, Instant(1s));
    EXPECT_EQ(agenda.first(), b);  // as c, but added before
    agenda.set(b, Instant(4s));
    EXPECT_EQ(agenda.first(), c);
    agenda.remove(c);
    EXPECT_EQ(agenda.first(), a);
    EXPECT_EQ(agenda.next(), Instant(3s));
}

TEST(Agenda, AgreesWithASortedList) {
    Agenda agenda;
    Rng rng(1);
    std::vector<Instant> model;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(agenda.add(), static_cast<Agenda::Id>(i));
        model.push_back(never);
    }
    for (int i = 0; i < 10'000; ++i) {
        const auto id = static_cast<Agenda::Id>(rng.below(100));
        model[id] = Instant(Duration(static_cast<std::int64_t>(rng.below(1000))));
        agenda.set(id, model[id]);
        const auto least = std::min_element(model.begin(), model.end());
        ASSERT_EQ(agenda.first(), static_cast<Agenda::Id>(least - model.begin()));
    }
}

// A talk on a pair of hosts, with what became of it.
struct Meeting {
    World world;
    Ledger ledger{1};
    Pair hosts;
    std::unique_ptr<Server> server;
    std::vector<std::unique_ptr<Talk>> talks;

    explicit Meeting(const link::Direction& each_way, const HostSettings& each = {},
                     std::uint64_t seed = 1)
        : world({.seed = seed}), hosts(pair(world, each_way, each)) {
        stack::ListenOptions options;
        options.port = 80;
        server = std::make_unique<Server>(ledger, hosts.right, options);
    }
    const Ledger::Entry& talk(const Order& order, bool v6 = false) {
        const std::uint32_t number = ledger.add(order);
        talks.push_back(std::make_unique<Talk>(
            ledger, Talk::Client{.host = hosts.left,
                                 .server = {v6 ? hosts.right.v6() : hosts.right.v4(), 80},
                                 .number = number,
                                 .begin = world.now()}));
        EXPECT_TRUE(world.run_until([&] { return ledger.is_over(); }, after(world.now(), 3600s)));
        EXPECT_EQ(complaints(), "");
        return ledger[number];
    }
    std::string complaints() const {
        std::string all;
        for (const std::string& c : ledger.complaints()) all += c + "\n";
        for (const Violation& v : world.referee().violations()) all += text(v) + "\n";
        return all;
    }
};

using State = Outcome::State;

TEST(World, CarriesABulkTransfer) {
    Meeting m({.delay = 10ms});
    const auto& e = m.talk({.up = 1'000'000});
    EXPECT_EQ(e.client.state, State::done);
    EXPECT_EQ(e.server.state, State::done);
    EXPECT_EQ(e.server.in, 1'000'000u);
    EXPECT_GE(e.server.ended - e.client.began, Duration(60ms));
    EXPECT_GT(m.world.referee().counters().packets, 1000u);
}

TEST(World, CarriesIpv6AndBigSegments) {
    Meeting m({.delay = 1ms}, {.big_segments = true});
    const auto& e = m.talk({.up = 1'000'000, .down = 2'000'000, .concurrent = true}, true);
    EXPECT_EQ(e.client.in, 2'000'000u);
    EXPECT_EQ(e.client.state, State::done);
}

TEST(World, KeepsTheRateOfALink) {
    link::Direction slow{.rate_bits = 10'000'000, .delay = 1ms};
    slow.queue = {.unit = link::Queue::Unit::packets, .limit = 50};
    Meeting m(slow);
    const auto& e = m.talk({.up = 5'000'000});
    const Duration took = e.server.ended - e.client.began;
    EXPECT_GT(took, Duration(4s));           // 40 Mbit at 10 Mbit/s
    EXPECT_LT(took, Duration(5s));
}

TEST(World, SurvivesEveryFaultAtOnce) {
    link::Direction bad{.loss = 20'000, .rate_bits = 20'000'000, .delay = 20ms, .jitter = 5ms};
    bad.reorder.chance = 20'000;
    bad.duplicate = 20'000;
    bad.corrupt = 10'000;
    Meeting m(bad);
    EXPECT_EQ(m.talk({.up = 300'000, .down = 300'000, .rounds = 3}).client.state, State::done);
}

TEST(World, AnswersRequests) {
    Meeting m({.delay = 5ms});
    const auto& e =
        m.talk({.up = 100, .down = 5000, .rounds = 50, .end = Order::End::server_first});
    EXPECT_EQ(e.client.in, 250'000u);
    EXPECT_EQ(e.client.state, State::done);
}

TEST(World, Echoes) {
    Meeting m({.delay = 5ms});
    const auto& e = m.talk({.up = 500'000, .echo = true, .end = Order::End::half_close});
    EXPECT_EQ(e.client.in, 500'000u);
    EXPECT_EQ(e.client.state, State::done);
}

TEST(World, WaitsForASlowReader) {
    Meeting m({.delay = 5ms});
    const auto& e = m.talk({.up = 500'000, .server_reads = {.octets = 10'000, .pause = 500ms}});
    EXPECT_EQ(e.server.state, State::done);
    EXPECT_GT(e.server.ended - e.client.began, Duration(20s));
}

TEST(World, KnowsWhoAborted) {
    Meeting m({.delay = 5ms});
    const auto& e = m.talk({.up = 500'000, .client_aborts_after = 100'000});
    EXPECT_EQ(e.client.state, State::aborted);
    EXPECT_EQ(e.server.state, State::failed);
    EXPECT_EQ(e.server.error, Error::reset);
}

TEST(World, LetsGoAtOnce) {
    Meeting m({.delay = 5ms});
    const auto& e = m.talk({.up = 50'000, .end = Order::End::close_at_once});
    EXPECT_EQ(e.client.state, State::done);
    m.world.run_for(1s);
    EXPECT_EQ(e.server.state, State::done);
    EXPECT_EQ(e.server.in, 50'000u);
}

TEST(World, IsTheSameTwice) {
    const auto run = [](std::uint64_t seed) {
        link::Direction bad{.loss = 20'000, .delay = 20ms, .jitter = 5ms};
        Meeting m(bad, {}, seed);
        m.talk({.up = 100'000, .down = 100'000});
        return m.world.hash();
    };
    EXPECT_EQ(run(7), run(7));
    EXPECT_NE(run(7), run(8));
}

TEST(World, RoutersForwardAndSayWhenTheyCannot) {
    World world({.seed = 3});
    Host& a = world.add_host({});
    Host& b = world.add_host({});
    Router& near = world.add_router("near");
    Router& far = world.add_router("far");
    world.connect(a, near, {});
    world.connect(near, far, {.there = {.delay = 10ms}, .back = {.delay = 10ms}, .mtu = 1300});
    world.connect(far, b, {});
    Ledger ledger(1);
    stack::ListenOptions options;
    options.port = 80;
    Server server(ledger, b, options);
    const std::uint32_t number = ledger.add({.up = 100'000, .down = 100'000});
    Talk talk(ledger, {.host = a, .server = {b.v4(), 80}, .number = number, .begin = world.now()});
    EXPECT_TRUE(world.run_until([&] { return ledger.is_over(); }, Instant(600s)));
    EXPECT_EQ(ledger[number].client.state, State::done);
    EXPECT_TRUE(world.referee().is_content());
    EXPECT_GT(near.counters().too_big, 0u);
    EXPECT_GT(far.counters().forwarded, 100u);
}

TEST(Exponential, HasItsMean) {
    Rng rng(5);
    std::int64_t sum = 0, above = 0;
    constexpr int count = 100'000;
    for (int i = 0; i < count; ++i) {
        const Duration d = exponential(rng, 1ms);
        sum += to_ns(d);
        above += d > 1ms;
    }
    EXPECT_NEAR(static_cast<double>(sum) / count, 1e6, 1.5e4);
    EXPECT_NEAR(static_cast<double>(above) / count, 0.3679, 0.006);  // 1/e
}

}  // namespace
}  // namespace estab::sim
