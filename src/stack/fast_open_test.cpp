#include "stack/fast_open.hpp"

#include <gtest/gtest.h>

#include "stack/stack_testing.hpp"

namespace estab::stack {
namespace {

using tcp::FastOpenCookie;
using tcp::FastOpenMode;

const wire::FourTuple from_the_net{{wire::Address::v4(192, 168, 0, 1), 80},
                                   {wire::Address::v4(192, 0, 2, 1), 4000}};
constexpr SipKey linux_key{0xb2b2'b2b2'a1a1'a1a1, 0xd4d4'd4d4'c3c3'c3c3};

std::string hex(Bytes octets) {
    std::string text;
    for (const std::uint8_t o : octets) {
        text += "0123456789abcdef"[o >> 4];
        text += "0123456789abcdef"[o & 15];
    }
    return text;
}

TEST(FastOpenKeys, CookiesAreLinuxs) {  // hosts behind one address share a key
    FastOpenKeys keys(1);
    keys.set(linux_key, std::nullopt);
    EXPECT_EQ(hex(keys.make(Instant(5s), 24h, from_the_net).bytes()), "3021b9d889017eeb");
    keys.set(SipKey{}, std::nullopt);
    EXPECT_EQ(hex(keys.make(Instant(5s), 24h, from_the_net).bytes()), "b7c12350a90dc8f5");
}

TEST(FastOpenKeys, ACookieOutlivesOneKeyAndNotTwo) {  // RFC 7413 4.1.2
    const FastOpenKeys keys(1);
    const Instant start(240h);
    const FastOpenCookie cookie = keys.make(start, 24h, from_the_net);
    const auto verdict = [&](Duration later) {
        return keys.check(start + later, 24h, from_the_net, cookie.bytes());
    };
    EXPECT_EQ(verdict(24h - 1ns), FastOpenKeys::Verdict::good);
    EXPECT_EQ(verdict(24h), FastOpenKeys::Verdict::old);
    EXPECT_EQ(verdict(48h - 1ns), FastOpenKeys::Verdict::old);
    EXPECT_EQ(verdict(48h), FastOpenKeys::Verdict::bad);
}

TEST(FastOpenKeys, ACookieIsForOneAddress) {
    const FastOpenKeys keys(1);
    const FastOpenCookie cookie = keys.make(Instant(5s), 24h, from_the_net);
    wire::FourTuple other = from_the_net;
    other.remote.port = 4001;
    EXPECT_EQ(keys.check(Instant(5s), 24h, other, cookie.bytes()), FastOpenKeys::Verdict::good);
    other.remote.address = wire::Address::v4(192, 0, 2, 2);
    EXPECT_EQ(keys.check(Instant(5s), 24h, other, cookie.bytes()), FastOpenKeys::Verdict::bad);
    EXPECT_EQ(FastOpenKeys(2).check(Instant(5s), 24h, from_the_net, cookie.bytes()),
              FastOpenKeys::Verdict::bad);
}

const std::array<std::uint8_t, 4> four{1, 2, 3, 4};

TEST(FastOpenCache, RemembersACookieAndAnMss) {
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    const auto server = wire::Address::v4(10, 0, 0, 9);
    ASSERT_TRUE(cache.find(Instant(1s), server));
    EXPECT_EQ(cache.find(Instant(1s), server)->cookie.size, 0);
    EXPECT_EQ(memory.used(), 0u) << "nothing is allocated before something is learnt";
    cache.learn(server, FastOpenCookie::of(four), 1400);
    EXPECT_EQ(cache.find(Instant(1s), server)->cookie, FastOpenCookie::of(four));
    cache.learn(server, {}, 1200);
    EXPECT_EQ(cache.find(Instant(1s), server)->cookie, FastOpenCookie::of(four));
    EXPECT_EQ(cache.find(Instant(1s), server)->mss, 1200);
}

TEST(FastOpenCache, IsBounded) {
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    for (std::uint32_t n = 0; n < 100'000; ++n)
        cache.learn(peer(n << 8).address, FastOpenCookie::of(four), 1400);
    EXPECT_LE(memory.used(), 128u << 10);
    EXPECT_EQ(cache.find(Instant(1s), peer(99'999 << 8).address)->cookie.size, 4)
        << "the last one has displaced another";
}

TEST(FastOpenCache, LeavesADestinationAloneLongerEachTime) {  // RFC 7413 4.1.3.1
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    const auto server = wire::Address::v4(10, 0, 0, 9);
    Instant now(100s);
    for (const Duration pause : {60s, 120s, 240s}) {
        cache.on_lost(now, server, 60s);
        EXPECT_FALSE(cache.find(now + pause - 1ns, server));
        EXPECT_TRUE(cache.find(now + pause, server));
        EXPECT_TRUE(cache.find(now, wire::Address::v4(10, 0, 0, 8))) << "others are not concerned";
        now += pause;
    }
    cache.learn(server, FastOpenCookie::of(four), 1400);
    cache.on_lost(now, server, 60s);
    EXPECT_TRUE(cache.find(now + 60s, server)) << "a success starts anew";
}

// As FreeBSD: whoever gave no cookie and took no text is not asked for a while.
TEST(FastOpenCache, ARefusalForgetsTheCookieAndPauses) {
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    const auto server = wire::Address::v4(10, 0, 0, 9);
    cache.learn(server, FastOpenCookie::of(four), 1400);
    cache.on_refused(Instant(100s), server, 15min);
    EXPECT_FALSE(cache.find(Instant(100s) + 15min - 1ns, server));
    ASSERT_TRUE(cache.find(Instant(100s) + 15min, server));
    EXPECT_EQ(cache.find(Instant(100s) + 15min, server)->cookie.size, 0);
}

// As Linux: once by the experimental option, then never again.
TEST(FastOpenCache, ARequestWithoutAnswerIsTriedOnceByTheOtherOption) {
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    const auto server = wire::Address::v4(10, 0, 0, 9);
    const auto experimental = [&] { return cache.find(Instant(1s), server)->cookie.experimental; };
    EXPECT_FALSE(experimental());
    cache.on_no_answer(server, false);
    EXPECT_TRUE(experimental());
    cache.on_no_answer(server, true);
    EXPECT_FALSE(experimental());
    cache.on_no_answer(server, false);
    EXPECT_FALSE(experimental());
}

TEST(FastOpenCache, ForgetsEverythingWhenTold) {
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    const auto server = wire::Address::v4(10, 0, 0, 9);
    cache.learn(server, FastOpenCookie::of(four), 1400);
    cache.on_black_hole(Instant(100s), 1h);
    cache.forget();
    ASSERT_TRUE(cache.find(Instant(100s), server));
    EXPECT_EQ(cache.find(Instant(100s), server)->cookie.size, 0);
}

TEST(FastOpenCache, ABlackHoleStopsAllOfIt) {
    Memory memory(16u << 20);
    FastOpenCache cache(memory, 3);
    const auto anybody = wire::Address::v4(10, 0, 0, 9);
    cache.on_black_hole(Instant(100s), 1h);
    EXPECT_FALSE(cache.find(Instant(100s) + 1h - 1ns, anybody));
    EXPECT_TRUE(cache.find(Instant(100s) + 1h, anybody));
    cache.on_black_hole(Instant(100s) + 1h, 1h);
    EXPECT_FALSE(cache.find(Instant(100s) + 3h - 1ns, anybody));
    EXPECT_TRUE(cache.find(Instant(100s) + 3h, anybody));
}

TEST(FastOpen, ThreeLostSynsAreABlackHole) {
    tcp::Config config;
    config.fast_open = FastOpenMode::client;
    Bench b(config);
    const auto id = b.stack.connect(b.now, them, {.fast_open = true});
    ASSERT_TRUE(id);
    b.wait(4s);
    const auto syns = b.take();
    ASSERT_EQ(syns.size(), 3u);
    EXPECT_TRUE(syns[0].tcp().options().fast_open);
    EXPECT_FALSE(syns[1].tcp().options().fast_open) << "a plain one (RFC 7413 4.1.3.1)";
    b.from(them, "SA 9000 mss 1000 ack " + std::to_string(syns[0].seq() + 1),
           {us.address, syns[0].tcp().source_port()});
    EXPECT_EQ(b.counters().TcpExt_TCPFastOpenBlackhole, 1u);
    b.take();
    ASSERT_TRUE(b.stack.connect(b.now, peer(5), {.fast_open = true}));
    b.flush();
    EXPECT_FALSE(b.only().tcp().options().fast_open) << "nor to anybody else for an hour";
}

TEST(FastOpen, AResetPeerKeepsItsPlaceForAMinute) {  // RFC 7413 5.1
    tcp::Config config;
    config.fast_open = FastOpenMode::server | FastOpenMode::server_no_cookie;
    config.fast_open_pending = 1;
    Bench b(config);
    const auto listener = b.stack.listen({.port = 80});
    ASSERT_TRUE(listener);
    b.from(peer(1), "S 1000 mss 1000 len 10");
    EXPECT_EQ(b.only().ack(), 1011u);
    b.from(peer(1), "R 1011");
    b.take();
    b.from(peer(2), "S 1000 mss 1000 len 10");
    EXPECT_EQ(b.only().ack(), 1001u) << "a plain handshake";
    EXPECT_EQ(b.counters().TcpExt_TCPFastOpenListenOverflow, 1u);
    b.wait(61s);
    b.take();
    b.from(peer(3), "S 1000 mss 1000 len 10");
    EXPECT_EQ(b.only().ack(), 1011u);
}

TEST(FastOpen, AFinishedHandshakeMakesRoom) {
    tcp::Config config;
    config.fast_open = FastOpenMode::server | FastOpenMode::server_no_cookie;
    config.fast_open_pending = 1;
    Bench b(config);
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    for (std::uint32_t n = 1; n != 5; ++n) {
        b.from(peer(n), "S 1000 mss 1000 len 10");
        const Spoken answer = b.only();
        EXPECT_EQ(answer.ack(), 1011u);
        b.from(peer(n), "A 1011 ack " + std::to_string(answer.seq() + 1));
        b.take();
    }
    EXPECT_EQ(b.counters().TcpExt_TCPFastOpenPassive, 4u);
}

}  // namespace
}  // namespace estab::stack
