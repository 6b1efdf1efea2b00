// Coroutines over a Reactor. A Task begins when it is awaited or spawned, and belongs to whoever
// has it: destroying it destroys what it waits for, too.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "base/check.hpp"
#include "socket/reactor.hpp"

namespace estab::socket {

template <class T = void>
class Task;

namespace detail {

// The result of a coroutine, and who goes on when it is there.
struct PromiseBase {
    std::coroutine_handle<> next = std::noop_coroutine();
    std::exception_ptr trouble;

    struct Final {
        bool await_ready() noexcept { return false; }
        template <class P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
            return self.promise().next;
        }
        void await_resume() noexcept {}
    };
    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return {}; }
    void unhandled_exception() { trouble = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
    std::optional<T> value;
    Task<T> get_return_object();
    template <class U>
    void return_value(U&& what) {
        value.emplace(std::forward<U>(what));
    }
    T take() {
        if (trouble) std::rethrow_exception(trouble);
        return std::move(*value);
    }
};
template <>
struct Promise<void> : PromiseBase {
    Task<void> get_return_object();
    void return_void() {}
    void take() {
        if (trouble) std::rethrow_exception(trouble);
    }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
public:
    using promise_type = detail::Promise<T>;

    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() { return handle_.done(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> who) {
        handle_.promise().next = who;
        return handle_;
    }
    T await_resume() { return handle_.promise().take(); }

private:
    std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

namespace detail {

// The outermost coroutine of a spawned task: it belongs to the reactor until it ends.
struct Root {
    struct promise_type {
        Reactor& reactor;
        Resumable owned;    // in the reactor's list of tasks
        Resumable starts;   // in its ready list, once

        promise_type(Reactor& r, Task<void>&) : reactor(r) {
            owned.handle = starts.handle = std::coroutine_handle<promise_type>::from_promise(*this);
            reactor.adopt(owned);
            reactor.resume_later(starts);
        }
        ~promise_type() { reactor.on_task_end(); }
        Root get_return_object() { return {}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }  // destroys itself
        void return_void() {}
        void unhandled_exception() { reactor.on_trouble(std::current_exception()); }
    };
};
inline Root root_of(Reactor&, Task<void> task) { co_await std::move(task); }

struct Sleep : Resumable {
    Reactor& reactor;
    Instant until;
    TimerId timer{};

    Sleep(Reactor& r, Instant when) : reactor(r), until(when) {}
    ~Sleep() {
        if (timer.serial != 0) reactor.cancel(timer);
    }
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> who) {
        handle = who;
        timer = reactor.at(until, [this] {
            timer = {};
            reactor.resume_later(*this);
        });
    }
    void await_resume() {}
};

}  // namespace detail

// Runs it at the reactor's next turn and from then on whenever it can go on. What it throws comes
// out of run_once(). A task that has not ended when the reactor dies is destroyed where it waits.
inline void spawn(Reactor& reactor, Task<void> task) { detail::root_of(reactor, std::move(task)); }

// co_await sleep_for(reactor, 1s)
inline detail::Sleep sleep_until(Reactor& reactor, Instant when) { return {reactor, when}; }
inline detail::Sleep sleep_for(Reactor& reactor, Duration wait) {
    return {reactor, after(reactor.now(), wait)};
}

// Drives the reactor until the task has ended, from outside: nothing when the reactor stopped
// first. The task must not be what stops it: then it ends with the reactor.
template <class T>
std::optional<T> run(Reactor& reactor, Task<T> task) {
    const auto result = std::make_shared<std::optional<T>>();
    auto keep = [](std::shared_ptr<std::optional<T>> into, Task<T> what) -> Task<void> {
        into->emplace(co_await std::move(what));
    };
    spawn(reactor, keep(result, std::move(task)));
    reactor.run_until([&] { return result->has_value(); });
    return std::move(*result);
}

}  // namespace estab::socket
