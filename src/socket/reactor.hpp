// Who drives a stack: real time and a device (runtime::Reactor), two stacks in memory
// (MemoryWorld), a simulated host. Streams, listeners and coroutines need nothing but this. One
// thread.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/time.hpp"
#include "socket/waiting.hpp"
#include "stack/stack.hpp"

namespace estab::socket {

class DatagramHost;

// Names a timer until it has fired or was cancelled.
struct TimerId {
    Instant at{};
    std::uint64_t serial = 0;  // 0: no timer
    friend constexpr auto operator<=>(const TimerId&, const TimerId&) = default;
};

class Reactor {
public:
    Reactor();
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    virtual ~Reactor();

    virtual Instant now() const = 0;
    virtual stack::Stack& stack() = 0;
    // One turn of device, stack, timers and callbacks, after waiting for something to happen but
    // not beyond `deadline`. False: stopped, or (in virtual time) nothing can happen any more.
    // Exceptions that leave a callback or a spawned task come out here.
    virtual bool run_once(Instant deadline) = 0;
    // A callback or coroutine is running: blocking calls are refused (Error::would_deadlock).
    virtual bool is_busy() const { return dispatching_; }

    // Calls back once, from run_once(). In the past: at the next turn.
    TimerId at(Instant when, std::function<void()> callback);
    TimerId after(Duration wait, std::function<void()> callback) {
        return at(estab::after(now(), wait), std::move(callback));
    }
    void cancel(TimerId timer) { timers_.erase(timer); }

    // Until `done()`, or stopped (false).
    template <class Done>
    bool run_until(Done done) {
        while (!done()) {
            if (!run_once(never)) return done();
        }
        return true;
    }
    // One turn of a blocking call: would_deadlock, timed_out (deadline passed) or interrupted
    // (stopped).
    Result<void> wait(Instant deadline);

    // --- For sockets and tasks
    void watch(stack::ConnectionId id, const std::shared_ptr<Source>& source);
    void watch(stack::ListenerId id, const std::shared_ptr<Source>& source);
    void forget(stack::ConnectionId id);
    void forget(stack::ListenerId id);
    void resume_later(Resumable& who) { who.insert_before(ready_); }
    // A coroutine that nobody waits for: destroyed with the reactor if it is still suspended then.
    void adopt(Resumable& root) {
        root.insert_before(roots_);
        ++tasks_;
    }
    void on_task_end() { --tasks_; }
    // Thrown out of run_once(); only the first of one turn.
    void on_trouble(std::exception_ptr what) {
        if (!trouble_) trouble_ = std::move(what);
    }
    std::size_t tasks() const { return tasks_; }  // spawned and not finished
    // UDP of this stack; made when first asked for.
    DatagramHost& datagrams();

protected:
    // For run_once() of whoever derives: after its turn of device and stack.
    void dispatch();
    // When dispatch() must be called next; `now` or before: at once.
    Instant dispatch_deadline() const;
    // To be called by the destructor of whoever derives: tasks are destroyed, sockets become
    // closed.
    void end();

private:
    struct Watched {
        std::uint32_t generation = 0;
        std::weak_ptr<Source> source;
    };
    static void put(std::vector<Watched>& list, std::uint32_t index, std::uint32_t generation,
                    const std::shared_ptr<Source>& source);
    static std::shared_ptr<Source> find(const std::vector<Watched>& list, std::uint32_t index,
                                        std::uint32_t generation);
    void run_timers();
    void run_notifications();
    void run_ready();

    std::map<TimerId, std::function<void()>> timers_;
    std::uint64_t timer_serial_ = 0;
    std::vector<Watched> connections_;  // by index, at most as many as the stack has records
    std::vector<Watched> listeners_;
    Link ready_;
    Link roots_;
    std::size_t tasks_ = 0;
    std::exception_ptr trouble_;
    std::unique_ptr<DatagramHost> datagrams_;
    bool dispatching_ = false;
};

}  // namespace estab::socket
