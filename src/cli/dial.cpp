#include "cli/dial.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include "cli/console.hpp"

namespace estab::cli {
namespace {

using socket::Stream;
using socket::Task;

constexpr Duration command_wait = 30s;  // for CMD to begin to listen; some ask a name server first
constexpr Duration command_retry = 100ms;

drivers::Fd host_socket(const wire::Address& address) {
    drivers::Fd fd(::socket(address.is_v4() ? AF_INET : AF_INET6,
                            SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) drivers::throw_system("cannot make a socket");
    return fd;
}

// The one connection that is meant for the relay's listener, joined to the host's socket.
Task<> take_one(runtime::Reactor& reactor, drivers::Fd listening, drivers::Fd host,
                Instant deadline) {
    drivers::Fd inner;
    {
        Descriptor listener(reactor, std::move(listening));
        inner = co_await accept_kernel(listener, deadline);
    }
    if (inner) co_await join(reactor, std::move(inner), std::move(host));
}

wire::Address of_family(const std::vector<wire::Prefix>& prefixes, bool v4) {
    for (const wire::Prefix& prefix : prefixes)
        if (prefix.address.is_v4() == v4) return prefix.address;
    throw std::runtime_error(v4 ? "no IPv4 address here" : "no IPv6 address here");
}

}  // namespace

void DialOptions::setup(Options& options) {
    options.flag(
        {"--host-loopback", "", "127.0.0.1 and ::1 are the host's; without this they are refused"},
        host_loopback);
}

Dialer::Dialer(Network& network, const Words& command, const DialOptions& options,
               std::array<int, 3> standard)
    : network_(network),
      options_(options),
      way_(network.private_network() == nullptr ? Way::direct
           : command.empty()                    ? Way::relay
                                                : Way::command) {
    if (way_ == Way::direct && !command.empty())
        throw UsageError("-- CMD runs in a private network; it does not go with --tun or --tap");
    if (way_ == Way::command) {
        child_.emplace(network.private_network()->spawn(command, standard));
        watch_command();
    }
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        network.reactor().loop().on_signal(number,
                                           [this](Instant, int signal) { signal_ = signal; });
}

void Dialer::watch_command() {
    runtime::Loop& loop = network_.reactor().loop();
    loop.watch(child_->pidfd(), {.read = true, .write = false},
               [this, &loop](Instant, runtime::Ready) {
                   const std::optional<int> status = child_->poll();
                   if (!status) return;
                   command_status_ = drivers::exit_code(*status);
                   loop.forget(child_->pidfd());
               });
}

// Servers get a chance to say goodbye; who does not take it is killed.
Dialer::~Dialer() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        network_.reactor().loop().on_signal(number, [](Instant, int) {});
    if (!child_ || command_status_) return;
    network_.reactor().loop().forget(child_->pidfd());
    child_->signal(SIGTERM);
    pollfd entry{.fd = child_->pidfd(), .events = POLLIN, .revents = 0};
    ::poll(&entry, 1, 1000);
}

std::optional<int> Dialer::wait_command(Instant deadline) {
    runtime::Reactor& reactor = network_.reactor();
    while (child_ && !command_status_ && signal_ == 0 && reactor.now() < deadline)
        if (!reactor.run_once(deadline)) break;
    return command_status_;
}

void Dialer::drain(Duration wait) {
    runtime::Reactor& reactor = network_.reactor();
    const Instant deadline = after(reactor.now(), wait);
    while (network_.stack().connections() != 0 && reactor.now() < deadline)
        if (!reactor.run_once(deadline)) break;
}

wire::Address Dialer::own_address(bool v4) const { return of_family(network_.own(), v4); }

wire::Address Dialer::command_address(bool v4) const {
    return of_family(network_.private_network()->addresses().command, v4);
}

void Dialer::check_loopback(const Target& target, const wire::Address& address) const {
    if (options_.host_loopback || !(address.is_loopback() || address.is_unspecified())) return;
    throw std::runtime_error(fmt::format("{} is this host itself ({}); --host-loopback allows that",
                                         printable(target.host), address.text()));
}

Task<wire::Endpoint> Dialer::out_through_relay(Target target, Instant deadline) {
    std::string trouble;
    for (const wire::Address& address : resolve(target.host)) {
        check_loopback(target, address);
        const wire::Endpoint remote{address, target.port};
        drivers::Fd host = host_socket(address);
        int error = 0;
        {
            Descriptor connecting(network_.reactor(), *host);
            error = co_await connect_kernel(connecting, remote, deadline);
        }
        if (error == 0) {
            drivers::Fd inner =
                network_.private_network()->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
            const wire::Endpoint local = listen_kernel(inner, {command_address(true), 0});
            socket::spawn(network_.reactor(),
                          take_one(network_.reactor(), std::move(inner), std::move(host),
                                   after(network_.reactor().now(), 30s)));
            co_return local;
        }
        trouble = fmt::format("cannot connect to {} port {}: {}", printable(target.host),
                              target.port, drivers::error_text(error));
    }
    throw std::runtime_error(trouble);
}

Task<Stream> Dialer::connect(Target target, Instant deadline) {
    runtime::Reactor& reactor = network_.reactor();
    std::vector<wire::Endpoint> remotes;
    if (way_ == Way::relay) {
        remotes.push_back(co_await out_through_relay(target, deadline));
    } else {
        for (const wire::Address& address : resolve(target.host))
            remotes.push_back({address, target.port});
    }
    const Instant patience =
        way_ == Way::command ? after(reactor.now(), command_wait) : Instant::min();
    for (;;) {
        Error error = Error::host_unreachable;
        for (const wire::Endpoint& remote : remotes) {
            socket::ConnectOptions how;
            how.deadline = deadline;
            auto stream = co_await Stream::async_connect(reactor, remote, how);
            if (stream) co_return std::move(*stream);
            error = stream.error();
        }
        if (command_status_)
            throw std::runtime_error(fmt::format(
                "the command ended with status {} and accepted nothing", *command_status_));
        if (error != Error::refused || reactor.now() >= patience)
            throw std::runtime_error(fmt::format("cannot connect to {} port {}: {}",
                                                 printable(target.host), target.port,
                                                 to_string(error)));
        co_await socket::sleep_for(reactor, command_retry);
    }
}

std::optional<wire::Endpoint> Dialer::let_in(const std::optional<wire::Address>& address,
                                             std::uint16_t port) {
    if (way_ != Way::relay) return {};
    const wire::Address local = address.value_or(wire::Address::v4(0, 0, 0, 0));
    drivers::Fd listening = host_socket(local);
    const wire::Endpoint have = listen_kernel(listening, {local, port});
    socket::spawn(network_.reactor(),
                  join_each(network_.reactor(), *network_.private_network(),
                            std::move(listening), {own_address(true), port}, "estab nc"));
    return have;
}

}  // namespace estab::cli
