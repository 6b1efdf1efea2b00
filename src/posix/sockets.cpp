// Descriptors, and how a connection begins and ends.
#include "posix/sockets.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace estab::posix {

Sockets::Sockets(World& world, const Options& options)
    : world_(world), options_(options), defaults_(world.stack().config()) {}

// Whoever goes away closes what was open, as a process that ends.
Sockets::~Sockets() {
    for (std::size_t i = 0; i < files_.size(); ++i) {
        if (files_[i] != nullptr) forget(options_.first_descriptor + static_cast<int>(i));
    }
}

int Sockets::done(std::int64_t result) {
    if (result < 0) errno_ = static_cast<int>(-result);
    return result < 0 ? -1 : static_cast<int>(result);
}

// The lowest free number, as POSIX wants it.
int Sockets::add(std::shared_ptr<File> file) {
    auto place = std::find(files_.begin(), files_.end(), nullptr);
    if (place == files_.end()) {
        if (files_.size() >= options_.descriptors_max) return -EMFILE;
        place = files_.insert(files_.end(), nullptr);
    }
    *place = std::move(file);
    return options_.first_descriptor + static_cast<int>(place - files_.begin());
}

std::shared_ptr<Sockets::File> Sockets::file(int fd) const {
    const int index = fd - options_.first_descriptor;
    if (index < 0 || static_cast<std::size_t>(index) >= files_.size()) return nullptr;
    return files_[static_cast<std::size_t>(index)];
}

Socket* Sockets::socket_of(int fd) const {
    const auto f = file(fd);
    return f != nullptr ? f->socket.get() : nullptr;
}

const Socket* Sockets::find(int fd) const { return socket_of(fd); }

int Sockets::why_no_socket(int fd) const { return file(fd) != nullptr ? -ENOTSOCK : -EBADF; }

tcp::Connection* Sockets::live(const Socket& s) const {
    return s.connection.valid() ? world_.stack().find(s.connection) : nullptr;
}

const tcp::Connection* Sockets::connection(int fd) const {
    const Socket* s = find(fd);
    return s != nullptr ? live(*s) : nullptr;
}

stack::ConnectionId Sockets::connection_id(int fd) const {
    const Socket* s = find(fd);
    return s != nullptr ? s->connection : stack::ConnectionId{};
}

void Sockets::touch(const Socket& s) {
    world_.stack().touch(world_.now(), s.connection);
    world_.speak();
    look_at_stamps();
}

std::int64_t Sockets::wait(Call& call) {
    while (!call.try_now(world_.now())) {
        if (!world_.run_once(call.deadline()) && !call.try_now(world_.now())) call.end(-EINTR);
        look_at_stamps();
    }
    if (call.result() < 0) errno_ = call.error();
    return call.value();
}

// --- Sockets

int Sockets::socket(int domain, int type, int protocol) {
    if (domain != AF_INET && domain != AF_INET6) return done(-EAFNOSUPPORT);
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) return done(-ESOCKTNOSUPPORT);
    if (protocol != 0 && protocol != IPPROTO_TCP) return done(-EPROTONOSUPPORT);
    auto f = std::make_shared<File>();
    f->socket = std::make_unique<Socket>();
    Socket& s = *f->socket;
    s.domain = domain;
    s.nonblocking = (type & SOCK_NONBLOCK) != 0;
    s.config = defaults_;
    s.recv_buffer = s.config.recv_buffer * options_.buffer_overhead;
    s.send_buffer = s.config.send_buffer;
    return done(add(std::move(f)));
}

int Sockets::bind(int fd, const sockaddr* address, socklen_t length) {
    Socket* s = socket_of(fd);
    return done(s != nullptr ? bind_to(*s, address, length) : why_no_socket(fd));
}

std::int64_t Sockets::bind_to(Socket& s, const sockaddr* address, socklen_t length) {
    if (address == nullptr) return -EFAULT;
    const std::size_t wanted = s.domain == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (length < wanted || s.owns_bound || s.state != Socket::State::fresh) return -EINVAL;
    if (address->sa_family != s.domain) return -EAFNOSUPPORT;
    wire::Endpoint at = to_endpoint(address, length);
    if (!at.address.is_unspecified() && !world_.stack().routes().is_local(at.address))
        return -EADDRNOTAVAIL;
    if (at.port == 0) at.port = draw_port(s);
    if (at.port == 0 || is_bound_elsewhere(s, at)) return -EADDRINUSE;
    s.bound = at;
    s.owns_bound = true;
    return 0;
}

namespace {

// An IPv6 socket without an address of its own has IPv4's too, unless it says otherwise.
bool has_common_family(const Socket& a, const Socket& b) {
    const auto has = [](const Socket& s, int family) {
        return s.domain == family || (family == AF_INET && !s.v6only);
    };
    return (has(a, AF_INET) && has(b, AF_INET)) || (has(a, AF_INET6) && has(b, AF_INET6));
}

}  // namespace

// Two may share an address when both say so and neither listens yet (SO_REUSEADDR of Linux).
bool Sockets::is_bound_elsewhere(const Socket& s, const wire::Endpoint& at) const {
    return std::ranges::any_of(files_, [&](const auto& f) {
        if (f == nullptr || f->socket == nullptr || f->socket.get() == &s) return false;
        const Socket& o = *f->socket;
        if (!o.owns_bound || o.bound.port != at.port) return false;
        const bool any = o.bound.address.is_unspecified() || at.address.is_unspecified();
        const bool same = o.bound.address == at.address || (any && has_common_family(s, o));
        const bool shared = s.reuse_address && o.reuse_address &&
                            o.state != Socket::State::listening;
        return same && !shared && !(s.reuse_port && o.reuse_port);
    });
}

std::uint16_t Sockets::draw_port(const Socket& s) {
    constexpr std::uint32_t first = 32'768, count = 28'232;
    const auto start = static_cast<std::uint32_t>(world_.stack().rng().below(count));
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
        if (!is_bound_elsewhere(s, {{}, port})) return port;
    }
    return 0;
}

int Sockets::listen(int fd, int backlog) {
    Socket* s = socket_of(fd);
    return done(s != nullptr ? listen_on(*s, backlog) : why_no_socket(fd));
}

std::int64_t Sockets::listen_on(Socket& s, int backlog) {
    const bool again = s.state == Socket::State::listening;
    if (s.state != Socket::State::fresh && !again) return -EINVAL;
    s.backlog = std::max(backlog, 1);
    if (again) {
        apply(s);
        return 0;
    }
    if (!s.owns_bound) {
        s.bound = {{}, draw_port(s)};
        if (s.bound.port == 0) return -EADDRINUSE;
        s.owns_bound = true;
    }
    stack::ListenOptions o;
    const bool everywhere = s.bound.address.is_unspecified();
    o.any_address = everywhere && s.domain == AF_INET6 && !s.v6only;
    if (!everywhere)
        o.address = {s.bound.address, static_cast<std::uint8_t>(
                                          s.bound.address.is_v4() ? 32 : 128)};
    else if (!o.any_address)  // of one family
        o.address = {s.domain == AF_INET ? wire::Address::v4(0, 0, 0, 0) : wire::Address{}, 0};
    o.port = s.bound.port;
    o.backlog = static_cast<std::uint32_t>(s.backlog);
    s.config.nagle = !s.nodelay;
    const tcp::Config config = listener_config(s);
    o.config = &config;
    const auto listener = world_.stack().listen(o);
    if (!listener) return -to_errno(listener.error());
    s.listener = *listener;
    give_fast_open_key(s);
    s.state = Socket::State::listening;
    return 0;
}

int Sockets::accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    Call call = start_accept(fd, address, length, flags);
    return static_cast<int>(wait(call));
}

Call Sockets::start_accept(int fd, sockaddr* address, socklen_t* length, int flags) {
    Socket* s = socket_of(fd);
    if (s == nullptr) return Call(why_no_socket(fd));
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return Call(-EINVAL);
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        Socket* l = socket_of(fd);
        if (l == nullptr) return why_no_socket(fd);
        if (l->state != Socket::State::listening) return -EINVAL;
        const auto id = world_.stack().accept(l->listener);
        if (!id) return l->nonblocking ? std::optional<std::int64_t>(-EAGAIN) : std::nullopt;
        auto f = std::make_shared<File>();
        f->socket = std::make_unique<Socket>(*l);
        Socket& n = *f->socket;
        n.nonblocking = (flags & SOCK_NONBLOCK) != 0;
        n.state = Socket::State::connected;
        n.listener = {};
        n.connection = *id;
        const tcp::Connection* c = live(n);
        n.bound = c->tuple().local;
        n.owns_bound = false;
        n.peer = c->tuple().remote;
        fill_address(n.peer, n.domain, address, length);
        const int result = add(std::move(f));
        if (result < 0) world_.stack().abort(world_.now(), *id);
        return result;
    };
    return Call(attempt, s->recv_timeout > 0s ? after(world_.now(), s->recv_timeout) : never,
                -EAGAIN);
}

int Sockets::connect(int fd, const sockaddr* address, socklen_t length) {
    Call call = start_connect(fd, address, length);
    return static_cast<int>(wait(call));
}

Call Sockets::start_connect(int fd, const sockaddr* address, socklen_t length) {
    Socket* s = socket_of(fd);
    if (s == nullptr) return Call(why_no_socket(fd));
    if (address == nullptr) return Call(-EFAULT);
    if (length < sizeof address->sa_family) return Call(-EINVAL);
    if (address->sa_family == AF_UNSPEC) {
        disconnect(*s);
        return Call(0);
    }
    switch (s->state) {
    case Socket::State::fresh: {
        const std::int64_t begun = begin_connect(*s, address, length);
        if (begun != 0 || s->deferred) return Call(begun);
        if (s->nonblocking) return Call(-EINPROGRESS);
        break;
    }
    case Socket::State::listening: return Call(-EISCONN);
    case Socket::State::connected:
        return Call(std::exchange(s->connect_told, true) ? -EISCONN : 0);
    case Socket::State::connecting:
        if (s->deferred) return Call(-EISCONN);
        if (const auto seen = see_connect(*s)) {
            s->connect_told = true;
            return Call(*seen);
        }
        if (s->nonblocking) return Call(-EALREADY);
        break;
    }
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        Socket* c = socket_of(fd);
        if (c == nullptr) return -EBADF;
        const auto seen = see_connect(*c);
        if (seen) c->connect_told = true;
        return seen;
    };
    return Call(attempt, s->send_timeout > 0s ? after(world_.now(), s->send_timeout) : never,
                -EINPROGRESS);
}

std::int64_t Sockets::begin_connect(Socket& s, const sockaddr* address, socklen_t length) {
    const std::size_t wanted =
        address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (length < wanted) return -EINVAL;
    if (address->sa_family != AF_INET && address->sa_family != s.domain) return -EAFNOSUPPORT;
    const wire::Endpoint to = to_endpoint(address, length);
    refresh_fast_open(s);
    if (s.fast_open_connect &&
        world_.stack().knows_fast_open(world_.now(), to.address, s.config)) {
        s.peer = to;
        s.deferred = s.connect_told = true;
        s.state = Socket::State::connecting;
        return 0;
    }
    std::size_t sent = 0;
    return open(s, to, {}, sent);
}

// What is `early` goes with the SYN as far as it may; `sent` says how much of it.
std::int64_t Sockets::open(Socket& s, const wire::Endpoint& to, std::span<const iovec> early,
                           std::size_t& sent) {
    stack::ConnectOptions o;
    if (s.owns_bound) {
        if (!s.bound.address.is_unspecified()) o.local_address = s.bound.address;
        o.local_port = s.bound.port;
    }
    s.config.nagle = !s.nodelay;
    refresh_fast_open(s);
    o.ports = s.ports;
    o.config = &s.config;
    o.fast_open = s.fast_open_connect || s.deferred ||
                  (options_.implied_connect ? s.fast_open > 0 : early.data() != nullptr);
    const auto id = world_.stack().connect(world_.now(), to, o);
    if (!id) {
        const bool in_use = id.error() == Error::address_in_use;
        return in_use ? -EADDRNOTAVAIL : -to_errno(id.error());
    }
    s.connection = *id;
    s.state = Socket::State::connecting;
    s.connect_told = s.deferred;
    s.deferred = false;
    s.error_taken = s.shut_read = s.shut_write = false;
    s.pending_error = 0;
    s.peer = to;
    s.bound = live(s)->tuple().local;
    for (const iovec& part : early) {
        const Bytes octets(static_cast<const std::uint8_t*>(part.iov_base), part.iov_len);
        const auto taken = world_.stack().write(world_.now(), s.connection, octets);
        if (!taken) break;
        sent += *taken;
        if (*taken != octets.size()) break;
    }
    apply(s);  // which lets the SYN go
    world_.speak();
    return 0;
}

// Nothing: still opening. A failure leaves a socket that may try again, as Linux does.
std::optional<std::int64_t> Sockets::see_connect(Socket& s) {
    if (s.deferred) return std::nullopt;
    if (s.state == Socket::State::connected) return -EISCONN;
    if (s.state == Socket::State::fresh)
        return s.pending_error != 0 ? -take_error(s) : -ECONNABORTED;
    tcp::Connection* c = live(s);
    if (c == nullptr) return -ECONNABORTED;
    const tcp::State state = c->state();
    if (state == tcp::State::syn_sent || state == tcp::State::syn_received) return std::nullopt;
    if (state == tcp::State::closed && c->has_failed() && c->tcb().snd.una <= c->tcb().snd.iss) {
        const int why = s.error_taken ? ECONNABORTED : to_errno(c->error());
        s.error_taken = true;
        world_.stack().close(world_.now(), s.connection);
        s.connection = {};
        s.state = Socket::State::fresh;
        s.pending_error = 0;
        return -why;
    }
    s.state = Socket::State::connected;
    return 0;
}

// connect() to AF_UNSPEC: what there was is reset, and the socket is as new.
void Sockets::disconnect(Socket& s) {
    if (s.state == Socket::State::listening) {
        (void)world_.stack().close_listener(world_.now(), s.listener);
    } else if (s.connection.valid()) {
        world_.stack().abort(world_.now(), s.connection);
        world_.speak();
    }
    s.connection = {};
    s.listener = {};
    s.state = Socket::State::fresh;
    s.pending_error = 0;
    s.error_taken = s.shut_read = s.shut_write = s.deferred = false;
}

int Sockets::shutdown(int fd, int how) {
    Socket* s = socket_of(fd);
    if (s == nullptr) return done(why_no_socket(fd));
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return done(-EINVAL);
    if (s->state == Socket::State::listening) {
        disconnect(*s);
        return 0;
    }
    tcp::Connection* c = live(*s);
    if (s->state == Socket::State::connecting) (void)see_connect(*s);
    if (c == nullptr || c->state() == tcp::State::closed) return done(-ENOTCONN);
    if (how != SHUT_WR) s->shut_read = true;
    if (how != SHUT_RD && !s->shut_write) {
        s->shut_write = true;
        (void)world_.stack().shutdown_write(world_.now(), s->connection);
        world_.speak();
    }
    return 0;
}

int Sockets::dup(int fd) {
    auto f = file(fd);
    return done(f != nullptr ? add(std::move(f)) : -EBADF);
}

int Sockets::close(int fd) {
    Call call = start_close(fd);
    return static_cast<int>(wait(call));
}

// SO_LINGER: 0 seconds reset the connection, more wait until everything is acknowledged.
Call Sockets::start_close(int fd) {
    if (file(fd) == nullptr) return Call(-EBADF);
    const Socket* s = socket_of(fd);
    const bool waits = s != nullptr && file(fd).use_count() == 2 && s->linger_.l_onoff != 0 &&
                       s->linger_.l_linger > 0 && s->connection.valid() && !s->nonblocking;
    if (!waits) return Call(forget(fd));
    (void)world_.stack().shutdown_write(world_.now(), s->connection);
    world_.speak();
    const Instant until = after(world_.now(), std::chrono::seconds(s->linger_.l_linger));
    const auto attempt = [=, this](Instant now) -> std::optional<std::int64_t> {
        const Socket* c = socket_of(fd);
        if (c == nullptr) return -EBADF;
        const tcp::Connection* there = live(*c);
        const bool waiting = there != nullptr && there->state() != tcp::State::closed &&
                             (there->tcb().snd.una != there->tcb().snd.nxt ||
                              there->info(now).not_sent != 0);
        if (waiting && now < until) return std::nullopt;
        return forget(fd);
    };
    return Call(attempt, until, 0);
}

std::int64_t Sockets::forget(int fd) {
    const auto f = file(fd);
    files_[static_cast<std::size_t>(fd - options_.first_descriptor)] = nullptr;
    if (f.use_count() != 1) return 0;  // dup() has made another
    for (const auto& other : files_) {
        if (other != nullptr && other->epoll != nullptr) other->epoll->items.erase(fd);
    }
    if (f->pipe != nullptr) (f->writes ? f->pipe->writer : f->pipe->reader) = false;
    Socket* s = f->socket.get();
    if (s == nullptr) return 0;
    const Instant now = world_.now();
    stack::Stack& stack = world_.stack();
    if (s->state == Socket::State::listening) (void)stack.close_listener(now, s->listener);
    if (s->connection.valid()) {
        const bool resets = s->linger_.l_onoff != 0 && s->linger_.l_linger == 0;
        const tcp::Connection* c = live(*s);
        const bool alive = c != nullptr && c->state() != tcp::State::closed;
        resets && alive ? stack.abort(now, s->connection) : stack.close(now, s->connection);
    }
    world_.speak();
    return 0;
}

int Sockets::getsockname(int fd, sockaddr* address, socklen_t* length) {
    const Socket* s = socket_of(fd);
    if (s == nullptr) return done(why_no_socket(fd));
    if (address == nullptr || length == nullptr) return done(-EFAULT);
    fill_address(s->bound, s->domain, address, length);
    return 0;
}

int Sockets::getpeername(int fd, sockaddr* address, socklen_t* length) {
    const Socket* s = socket_of(fd);
    if (s == nullptr) return done(why_no_socket(fd));
    if (!s->connection.valid()) return done(-ENOTCONN);
    if (address == nullptr || length == nullptr) return done(-EFAULT);
    fill_address(s->peer, s->domain, address, length);
    return 0;
}

int Sockets::fcntl(int fd, int command, long argument) {
    const auto f = file(fd);
    if (f == nullptr) return done(-EBADF);
    Socket* s = f->socket.get();
    switch (command) {
    case F_GETFL: return O_RDWR | (s != nullptr && s->nonblocking ? O_NONBLOCK : 0);
    case F_SETFL:
        if (s != nullptr) s->nonblocking = (argument & O_NONBLOCK) != 0;
        return 0;
    case F_GETFD:
    case F_SETFD: return 0;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return dup(fd);
    default: return done(-EINVAL);
    }
}

int Sockets::ioctl(int fd, unsigned long request, int* argument) {
    Socket* s = socket_of(fd);
    if (s == nullptr) return done(why_no_socket(fd));
    if (argument == nullptr) return done(-EFAULT);
    const tcp::Connection* c = live(*s);
    switch (request) {
    case FIONREAD:  // SIOCINQ: unread octets; with nothing else left the FIN is none
        if (s->state == Socket::State::listening) return done(-EINVAL);
        *argument = c != nullptr ? static_cast<int>(c->unread()) : 0;
        return 0;
    case TIOCOUTQ: {  // SIOCOUTQ: not acknowledged
        if (s->state == Socket::State::listening) return done(-EINVAL);
        const tcp::Info info = c != nullptr ? c->info(world_.now()) : tcp::Info{};
        *argument = static_cast<int>(info.unacked + info.not_sent);
        return 0;
    }
    case FIONBIO: s->nonblocking = *argument != 0; return 0;
    default: return done(-ENOTTY);
    }
}

}  // namespace estab::posix
