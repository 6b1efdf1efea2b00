// TIME-WAIT as a packed record: S1-10, S1-11, RFC 1337, RFC 6191, MAY-2; and connect().
#include "stack/stack_testing.hpp"

#include <set>

namespace estab::stack {
namespace {

using tcp::State;

std::string number(std::uint32_t n) { return std::to_string(n); }

static_assert(sizeof(TimeWait) == 64 && sizeof(HalfOpen) == 64);

struct TimeWaitBench : Bench {
    ListenerId listener;
    std::uint32_t iss = 0;
    std::uint32_t ts = 0;
    explicit TimeWaitBench(bool timestamps = false, const tcp::Config& config = {})
        : Bench(config) {
        listener = *stack.listen({.port = 80});
        make(them, timestamps);
    }
    // We close first; the peer's FIN is 1001.
    void make(const wire::Endpoint& from_peer, bool timestamps) {
        const std::string mine = timestamps ? " ts 700:0" : "";
        from(from_peer, "S 1000" + mine);
        const Spoken s = only();
        iss = s.seq();
        from(from_peer, "A 1001 ack " + number(iss + 1) + mine);
        const auto c = stack.accept(listener);
        ASSERT_TRUE(c);
        stack.close(now, *c);
        flush();
        EXPECT_EQ(only().flags(), "FA");
        from(from_peer, "FA 1001 ack " + number(iss + 2) + mine);
        const Spoken last = only();
        EXPECT_EQ(last.text(), "A " + number(iss + 2) + " ack 1002");
        if (timestamps) ts = last.tcp().options().timestamps->val;
    }
};

TEST(TimeWait, IsPackedAndEndsAfter2Msl) {  // MUST-13
    TimeWaitBench b;
    EXPECT_EQ(b.stack.connections(), 0u);
    EXPECT_EQ(b.stack.time_waits(), 1u);
    EXPECT_EQ(b.rows(State::time_wait), 1u);
    EXPECT_EQ(b.counters().TcpExt_TW, 1u);
    b.wait(60s - 1ms);
    EXPECT_EQ(b.stack.time_waits(), 1u);
    b.wait(2ms);
    EXPECT_EQ(b.stack.time_waits(), 0u);
}

TEST(TimeWait, S1_10_TheFinAgainIsAcknowledgedAnd2MslBeginAnew) {
    for (const bool timestamps : {false, true}) {
        TimeWaitBench b(timestamps);
        b.wait(40s);
        b.in("FA 1001 ack " + number(b.iss + 2) + (timestamps ? " ts 701:0" : ""));
        EXPECT_EQ(b.only().text(), "A " + number(b.iss + 2) + " ack 1002");
        b.wait(59s);
        EXPECT_EQ(b.stack.time_waits(), 1u);
        b.wait(2s);
        EXPECT_EQ(b.stack.time_waits(), 0u);
    }
}

TEST(TimeWait, S1_11_OldTextIsAcknowledgedAndNotDelivered) {
    TimeWaitBench b;
    b.in("PA 900 ack " + number(b.iss + 2) + " len 100");
    EXPECT_EQ(b.only().text(), "A " + number(b.iss + 2) + " ack 1002");
    b.wait(59s);
    b.in("PA 900 ack " + number(b.iss + 2) + " len 100");  // and does not prolong it
    b.take();
    b.wait(2s);
    EXPECT_EQ(b.stack.time_waits(), 0u);
}

TEST(TimeWait, AResetDoesNotEndIt) {  // RFC 1337
    TimeWaitBench b;
    b.in("R 1002");
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.stack.time_waits(), 1u);
    tcp::Config old;
    old.rfc1337 = false;
    TimeWaitBench c(false, old);
    c.in("R 1002");
    EXPECT_EQ(c.stack.time_waits(), 0u);
}

TEST(TimeWait, SHLD_4_ANewIncarnationMayComeAtOnce) {  // RFC 6191, MAY-2
    struct Case {
        bool timestamps;
        const char* syn;
        bool taken;
    };
    for (const Case& c :
         {Case{false, "S 1003", true}, Case{false, "S 1002", false}, Case{false, "S 500", false},
          Case{true, "S 500 ts 701:0", true}, Case{true, "S 500 ts 700:0", false},
          Case{true, "S 5000 ts 700:0", true}, Case{true, "S 5000 ts 699:0", false}}) {
        TimeWaitBench b(c.timestamps);
        const std::uint32_t old = b.iss + 2;
        b.in(c.syn);
        const Spoken s = b.only();
        EXPECT_EQ(s.flags(), c.taken ? "SA" : "A") << c.syn;
        EXPECT_EQ(b.stack.time_waits(), c.taken ? 0u : 1u) << c.syn;
        EXPECT_EQ(b.stack.half_open(), c.taken ? 1u : 0u) << c.syn;
        if (c.taken) {
            EXPECT_GT(static_cast<std::int32_t>(s.seq() - old), 65'535) << c.syn;
        }
    }
}

TEST(TimeWait, AHeldSynKeepsTheLargerIss) {
    TimeWaitBench b;
    const std::uint32_t old = b.iss + 2;
    ASSERT_TRUE(b.stack.close_listener(b.now, b.listener));
    const auto l = *b.stack.listen({.port = 80, .hold = true});
    b.in("S 5000");
    ASSERT_TRUE(b.stack.accept_held(b.now, b.stack.next_held(l)->id));
    b.flush();
    EXPECT_EQ(b.only().seq(), old + 65'537);
}

TEST(TimeWait, TheLimitIsCounted) {
    tcp::Config config;
    config.time_wait_max = 2;
    TimeWaitBench b(false, config);
    for (std::uint32_t i = 0; i != 4; ++i) b.make(peer(i), false);
    EXPECT_EQ(b.stack.time_waits(), 2u);
    EXPECT_EQ(b.stack.connections(), 0u);
    EXPECT_EQ(b.counters().TcpExt_TCPTimeWaitOverflow, 3u);
}

TEST(TimeWait, ConnectTakesOneWithTimestamps) {  // S2-15, S2-15a
    for (const bool timestamps : {false, true}) {
        TimeWaitBench b(timestamps);
        const auto c = b.stack.connect(b.now, them, {.local_port = 80});
        ASSERT_EQ(c.has_value(), timestamps);
        if (!timestamps) {
            EXPECT_EQ(c.error(), Error::address_in_use);
            continue;
        }
        b.flush();
        const Spoken s = b.only();
        EXPECT_EQ(s.seq(), b.iss + 2 + 65'537);
        EXPECT_GE(static_cast<std::int32_t>(s.tcp().options().timestamps->val - b.ts), 0);
    }
}

TEST(TimeWait, WhoHasNotClosedKeepsTheConnection) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    const std::uint32_t iss = b.handshake(them);
    const auto c = *b.stack.accept(l);
    ASSERT_TRUE(b.stack.shutdown_write(b.now, c));
    b.flush();
    b.in("FPA 1001 ack " + number(iss + 2) + " len 3");
    EXPECT_EQ(b.stack.time_waits(), 0u);
    EXPECT_EQ(b.stack.find(c)->state(), State::time_wait);
    Octets into(10);
    EXPECT_EQ(*b.stack.read(b.now, c, into), 3u);
    EXPECT_EQ(*b.stack.read(b.now, c, into), 0u);
    b.stack.close(b.now, c);
    b.flush();
    EXPECT_EQ(b.stack.time_waits(), 1u);
    EXPECT_EQ(b.stack.find(c), nullptr);
}

// --- connect()

TEST(Connect, S0_7_TheSyn) {
    Bench b;
    const auto c = b.stack.connect(b.now, them, {});
    b.flush();
    const Spoken s = b.only();
    EXPECT_EQ(s.flags(), "S");
    EXPECT_EQ(s.ack(), 0u);
    EXPECT_EQ(b.stack.find(*c)->tcb().snd.nxt - b.stack.find(*c)->tcb().snd.iss, 1);
}

TEST(Connect, S0_6_S2_8a_NumbersOfItsOwnThatMoveBy4us) {
    Bench b;
    const auto open = [&](std::uint16_t port) {
        const auto c = b.stack.connect(b.now, them, {.local_port = port});
        b.flush();
        const std::uint32_t seq = b.only().seq();
        b.stack.abort(b.now, *c);
        b.flush();
        b.take();
        return seq;
    };
    const std::uint32_t first = open(5000), other = open(5001);
    EXPECT_NE(first, other);
    b.now += 1s;
    EXPECT_EQ(open(5000) - first, 250'000u);
}

TEST(Connect, MUST_43_44_45_TheLocalAddress) {
    Bench b;
    ASSERT_TRUE(b.stack.routes().add_address(*wire::Prefix::parse("10.0.0.9/24")));
    EXPECT_EQ(
        b.stack.connect(b.now, them, {.local_address = wire::Address::v4(9, 9, 9, 9)}).error(),
        Error::address_unavailable);
    ASSERT_TRUE(b.stack.connect(b.now, them, {.local_address = wire::Address::v4(10, 0, 0, 9)}));
    b.flush();
    EXPECT_EQ(b.only().ip().source, wire::Address::v4(10, 0, 0, 9));
    const auto c = *b.stack.connect(b.now, them, {});
    b.flush();
    EXPECT_EQ(b.only().ip().source, us.address);
    b.wait(1100ms);
    EXPECT_EQ(b.stack.find(c)->tuple().local.address, us.address);
    EXPECT_EQ(
        b.stack.connect(b.now, them, {.local_address = *wire::Address::parse("fd00::2")}).error(),
        Error::invalid_argument);
}

TEST(Connect, PortsAreDrawnAndRunOut) {  // RFC 6056
    Bench b;
    std::set<std::uint16_t> ports;
    int ascending = 0;
    std::uint16_t before = 0;
    for (int i = 0; i != 28'232; ++i) {
        const auto c = b.stack.connect(b.now, them, {});
        ASSERT_TRUE(c) << i;
        const std::uint16_t port = b.stack.find(*c)->tuple().local.port;
        EXPECT_TRUE(ports.insert(port).second && port >= 32'768 && port <= 60'999);
        if (i < 100) ascending += port == before + 1 ? 1 : 0;
        before = port;
    }
    EXPECT_LT(ascending, 5);
    EXPECT_EQ(b.stack.connect(b.now, them, {}).error(), Error::address_unavailable);
    wire::Endpoint other = them;
    ++other.port;
    EXPECT_TRUE(b.stack.connect(b.now, other, {}));      // a port is taken for one peer only
    EXPECT_EQ(
        b.stack.connect(b.now, other, {.local_port = b.stack.table(b.now).back().tuple.local.port})
            .has_value(),
        false);
}

TEST(Connect, RowsOfSynSent) {  // RFC 9293 3.10.7.3
    Bench b;
    const auto c = *b.stack.connect(b.now, them, {.local_port = 80});
    b.flush();
    const std::uint32_t iss = b.only().seq();
    b.in("A 500 ack " + number(iss + 2));
    EXPECT_EQ(b.only().text(), "R " + number(iss + 2));
    b.in("A 500 ack " + number(iss));
    EXPECT_EQ(b.only().text(), "R " + number(iss));
    b.in("RA 500 ack " + number(iss));
    b.in("R 500");
    b.in("A 500 ack " + number(iss + 1));
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.stack.find(c)->state(), State::syn_sent);
    b.in("S 500");                                       // MUST-10
    EXPECT_EQ(b.only().text(), "SA " + number(iss) + " ack 501");
    b.in("SA 500 ack " + number(iss + 1));
    EXPECT_EQ(b.stack.find(c)->state(), State::established);
    EXPECT_TRUE(b.stack.next_notification()->what.connected);
}

}  // namespace
}  // namespace estab::stack
