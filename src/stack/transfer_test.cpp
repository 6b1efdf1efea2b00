// Two stacks on a wire in memory: the shortest proof that everything below the sockets fits
// together.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "link/memory_link.hpp"
#include "stack/turn.hpp"

namespace estab::stack {
namespace {

using wire::Address;
using wire::Prefix;

struct World {
    Instant now = Instant(1s);
    link::MemoryLink wire;
    Stack client, server;

    static device::Caps caps(bool big) {
        device::Caps c{.link = device::LinkType::ip, .mtu = 1500, .frame_max = 1500};
        if (big) {
            c.frame_max = 65'535;
            c.tso4 = c.tso6 = c.checksum = true;
        }
        return c;
    }
    explicit World(bool big = false)
        : wire({.caps = caps(big), .frames_max = 256}),
          client(now, {.seed = 1}),
          server(now, {.seed = 2}) {
        for (Stack* s : {&client, &server}) s->attach(caps(big));
        EXPECT_TRUE(client.routes().add_address(*Prefix::parse("10.0.0.1/24")));
        EXPECT_TRUE(server.routes().add_address(*Prefix::parse("10.0.0.2/24")));
        EXPECT_TRUE(client.routes().add_address(*Prefix::parse("fd00::1/64")));
        EXPECT_TRUE(server.routes().add_address(*Prefix::parse("fd00::2/64")));
    }
    void turns() {
        for (int i = 0; i < 10'000; ++i) {
            const std::size_t a = turn(client, wire.end(0), now);
            const std::size_t b = turn(server, wire.end(1), now);
            if (a + b == 0) break;
        }
    }
    // Until nothing happens any more, or for `most`.
    void run(Duration most) {
        const Instant end = now + most;
        for (;;) {
            turns();
            const Instant next = std::min(client.deadline(), server.deadline());
            if (next > end) break;
            now = std::max(now, next);
        }
        now = end;
    }
};

std::vector<std::uint8_t> pattern(std::size_t n) {
    std::vector<std::uint8_t> v(n);
    std::uint32_t x = 12345;
    for (auto& b : v) b = static_cast<std::uint8_t>((x = x * 1664525 + 1013904223) >> 24);
    return v;
}

void transfer(World& w, const wire::Endpoint& to, std::size_t octets) {
    const auto listener = w.server.listen({.port = to.port});
    ASSERT_TRUE(listener);
    const auto c = w.client.connect(w.now, to, {});
    ASSERT_TRUE(c);
    w.turns();
    const auto s = w.server.accept(*listener);
    ASSERT_TRUE(s);
    const auto data = pattern(octets);
    std::vector<std::uint8_t> got;
    std::size_t sent = 0;
    bool eof = false;
    std::vector<std::uint8_t> buffer(65'536);
    for (int i = 0; i < 100'000 && !eof; ++i) {
        if (sent < octets) {
            const auto n = w.client.write(w.now, *c, Bytes(data).subspan(sent));
            if (n) sent += *n;
            if (sent == octets) {
                ASSERT_TRUE(w.client.shutdown_write(w.now, *c));
            }
        }
        w.turns();
        bool any = false;
        for (;;) {
            const auto n = w.server.read(w.now, *s, buffer);
            if (!n) break;
            if (*n == 0) {
                eof = true;
                break;
            }
            any = true;
            got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*n));
        }
        if (!any && !eof)
            w.now = std::max(w.now, std::min(w.client.deadline(), w.server.deadline()));
    }
    EXPECT_TRUE(eof);
    EXPECT_EQ(got, data);
    EXPECT_EQ(w.client.find(*c)->state(), tcp::State::fin_wait_2);
    w.server.close(w.now, *s);
    w.client.close(w.now, *c);
    w.run(1s);
    EXPECT_EQ(w.client.time_waits(), 1u);
    EXPECT_EQ(w.server.connections(), 0u);
    w.run(61s);
    EXPECT_EQ(w.client.time_waits(), 0u);
    EXPECT_EQ(w.client.counters().Tcp_RetransSegs, 0u);
}

TEST(Transfer, SmallOverIpv4) {
    World w;
    transfer(w, {Address::v4(10, 0, 0, 2), 80}, 5);
}
TEST(Transfer, LargeOverIpv4) {
    World w;
    transfer(w, {Address::v4(10, 0, 0, 2), 80}, 10'000'000);
}
TEST(Transfer, LargeOverIpv6) {
    World w;
    transfer(w, {*Address::parse("fd00::2"), 80}, 3'000'000);
}
TEST(Transfer, BigSegments) {
    World w(true);
    transfer(w, {Address::v4(10, 0, 0, 2), 80}, 30'000'000);
}
TEST(Transfer, NobodyListens) {
    World w;
    const auto c = w.client.connect(w.now, {Address::v4(10, 0, 0, 2), 81}, {});
    ASSERT_TRUE(c);
    w.turns();
    EXPECT_EQ(w.client.find(*c)->error(), Error::refused);
}

}  // namespace
}  // namespace estab::stack
