// SYN cookies (RFC 4987 3.6), S2-10 to S2-12, and a flood of a million forged SYNs.
#include "stack/stack_testing.hpp"

namespace estab::stack {
namespace {

using tcp::State;

std::string number(std::uint32_t n) { return std::to_string(n); }

tcp::Config always() {
    tcp::Config config;
    config.syn_cookies_always = true;
    config.ecn = tcp::EcnMode::passive;
    return config;
}

struct CookieBench : Bench {
    ListenerId listener;
    explicit CookieBench(const tcp::Config& config = always()) : Bench(config) {
        listener = *stack.listen({.port = 80});
    }
    // With the timestamp that the SYN-ACK had, if any.
    tcp::Info open(const std::string& syn, const wire::Endpoint& from_peer = them,
                   const wire::Endpoint& to = us) {
        from(from_peer, syn, to);
        const Spoken s = only();
        EXPECT_EQ(stack.half_open(), 0u);
        std::string ack = "A 1001 ack " + number(s.seq() + 1);
        if (const auto ts = s.tcp().options().timestamps) ack += " ts 500:" + number(ts->val);
        from(from_peer, ack, to);
        const auto c = stack.accept(listener);
        EXPECT_TRUE(c.has_value()) << syn;
        return c ? stack.find(*c)->info(now) : tcp::Info{};
    }
};

TEST(Cookie, S2_12_KeepsTheClassOfTheMss) {
    for (const auto& [said, kept] :
         std::vector<std::pair<int, int>>{{0, 48},
                                          {1, 48},
                                          {100, 48},
                                          {535, 48},
                                          {536, 536},
                                          {1299, 536},
                                          {1300, 1300},
                                          {1459, 1440},
                                          {1460, 1460},
                                          {9000, 1460}}) {  // 8,960, but our own MTU is less
        CookieBench b;
        EXPECT_EQ(b.open("S 1000 mss " + std::to_string(said)).snd_mss, kept) << said;
    }
    CookieBench b;
    EXPECT_EQ(b.open("S 1000").snd_mss, 536);  // none said: MUST-15
    CookieBench v6;
    EXPECT_EQ(v6.open("S 1000", {*wire::Address::parse("fd00::1"), 99},
                      {*wire::Address::parse("fd00::2"), 80})
                  .snd_mss,
              1220);
}

TEST(Cookie, S2_12_KeepsTheRestInTheTimestamp) {
    for (std::uint32_t i = 0; i != 64; ++i) {  // every pair of addresses has another offset
        CookieBench b;
        const wire::Endpoint from{wire::Address::v4(10, 0, 7, static_cast<std::uint8_t>(i + 1)),
                                  99};
        const tcp::Info all = b.open("SEW 1000 mss 1460 sack ts 400:0 ws 9", from);
        EXPECT_TRUE(all.timestamps && all.sack && all.scaling && all.ecn);
        EXPECT_EQ(all.snd_shift, 9);
        EXPECT_EQ(all.snd_mss, 1448);
        const wire::Endpoint other{from.address, 98};
        const tcp::Info some = b.open("S 1000 mss 1460 ts 400:0", other);
        EXPECT_TRUE(some.timestamps);
        EXPECT_FALSE(some.sack || some.scaling || some.ecn);
    }
}

TEST(Cookie, WithoutTimestampsOnlyTheMssIsKept) {
    CookieBench b;
    b.in("SEW 1000 mss 1460 sack ws 9");
    const Spoken s = b.only();
    EXPECT_EQ(s.flags(), "SA");  // and the peer is told so
    EXPECT_FALSE(s.tcp().options().sack_permitted || s.tcp().options().window_scale);
    b.in("A 1001 ack " + number(s.seq() + 1));
    const auto info = b.stack.find(*b.stack.accept(b.listener))->info(b.now);
    EXPECT_FALSE(info.sack || info.scaling || info.ecn || info.timestamps);
}

TEST(Cookie, S2_12_AWrongOneIsReset) {
    CookieBench b;
    b.in("S 1000");
    const std::uint32_t iss = b.only().seq();
    for (const std::uint32_t wrong : {iss + 2, iss, iss ^ 0x0100'0000u, iss + 0x0800'0001u}) {
        b.in("A 1001 ack " + number(wrong));
        EXPECT_EQ(b.only().text(), "R " + number(wrong));
    }
    b.in("A 1002 ack " + number(iss + 1));     // another IRS
    EXPECT_EQ(b.only().flags(), "R");
    b.from(peer(3), "A 1001 ack " + number(iss + 1));
    EXPECT_EQ(b.only().flags(), "R");
    EXPECT_EQ(b.counters().TcpExt_SyncookiesFailed, 6u);
    EXPECT_EQ(b.counters().TcpExt_SyncookiesSent, 1u);
    b.in("PA 1001 ack " + number(iss + 1) + " len 3");
    EXPECT_EQ(b.counters().TcpExt_SyncookiesRecv, 1u);
    EXPECT_EQ(b.stack.find(*b.stack.accept(b.listener))->unread(), 3u);
}

TEST(Cookie, OlderThanItsPeriodsIsRefused) {
    for (const auto& [age, good] :
         std::vector<std::pair<Duration, bool>>{{0s, true}, {127s, true}, {200s, false}}) {
        CookieBench b;
        b.in("S 1000");
        const std::uint32_t iss = b.only().seq();
        b.wait(age);
        b.from(peer(1), "S 5");                // cookies are still in use
        b.take();
        b.in("A 1001 ack " + number(iss + 1));
        EXPECT_EQ(b.stack.accept_queue(b.listener), good ? 1u : 0u) << to_ms(age);
    }
}

TEST(Cookie, NoneWasSentNoneIsTaken) {
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.in("A 1001 ack 5000");
    EXPECT_EQ(b.only().text(), "R 5000");
    EXPECT_EQ(b.counters().TcpExt_SyncookiesFailed, 0u);
}

TEST(Cookie, OnlyWhenTheSynQueueIsFull) {
    tcp::Config config;
    config.syn_queue_max = 2;
    Bench b(config);
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    for (std::uint32_t i = 0; i != 5; ++i) b.from(peer(i), "S 1000");
    EXPECT_EQ(b.take().size(), 5u);
    EXPECT_EQ(b.stack.half_open(), 2u);
    EXPECT_EQ(b.counters().TcpExt_SyncookiesSent, 3u);
}

// A million SYNs from forged addresses, 1,000 at a time, and somebody who wants to work meanwhile.
TEST(Flood, S2_10_AMillionForgedSynsHinderNobody) {
    tcp::Config config;
    config.rto_initial = 1s;
    Bench b(config, 16u << 20);
    const auto listener = *b.stack.listen({.port = 80});
    Octets syn = make_segment(peer(0), us, "S 1000 mss 1460 sack ts 1:0 ws 7");
    const device::Frame forged{.bytes = syn, .arrived = b.now,
                               .offload = {.checksum = device::Checksum::verified}};
    Octets room(1500);
    std::uint32_t n = 0;
    std::size_t served = 0;
    for (int step = 0; step != 1000; ++step) {
        for (int i = 0; i != 1000; ++i, ++n) {
            syn[12] = 100;                     // forged source address and port
            syn[13] = static_cast<std::uint8_t>(n >> 16);
            syn[14] = static_cast<std::uint8_t>(n >> 8);
            syn[15] = static_cast<std::uint8_t>(n);
            wire::write_ip(syn, {.source = wire::Address::from_v4(&syn[12]),
                                 .destination = us.address,
                                 .protocol = wire::protocol_tcp,
                                 .payload_bytes = static_cast<std::uint32_t>(syn.size() - 20)});
            b.stack.receive(b.now, std::span(&forged, 1));
            device::Offload offload;
            while (b.stack.has_output() && b.stack.write_next(b.now, room, offload) != 0) {}
        }
        b.now += 10ms;                         // 100,000 a second
        b.stack.advance(b.now);
        b.flush();
        b.take();
        if (step % 100 != 50) continue;
        const wire::Endpoint client{wire::Address::v4(10, 0, 0, 99),
                                    static_cast<std::uint16_t>(5000 + step)};
        b.from(client, "S 1000 mss 1460 sack ts 9:0 ws 7");
        const Spoken s = b.only();
        b.from(client, "PA 1001 ack " + number(s.seq() + 1) + " ts 9:" +
                           number(s.tcp().options().timestamps->val) + " len 1000");
        const auto c = b.stack.accept(listener);
        ASSERT_TRUE(c) << step;
        EXPECT_EQ(b.stack.find(*c)->unread(), 1000u);
        ASSERT_TRUE(b.stack.write(b.now, *c, Octets(1000)));
        b.flush();
        const auto answer = b.take();
        ASSERT_FALSE(answer.empty());
        EXPECT_EQ(answer.back().tcp().payload().size(), 1000u);
        b.stack.abort(b.now, *c);
        b.flush();
        b.take();
        ++served;
    }
    EXPECT_EQ(served, 10u);
    EXPECT_LE(b.stack.memory().peak(), b.stack.memory().limit());
    EXPECT_LE(b.stack.memory().peak(), 2u << 20);
    EXPECT_GT(b.rows(State::syn_received), 1000u);       // S2-11: it is seen
    EXPECT_LE(b.stack.half_open(), config.syn_queue_max);
    EXPECT_GT(b.counters().TcpExt_SyncookiesSent, 900'000u);
    EXPECT_EQ(b.counters().TcpExt_SyncookiesRecv, served);
    b.wait(64s);
    EXPECT_EQ(b.stack.half_open(), 0u);
}

}  // namespace
}  // namespace estab::stack
