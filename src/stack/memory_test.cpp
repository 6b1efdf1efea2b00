// The budget: never exceeded, in the stated order of eviction, and everything comes back. What a
// connection costs; and that a segment costs no allocation.
#include <cstdlib>
#include <new>

#include "stack/stack_testing.hpp"

namespace {
std::uint64_t allocations = 0;
}

// Every allocation of this program is counted; a sanitizer wants to have them for itself.
#if defined(__SANITIZE_ADDRESS__)
#define ESTAB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ESTAB_SANITIZED 1
#endif
#endif
#ifndef ESTAB_SANITIZED
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) {
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace estab::stack {
namespace {

using tcp::State;

std::string number(std::uint32_t n) { return std::to_string(n); }

TEST(Memory, AnIdleConnectionIsSmallAndFoundAmongMany) {
    tcp::Config config;
    config.backlog = 200'000;
    for (const std::uint32_t many : {10'000u, 100'000u}) {
        Bench b(config, 256u << 20);
        const auto listener = *b.stack.listen({.port = 80});
        const std::size_t before = b.stack.memory().used();
        std::uint32_t iss = 0;
        ConnectionId last{};
        for (std::uint32_t i = 0; i != many; ++i) {
            iss = b.handshake(peer(i));
            last = *b.stack.accept(listener);
        }
        const std::size_t each = (b.stack.memory().used() - before) / many;
        std::printf("%u idle connections: %zu octets each; tcp::Connection %zu\n", many, each,
                    sizeof(tcp::Connection));
        RecordProperty("octets_each_" + std::to_string(many), static_cast<int>(each));
        EXPECT_LE(each, 1024u);
        b.take();
        b.from(peer(many - 1), "PA 1001 ack " + number(iss + 1) + " len 7");
        EXPECT_EQ(b.stack.find(last)->unread(), 7u);
        b.from(peer(many), "PA 1001 ack 1 len 7");
        EXPECT_EQ(b.stack.connections(), many);
    }
}

struct Pair {
    Instant now = Instant(1s);
    link::MemoryLink wire;
    Stack client, server;
    ListenerId listener;
    explicit Pair(const tcp::Config& config = {}, std::size_t server_bytes = 64u << 20)
        : wire({.caps = {}, .frames_max = 256}),
          client(now, {.seed = 1}),
          server(now, {.config = config, .memory_bytes = server_bytes, .seed = 2}) {
        client.attach({});
        server.attach({});
        EXPECT_TRUE(client.routes().add_address(*wire::Prefix::parse("10.0.0.1/24")));
        EXPECT_TRUE(server.routes().add_address(*wire::Prefix::parse("10.0.0.2/24")));
        listener = *server.listen({.port = 80});
    }
    void turns() {
        for (int i = 0; i != 10'000; ++i) {
            if (turn(client, wire.end(0), now) + turn(server, wire.end(1), now) == 0) return;
        }
    }
    void wait(Duration d) {
        const Instant end = now + d;
        for (;;) {
            turns();
            const Instant next = std::min(client.deadline(), server.deadline());
            if (next > end) break;
            now = std::max(now, next);
        }
        now = end;
    }
};

TEST(Memory, NoAllocationPerSegmentInSteadyState) {
    Pair p;
    const auto c = *p.client.connect(p.now, us, {});
    p.turns();
    const auto s = *p.server.accept(p.listener);
    Octets some(100'000);
    std::uint64_t before = 0, segments = 0;
    for (int i = 0; i != 400; ++i) {
        if (i == 200) {
            before = allocations;
            segments = p.client.counters().Tcp_OutSegs;
        }
        (void)p.client.write(p.now, c, some);
        p.turns();
        while (p.server.read(p.now, s, some).value_or(0) != 0) {}
        p.now += 1ms;
    }
    EXPECT_GT(p.client.counters().Tcp_OutSegs - segments, 1000u);
    EXPECT_LE(allocations - before, 8u);  // a slab now and then, no more
}

TEST(Memory, EvictionInTheStatedOrder) {
    tcp::Config config;
    config.syn_cookies = false;
    Bench b(config, 2u << 20);
    const auto listener = *b.stack.listen({.port = 80});
    for (std::uint32_t i = 0; i != 50; ++i) b.from(peer(100'000 + i), "S 1000");
    for (std::uint32_t i = 0; i != 50; ++i) {            // fifty in TIME-WAIT
        const std::uint32_t iss = b.handshake(peer(200'000 + i));
        b.stack.close(b.now, *b.stack.accept(listener));
        b.flush();
        b.from(peer(200'000 + i), "FA 1001 ack " + number(iss + 2));
    }
    EXPECT_EQ(b.stack.half_open(), 50u);
    EXPECT_EQ(b.stack.time_waits(), 50u);
    std::vector<ConnectionId> all;
    bool refused = false;
    for (std::uint32_t i = 0; i != 10'000 && !refused; ++i) {
        wire::Endpoint to = peer(i);
        const auto c = b.stack.connect(b.now, to, {.local_port = 80});
        if (!c) {
            EXPECT_EQ(c.error(), Error::no_memory);
            refused = true;
            break;
        }
        all.push_back(*c);
        if (b.stack.time_waits() != 50) {
            EXPECT_EQ(b.stack.half_open(), 0u);
        }
    }
    EXPECT_TRUE(refused);
    EXPECT_EQ(b.stack.half_open() + b.stack.time_waits(), 0u);
    EXPECT_EQ(b.counters().Estab_TCPHalfOpenEvicted, 50u);
    EXPECT_EQ(b.counters().TcpExt_TWRecycled, 50u);
    EXPECT_GE(b.counters().TcpExt_TCPAbortOnMemory, 1u);
    EXPECT_LE(b.stack.memory().peak(), 2u << 20);
    for (const ConnectionId id : all) b.stack.abort(b.now, id);
    b.flush();
    EXPECT_EQ(b.stack.connections(), 0u);
    EXPECT_LE(b.stack.memory().used(), 128u * 1024);
}

// Peers that fill our buffers out of order and go away; somebody honest among them.
TEST(Memory, HostileTextStaysWithinTheBudgetAndLeaves) {
    tcp::Config config;
    config.backlog = 4096;
    Bench b(config, 4u << 20);
    const auto listener = *b.stack.listen({.port = 80});
    std::vector<ConnectionId> mine;
    std::vector<std::uint32_t> iss;
    for (std::uint32_t i = 0; i != 400; ++i) {
        iss.push_back(b.handshake(peer(i)));
        if (const auto c = b.stack.accept(listener)) mine.push_back(*c);
    }
    for (std::uint32_t round = 0; round != 30; ++round) {
        for (std::uint32_t i = 0; i != 400; ++i) {
            b.from(peer(i),
                   "A " + number(2001 + round * 2000) + " ack " + number(iss[i] + 1) + " len 1000");
        }
        b.take();
        EXPECT_LE(b.stack.memory().peak(), b.stack.memory().limit());
    }
    EXPECT_GT(b.counters().TcpExt_TCPRcvQDrop + b.counters().TcpExt_OfoPruned, 0u);
    const std::uint32_t honest = b.handshake(peer(9000));  // what waits out of order makes room
    const auto c = b.stack.accept(listener);
    ASSERT_TRUE(c);
    for (int tries = 0; tries != 3 && b.stack.find(*c)->unread() == 0; ++tries) {
        b.from(peer(9000), "PA 1001 ack " + number(honest + 1) + " len 1000");
    }
    EXPECT_EQ(b.stack.find(*c)->unread(), 1000u);
    mine.push_back(*c);
    for (const ConnectionId id : mine) {
        b.stack.find(id)->check_invariants();
        b.stack.abort(b.now, id);
    }
    b.flush();
    EXPECT_EQ(b.stack.connections(), 0u);
    EXPECT_LE(b.stack.memory().used(), 128u * 1024);
}

TEST(Memory, OrphansHaveALimit) {
    tcp::Config config;
    config.orphans_max = 2;
    Bench b(config);
    const auto listener = *b.stack.listen({.port = 80});
    std::vector<std::string> last;
    for (std::uint32_t i = 0; i != 4; ++i) {
        b.handshake(peer(i));
        b.take();
        b.stack.close(b.now, *b.stack.accept(listener));
        b.flush();
        last.push_back(b.only().flags());
    }
    EXPECT_EQ(last, (std::vector<std::string>{"FA", "FA", "RA", "RA"}));
    EXPECT_EQ(b.stack.connections(), 2u);
    b.from(peer(0), "RA 1001 ack 0");
    b.wait(300s);                                        // they give up by themselves
    EXPECT_EQ(b.stack.connections(), 0u);
    b.handshake(peer(7));
    b.take();
    b.stack.close(b.now, *b.stack.accept(listener));
    b.flush();
    EXPECT_EQ(b.only().flags(), "FA");                   // and make room
}

TEST(Memory, EverythingComesBack) {
    Pair p;
    std::vector<ConnectionId> clients;
    for (int i = 0; i != 1000; ++i) {
        clients.push_back(*p.client.connect(p.now, us, {}));
        p.turns();
    }
    for (const ConnectionId id : clients) {
        ASSERT_TRUE(p.client.write(p.now, id, Octets(3000)));
    }
    p.turns();
    while (const auto s = p.server.accept(p.listener))
        p.server.close(p.now, *s);  // unread text: RST
    for (const ConnectionId id : clients) p.client.close(p.now, id);
    p.wait(130s);
    for (Stack* s : {&p.client, &p.server}) {
        EXPECT_EQ(s->connections() + s->time_waits(), 0u);
        EXPECT_LE(s->memory().used(), 128u * 1024);
        EXPECT_EQ(s->counters().Tcp_CurrEstab, 0u);
    }
}

}  // namespace
}  // namespace estab::stack
