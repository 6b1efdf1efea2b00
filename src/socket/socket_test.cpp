// Sockets over two stacks in memory, in virtual time.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "socket/listener.hpp"
#include "socket/memory_world.hpp"

namespace estab::socket {
namespace {

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Pair : testing::Test {
    MemoryWorld world;
    Reactor& a = world.host(0);
    Reactor& b = world.host(1);
    wire::Endpoint there{MemoryWorld::address(1), 80};

    Listener listen(const stack::ListenOptions& options = {.port = 80}) {
        auto l = Listener::listen(b, options);
        EXPECT_TRUE(l);
        return std::move(*l);
    }
    static std::string text(Stream& s, std::size_t most = 100) {
        std::string into(most, '\0');
        const auto n = s.read({reinterpret_cast<std::uint8_t*>(into.data()), most});
        if (!n) return std::string("error: ") + to_string(n.error());
        into.resize(*n);
        return into;
    }
};

using Blocking = Pair;

TEST_F(Blocking, TalksAndCloses) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    ASSERT_TRUE(c);
    auto s = l.accept();
    ASSERT_TRUE(s);
    EXPECT_EQ(s->local(), there);
    EXPECT_EQ(s->remote(), c->local());
    ASSERT_TRUE(c->write_all(bytes("hello")));
    EXPECT_EQ(text(*s), "hello");
    ASSERT_TRUE(c->shutdown_write());
    EXPECT_EQ(text(*s), "");
    EXPECT_TRUE(s->ending().peer_finished);
    ASSERT_TRUE(s->write_all(bytes("bye")));  // half closed
    ASSERT_TRUE(s->close());
    EXPECT_EQ(text(*c), "bye");
    EXPECT_EQ(text(*c), "");
    ASSERT_TRUE(c->close());
    EXPECT_FALSE(c->is_open());
    EXPECT_EQ(text(*c), "error: no such connection");
    world.run_for(100s);
    EXPECT_EQ(world.stack(0).connections() + world.stack(0).time_waits(), 0u);
}

TEST_F(Blocking, WritesMoreThanTheBuffersHold) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    ASSERT_TRUE(c);
    auto s = l.accept();
    std::string got;
    s->on_ready([&](Ready) {
        std::uint8_t into[5'000];
        while (const auto n = s->try_read(into)) {
            if (*n == 0) break;
            got.append(reinterpret_cast<char*>(into), *n);
        }
    });
    std::string all(20'000'000, 'x');
    for (std::size_t i = 0; i < all.size(); i += 1000)
        all[i] = static_cast<char>('a' + i / 1000 % 26);
    ASSERT_TRUE(c->write_all(bytes(all)));
    ASSERT_TRUE(c->wait_acknowledged());
    world.run_for(1s);
    EXPECT_TRUE(got == all);
}

// --- Without a copy

struct Lent {
    static void done(void* times) { ++*static_cast<int*>(times); }
    std::vector<std::uint8_t> octets = std::vector<std::uint8_t>(1'000'000, 'x');
    int times = 0;
};

TEST_F(Blocking, OctetsOfTheCallersAreGivenBackOnce) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    Lent lent;
    lent.octets[999] = 'y';
    const auto n = c->try_write_external(Bytes(lent.octets).first(1000), Lent::done, &lent.times);
    ASSERT_TRUE(n);
    EXPECT_EQ(*n, 1000u);
    EXPECT_EQ(lent.times, 0);
    ASSERT_TRUE(c->write_all(bytes("tail")));
    std::string all;
    while (all.size() < 1004) all += text(*s, 2000);
    EXPECT_EQ(all, std::string(999, 'x') + "ytail");
    ASSERT_TRUE(c->wait_acknowledged());
    EXPECT_EQ(lent.times, 1);
    EXPECT_TRUE(c->close() && s->close());
    world.run_for(100s);
    EXPECT_EQ(lent.times, 1);
}

TEST_F(Blocking, OfMoreThanThereIsRoomForAPartIsTaken) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    Lent lent;
    const auto n = c->try_write_external(lent.octets, Lent::done, &lent.times);
    ASSERT_TRUE(n);
    EXPECT_LT(*n, lent.octets.size());
    const auto more = c->try_write_external(lent.octets, Lent::done, &lent.times);
    EXPECT_EQ(more.error(), Error::would_block);
    EXPECT_EQ(lent.times, 0);  // not for the call that failed
    c->abort();
    EXPECT_EQ(lent.times, 1);
    EXPECT_EQ(s->try_write_external({}, Lent::done, &lent.times).error(),
              Error::invalid_argument);
}

TEST_F(Blocking, AResetGivesBackWhatWasLent) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    Lent lent;
    ASSERT_TRUE(c->try_write_external(lent.octets, Lent::done, &lent.times));
    s->abort();
    world.run_for(1s);
    EXPECT_EQ(lent.times, 1);
    EXPECT_EQ(c->try_write_external(lent.octets, Lent::done, &lent.times).error(), Error::reset);
    EXPECT_EQ(lent.times, 1);
}

TEST_F(Blocking, ReservedRoomIsQueuedWhenCommitted) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    const auto room = c->try_reserve();
    ASSERT_TRUE(room);
    ASSERT_GE(room->size(), 5u);
    std::ranges::copy(bytes("hello"), room->begin());
    EXPECT_EQ(c->commit(room->size() + 1).error(), Error::invalid_argument);
    EXPECT_TRUE(c->commit(5));
    EXPECT_EQ(c->commit(1).error(), Error::invalid_argument);  // nothing is lent any more
    EXPECT_EQ(text(*s), "hello");
}

TEST_F(Blocking, RoomThatIsGivenBackLeavesNothing) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    const std::size_t before = a.stack().environment().chunks.memory().used();
    ASSERT_TRUE(c->try_reserve());
    EXPECT_TRUE(c->commit(0));
    EXPECT_EQ(a.stack().environment().chunks.memory().used(), before);
    ASSERT_TRUE(c->try_reserve());
    ASSERT_TRUE(c->shutdown_write());
    EXPECT_EQ(c->commit(1).error(), Error::broken_pipe);
    EXPECT_EQ(text(*s), "");
}

TEST_F(Blocking, WritableIsAwaitedWithoutAWriteBefore) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    const std::vector<std::uint8_t> much(10'000'000, 'x');
    // Until the peer's buffer and ours are full, in pieces that never ask for more than there is.
    while (const std::uint64_t room = c->connection()->write_room()) {
        ASSERT_TRUE(c->try_write(Bytes(much).first(room)));
        world.run_for(1s);
    }
    bool writable = false;
    const auto wait = [&]() -> Task<> {
        EXPECT_TRUE(co_await c->async_writable());
        writable = true;
    };
    spawn(a, wait());
    world.run_for(1s);
    EXPECT_FALSE(writable);
    for (Bytes got = s->peek(); !got.empty() || !writable; got = s->peek()) {
        s->consume(got.size());
        world.run_for(1ms);
        ASSERT_LT(world.now(), Instant(60s));
    }
}

TEST_F(Blocking, RefusedIsTold) {
    const auto c = Stream::connect(a, there);
    ASSERT_FALSE(c);
    EXPECT_EQ(c.error(), Error::refused);
}

TEST_F(Blocking, DeadlineEndsAReadAndTheStreamGoesOn) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    const Instant deadline = world.now() + 3s;
    std::uint8_t octet[1];
    EXPECT_EQ(c->read(octet, deadline).error(), Error::timed_out);
    EXPECT_EQ(world.now(), deadline);
    ASSERT_TRUE(s->write_all(bytes("x")));
    EXPECT_EQ(text(*c), "x");
}

TEST_F(Blocking, NothingCanEverHappenIsNotAHang) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    std::uint8_t octet[1];
    EXPECT_EQ(c->read(octet).error(), Error::interrupted);
    EXPECT_EQ(l.accept()->is_open(), true);
    EXPECT_EQ(l.accept().error(), Error::interrupted);
}

TEST_F(Blocking, RefusedInsideACallback) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    std::optional<Error> read, connect, accept;
    a.after(1s, [&] {
        std::uint8_t octet[1];
        read = c->read(octet).error();
        connect = Stream::connect(a, there).error();
        accept = l.accept().has_value() ? std::nullopt : std::optional(Error::refused);
    });
    b.after(2s, [&] { accept = l.accept().error(); });  // the other host drives the same world
    world.run_for(3s);
    EXPECT_EQ(read, Error::would_deadlock);
    EXPECT_EQ(connect, Error::would_deadlock);
    EXPECT_EQ(accept, Error::would_deadlock);
}

using Options = Pair;

TEST_F(Options, LingerZeroResets) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    c->set_linger(0s);
    ASSERT_TRUE(c->close());
    EXPECT_EQ(text(*s), "error: connection reset by peer");
    EXPECT_EQ(s->ending().error, Error::reset);
}

TEST_F(Options, LingerWaitsForTheAcknowledgment) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    ASSERT_TRUE(c->write_all(bytes("last words")));
    c->set_linger(5s);
    ASSERT_TRUE(c->close());
    EXPECT_EQ(text(*s), "last words");
    // A peer that reads nothing: the wait ends, the connection goes on.
    auto d = Stream::connect(a, there);
    auto t = l.accept();
    d->set_linger(5s);
    const std::string much(4'000'000, 'x');
    std::size_t written = 0;
    while (const auto n = d->try_write(bytes(much))) written += *n, world.run_for(1ms);
    const Instant begun = world.now();
    EXPECT_EQ(d->close().error(), Error::timed_out);
    EXPECT_EQ(world.now(), begun + 5s);
    std::size_t got = 0;
    for (std::string part = text(*t, 60'000); !part.empty(); part = text(*t, 60'000))
        got += part.size();
    EXPECT_EQ(got, written);
}

TEST_F(Options, CloseWithUnreadOctetsResets) {  // SHLD-3
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    ASSERT_TRUE(c->write_all(bytes("unread")));
    ASSERT_TRUE(c->wait_acknowledged());
    ASSERT_TRUE(s->close());
    EXPECT_EQ(text(*c), "error: connection reset by peer");
}

TEST_F(Options, NodelayAndCork) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    ASSERT_TRUE(c->set_cork(true));
    ASSERT_TRUE(c->write_all(bytes("a")));
    world.run_for(1ms);
    EXPECT_TRUE(s->peek().empty());
    ASSERT_TRUE(c->write_all(bytes("b")));
    ASSERT_TRUE(c->set_cork(false));
    world.run_for(1ms);
    EXPECT_EQ(s->peek().size(), 2u);
    s->consume(1);
    EXPECT_EQ(text(*s), "b");
    ASSERT_TRUE(c->set_nodelay(true));
    ASSERT_TRUE(c->set_quick_ack(true));
    EXPECT_FALSE(c->set_keepalive(true, 0s));
    ASSERT_TRUE(c->set_user_timeout(10s));
    EXPECT_EQ(c->connection()->config().user_timeout, 10s);
    EXPECT_EQ(s->connection()->config().user_timeout, 0s);
}

TEST_F(Options, KeepaliveFindsOutThatNobodyIsThere) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    {
        auto s = l.accept();
        ASSERT_TRUE(c->set_keepalive(true, 10s, 1s, 3));
        world.stack(1).routes() = {};  // the host forgets who it is
        std::uint8_t octet[1];
        EXPECT_EQ(c->read(octet).error(), Error::timed_out);
    }
    EXPECT_EQ(c->ending().error, Error::timed_out);
}

TEST_F(Options, ConnectConfigIsCopied) {
    auto l = listen();
    ConnectOptions options;
    {
        tcp::Config config;
        config.timestamps = false;
        options.config = &config;
        auto c = Stream::start_connect(a, there, options);
        ASSERT_TRUE(c);
        config.timestamps = true;
        config.rto_initial = Duration::min();
        ASSERT_TRUE(c->wait_connected());
        EXPECT_FALSE(c->info().timestamps);
    }
}

using Callbacks = Pair;

TEST_F(Callbacks, ToldOfWhatHappenedBefore) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    auto s = l.accept();
    ASSERT_TRUE(c->write_all(bytes("early")));
    ASSERT_TRUE(c->wait_acknowledged());
    bool readable = false;
    s->on_ready([&](Ready r) { readable |= r.readable; });
    world.run_for(1ms);
    EXPECT_TRUE(readable);
}

TEST_F(Callbacks, MayDestroyTheirStream) {
    auto l = listen();
    auto c = Stream::connect(a, there);
    std::optional<Stream> s = std::move(*l.accept());
    int calls = 0;
    s->on_ready([&, big = std::string(100, 'x')](Ready r) {
        if (!r.readable) return;
        s.reset();
        calls += static_cast<int>(big.size());  // what we captured is still there
    });
    ASSERT_TRUE(c->write_all(bytes("x")));
    world.run_for(1s);
    EXPECT_EQ(calls, 100);
    EXPECT_EQ(text(*c), "error: connection reset by peer");
}

TEST_F(Callbacks, ListenerCallsForWhatWaits) {
    auto l = listen();
    std::vector<Stream> got;
    auto c = Stream::connect(a, there);
    l.on_ready([&] {
        while (auto s = l.try_accept()) got.push_back(std::move(*s));
    });
    auto d = Stream::connect(a, there);
    world.run_for(1s);
    EXPECT_EQ(got.size(), 2u);
}

TEST_F(Callbacks, TimersFireInOrderAndCanBeCancelled) {
    std::string order;
    a.after(2s, [&] { order += 'c'; });
    const TimerId cancelled = a.after(1s, [&] { order += 'x'; });
    a.after(1s, [&] {
        order += 'a';
        a.after(0s, [&] { order += 'b'; });
        a.cancel(cancelled);
    });
    const TimerId second = a.after(1s, [&] { order += 'x'; });
    a.after(500ms, [&] {
        a.cancel(second);
        a.cancel(cancelled);
    });
    world.run_for(3s);
    EXPECT_EQ(order, "abc");
}

TEST_F(Callbacks, ExceptionsComeOutOfRunOnce) {
    a.after(0s, [] { throw std::runtime_error("mine"); });
    EXPECT_THROW(world.run_for(1s), std::runtime_error);
    EXPECT_FALSE(a.is_busy());
    int later = 0;
    a.after(0s, [&] { ++later; });
    world.run_for(1s);
    EXPECT_EQ(later, 1);
}

TEST_F(Callbacks, StreamsOutliveTheirReactor) {
    std::optional<Stream> s, c;
    std::optional<Listener> l;
    {
        MemoryWorld other;
        l = std::move(*Listener::listen(other.host(1), {.port = 80}));
        c = std::move(*Stream::connect(other.host(0), there));
        s = std::move(*l->accept());
    }
    EXPECT_FALSE(s->is_open());
    EXPECT_EQ(s->try_write(bytes("x")).error(), Error::not_found);
    EXPECT_EQ(l->try_accept().error(), Error::not_found);
    s->on_ready([](Ready) {});
    c.reset();
}

using Held = Pair;

TEST_F(Held, AcceptedRefusedDroppedAndUnreachable) {
    auto l = listen({.port = 80, .hold = true});
    auto first = Stream::start_connect(a, there);
    world.run_for(100ms);
    EXPECT_FALSE(first->is_connected());
    auto syn = l.try_next_held();
    ASSERT_TRUE(syn);
    EXPECT_EQ(syn->wanted, there);
    EXPECT_EQ(syn->from, first->local());
    EXPECT_EQ(l.try_next_held().error(), Error::would_block);
    ASSERT_TRUE(l.accept_held(*syn));
    EXPECT_EQ(l.accept_held(*syn).error(), Error::not_found);
    ASSERT_TRUE(first->wait_connected());
    ASSERT_TRUE(l.accept());

    auto second = Stream::start_connect(a, there);
    world.run_for(100ms);
    ASSERT_TRUE(l.refuse_held(*l.try_next_held()));
    EXPECT_EQ(second->wait_connected().error(), Error::refused);

    auto third = Stream::start_connect(a, there);
    world.run_for(100ms);
    ASSERT_TRUE(l.unreachable_held(*l.try_next_held(), wire::IcmpReason::prohibited));
    EXPECT_EQ(third->wait_connected().error(), Error::host_unreachable);
    EXPECT_EQ(third->ending().icmp_type, 3);
    EXPECT_EQ(third->ending().icmp_code, 13);

    auto fourth = Stream::start_connect(a, there);
    world.run_for(100ms);
    ASSERT_TRUE(l.drop_held(*l.try_next_held()));
    world.run_for(100ms);
    EXPECT_FALSE(fourth->is_connected());
    ASSERT_TRUE(fourth->is_open());
}

TEST_F(Held, AcceptAnySeesTheOriginalDestination) {
    ASSERT_TRUE(world.stack(1).routes().accept(*wire::Prefix::parse("0.0.0.0/0")));
    ASSERT_TRUE(world.stack(0).routes().add({.destination = *wire::Prefix::parse("0.0.0.0/0"),
                                             .gateway = MemoryWorld::address(1),
                                             .source = {},
                                             .mtu = 0}));
    auto l = listen({.any_port = true});
    const wire::Endpoint far{wire::Address::v4(192, 0, 2, 7), 4711};
    auto c = Stream::connect(a, far);
    ASSERT_TRUE(c);
    auto s = l.accept();
    ASSERT_TRUE(s);
    EXPECT_EQ(s->local(), far);
}

}  // namespace
}  // namespace estab::socket
