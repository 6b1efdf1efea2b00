// Routers that drop what is too large without a word of ICMP, on the way of whole stacks: the MTU is
// found all the same (RFC 4821).
#include <gtest/gtest.h>

#include "sim/dumbbell.hpp"

namespace estab::sim {
namespace {

// left - A - B - right; between the routers only `narrow` octets pass.
struct Path {
    Path(tcp::MtuProbing probing, bool silent, std::uint32_t narrow, bool v6 = false)
        : world({.seed = 3}) {
        HostSettings each;
        each.config.mtu_probing = probing;
        left = &world.add_host(each);
        right = &world.add_host(each);
        a = &world.add_router("a");
        b = &world.add_router("b");
        a->silent = b->silent = silent;
        const link::Direction way{.rate_bits = 20'000'000, .delay = 5ms};
        world.connect(*left, *a, {.there = way, .back = way});
        world.connect(*a, *b, {.there = way, .back = way, .mtu = narrow});
        world.connect(*b, *right, {.there = way, .back = way});
        stack::ListenOptions options;
        options.port = 80;
        server.emplace(ledger, *right, options);
        const auto number = ledger.add({.up = 2'000'000});
        talk.emplace(ledger, Talk::Client{.host = *left,
                                          .server = {v6 ? right->v6() : right->v4(), 80},
                                          .number = number,
                                          .begin = world.now()});
    }
    bool ends_within(Duration time) {
        return world.run_until([&] { return ledger.is_over(); }, after(world.now(), time)) &&
               ledger.complaints().empty() && world.referee().is_content();
    }
    const Outcome& outcome() const { return ledger.entries()[0].client; }

    World world;
    Ledger ledger{3};
    Host *left = nullptr, *right = nullptr;
    Router *a = nullptr, *b = nullptr;
    std::optional<Server> server;
    std::optional<Talk> talk;
};

using tcp::MtuProbing;

TEST(PathMtu, IsFoundBehindARouterThatSaysNothing) {
    for (const bool v6 : {false, true}) {
        for (const std::uint32_t narrow : {1400u, 1280u}) {
            Path path(MtuProbing::black_hole, true, narrow, v6);
            ASSERT_TRUE(path.ends_within(60s)) << narrow << v6;
            EXPECT_EQ(path.outcome().state, Outcome::State::done);
            EXPECT_GT(path.a->counters().too_big, 0u);
            EXPECT_GE(path.left->stack().counters().TcpExt_TCPMTUPFail, 1u);
        }
    }
}

TEST(PathMtu, AWordOfIcmpIsQuicker) {
    Path told(MtuProbing::black_hole, false, 1300), silent(MtuProbing::black_hole, true, 1300);
    ASSERT_TRUE(told.ends_within(60s));
    ASSERT_TRUE(silent.ends_within(60s));
    EXPECT_LT(told.outcome().ended - told.outcome().began, 2s);
    EXPECT_GT(silent.outcome().ended - silent.outcome().began, 1s);  // R1 time-outs
    EXPECT_EQ(told.left->stack().counters().TcpExt_TCPTimeouts, 0u);
}

TEST(PathMtu, WhoDoesNotLookForItStaysInTheBlackHole) {
    Path path(MtuProbing::off, true, 1400);
    EXPECT_FALSE(path.ends_within(60s));
    EXPECT_EQ(path.ledger.entries()[0].server.in, 0u);
}

TEST(PathMtu, ASearchFromBelowLosesNothing) {  // upward probing: only probes are dropped
    Path path(MtuProbing::always, true, 1400);
    ASSERT_TRUE(path.ends_within(60s));
    EXPECT_EQ(path.left->stack().counters().TcpExt_TCPTimeouts, 0u);
    EXPECT_GE(path.left->stack().counters().TcpExt_TCPMTUPSuccess, 1u);
}

// The MTU of a route falls while the transfer runs, with ICMP and without, and rises again.
TEST(PathMtu, MayChangeUnderARunningTransfer) {
    for (const bool silent : {false, true}) {
        DumbbellSettings s;
        s.there.rate_bits = 20'000'000;
        s.there.queue = {.unit = link::Queue::Unit::bdp_thousandths, .limit = 1000};
        s.silent = silent;
        s.duration = 40s;
        s.changes = {{.at = 10s, .there = s.there, .back = s.there, .mtu = 1300},
                     {.at = 25s, .there = s.there, .back = s.there, .mtu = 1500}};
        Dumbbell d(s);
        d.run_to(after(d.world().now(), 9s));
        const std::uint64_t before = d.report().flows[0].octets;
        d.run_to(d.end() - 20s);
        const std::uint64_t narrow = d.report().flows[0].octets;
        EXPECT_GT(before * 8, 9 * 15'000'000u);
        EXPECT_GT((narrow - before) * 8, (silent ? 8u : 10u) * 15'000'000u) << silent;
        d.run_to(d.end());
        EXPECT_TRUE(d.report().violations.empty());
        EXPECT_GT((d.report().flows[0].octets - narrow) * 8, 18 * 15'000'000u);
    }
}

}  // namespace
}  // namespace estab::sim
