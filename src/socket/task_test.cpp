// Coroutines: they wait, they are cancelled, they die at any moment.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "socket/listener.hpp"
#include "socket/memory_world.hpp"

namespace estab::socket {
namespace {

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Coroutines : testing::Test {
    MemoryWorld world;
    Reactor& a = world.host(0);
    Reactor& b = world.host(1);
    wire::Endpoint there{MemoryWorld::address(1), 7};
    std::string log;
};

Task<> echo(Stream s) {
    std::uint8_t buffer[1000];
    for (;;) {
        const auto n = co_await s.async_read(buffer);
        if (!n || *n == 0) co_return;
        const auto sent = co_await s.async_write_all(Bytes(buffer).first(*n));
        if (!sent) co_return;
    }
}

Task<> serve(Reactor& reactor, Listener listener) {
    for (;;) {
        auto s = co_await listener.async_accept();
        if (!s) co_return;
        spawn(reactor, echo(std::move(*s)));
    }
}

Task<std::string> ask(Reactor& reactor, wire::Endpoint to, std::string question) {
    auto s = co_await Stream::async_connect(reactor, to);
    if (!s) co_return to_string(s.error());
    const auto sent = co_await s->async_write_all(bytes(question));
    if (!sent) co_return to_string(sent.error());
    (void)s->shutdown_write();
    std::string answer;
    std::uint8_t buffer[333];
    for (;;) {
        const auto n = co_await s->async_read(buffer);
        if (!n) co_return to_string(n.error());
        if (*n == 0) co_return answer;
        answer.append(reinterpret_cast<char*>(buffer), *n);
    }
}

TEST_F(Coroutines, AHundredAtOnce) {
    auto listener = Listener::listen(b, {.port = 7});
    ASSERT_TRUE(listener);
    spawn(b, serve(b, std::move(*listener)));
    std::size_t right = 0;
    const auto one = [&](std::string question) -> Task<> {
        const std::string answer = co_await ask(a, there, question);
        if (answer == question) ++right;
    };
    for (std::size_t i = 0; i < 100; ++i) {
        spawn(a, one(std::string(i * 100, static_cast<char>('a' + i % 26))));
    }
    world.run_for(10s);
    EXPECT_EQ(right, 100u);
    EXPECT_EQ(a.tasks(), 0u);
    EXPECT_EQ(b.tasks(), 1u);  // still listening: destroyed with the world
}

TEST_F(Coroutines, RunGivesTheResult) {
    EXPECT_EQ(run(a, ask(a, there, "?")), "connection refused");
    auto forever = [](Reactor& r) -> Task<int> {
        co_await sleep_until(r, never);
        co_return 1;
    };
    world.stop();
    EXPECT_EQ(run(a, forever(a)), std::nullopt);
}

TEST_F(Coroutines, DeadlineAndSleep) {
    auto listener = Listener::listen(b, {.port = 7});
    auto c = Stream::connect(a, there);
    const auto late = [&]() -> Task<> {
        std::uint8_t octet[1];
        const Instant begun = world.now();
        const auto n = co_await c->async_read(octet, begun + 2s);
        log += n ? "?" : to_string(n.error());
        EXPECT_EQ(world.now(), begun + 2s);
        co_await sleep_for(a, 3s);
        EXPECT_EQ(world.now(), begun + 5s);
        log += ".";
    };
    spawn(a, late());
    world.run_for(10s);
    EXPECT_EQ(log, "connection timed out.");
}

TEST_F(Coroutines, StreamThatDiesTellsWhoWaits) {
    auto listener = Listener::listen(b, {.port = 7});
    auto c = Stream::connect(a, there);
    const auto read = [&]() -> Task<> {
        std::uint8_t octet[1];
        const auto n = co_await c->async_read(octet, world.now() + 60s);
        log += n ? "?" : to_string(n.error());
        const auto again = co_await c->async_read(octet);
        log += again ? "?" : ", then ";
        log += to_string(again.error());
    };
    spawn(a, read());
    a.after(1s, [&] { (void)c->close(); });
    world.run_for(2s);
    EXPECT_EQ(log, "connection aborted, then no such connection");
    EXPECT_EQ(a.tasks(), 0u);
}

TEST_F(Coroutines, TaskThatDiesWaitsForNothing) {
    auto listener = Listener::listen(b, {.port = 7});
    auto c = Stream::connect(a, there);
    auto s = listener->accept();
    {
        MemoryWorld other;  // its tasks wait for things of this world
        const auto read = [&]() -> Task<> {
            std::uint8_t octet[1];
            (void)co_await c->async_read(octet, world.now() + 60s);
            log += "no";
        };
        const auto sleep = [&]() -> Task<> {
            co_await sleep_for(a, 1s);
            log += "no";
        };
        spawn(other.host(0), read());
        spawn(other.host(0), sleep());
        other.run_for(1s);
        world.run_for(100ms);
        EXPECT_EQ(other.host(0).tasks(), 2u);
        ASSERT_TRUE(s->write_all(bytes("x")));  // both may go on now, and die instead
    }
    world.run_for(100s);
    EXPECT_EQ(log, "");
}

TEST_F(Coroutines, ExceptionsPassThroughAndComeOut) {
    const auto inner = []() -> Task<int> {
        throw std::runtime_error("inner");
        co_return 1;
    };
    const auto outer = [&]() -> Task<> {
        try {
            (void)co_await inner();
        } catch (const std::runtime_error& e) {
            log = e.what();
        }
        throw std::logic_error("outer");
    };
    spawn(a, outer());
    EXPECT_THROW(world.run_for(1s), std::logic_error);
    EXPECT_EQ(log, "inner");
    EXPECT_EQ(a.tasks(), 0u);
}

TEST_F(Coroutines, BlockingInsideIsRefused) {
    auto listener = Listener::listen(b, {.port = 7});
    auto c = Stream::connect(a, there);
    const auto block = [&]() -> Task<> {
        std::uint8_t octet[1];
        log = to_string(c->read(octet).error());
        co_return;
    };
    spawn(a, block());
    world.run_for(1s);
    EXPECT_EQ(log, "blocking call inside a callback");
}

TEST_F(Coroutines, ListenerThatClosesTellsWhoWaits) {
    auto listener = Listener::listen(b, {.port = 7, .hold = true});
    const auto wait = [&]() -> Task<> {
        const auto held = co_await listener->async_next_held();
        log += held ? "held, " : "?";
        (void)listener->accept_held(*held);
        const auto s = co_await listener->async_accept();
        log += s ? "accepted, " : "?";
        log += to_string((co_await listener->async_accept()).error());
    };
    spawn(b, wait());
    auto c = Stream::connect(a, there);
    ASSERT_TRUE(c);
    b.after(1s, [&] { listener->close(); });
    world.run_for(2s);
    EXPECT_EQ(log, "held, accepted, connection aborted");
}

}  // namespace
}  // namespace estab::socket
