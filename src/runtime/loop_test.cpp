#include "runtime/loop.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>

#include <gtest/gtest.h>

#include "drivers/spawn.hpp"

namespace estab::runtime {
namespace {

using drivers::Fd;

struct Pipe {
    Fd reader;
    Fd writer;
    Pipe() {
        std::array<int, 2> ends;
        if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) drivers::throw_system("pipe");
        reader.reset(ends[0]);
        writer.reset(ends[1]);
    }
    void fill(char c = 'x') const { ASSERT_EQ(::write(*writer, &c, 1), 1); }
};

TEST(Loop, ClockGoesForwardAndNeverWakesBeforeTheDeadline) {
    Loop loop;
    const Instant deadline = Loop::now() + 1'234'567ns;
    EXPECT_EQ(loop.run_once(deadline), 0U);
    EXPECT_GE(Loop::now(), deadline);
}

TEST(Loop, DeadlineInThePastOnlyLooks) {
    Loop loop;
    Pipe pipe;
    int calls = 0;
    loop.watch(*pipe.reader, {.read = true}, [&](Instant, Ready) { ++calls; });
    EXPECT_EQ(loop.run_once(Instant{}), 0U);
    pipe.fill();
    EXPECT_EQ(loop.run_once(Instant{}), 1U);
    EXPECT_EQ(calls, 1);
}

TEST(Loop, ReadableUntilRead) {
    Loop loop;
    Pipe pipe;
    Ready last;
    loop.watch(*pipe.reader, {.read = true}, [&](Instant, Ready ready) { last = ready; });
    pipe.fill();
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_TRUE(last.readable);
    EXPECT_FALSE(last.writable);
    char c;
    ASSERT_EQ(::read(*pipe.reader, &c, 1), 1);
    EXPECT_EQ(loop.run_once(Instant{}), 0U);
    pipe.writer.reset();
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_TRUE(last.readable && last.failed);
}

// A socket's other end, so that there is something to say about the end of the stream.
TEST(Loop, ChangesAreToldOnceAndTheEndBeforeItIsRead) {
    Loop loop;
    std::array<int, 2> ends;
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    const Fd ours(ends[0]);
    Fd theirs(ends[1]);
    Ready last;
    loop.watch(*ours, {.read = true, .changes = true}, [&](Instant, Ready ready) { last = ready; });
    ASSERT_EQ(::write(*theirs, "ab", 2), 2);
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_TRUE(last.readable && !last.ending);
    EXPECT_EQ(loop.run_once(Instant{}), 0U);  // unread, but told
    ASSERT_EQ(::write(*theirs, "c", 1), 1);
    EXPECT_EQ(loop.run_once(never), 1U);
    theirs.reset();
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_TRUE(last.readable && last.ending);
}

TEST(Loop, ClosedIsForgotten) {
    Loop loop;
    Pipe pipe;
    loop.watch(*pipe.reader, {.read = true}, [](Instant, Ready) { FAIL(); });
    pipe.fill();
    const int number = *pipe.reader;
    loop.close(std::move(pipe.reader));
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    EXPECT_EQ(loop.run_once(Instant{}), 0U);
    const Fd again(::dup2(*pipe.writer, number));  // the number may be watched again
    int calls = 0;
    loop.watch(*again, {.write = true}, [&](Instant, Ready) { ++calls; });
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(calls, 1);
}

TEST(Loop, InterestCanChange) {
    Loop loop;
    Pipe pipe;
    int calls = 0;
    loop.watch(*pipe.writer, {}, [&](Instant, Ready ready) { calls += ready.writable ? 1 : 0; });
    EXPECT_EQ(loop.run_once(Instant{}), 0U);
    loop.change(*pipe.writer, {.write = true});
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(calls, 1);
}

TEST(Loop, CallbackMayForgetItselfAndOthers) {
    Loop loop;
    Pipe a, b;
    int calls = 0;
    const auto forget_both = [&](Instant, Ready) {
        ++calls;
        loop.forget(*a.reader);
        loop.forget(*b.reader);
    };
    loop.watch(*a.reader, {.read = true}, forget_both);
    loop.watch(*b.reader, {.read = true}, forget_both);
    a.fill();
    b.fill();
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(loop.run_once(Instant{}), 0U);
    EXPECT_EQ(calls, 1);
}

// Both are ready in one turn; the first closes the second, whose number a new descriptor then
// takes.
TEST(Loop, EventOfAClosedDescriptorIsNotTakenForItsSuccessors) {
    Loop loop;
    Pipe a, b;
    std::optional<Pipe> fresh;
    int wrong = 0;
    const auto replace = [&](Pipe& other) {
        return [&](Instant, Ready) {
            if (fresh) return;
            loop.forget(*other.reader);
            other.reader.reset();
            fresh.emplace();
            loop.watch(*fresh->reader, {.read = true}, [&](Instant, Ready) { ++wrong; });
        };
    };
    loop.watch(*a.reader, {.read = true}, replace(b));
    loop.watch(*b.reader, {.read = true}, replace(a));
    a.fill();
    b.fill();
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(wrong, 0);
}

TEST(Loop, RegularFileIsAlwaysReadyWhileAskedFor) {
    Loop loop;
    const Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    int calls = 0;
    loop.watch(*file, {.read = true}, [&](Instant, Ready ready) {
        EXPECT_TRUE(ready.readable && !ready.writable);
        if (++calls == 2) loop.change(*file, {});
    });
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(loop.run_once(never), 1U);
    EXPECT_EQ(loop.run_once(Instant{}), 0U);
    loop.forget(*file);
    EXPECT_EQ(calls, 2);
}

TEST(Loop, SignalsArriveAsCallbacksAndAreGivenBack) {
    sigset_t before;
    ::sigprocmask(SIG_SETMASK, nullptr, &before);
    {
        Loop loop;
        std::vector<int> got;
        const auto note = [&](Instant, int number) { got.push_back(number); };
        loop.on_signal(SIGTERM, note);
        loop.on_signal(SIGUSR1, note);
        ::raise(SIGUSR1);
        ::raise(SIGTERM);
        EXPECT_EQ(loop.run_once(never), 1U);
        std::sort(got.begin(), got.end());
        EXPECT_EQ(got, (std::vector<int>{SIGUSR1, SIGTERM}));
    }
    sigset_t after;
    ::sigprocmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(::sigismember(&before, SIGTERM), ::sigismember(&after, SIGTERM));
}

TEST(Loop, EndOfAChildIsAnEventAndItStartsWithCleanSignals) {
    Loop loop;
    loop.on_signal(SIGTERM, [](Instant, int) { FAIL(); });
    // It ends only because SIGTERM, blocked in us, is not blocked in it.
    drivers::Child child = drivers::spawn({"sh", "-c", "kill -TERM $$; sleep 1000"}, {});
    loop.watch(child.pidfd(), {.read = true}, [&](Instant, Ready) { loop.stop(); });
    loop.run([](Instant) { return never; });
    const std::optional<int> status = child.poll();
    ASSERT_TRUE(status);
    EXPECT_EQ(drivers::exit_code(*status), 128 + SIGTERM);
    loop.forget(child.pidfd());
}

TEST(Loop, RunsTurnsUntilStopped) {
    Loop loop;
    int turns = 0;
    loop.run([&](Instant now) {
        if (++turns == 3) loop.stop();
        return now;
    });
    EXPECT_EQ(turns, 3);
    EXPECT_TRUE(loop.is_stopped());
}

TEST(Loop, WallClockIsTheMonotonicOnePlusAnOffset) {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    const auto wall = Loop::now().time_since_epoch() + Loop::wall_offset();
    EXPECT_GE(wall + 1s, std::chrono::seconds(time.tv_sec));
}

TEST(Loop, TheFirstInstantOfAllOnlyLooks) {
    Loop loop;
    EXPECT_EQ(loop.run_once(Instant::min()), 0U);
}

}  // namespace
}  // namespace estab::runtime
