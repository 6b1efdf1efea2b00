#include "owntcp/supervisor.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

namespace estab::owntcp {
namespace {

constexpr std::size_t scratch_bytes = 256 << 10;
constexpr std::size_t calls_at_once = 64;

std::uint64_t at(const std::vector<std::uint64_t>& list, std::uint32_t index) {
    return index < list.size() ? list[index] : 0;
}

}  // namespace

Supervisor::Supervisor(runtime::Loop& loop, stack::Stack& stack, drivers::Fd stopped_calls,
                       OnEnded on_ended)
    : loop_(loop),
      world_(stack),
      calls_(std::move(stopped_calls)),
      sockets_(world_, {.first_descriptor = 0}),
      on_ended_(std::move(on_ended)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      scratch_(scratch_bytes) {
    if (!epoll_) drivers::throw_system("cannot make an epoll descriptor");
    loop_.watch(calls_.fd(), {.read = true}, [this](Instant, runtime::Ready) { read_calls(); });
    loop_.watch(*epoll_, {.read = true}, [this](Instant, runtime::Ready) { read_ends(); });
}

Supervisor::~Supervisor() {
    if (has_callers_) loop_.forget(calls_.fd());
    loop_.forget(*epoll_);
}

void Supervisor::read_calls() {
    for (std::size_t i = 0; i < calls_at_once; ++i) {
        const auto call = calls_.next();
        if (!call) break;
        on_call(*call);
    }
    if (calls_.has_callers()) return;
    has_callers_ = false;
    loop_.forget(calls_.fd());
}

void Supervisor::read_ends() {
    std::array<epoll_event, 128> events;
    const int count = ::epoll_wait(*epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        const auto found = ends_.find(event.data.u64);
        if (found == ends_.end()) continue;
        End& end = *found->second;
        if ((event.events & EPOLLHUP) != 0) {
            on_hang_up(end);
        } else if (end.phase == End::Phase::connected) {
            pump(end);
        }
    }
}

// No descriptor is left; or both ways were shut down, of which the connection cannot tell.
void Supervisor::on_hang_up(End& end) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(*end.ours, SOL_SOCKET, SO_ERROR, &error, &size);
    end.closed = true;
    end.lost_unread = error == ECONNRESET;
    if (end.phase == End::Phase::connected) return pump(end);
    answer_all(end, -EINVAL);
    drop(end);
}

void Supervisor::on_turn() {
    while (const auto what = stack().next_notification()) on_notification(*what);
    for (const std::uint64_t inode : std::exchange(again_, {})) {
        const auto found = ends_.find(inode);
        if (found != ends_.end() && found->second->phase == End::Phase::connected)
            pump(*found->second);
    }
    if (wake_ <= now()) expire_waiters();
}

void Supervisor::on_notification(const stack::Notification& what) {
    const bool is_connection = what.connection.valid();
    const std::uint64_t inode = is_connection ? at(by_connection_, what.connection.index)
                                              : at(by_listener_, what.listener.index);
    const auto found = ends_.find(inode);
    if (found == ends_.end()) return;
    End& end = *found->second;
    if (!is_connection) {
        if (end.listener == what.listener) check_accept(end);
    } else if (end.connection == what.connection) {
        // Either may be the last thing that is done with it.
        if (end.phase == End::Phase::connecting)
            check_connect(end);
        else if (end.phase == End::Phase::connected)
            pump(end);
    }
}

Instant Supervisor::deadline() const { return again_.empty() ? wake_ : Instant::min(); }

bool Supervisor::is_idle() const {
    return std::ranges::none_of(ends_, [](const auto& entry) {
        return entry.second->phase == End::Phase::connected;
    });
}

// SO_RCVTIMEO and SO_SNDTIMEO.
void Supervisor::expire_waiters() {
    const Instant time = now();
    wake_ = never;
    for (auto& [inode, end] : ends_) {
        if (!end->surplus.empty()) again(*end);
        std::erase_if(end->waiting, [&](const Waiter& w) {
            if (w.deadline > time) {
                wake_ = std::min(wake_, w.deadline);
                return false;
            }
            const bool accepts = end->phase == End::Phase::listening;
            calls_.answer(w.call, accepts ? -EAGAIN : -EINPROGRESS);
            return true;
        });
    }
}

}  // namespace estab::owntcp
