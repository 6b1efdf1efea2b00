#include "cli/relay.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "cli/console.hpp"

namespace estab::cli {
namespace {

using socket::Task;

constexpr std::size_t buffer_bytes = 64 << 10;
constexpr Duration accept_retry = 100ms;
constexpr Duration connect_wait = 10s;

struct Pair {
    Pair(runtime::Reactor& reactor, drivers::Fd a, drivers::Fd b)
        : one(reactor, std::move(a)), other(reactor, std::move(b)) {}
    void break_both_off() {
        break_off(one.fd());
        break_off(other.fd());
    }
    Descriptor one, other;
    Duration waited{};
};

Task<> pump(std::shared_ptr<Pair> pair, bool forwards) {
    Descriptor& from = forwards ? pair->one : pair->other;
    Descriptor& to = forwards ? pair->other : pair->one;
    std::vector<std::uint8_t> buffer(buffer_bytes);
    for (;;) {
        const ssize_t n = ::recv(from.fd(), buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            co_await from.readable();
            continue;
        }
        if (n == 0) {
            ::shutdown(to.fd(), SHUT_WR);
            co_return;
        }
        Bytes left(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0 || !co_await send_all(to, left, pair->waited)) {
            pair->break_both_off();
            co_return;
        }
    }
}

Task<> join_inwards(runtime::Reactor& reactor, drivers::Fd outer, drivers::Fd inner,
                    wire::Endpoint remote, std::string who) {
    int error = 0;
    {
        Descriptor connecting(reactor, *inner);
        error = co_await connect_kernel(connecting, remote, after(reactor.now(), connect_wait));
    }
    if (error != 0) {
        reset_when_closed(*outer);
        note(who, fmt::format("cannot reach {}: {}", remote.text(), drivers::error_text(error)));
        co_return;
    }
    co_await join(reactor, std::move(outer), std::move(inner));
}

}  // namespace

SocketAddress::SocketAddress(const wire::Endpoint& endpoint) {
    const Bytes octets = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        std::memcpy(&in.sin_addr, octets.data(), octets.size());
        std::memcpy(&storage, &in, sizeof in);
        size = sizeof in;
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(endpoint.port);
        std::memcpy(&in.sin6_addr, octets.data(), octets.size());
        std::memcpy(&storage, &in, sizeof in);
        size = sizeof in;
    }
}

wire::Endpoint SocketAddress::endpoint() const {
    const auto octets = [](const auto& address) {
        return reinterpret_cast<const std::uint8_t*>(&address);
    };
    if (storage.ss_family == AF_INET) {
        sockaddr_in in;
        std::memcpy(&in, &storage, sizeof in);
        return {wire::Address::from_v4(octets(in.sin_addr)), ntohs(in.sin_port)};
    }
    sockaddr_in6 in;
    std::memcpy(&in, &storage, sizeof in);
    return {wire::Address::from_v6(octets(in.sin6_addr)), ntohs(in.sin6_port)};
}

std::vector<wire::Address> resolve(const std::string& host) {
    if (const auto literal = wire::Address::parse(host)) return {*literal};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
        throw std::runtime_error(
            fmt::format("cannot find {}: {}", printable(host), ::gai_strerror(error)));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
    std::vector<wire::Address> addresses;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
        SocketAddress address;
        std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
        const wire::Address next = address.endpoint().address;
        if (std::ranges::find(addresses, next) == addresses.end()) addresses.push_back(next);
    }
    return addresses;
}

// Asked again, connect() says how far it is: on this machine it is through already, and there is
// nothing to wait for.
Task<int> connect_kernel(Descriptor& socket, wire::Endpoint remote, Instant deadline) {
    const SocketAddress address(remote);
    const auto attempt = [&] {
        return ::connect(socket.fd(), address.get(), address.size) == 0 ? 0 : errno;
    };
    int error = attempt();
    if (error == EINPROGRESS) error = attempt();
    while (error == EALREADY || error == EINPROGRESS || error == EINTR) {
        if (!co_await socket.writable(deadline)) co_return ETIMEDOUT;
        error = attempt();
    }
    co_return error == EISCONN ? 0 : error;
}

wire::Endpoint listen_kernel(const drivers::Fd& socket, const wire::Endpoint& local) {
    const int on = 1;
    ::setsockopt(*socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const SocketAddress wanted(local);
    if (::bind(*socket, wanted.get(), wanted.size) != 0 || ::listen(*socket, 16) != 0)
        drivers::throw_system(fmt::format("cannot listen on {}", local.text()));
    SocketAddress have;
    ::getsockname(*socket, reinterpret_cast<sockaddr*>(&have.storage), &have.size);
    return have.endpoint();
}

Task<drivers::Fd> accept_kernel(Descriptor& listener, Instant deadline) {
    for (;;) {
        drivers::Fd fd(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) co_return std::move(fd);
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            co_await socket::sleep_for(listener.reactor(), accept_retry);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            drivers::throw_system("cannot accept a connection");
        if (!co_await listener.readable(deadline)) co_return drivers::Fd{};
    }
}

Task<bool> send_all(Descriptor& to, Bytes& octets, Duration& waited) {
    while (!octets.empty()) {
        const ssize_t n = ::send(to.fd(), octets.data(), octets.size(), MSG_NOSIGNAL);
        if (n >= 0) {
            octets = octets.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            const Instant since = runtime::Loop::now();
            co_await to.writable();
            waited += runtime::Loop::now() - since;
        } else if (errno != EINTR) {
            co_return false;
        }
    }
    co_return true;
}

void reset_when_closed(int socket) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void break_off(int socket) {
    reset_when_closed(socket);
    ::shutdown(socket, SHUT_RDWR);
}

Task<> join(runtime::Reactor& reactor, drivers::Fd one, drivers::Fd other) {
    const auto pair = std::make_shared<Pair>(reactor, std::move(one), std::move(other));
    socket::spawn(reactor, pump(pair, true));
    co_await pump(pair, false);
}

Task<> join_each(runtime::Reactor& reactor, const drivers::PrivateNetwork& network,
                 drivers::Fd listening, wire::Endpoint remote, std::string who) {
    Descriptor listener(reactor, std::move(listening));
    const int family = remote.address.is_v4() ? AF_INET : AF_INET6;
    for (;;) {
        drivers::Fd outer = co_await accept_kernel(listener, never);
        drivers::Fd inner = network.socket(family, SOCK_STREAM | SOCK_NONBLOCK);
        socket::spawn(reactor, join_inwards(reactor, std::move(outer), std::move(inner), remote,
                                            who));
    }
}

}  // namespace estab::cli
