#include "socket/reactor.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "socket/datagram_host.hpp"

namespace estab::socket {

namespace {

struct Flag {
    explicit Flag(bool& flag) : flag_(flag) { flag_ = true; }
    ~Flag() { flag_ = false; }
    bool& flag_;
};

Resumable& resumable(Link& link) { return static_cast<Resumable&>(link); }

}  // namespace

// --- Source

void Source::notify(Ready ready) {
    if (reactor_ == nullptr) return;
    for (Link* at = waiters_.next; at != &waiters_;) {
        auto& waiter = static_cast<Waiter&>(*at);
        at = at->next;
        if (waiter.attempt()) reactor_->resume_later(waiter);
    }
    if (!on_ready_) return;
    // It may replace itself, or end what it belongs to.
    on_ready_changed_ = false;
    const auto callback = std::exchange(on_ready_, nullptr);
    callback(ready);
    if (!on_ready_changed_) on_ready_ = callback;
}

void Source::set_on_ready(std::function<void(Ready)> callback) {
    on_ready_ = std::move(callback);
    on_ready_changed_ = true;
}

void Source::detach(Error why) {
    if (reactor_ == nullptr) return;
    while (waiters_.is_linked()) {
        auto& waiter = static_cast<Waiter&>(*waiters_.next);
        waiter.give_up(why);
        reactor_->resume_later(waiter);
    }
    set_on_ready(nullptr);
    reactor_ = nullptr;
}

// --- Reactor

Reactor::Reactor() = default;

Reactor::~Reactor() {
    CHECK(!roots_.is_linked());  // end() was called
}

TimerId Reactor::at(Instant when, std::function<void()> callback) {
    const TimerId id{when, ++timer_serial_};
    timers_.emplace(id, std::move(callback));
    return id;
}

Result<void> Reactor::wait(Instant deadline) {
    if (is_busy()) return fail(Error::would_deadlock);
    if (now() >= deadline) return fail(Error::timed_out);
    if (!run_once(deadline)) return fail(Error::interrupted);
    return {};
}

void Reactor::put(std::vector<Watched>& list, std::uint32_t index, std::uint32_t generation,
                  const std::shared_ptr<Source>& source) {
    if (list.size() <= index) list.resize(std::max<std::size_t>(index + 1, list.size() * 2));
    list[index] = {generation, source};
}

std::shared_ptr<Source> Reactor::find(const std::vector<Watched>& list, std::uint32_t index,
                                      std::uint32_t generation) {
    if (index >= list.size() || list[index].generation != generation) return nullptr;
    return list[index].source.lock();
}

void Reactor::watch(stack::ConnectionId id, const std::shared_ptr<Source>& source) {
    put(connections_, id.index, id.generation, source);
}
void Reactor::watch(stack::ListenerId id, const std::shared_ptr<Source>& source) {
    put(listeners_, id.index, id.generation, source);
}
void Reactor::forget(stack::ConnectionId id) {
    if (find(connections_, id.index, id.generation)) connections_[id.index] = {};
}
void Reactor::forget(stack::ListenerId id) {
    if (find(listeners_, id.index, id.generation)) listeners_[id.index] = {};
}

DatagramHost& Reactor::datagrams() {
    if (!datagrams_) datagrams_ = std::make_unique<DatagramHost>(*this);
    return *datagrams_;
}

Instant Reactor::dispatch_deadline() const {
    if (ready_.is_linked() || trouble_) return Instant::min();
    return timers_.empty() ? never : timers_.begin()->first.at;
}

void Reactor::dispatch() {
    CHECK(!dispatching_);
    {
        const Flag flag(dispatching_);
        run_timers();
        run_notifications();
        run_ready();
    }
    if (trouble_) std::rethrow_exception(std::exchange(trouble_, nullptr));
}

// Those that are set meanwhile wait for the next turn, so that no callback can keep us here.
void Reactor::run_timers() {
    const Instant time = now();
    const std::uint64_t last = timer_serial_;
    auto first = timers_.begin();
    while (first != timers_.end() && first->first.at <= time) {
        if (first->first.serial > last) {
            ++first;
            continue;
        }
        const auto callback = std::move(timers_.extract(first).mapped());
        callback();
        first = timers_.begin();  // it may have cancelled anything
    }
}

void Reactor::run_notifications() {
    while (const auto n = stack().next_notification()) {
        const bool is_connection = n->connection.valid();
        const auto source = is_connection
                                ? find(connections_, n->connection.index, n->connection.generation)
                                : find(listeners_, n->listener.index, n->listener.generation);
        Ready ready = n->what;
        if (!is_connection) ready.readable = true;
        if (source) source->notify(ready);
    }
}

void Reactor::run_ready() {
    Link batch;
    batch.take(ready_);
    while (batch.is_linked()) {
        Resumable& next = resumable(*batch.next);
        next.unlink();
        next.handle.resume();
    }
}

void Reactor::end() {
    CHECK(!dispatching_);
    while (roots_.is_linked()) {  // with it go all that it waits for, out of every list
        resumable(*roots_.next).handle.destroy();
    }
    timers_.clear();
    for (auto* list : {&connections_, &listeners_}) {
        for (const Watched& w : *list) {
            if (const auto source = w.source.lock()) source->detach(Error::interrupted);
        }
        list->clear();
    }
    datagrams_.reset();
    ready_.unlink();
}

}  // namespace estab::socket
