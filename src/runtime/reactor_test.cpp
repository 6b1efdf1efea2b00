// The reactor in real time on a wire in memory: nothing here judges by a clock.
#include "runtime/reactor.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

#include "link/memory_link.hpp"
#include "socket/listener.hpp"

namespace estab::runtime {
namespace {

// One end of a wire in memory that says so with a descriptor when the other end has sent something.
struct Wired {
    link::MemoryLink::End& end;
    int ours, theirs;

    const device::Caps& caps() const { return end.caps(); }
    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        std::uint64_t count;
        (void)!::read(ours, &count, sizeof count);
        return end.receive(now, batch);
    }
    MutableBytes reserve(std::size_t size) { return end.reserve(size); }
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        end.commit(now, size, offload);
    }
    void flush(Instant) {
        const std::uint64_t one = 1;
        (void)!::write(theirs, &one, sizeof one);
    }
    Instant deadline() const { return never; }
};

struct Wire : testing::Test {
    std::array<drivers::Fd, 2> fds{drivers::Fd(::eventfd(0, EFD_NONBLOCK)),
                                   drivers::Fd(::eventfd(0, EFD_NONBLOCK))};
    link::MemoryLink link{{.caps = {}, .frames_max = 4}};
    Wired left{link.end(0), *fds[0], *fds[1]}, right{link.end(1), *fds[1], *fds[0]};
    stack::Stack client{Loop::now(), {.seed = 1}}, server{Loop::now(), {.seed = 2}};
    Reactor a{client, left, *fds[0]}, b{server, right, *fds[1]};

    void SetUp() override {
        ASSERT_TRUE(client.routes().add_address(*wire::Prefix::parse("10.0.0.1/24")));
        ASSERT_TRUE(server.routes().add_address(*wire::Prefix::parse("10.0.0.2/24")));
    }
    // Both, one turn each, until `done`.
    template <class Done>
    void run_until(Done done) {
        while (!done()) {
            a.run_once(Instant::min());
            b.run_once(Instant::min());
        }
    }
};

TEST_F(Wire, CarriesMoreThanItHolds) {
    auto listener = socket::Listener::listen(b, {.port = 80});
    ASSERT_TRUE(listener);
    std::size_t got = 0;
    const auto receive = [&]() -> socket::Task<> {
        auto s = co_await listener->async_accept();
        std::vector<std::uint8_t> into(10'000);
        for (;;) {
            const auto n = co_await s->async_read(into);
            if (!n || *n == 0) co_return;
            got += *n;
        }
    };
    const auto send = [&]() -> socket::Task<> {
        auto s = co_await socket::Stream::async_connect(a, {wire::Address::v4(10, 0, 0, 2), 80});
        EXPECT_TRUE(s);
        const std::vector<std::uint8_t> all(3'000'000, 'x');
        EXPECT_TRUE(co_await s->async_write_all(all));
    };
    socket::spawn(b, receive());
    socket::spawn(a, send());
    run_until([&] { return a.tasks() + b.tasks() == 0; });
    EXPECT_EQ(got, 3'000'000u);
}

// What a callback says goes out in the turn that called it, and what it asks to be called for
// follows.
TEST_F(Wire, OneTurnSettlesWhatCallbacksStart) {
    a.run_once(Instant::min());
    bool called = false;
    socket::Stream stream;
    a.after(0s, [&] {
        auto opening = socket::Stream::start_connect(a, {wire::Address::v4(10, 0, 0, 2), 80});
        ASSERT_TRUE(opening);
        stream = std::move(*opening);
        a.after(0s, [&] { called = true; });
    });
    a.run_once(Instant::min());
    EXPECT_TRUE(called);
    EXPECT_FALSE(client.has_output());
    std::array<device::Frame, 4> frames;
    EXPECT_NE(link.end(1).receive(Loop::now(), frames), 0u);  // its SYN
}

TEST_F(Wire, ADeviceIsReadOnlyWhenItHasSomething) {
    struct Counting : Wired {
        int reads = 0;
        std::size_t receive(Instant now, std::span<device::Frame> batch) {
            ++reads;
            return Wired::receive(now, batch);
        }
    };
    Counting device{{link.end(0), *fds[0], *fds[1]}};
    stack::Stack stack{Loop::now(), {.seed = 3}};
    Reactor reactor{stack, device, *fds[0]};
    reactor.run_once(Instant::min());
    const int before = device.reads;
    for (int i = 0; i < 3; ++i) reactor.after(0s, [] {});
    reactor.run_once(Instant::min());
    EXPECT_EQ(device.reads, before);
    right.flush({});  // says that there is something
    reactor.run_once(never);
    EXPECT_EQ(device.reads, before + 1);
}

// What nothing would wake it for is seen while it spins, and the last turn sleeps again.
TEST_F(Wire, SpinsForAWhileAfterSomethingCame) {
    auto listener = socket::Listener::listen(b, {.port = 80});
    auto s = socket::Stream::start_connect(a, {wire::Address::v4(10, 0, 0, 2), 80});
    ASSERT_TRUE(s);
    run_until([&] { return s->is_connected() && listener->waiting() != 0; });
    b.set_spin(1h);
    ASSERT_TRUE(s->try_write({reinterpret_cast<const std::uint8_t*>("x"), 1}));
    a.run_once(Instant::min());
    b.run_once(never);  // the octet comes
    const std::uint64_t before = b.turns();
    b.run_once(never);  // nothing does, and it does not sleep
    EXPECT_EQ(b.turns(), before + 1);
    b.set_spin(0s);
    const Instant until = b.now() + 2ms;
    b.run_once(until);
    EXPECT_GE(b.now(), until);
}

TEST_F(Wire, StopEndsABlockingCall) {
    auto listener = socket::Listener::listen(a, {.port = 80});
    a.after(0s, [&] { a.stop(); });
    EXPECT_EQ(listener->accept().error(), Error::interrupted);
    EXPECT_FALSE(a.run_once(never));
    EXPECT_TRUE(a.is_stopped());
}

TEST_F(Wire, TimersEndTheWait) {
    bool fired = false;
    const Instant when = a.now() + 1ms;
    a.at(when, [&] { fired = true; });
    EXPECT_TRUE(a.run_until([&] { return fired; }));
    EXPECT_GE(a.now(), when);
}

TEST_F(Wire, BlockingInADescriptorsCallbackIsRefused) {
    auto listener = socket::Listener::listen(a, {.port = 80});
    const drivers::Fd fd(::eventfd(1, EFD_NONBLOCK));
    std::optional<Error> error;
    a.loop().watch(*fd, {.read = true, .write = false}, [&](Instant, Ready) {
        error = listener->accept().error();
        a.loop().forget(*fd);
    });
    EXPECT_TRUE(a.run_until([&] { return error.has_value(); }));
    EXPECT_EQ(error, Error::would_deadlock);
}

}  // namespace
}  // namespace estab::runtime
