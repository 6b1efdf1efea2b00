// Datagrams between two stacks in memory.
#include <gtest/gtest.h>

#include <string>

#include "socket/memory_world.hpp"
#include "socket/task.hpp"
#include "socket/udp.hpp"

namespace estab::socket {
namespace {

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text(const Result<Udp::Datagram>& d) {
    return d ? std::string(d->payload.begin(), d->payload.end()) : to_string(d.error());
}

struct Datagrams : testing::Test {
    MemoryWorld world;
    Reactor& a = world.host(0);
    Reactor& b = world.host(1);
    wire::Endpoint there{MemoryWorld::address(1), 9};
    wire::Endpoint there6{MemoryWorld::address(1, true), 9};
};

TEST_F(Datagrams, ThereAndBackOverBothFamilies) {
    auto server = Udp::bind(b, {.local = {{}, 9}});
    auto client = Udp::bind(a);
    ASSERT_TRUE(server && client);
    for (const auto& to : {there, there6}) {
        ASSERT_TRUE(client->send_to(to, bytes("ping")));
        const auto ping = server->recv();
        ASSERT_TRUE(ping);
        EXPECT_EQ(text(ping), "ping");
        EXPECT_EQ(ping->to, to);
        EXPECT_EQ(ping->from, (wire::Endpoint{MemoryWorld::address(0, to.address.is_v6()),
                                              client->local().port}));
        ASSERT_TRUE(server->send_to(ping->from, bytes("")));
        EXPECT_EQ(text(client->recv()), "");
    }
}

TEST_F(Datagrams, RefusedIsToldOnceToTheConnected) {  // RFC 1122 4.1.3.3
    auto client = Udp::connected(a, there);
    ASSERT_TRUE(client);
    ASSERT_TRUE(client->send(bytes("anybody?")));
    EXPECT_EQ(text(client->recv()), "connection refused");
    EXPECT_EQ(client->try_recv().error(), Error::would_block);
    auto other = Udp::bind(a);
    ASSERT_TRUE(other->send_to(there6, bytes("anybody?")));
    EXPECT_EQ(other->recv(world.now() + 1s).error(), Error::timed_out);
    const auto trouble = other->next_trouble();
    ASSERT_TRUE(trouble);
    EXPECT_EQ(trouble->remote, there6);
    EXPECT_EQ(trouble->error, Error::refused);
    EXPECT_EQ(trouble->type, 1);
    EXPECT_EQ(trouble->code, 4);
}

TEST_F(Datagrams, LargerThanTheLinkIsRefused) {
    auto server = Udp::bind(b, {.local = {{}, 9}});
    auto client = Udp::connected(a, there);
    const std::string most(1500 - 28, 'x');
    ASSERT_TRUE(client->send(bytes(most)));
    EXPECT_EQ(text(server->recv()), most);
    EXPECT_EQ(client->send(bytes(most + "x")).error(), Error::message_too_long);
}

TEST_F(Datagrams, WhatCannotBeSent) {
    auto client = Udp::bind(a);
    EXPECT_EQ(client->send(bytes("x")).error(), Error::not_connected);
    EXPECT_EQ(client->send_to({there.address, 0}, bytes("x")).error(), Error::invalid_argument);
    EXPECT_EQ(client->send_to({wire::Address::v4(192, 0, 2, 1), 9}, bytes("x")).error(),
              Error::network_unreachable);
    auto bound = Udp::bind(a, {.local = {MemoryWorld::address(0), 0}});
    EXPECT_EQ(bound->send_to(there6, bytes("x")).error(), Error::invalid_argument);
    EXPECT_EQ(Udp::bind(a, {.local = {wire::Address::v4(192, 0, 2, 1), 9}}).error(),
              Error::address_unavailable);
}

TEST_F(Datagrams, AwaitedAndClosedWhileWaiting) {
    auto server = Udp::bind(b, {.local = {{}, 9}});
    auto client = Udp::connected(a, there);
    std::string log;
    const auto echo = [&]() -> Task<> {
        for (;;) {
            const auto d = co_await server->async_recv();
            log += text(d) + ". ";
            if (!d) co_return;
            (void)server->send_to(d->from, d->payload);
        }
    };
    spawn(b, echo());
    ASSERT_TRUE(client->send(bytes("one")));
    EXPECT_EQ(text(client->recv()), "one");
    server->close();
    world.run_for(1s);
    EXPECT_EQ(log, "one. connection aborted. ");
    ASSERT_TRUE(client->send(bytes("two")));
    EXPECT_EQ(text(client->recv()), "connection refused");
}

TEST_F(Datagrams, CallbackMayCloseItsSocket) {
    std::optional<Udp> server = std::move(*Udp::bind(b, {.local = {{}, 9}}));
    auto client = Udp::connected(a, there);
    int calls = 0;
    server->on_ready([&] {
        if (!server->try_recv()) return;
        ++calls;
        server.reset();
    });
    ASSERT_TRUE(client->send(bytes("one")));
    ASSERT_TRUE(client->send(bytes("two")));
    world.run_for(1s);
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace estab::socket
