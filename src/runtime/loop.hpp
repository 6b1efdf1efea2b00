// The real world's clock and poller: waits on descriptors, signals, children and a deadline, one
// thread, and calls back. The stack itself knows none of this; it is told `now` and asked for its
// deadline.
#pragma once

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/time.hpp"
#include "drivers/system.hpp"

namespace estab::runtime {

// What a descriptor is watched for, and what it turned out to be.
struct Interest {
    bool read = false;
    bool write = false;
    // Told once, when it changes: read and write until EAGAIN, or until less was moved than asked
    // for; but to the end where it was `ending`.
    bool changes = false;
};
struct Ready {
    bool readable = false;  // also at the end of the stream
    bool writable = false;
    bool failed = false;  // error or hang-up: read or write to learn which
    bool ending = false;  // the end, an error or urgent data waits behind what is there
};

class Loop {
public:
    using OnReady = std::function<void(Instant now, Ready ready)>;
    using OnSignal = std::function<void(Instant now, int number)>;
    using OnTurn = std::function<Instant(Instant now)>;

    Loop();   // throws drivers::SystemError, as all set-up here does
    ~Loop();  // gives the signals back
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    static Instant now();  // CLOCK_MONOTONIC
    // Add it to an Instant for the time since 1970. Read it once per capture.
    static Duration wall_offset();

    // A regular file, which never blocks, counts as ready whenever it is asked for.
    // A descriptor is watched once, and must be forgotten before it is closed.
    // Callbacks may watch, change and forget anything, themselves included.
    void watch(int fd, Interest interest, OnReady on_ready);
    void change(int fd, Interest interest);
    void forget(int fd);
    // Forgets and closes; only for one of which nobody has a duplicate.
    void close(drivers::Fd fd);

    // From now on the signal arrives here and nowhere else.
    void on_signal(int number, OnSignal on_signal);

    // Waits until something happens, or `deadline` at the latest (one in the past: only looks), and
    // calls back. How many callbacks were made.
    std::size_t run_once(Instant deadline);
    // Calls `turn`, which says when it must be called again at the latest, until stop().
    void run(const OnTurn& turn);
    void stop() { stopped_ = true; }
    bool is_stopped() const { return stopped_; }

private:
    struct Watch {
        std::uint64_t id;  // tells it from an earlier watch of the same descriptor number
        OnReady on_ready;
        bool is_file = false;  // epoll refuses regular files
        Interest interest;     // of a file
    };

    std::shared_ptr<Watch> take(int fd);
    int wait(Instant deadline, std::vector<epoll_event>& events);
    std::size_t call_files(Instant now);
    void read_signals(Instant now);

    drivers::Fd epoll_;
    drivers::Fd signals_;
    sigset_t caught_;
    sigset_t mask_before_;
    std::uint64_t next_id_ = 1;
    std::unordered_map<int, std::shared_ptr<Watch>> watches_;
    std::unordered_map<std::uint64_t, int> fd_of_;
    std::unordered_map<int, OnSignal> on_signal_;
    std::size_t files_ = 0;  // watches of regular files
    std::vector<epoll_event> events_;
    bool stopped_ = false;
    bool has_pwait2_ = true;
};

}  // namespace estab::runtime
