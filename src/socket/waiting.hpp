// What waits for something: a place in a list, a coroutine that will be resumed, and the thing that
// it waits for. Whoever dies takes itself out of every list, so the order of dying does not matter.
#pragma once

#include <coroutine>
#include <functional>

#include "base/result.hpp"
#include "tcp/connection.hpp"

namespace estab::socket {

class Reactor;

// What happened to a stream. Listeners and datagram sockets use `readable` and `closed`.
using Ready = tcp::Notice;

// A place in a circular list; a lone one is a list that is empty.
struct Link {
    Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    ~Link() { unlink(); }
    bool is_linked() const { return next != this; }
    void unlink() {
        prev->next = next;
        next->prev = prev;
        prev = next = this;
    }
    void insert_before(Link& other) {
        unlink();
        prev = other.prev;
        next = &other;
        prev->next = this;
        other.prev = this;
    }
    // Everything in `from` becomes everything in this, which is empty.
    void take(Link& from) {
        if (!from.is_linked()) return;
        insert_before(from);
        from.unlink();
    }

    Link* prev = this;
    Link* next = this;
};

// A coroutine that is suspended. Linked to the reactor's ready list, it will be resumed.
struct Resumable : Link {
    std::coroutine_handle<> handle;
};

// ... until an operation can be done or has failed.
class Waiter : public Resumable {
public:
    virtual bool attempt() = 0;         // true: done, resume it
    virtual void give_up(Error why) = 0;

protected:
    ~Waiter() = default;
};

// A thing that can be waited for: a connection, a listener, a datagram socket. Shared by its owner
// and by those who wait for it; it outlives neither's last use.
class Source {
public:
    explicit Source(Reactor& reactor) : reactor_(&reactor) {}
    virtual ~Source() = default;
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    Reactor* reactor() const { return reactor_; }  // nullptr: the reactor or the owner is gone
    bool is_open() const { return reactor_ != nullptr; }
    void add(Waiter& waiter) { waiter.insert_before(waiters_); }
    // Something changed: who can go on, goes on at the reactor's next occasion; then the callback.
    // The caller keeps this alive meanwhile.
    void notify(Ready ready);
    void set_on_ready(std::function<void(Ready)> callback);
    // The owner lets go: everyone who waits is told `why` and nothing happens here any more.
    void detach(Error why);

private:
    Reactor* reactor_;
    Link waiters_;
    std::function<void(Ready)> on_ready_;
    bool on_ready_changed_ = false;
};

}  // namespace estab::socket
