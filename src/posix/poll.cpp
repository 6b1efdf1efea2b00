// What is ready: poll, epoll.
#include <algorithm>
#include <cerrno>

#include "posix/sockets.hpp"

namespace estab::posix {
namespace {

Instant deadline_of(Instant now, int timeout_ms) {
    return timeout_ms < 0 ? never : after(now, std::chrono::milliseconds(timeout_ms));
}

constexpr std::uint32_t always = POLLERR | POLLHUP;

}  // namespace

std::uint32_t Sockets::ready(int fd) const {
    Socket* s = socket_of(fd);
    if (s != nullptr) {
        const_cast<Sockets*>(this)->take_acknowledged(*s);
        return ready(*s);
    }
    return file(fd) != nullptr ? 0 : static_cast<std::uint32_t>(POLLNVAL);
}

// As Linux's tcp_poll: an error and the end of the stream are readable, and a socket that will
// never take octets again is writable, so that whoever tries learns why.
std::uint32_t Sockets::ready(const Socket& s) const {
    constexpr std::uint32_t in = POLLIN | POLLRDNORM, out = POLLOUT | POLLWRNORM;
    if (s.state == Socket::State::listening)
        return world_.stack().accept_queue(s.listener) != 0 ? in : 0;
    const tcp::Connection* c = live(s);
    if (s.deferred) return out;
    if (c == nullptr) return out | POLLHUP | (s.pending_error != 0 ? POLLERR | in : 0u);
    const tcp::State state = c->state();
    if (state == tcp::State::syn_sent || (state == tcp::State::syn_received && !c->serves_early()))
        return 0;
    std::uint32_t mask = 0;
    const bool closed = state == tcp::State::closed;
    const bool in_over = s.shut_read || c->peer_finished() || closed;
    const bool out_over = s.shut_write || !c->may_write();
    if (in_over) mask |= in | POLLRDHUP;
    if (closed || (in_over && out_over)) mask |= POLLHUP;
    if (c->unread() >= std::max(s.recv_low, 1u)) mask |= in;
    if (c->urgent_ahead()) mask |= POLLPRI;
    if (out_over) {
        mask |= out;
    } else {
        // Writable again when a third is free, so that a writer has more than a few octets to do.
        const tcp::Info info = c->info(world_.now());
        const std::uint64_t queued = info.unacked + info.not_sent;
        const bool lowat = info.not_sent < c->config().notsent_lowat;
        if (lowat && queued < info.snd_buffer && info.snd_buffer - queued >= queued / 2)
            mask |= out;
    }
    if (!s.zero_copied.empty() || !s.stamped.empty()) mask |= POLLERR;
    if (s.pending_error != 0 || (!s.error_taken && ending_of(s) != 0)) mask |= POLLERR;
    return mask;
}

// Grows with everything that arrives: what an edge is made of.
std::uint64_t Sockets::arrived(const Socket& s) const {
    const tcp::Connection* c = live(s);
    if (s.state == Socket::State::listening) return world_.stack().accept_queue(s.listener);
    const std::uint64_t octets =
        c != nullptr ? c->info(world_.now()).statistics.octets_received : 0;
    return octets + s.zero_copies_told;
}

Call Sockets::start_poll(pollfd* fds, nfds_t count, int timeout_ms) {
    if (fds == nullptr && count != 0) return Call(-EFAULT);
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        std::int64_t found = 0;
        for (pollfd& p : std::span(fds, count)) {
            p.revents = 0;
            if (p.fd < 0) continue;
            const std::uint32_t wanted = static_cast<std::uint16_t>(p.events) | always |
                                         static_cast<std::uint32_t>(POLLNVAL);
            p.revents = static_cast<short>(ready(p.fd) & wanted);
            if (p.revents != 0) ++found;
        }
        return found != 0 ? std::optional(found) : std::nullopt;
    };
    return Call(attempt, deadline_of(world_.now(), timeout_ms), 0);
}

int Sockets::poll(pollfd* fds, nfds_t count, int timeout_ms) {
    Call call = start_poll(fds, count, timeout_ms);
    return static_cast<int>(wait(call));
}

int Sockets::epoll_create1(int flags) {
    if ((flags & ~EPOLL_CLOEXEC) != 0) return done(-EINVAL);
    auto f = std::make_shared<File>();
    f->epoll = std::make_unique<Epoll>();
    return done(add(std::move(f)));
}

int Sockets::epoll_ctl(int epfd, int operation, int fd, epoll_event* event) {
    const auto f = file(epfd);
    if (f == nullptr || file(fd) == nullptr) return done(-EBADF);
    if (f->epoll == nullptr || epfd == fd) return done(-EINVAL);
    if (file(fd)->socket == nullptr) return done(-EPERM);
    auto& items = f->epoll->items;
    const bool there = items.contains(fd);
    switch (operation) {
    case EPOLL_CTL_ADD:
        if (there) return done(-EEXIST);
        break;
    case EPOLL_CTL_MOD:
        if (!there) return done(-ENOENT);
        break;
    case EPOLL_CTL_DEL:
        if (!there) return done(-ENOENT);
        items.erase(fd);
        return 0;
    default: return done(-EINVAL);
    }
    if (event == nullptr) return done(-EFAULT);
    items[fd] = {.wanted = *event};  // what is ready now is news again
    return 0;
}

int Sockets::collect(Epoll& epoll, std::span<epoll_event> events) {
    std::size_t count = 0;
    for (auto& [fd, item] : epoll.items) {
        if (item.disarmed) continue;
        Socket& s = *socket_of(fd);
        take_acknowledged(s);
        const std::uint32_t mask = ready(s) & (item.wanted.events | always);
        const std::uint32_t before = item.seen;
        item.seen = mask;
        if (mask == 0) continue;
        const std::uint64_t mark = arrived(s);
        const bool edge = (mask & ~before) != 0 || mark != item.in_mark;
        if ((item.wanted.events & EPOLLET) != 0 && !edge) continue;
        if (count == events.size()) {
            item.seen = before;
            break;
        }
        item.in_mark = mark;
        item.disarmed = (item.wanted.events & EPOLLONESHOT) != 0;
        events[count++] = {.events = mask, .data = item.wanted.data};
    }
    return static_cast<int>(count);
}

Call Sockets::start_epoll_wait(int epfd, epoll_event* events, int events_max, int timeout_ms) {
    const auto f = file(epfd);
    if (f == nullptr) return Call(-EBADF);
    if (f->epoll == nullptr || events_max <= 0) return Call(-EINVAL);
    if (events == nullptr) return Call(-EFAULT);
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        const auto now = file(epfd);
        if (now == nullptr || now->epoll == nullptr) return -EBADF;
        const int n = collect(*now->epoll, {events, static_cast<std::size_t>(events_max)});
        return n != 0 ? std::optional<std::int64_t>(n) : std::nullopt;
    };
    return Call(attempt, deadline_of(world_.now(), timeout_ms), 0);
}

int Sockets::epoll_wait(int epfd, epoll_event* events, int events_max, int timeout_ms) {
    Call call = start_epoll_wait(epfd, events, events_max, timeout_ms);
    return static_cast<int>(wait(call));
}

}  // namespace estab::posix
