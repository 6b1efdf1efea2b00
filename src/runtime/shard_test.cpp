// Shards: threads that share nothing. Under ThreadSanitizer this is what shows it.
#include "runtime/shard.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <list>
#include <stdexcept>
#include <thread>

#include "drivers/host_tun.hpp"
#include "drivers/private_network.hpp"
#include "runtime/send_file.hpp"
#include "socket/listener.hpp"

namespace estab::runtime {
namespace {

// A device to which nothing ever comes.
struct Silent {
    device::Caps all{};
    const device::Caps& caps() const { return all; }
    std::size_t receive(Instant, std::span<device::Frame>) { return 0; }
    MutableBytes reserve(std::size_t) { return {}; }
    void commit(Instant, std::size_t, const device::Offload&) {}
    void flush(Instant) {}
    Instant deadline() const { return never; }
};
static_assert(device::Device<Silent>);

struct Shards : testing::Test {
    drivers::Fd quiet{::eventfd(0, EFD_NONBLOCK)};
    static Shard::Settings settings() { return {.stack = {.seed = 1}, .own = {}}; }
};

TEST_F(Shards, TheServiceIsMadeAndDestroyedInTheThread) {
    std::thread::id made, destroyed;
    {
        const Shard shard(Silent{}, *quiet, settings(), [&](Reactor&) {
            made = std::this_thread::get_id();
            return std::shared_ptr<void>(&made, [&](void*) {
                destroyed = std::this_thread::get_id();
            });
        });
        EXPECT_NE(made, std::this_thread::get_id());
    }
    EXPECT_EQ(made, destroyed);
}

TEST_F(Shards, WhatTheServiceThrowsComesOutOfTheConstructor) {
    EXPECT_THROW(Shard(Silent{}, *quiet, settings(),
                       [](Reactor&) -> std::shared_ptr<void> {
                           throw std::runtime_error("no");
                       }),
                 std::runtime_error);
}

TEST_F(Shards, WhatEndsAShardComesOutOfJoin) {
    Shard shard(Silent{}, *quiet, settings(), [](Reactor& reactor) -> std::shared_ptr<void> {
        reactor.at({}, [] { throw std::runtime_error("later"); });
        return {};
    });
    EXPECT_THROW(shard.join(), std::runtime_error);
    std::uint64_t count = 0;
    EXPECT_EQ(::read(shard.ended(), &count, sizeof count), 8);
    shard.join();  // told once
}

TEST_F(Shards, RunUntilTheyAreStopped) {
    std::atomic<int> turns = 0;
    std::list<Shard> shards;
    for (int i = 0; i < 4; ++i) {
        shards.emplace_back(Silent{}, *quiet, settings(), [&](Reactor& reactor) {
            auto again = std::make_shared<std::function<void()>>();
            *again = [&turns, &reactor, again = again.get()] {
                ++turns;
                reactor.after(1ms, *again);
            };
            (*again)();
            return again;
        });
    }
    while (turns < 40) std::this_thread::yield();
    for (Shard& shard : shards) shard.stop();
    for (Shard& shard : shards) shard.join();
}

// The kernel's TCP in a private network, whose TUN has a queue for each shard. Each connection has
// to find the shard that has its SYN, every time.
TEST(ShardsOnATun, EachConnectionStaysWhereItBegan) {
    constexpr std::size_t count = 3;
    std::optional<drivers::PrivateNetwork> network;
    try {
        network = drivers::PrivateNetwork::start(
            {.backend = drivers::Backend::tun, .queues = count});
    } catch (const drivers::SystemError& e) {
        GTEST_SKIP() << e.what();
    }
    std::array<std::atomic<int>, count> accepted{};
    std::list<Shard> shards;
    std::size_t number = 0;
    for (drivers::AnyDevice& device : network->take_queues()) {
        const int fd = device.fd();
        const Shard::Settings settings{.stack = {.seed = number + 1},
                                       .own = network->addresses().own};
        shards.emplace_back(std::move(device), fd, settings,
                            [&count_here = accepted[number]](Reactor& reactor) {
            auto listener = std::make_shared<socket::Listener>(
                std::move(*socket::Listener::listen(reactor, {.port = 7})));
            const auto echo = [](socket::Stream stream) -> socket::Task<> {
                std::uint8_t octets[4096];
                for (;;) {
                    const auto n = co_await stream.async_read(octets);
                    if (!n || *n == 0) co_return;
                    if (!co_await stream.async_write_all(Bytes(octets).first(*n))) co_return;
                }
            };
            const auto accept = [](socket::Listener& l, Reactor& r, auto talk,
                                   std::atomic<int>& counted) -> socket::Task<> {
                for (;;) {
                    auto stream = co_await l.async_accept();
                    if (!stream) co_return;
                    ++counted;
                    socket::spawn(r, talk(std::move(*stream)));
                }
            };
            socket::spawn(reactor, accept(*listener, reactor, echo, count_here));
            return listener;
        });
        ++number;
    }
    ASSERT_EQ(shards.size(), count);
    const std::string script =
        "import socket\n"
        "peers = [socket.create_connection(('10.77.0.2', 7), timeout=20) for _ in range(60)]\n"
        "for _ in range(20):\n"
        "    for i, peer in enumerate(peers):\n"
        "        peer.sendall(b'%06d' % i)\n"
        "    for i, peer in enumerate(peers):\n"
        "        assert peer.recv(6, socket.MSG_WAITALL) == b'%06d' % i\n";
    drivers::Child child = network->spawn({"python3", "-c", script});
    EXPECT_EQ(drivers::exit_code(child.wait()), 0);
    int total = 0;
    for (const auto& here : accepted) {
        EXPECT_GT(here, 0);  // 60 connections and none on one of three: once in ten thousand million
        total += here;
    }
    EXPECT_EQ(total, 60);
}

}  // namespace
}  // namespace estab::runtime
