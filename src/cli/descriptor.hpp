// A descriptor that coroutines wait for, beside the streams of estab's own TCP.
#pragma once

#include "runtime/reactor.hpp"
#include "socket/task.hpp"

namespace estab::cli {

// One reader and one writer may wait at a time. It may be a regular file, which is always ready.
class Descriptor {
public:
    Descriptor(runtime::Reactor& reactor, drivers::Fd fd)
        : reactor_(reactor), own_(std::move(fd)), fd_(*own_) {}
    Descriptor(runtime::Reactor& reactor, int borrowed) : reactor_(reactor), fd_(borrowed) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    int fd() const { return fd_; }
    runtime::Reactor& reactor() { return reactor_; }
    // What `co_await` waits with; false: the deadline has come.
    class Wait final : public socket::Resumable {
    public:
        Wait(Descriptor& on, bool write, Instant deadline)
            : on_(&on), reactor_(on.reactor_), write_(write), deadline_(deadline) {}
        ~Wait();
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<> who);
        bool await_resume() const { return ready_; }

    private:
        friend class Descriptor;
        Wait*& slot() { return write_ ? on_->writer_ : on_->reader_; }
        void finish(bool ready);

        Descriptor* on_;  // nullptr: it has gone, and nothing will come any more
        runtime::Reactor& reactor_;
        bool write_;
        Instant deadline_;
        socket::TimerId timer_{};
        bool ready_ = false;
    };
    Wait readable(Instant deadline = never) { return Wait(*this, false, deadline); }
    Wait writable(Instant deadline = never) { return Wait(*this, true, deadline); }

private:
    void update();
    void on_ready(runtime::Ready ready);

    runtime::Reactor& reactor_;
    drivers::Fd own_;
    int fd_;
    Wait* reader_ = nullptr;
    Wait* writer_ = nullptr;
    bool watched_ = false;
};

}  // namespace estab::cli
