// connect() and accept(): what waits for TCP, and how the program's poll() sees it.
#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "owntcp/memory.hpp"
#include "owntcp/supervisor.hpp"

namespace estab::owntcp {
namespace {

// To nowhere in particular is to this host, as Linux has it.
void name_this_host(Address& address) {
    sockaddr* const to = address.get();
    if (to->sa_family == AF_INET) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(to);
        if (v4->sin_addr.s_addr == htonl(INADDR_ANY)) v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (to->sa_family == AF_INET6) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(to);
        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) v6->sin6_addr = in6addr_loopback;
    }
}

Instant deadline_of(Instant now, Duration timeout) {
    return timeout > 0s ? after(now, timeout) : never;
}

}  // namespace

// --- connect()

void Supervisor::connect(const Call& call, End& end) {
    const auto address = read_address(call.thread, call.arguments[1], call.arguments[2]);
    if (!address) {
        calls_.answer(call.id, -EFAULT);
        return;
    }
    End* socket = &end;
    if (end.phase == End::Phase::over && end.error == 0) socket = renew(call, end);
    if (socket == nullptr || socket->error != 0) {
        calls_.answer(call.id, -(socket == nullptr ? ECONNABORTED
                                                   : std::exchange(socket->error, 0)));
        return;
    }
    const bool nonblocking = (drivers::descriptor_flags(call.thread, socket->fd) & O_NONBLOCK) != 0;
    if (socket->phase == End::Phase::fresh) {
        socket->wanted = *address;
        name_this_host(socket->wanted);
        send_elsewhere(*socket);
        return begin_connect(call, *socket, nonblocking);
    }
    if (socket->phase != End::Phase::connecting) {
        calls_.answer(call.id, result(sockets_.connect(socket->socket, socket->wanted.get(),
                                                       socket->wanted.size)));
    } else if (!nonblocking) {
        const Duration timeout = sockets_.find(socket->socket)->send_timeout;
        wait(*socket, {.call = call.id, .thread = call.thread, .fd = socket->fd,
                       .deadline = deadline_of(now(), timeout)});
    } else {
        const bool told = std::exchange(socket->in_progress_told, true);
        calls_.answer(call.id, told ? -EALREADY : -EINPROGRESS);
    }
}

void Supervisor::send_elsewhere(End& end) {
    const int family = end.wanted.get()->sa_family;
    if (!redirect_ || (family != AF_INET && family != AF_INET6)) return;
    const bool is_whole =
        end.wanted.size >= (family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const auto there = is_whole
                           ? redirect_(posix::to_endpoint(end.wanted.get(), end.wanted.size))
                           : std::nullopt;
    if (!there) return;
    end.asked = end.wanted;
    end.wanted.size = sizeof end.wanted.octets;
    posix::fill_address(*there, family, end.wanted.get(), &end.wanted.size);
}

void Supervisor::begin_connect(const Call& call, End& end, bool nonblocking) {
    const std::int64_t begun =
        result(sockets_.connect(end.socket, end.wanted.get(), end.wanted.size));
    if (begun != -EINPROGRESS) {
        calls_.answer(call.id, begun);
        return;
    }
    end.phase = End::Phase::connecting;
    know_connection(end);
    if (nonblocking) {
        fill(end);
        end.in_progress_told = calls_.answer(call.id, -EINPROGRESS);
        return;
    }
    end.in_progress_told = true;
    const Duration timeout = sockets_.find(end.socket)->send_timeout;
    wait(end, {.call = call.id, .thread = call.thread, .fd = end.fd,
               .deadline = deadline_of(now(), timeout)});
}

// What is full is not writable, and that is how the program waits for its connection.
void Supervisor::fill(End& end) {
    const drivers::Fd theirs = drivers::copy_descriptor(end.thread, end.fd);
    if (!theirs) return;
    const Bytes octets = Bytes(scratch_).first(64 << 10);
    for (ssize_t n; (n = ::send(*theirs, octets.data(), octets.size(),
                                MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;)
        end.filler += static_cast<std::size_t>(n);
}

// A socket whose connection could not be opened may try again, but its pair is used up: another one
// takes the place of the descriptor that the call names.
End* Supervisor::renew(const Call& call, End& end) {
    const int flags = drivers::descriptor_flags(call.thread, end.fd);
    Pair pair = make_pair((flags & O_NONBLOCK) != 0 ? SOCK_NONBLOCK : 0, end.socket);
    if (!pair.end ||
        calls_.replace(call.id, *pair.theirs, end.fd, (flags & O_CLOEXEC) != 0) != 0)
        return nullptr;
    pair.end->thread = end.thread;
    pair.end->fd = end.fd;
    end.socket = -1;
    const std::uint64_t old = end.inode;
    End& renewed = adopt(pair);
    ends_.erase(old);
    return &renewed;
}

void Supervisor::check_connect(End& end) {
    const tcp::Connection* c = connection(end);
    if (c == nullptr) return;
    if (c->state() == tcp::State::syn_sent || c->state() == tcp::State::syn_received) {
        // RFC 5461 would try on; Linux gives up, and whoever has another address depends on it.
        const auto trouble = c->soft_error();
        if (!trouble) return;
        sockaddr nowhere{};
        nowhere.sa_family = AF_UNSPEC;
        (void)sockets_.connect(end.socket, &nowhere, sizeof nowhere);
        return on_connect_failed(end, posix::to_errno(*trouble));
    }
    const bool failed = c->state() == tcp::State::closed && c->has_failed() &&
                        c->tcb().snd.una <= c->tcb().snd.iss;
    if (!failed) return on_connected(end);
    const std::int64_t why =
        result(sockets_.connect(end.socket, end.wanted.get(), end.wanted.size));
    on_connect_failed(end, static_cast<int>(-why));
}

bool Supervisor::has_caller(const End& end) const {
    return std::ranges::any_of(end.waiting,
                               [&](const Waiter& w) { return calls_.is_waiting(w.call); });
}

void Supervisor::on_connect_failed(End& end, int why) {
    end.connection = {};
    end.in_progress_told = false;
    if (has_caller(end) && end.filler == 0) {
        end.phase = End::Phase::fresh;  // and may try again
        return answer_all(end, -why);
    }
    answer_all(end, -why);
    end.error = why;
    if (end.filler == 0) poison(end);
    put_over(end);
}

void Supervisor::on_connected(End& end) {
    while (end.filler != 0) {
        const ssize_t n = ::recv(*end.ours, scratch_.data(),
                                 std::min(scratch_.size(), end.filler), MSG_DONTWAIT);
        if (n <= 0) break;
        end.filler -= static_cast<std::size_t>(n);
    }
    end.phase = End::Phase::connected;
    if (has_caller(end)) {
        const std::int64_t told =
            result(sockets_.connect(end.socket, end.wanted.get(), end.wanted.size));
        answer_all(end, told);
    }
    end.waiting.clear();
    pump(end);
}

// --- accept()

void Supervisor::accept(const Call& call, End& end) {
    if (end.phase != End::Phase::listening) {
        calls_.answer(call.id, -EINVAL);
        return;
    }
    const bool has_flags = call.number == __NR_accept4;
    const Duration timeout = sockets_.find(end.socket)->recv_timeout;
    const Waiter waiter{.call = call.id, .thread = call.thread, .fd = end.fd,
                        .address = call.arguments[1], .address_size = call.arguments[2],
                        .flags = has_flags ? static_cast<int>(call.arguments[3]) : 0,
                        .deadline = deadline_of(now(), timeout)};
    if ((waiter.flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) {
        calls_.answer(call.id, -EINVAL);
        return;
    }
    const int handed = hand_over(end, waiter);
    untell_accept(end, waiter);
    if (handed != EAGAIN) return;
    if ((drivers::descriptor_flags(call.thread, end.fd) & O_NONBLOCK) != 0)
        calls_.answer(call.id, -EAGAIN);
    else
        wait(end, waiter);
}

// One connection for one caller. EAGAIN: none is there; ENOENT: the caller is gone.
int Supervisor::hand_over(End& listener, const Waiter& waiter) {
    const bool is_kept = !listener.accepted.empty();
    const int socket = is_kept ? listener.accepted.front()
                               : sockets_.accept4(listener.socket, nullptr, nullptr, SOCK_NONBLOCK);
    if (socket < 0) return EAGAIN;
    if (!is_kept) listener.accepted.push_front(socket);
    const auto fail = [&](int error) {
        calls_.answer(waiter.call, -error);
        return error;
    };
    Pair pair = make_pair(waiter.flags, socket);
    if (!pair.end) return fail(EMFILE);
    pair.end->socket = -1;  // until it is the program's
    if (waiter.address != 0) {
        const auto room = read_int(waiter.thread, waiter.address_size);
        Address address;
        address.size = sizeof address.octets;
        (void)sockets_.getpeername(socket, address.get(), &address.size);
        if (!room || *room < 0 ||
            !write_address(waiter.thread, waiter.address, waiter.address_size, *room, address))
            return fail(room && *room < 0 ? EINVAL : EFAULT);
    }
    const int error =
        calls_.give(waiter.call, *pair.theirs, (waiter.flags & SOCK_CLOEXEC) != 0);
    if (error == ENOENT) return error;
    if (error != 0) return fail(error);
    listener.accepted.pop_front();
    pair.end->socket = socket;
    pair.end->phase = End::Phase::connected;
    pair.end->thread = waiter.thread;
    End& end = adopt(pair);
    know_connection(end);
    pair.theirs.reset();
    pump(end);
    return 0;
}

std::size_t Supervisor::to_accept(const End& end) const {
    return end.accepted.size() + world_.stack_.accept_queue(end.listener);
}

void Supervisor::check_accept(End& end) {
    while (!end.waiting.empty() && to_accept(end) != 0) {
        const Waiter waiter = end.waiting.front();
        end.waiting.erase(end.waiting.begin());
        if (hand_over(end, waiter) == EAGAIN) break;
    }
    tell_accept(end);
}

// Each connection that waits is an octet to read: poll() says so, and an edge for each.
void Supervisor::tell_accept(End& end) {
    for (const std::size_t waiting = to_accept(end); end.told < waiting; ++end.told)
        if (::send(*end.ours, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) return;
}

void Supervisor::untell_accept(End& end, const Waiter& waiter) {
    std::size_t surplus = end.told - std::min(end.told, to_accept(end));
    if (surplus == 0) return;
    const drivers::Fd theirs = drivers::copy_descriptor(waiter.thread, waiter.fd);
    for (std::uint8_t octet; theirs && surplus != 0; --surplus, --end.told)
        if (::recv(*theirs, &octet, 1, MSG_DONTWAIT) != 1) return;
}

// --- Both

// A thread waits in one call at a time: an earlier one of it was interrupted.
void Supervisor::wait(End& end, Waiter waiter) {
    std::erase_if(end.waiting, [&](const Waiter& w) { return w.thread == waiter.thread; });
    end.waiting.push_back(waiter);
    wake_ = std::min(wake_, waiter.deadline);
}

void Supervisor::answer_all(End& end, std::int64_t what) {
    for (const Waiter& waiter : std::exchange(end.waiting, {})) calls_.answer(waiter.call, what);
}

}  // namespace estab::owntcp
