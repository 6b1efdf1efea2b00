// RFC 9040: what connections leave to others with the same host.
#include "stack/path_cache.hpp"

#include <gtest/gtest.h>

#include "link/memory_link.hpp"
#include "stack/turn.hpp"

namespace estab::stack {
namespace {

const auto host = wire::Address::v4(192, 0, 2, 1);
constexpr Instant start{1h};

tcp::PathMetrics slow() { return {.srtt = 200ms, .rttvar = 20ms, .ssthresh = 50'000}; }

TEST(PathCache, KnowsNothingAboutStrangers) {
    PathCache cache;
    EXPECT_FALSE(cache.find(start, host, 1h));
    cache.learn(start, host, slow(), 10);
    EXPECT_EQ(cache.find(start, host, 1h), slow());
    EXPECT_FALSE(cache.find(start, wire::Address::v4(192, 0, 2, 2), 1h));
}

TEST(PathCache, NothingLearntIsNotKept) {
    PathCache cache;
    cache.learn(start, host, {}, 10);
    EXPECT_EQ(cache.size(), 0u);
    cache.learn(start, host, slow(), 0);
    EXPECT_EQ(cache.size(), 0u) << "no room, no entries";
}

TEST(PathCache, TimesAreAveragedAndWhatIsUnknownStays) {  // RFC 9040 8
    PathCache cache;
    cache.learn(start, host, slow(), 10);
    cache.learn(start + 1s, host, {.srtt = 400ms, .rttvar = 80ms}, 10);
    const auto known = cache.find(start + 1s, host, 1h);
    EXPECT_EQ(known->srtt, 250ms);
    EXPECT_EQ(known->rttvar, 80ms) << "never less careful than the last";
    EXPECT_EQ(known->ssthresh, 50'000u);
}

TEST(PathCache, WhatIsOldSaysNothing) {
    PathCache cache;
    cache.learn(start, host, slow(), 10);
    EXPECT_TRUE(cache.find(start + 1h, host, 1h));
    EXPECT_FALSE(cache.find(start + 1h + 1ns, host, 1h));
    EXPECT_EQ(cache.size(), 0u);
}

TEST(PathCache, TheOneUnusedForLongestGoesWhenItIsFull) {
    PathCache cache;
    for (std::uint8_t n = 1; n <= 4; ++n)
        cache.learn(start + n * 1s, wire::Address::v4(10, 0, 0, n), slow(), 4);
    EXPECT_TRUE(cache.find(start + 5s, wire::Address::v4(10, 0, 0, 1), 1h));
    cache.learn(start + 6s, host, slow(), 4);
    EXPECT_EQ(cache.size(), 4u);
    EXPECT_TRUE(cache.find(start + 6s, wire::Address::v4(10, 0, 0, 1), 1h));
    EXPECT_FALSE(cache.find(start + 6s, wire::Address::v4(10, 0, 0, 2), 1h));
    EXPECT_TRUE(cache.find(start + 6s, host, 1h));
}

// Two stacks on a wire, and a connection between them.
struct World {
    Instant now = Instant(1s);
    link::MemoryLink wire{{.caps = caps(), .frames_max = 256}};
    Stack client, server;
    ListenerId listener;

    static device::Caps caps() {
        return {.link = device::LinkType::ip, .mtu = 1500, .frame_max = 1500};
    }
    static StackOptions options(bool sharing, std::uint64_t seed) {
        StackOptions o;
        o.config.tcb_sharing = sharing;
        o.seed = seed;
        return o;
    }
    explicit World(bool sharing)
        : client(now, options(sharing, 1)), server(now, options(sharing, 2)) {
        for (Stack* s : {&client, &server}) s->attach(caps());
        EXPECT_TRUE(client.routes().add_address(*wire::Prefix::parse("10.0.0.1/24")));
        EXPECT_TRUE(server.routes().add_address(*wire::Prefix::parse("10.0.0.2/24")));
        listener = *server.listen({.port = 80});
    }
    static wire::Address at(std::uint8_t n) { return wire::Address::v4(10, 0, 0, n); }
    void turns() {
        for (int i = 0; i < 100; ++i) {
            now += 1ms;
            (void)turn(client, wire.end(0), now);
            (void)turn(server, wire.end(1), now);
        }
    }
    ConnectionId connect() {
        const ConnectionId id = *client.connect(now, {at(2), 80}, {});
        turns();
        return id;
    }
};

TEST(PathSharing, EachConnectionTellsItsRoundTripAtOnce) {  // RFC 9040 7: ensemble sharing
    World w(true);
    (void)w.connect();
    ASSERT_TRUE(w.client.paths().find(w.now, World::at(2), 1h));
    EXPECT_GT(w.client.paths().find(w.now, World::at(2), 1h)->srtt, 0ns);
    EXPECT_TRUE(w.server.paths().find(w.now, World::at(1), 1h)) << "and so does the other end";
}

TEST(PathSharing, TheNextOneBeginsWithIt) {  // RFC 9040 6: temporal sharing
    World w(true);
    w.client.paths().learn(w.now, World::at(2), {.srtt = 80ms, .ssthresh = 30'000}, 8);
    const tcp::Info info = w.client.find(w.connect())->info(w.now);
    EXPECT_EQ(info.ssthresh, 30'000u);
    EXPECT_EQ(info.rtt_us, 80'000u);
}

TEST(PathSharing, IsOffUnlessAskedFor) {
    World w(false);
    w.client.paths().learn(w.now, World::at(2), slow(), 8);
    const tcp::Info info = w.client.find(w.connect())->info(w.now);
    EXPECT_EQ(info.ssthresh, congestion::infinite);
    EXPECT_FALSE(w.server.paths().find(w.now, World::at(1), 1h));
}

TEST(PathSharing, WhatAConnectionLearnsIsLeftWhenItEnds) {
    World w(true);
    const ConnectionId id = w.connect();
    w.client.paths().clear();
    w.client.close(w.now, id);
    w.turns();
    const ConnectionId served = *w.server.accept(w.listener);
    w.server.close(w.now, served);
    w.turns();
    EXPECT_TRUE(w.client.paths().find(w.now, World::at(2), 1h));
}

}  // namespace
}  // namespace estab::stack
