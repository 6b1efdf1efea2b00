// Two stacks that write, read, half-close and close at random over a bad path: the octets are the
// same at the other end, and everything comes back. A failing seed is printed; run it alone with
// --gtest_filter and ESTAB_SWARM_SEED.
#include <gtest/gtest.h>

#include <cstdlib>

#include "link/memory_link.hpp"
#include "link/path.hpp"
#include "stack/turn.hpp"

namespace estab::stack {
namespace {

using tcp::State;
using Octets = std::vector<std::uint8_t>;

constexpr std::uint8_t octet(std::uint64_t stream, std::uint64_t n) {
    return static_cast<std::uint8_t>((n * 31 + (n >> 8)) ^ stream * 85);
}

link::PathSpec bad_path(Rng& rng) {
    link::PathSpec spec;
    spec.seed = rng.next();
    for (link::Direction* d : {&spec.up, &spec.down}) {
        d->loss = static_cast<Ppm>(rng.below(2) * rng.below(100'000));
        d->delay = Duration(rng.below(30'000'000));
        d->jitter = Duration(rng.below(2) * rng.below(10'000'000));
        d->reorder.chance = static_cast<Ppm>(rng.below(2) * rng.below(100'000));
        d->duplicate = static_cast<Ppm>(rng.below(2) * rng.below(50'000));
        d->corrupt = static_cast<Ppm>(rng.below(2) * rng.below(20'000));
        if (rng.below(3) == 0) d->rate_bits = 1'000'000 + rng.below(50'000'000);
    }
    return spec;
}

// One end of one connection: what it has to say, and what it has heard.
struct Talker {
    Stack* stack = nullptr;
    ConnectionId id{};
    std::uint64_t writes = 0;        // number of the stream
    std::uint64_t to_write = 0, written = 0, read = 0;
    bool ended = false;              // heard the end of the stream
    bool shut = false;

    void act(Instant now, Rng& rng) {
        if (!id.valid()) return;
        if (written < to_write && rng.below(4) != 0) {
            Octets some(std::min<std::uint64_t>(to_write - written, 1 + rng.below(9000)));
            for (std::size_t i = 0; i != some.size(); ++i) some[i] = octet(writes, written + i);
            if (const auto n = stack->write(now, id, some)) written += *n;
        }
        if (written == to_write && !shut) shut = stack->shutdown_write(now, id).has_value();
        if (rng.below(4) == 0) return;
        Octets some(1 + rng.below(20'000));
        const auto n = stack->read(now, id, some);
        if (!n) return;
        if (*n == 0) ended = true;
        for (std::size_t i = 0; i != *n; ++i)
            ASSERT_EQ(some[i], octet(1 - writes, read + i)) << read + i;
        read += *n;
    }
    bool done() const { return shut && ended; }
};

struct Swarm {
    Rng rng;
    Instant now{Duration(50s)};
    device::Caps caps;
    link::MemoryLink wire;
    link::Path<link::MemoryLink::End> path;
    Stack client, server;

    static device::Caps some_caps(Rng& rng) {
        return {.link = device::LinkType::ip,
                .mtu = static_cast<std::uint32_t>(576 + rng.below(1000)),
                .frame_max = 1600};
    }
    static tcp::Config some_config(Rng& rng) {
        tcp::Config c;
        c.sack = rng.below(3) != 0;
        c.timestamps = rng.below(3) != 0;
        c.window_scaling = rng.below(3) != 0;
        c.recv_buffer = static_cast<std::uint32_t>(3000 + rng.below(100'000));
        c.recv_autotune = rng.below(2) != 0;
        c.nagle = rng.below(2) != 0;
        c.ecn = static_cast<tcp::EcnMode>(rng.below(3));
        if (rng.below(3) == 0) c.fast_open = 0x207;  // no cookies, or there would be few
        c.probe_form = static_cast<tcp::ProbeForm>(rng.below(2));
        c.syn_cookies_always = rng.below(4) == 0;
        return c;
    }
    explicit Swarm(std::uint64_t seed)
        : rng(seed),
          caps(some_caps(rng)),
          wire({.caps = caps, .frames_max = 64}),
          path(wire.end(0), {.spec = bad_path(rng)}),
          client(now, {.config = some_config(rng), .seed = rng.next()}),
          server(now, {.config = some_config(rng), .seed = rng.next()}) {
        client.attach(rng.below(2) != 0 ? path.caps() : caps);  // with big segments, or without
        server.attach(caps);
        EXPECT_TRUE(client.routes().add_address(*wire::Prefix::parse("10.0.0.1/24")));
        EXPECT_TRUE(server.routes().add_address(*wire::Prefix::parse("10.0.0.2/24")));
    }
    void turns() {
        for (int i = 0; i < 1000; ++i) {
            const std::size_t n = turn(client, path, now) + turn(server, wire.end(1), now);
            if (n == 0) break;
        }
    }
    void step(Duration most) {
        turns();
        const Instant next =
            std::min({client.deadline(), server.deadline(), path.deadline(), now + most});
        now = std::max(now, next);
    }
    void check() {
        for (Stack* s : {&client, &server}) {
            for (const Row& row : s->table(now)) {
                if (row.id.valid() && s->find(row.id) != nullptr)
                    s->find(row.id)->check_invariants();
            }
        }
    }

    void run() {
        const auto listener = server.listen({.port = 80});
        Talker a{.stack = &client, .writes = 0, .to_write = rng.below(200'000)};
        Talker b{.stack = &server, .writes = 1, .to_write = rng.below(200'000)};
        const auto id = client.connect(now, {wire::Address::v4(10, 0, 0, 2), 80},
                                       {.fast_open = true});
        ASSERT_TRUE(id);
        a.id = *id;
        const Instant give_up = now + 3600s;
        while (now < give_up && !(a.done() && b.done())) {
            step(Duration(1 + rng.below(20'000'000)));
            if (!b.id.valid()) {
                if (const auto got = server.accept(*listener)) b.id = *got;
            }
            a.act(now, rng);
            b.act(now, rng);
            check();
            if (testing::Test::HasFatalFailure()) return;
            ASSERT_FALSE(client.find(a.id)->has_failed()) << to_string(client.find(a.id)->error());
        }
        ASSERT_TRUE(a.done() && b.done())
            << a.read << '/' << b.to_write << ' ' << b.read << '/' << a.to_write;
        EXPECT_EQ(a.read, b.to_write);
        EXPECT_EQ(b.read, a.to_write);
        client.close(now, a.id);
        server.close(now, b.id);
        const Instant end = now + 400s;
        while (now < end) step(end - now);
        ASSERT_TRUE(server.close_listener(now, *listener));
        for (Stack* s : {&client, &server}) {
            EXPECT_EQ(s->connections() + s->half_open() + s->time_waits(), 0u);
            EXPECT_LE(s->memory().used(), 64u * 1024);
        }
    }
};

TEST(Swarm, TheOctetsAreTheSameAtTheOtherEnd) {
    const char* one = std::getenv("ESTAB_SWARM_SEED");
    const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
    const std::uint64_t last = one != nullptr ? first : 200;
    std::uint64_t retransmitted = 0, corrupted = 0, out_of_order = 0;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        SCOPED_TRACE("--seed=" + std::to_string(seed));
        Swarm swarm(seed);
        swarm.run();
        if (testing::Test::HasFailure()) return;
        for (const Stack* s : {&swarm.client, &swarm.server}) {
            retransmitted += s->counters().Tcp_RetransSegs;
            corrupted += s->counters().Tcp_InCsumErrors;
            out_of_order += s->counters().TcpExt_TCPOFOQueue;
        }
    }
    if (one != nullptr) return;
    EXPECT_GT(retransmitted, 1000u);  // the paths were bad indeed
    EXPECT_GT(corrupted, 100u);
    EXPECT_GT(out_of_order, 1000u);
}

}  // namespace
}  // namespace estab::stack
