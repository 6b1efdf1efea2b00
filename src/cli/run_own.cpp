#include "cli/run_own.hpp"

#include <fmt/format.h>

#include "cli/control.hpp"
#include "cli/forward_tcp.hpp"
#include "cli/gate.hpp"
#include "cli/own_network.hpp"

namespace estab::cli {
namespace {

// Beyond CMD's end: what it has written goes its way, as it would behind a program that has ended.
constexpr Duration patience = 10s;

std::vector<wire::Address> make_far_host(stack::Stack& stack) {
    std::vector<wire::Address> aliases = drivers::PrivateAddresses::standard().gateways;
    ip::Routes& routes = stack.routes();
    for (const wire::Address& gateway : aliases) {
        const std::uint8_t whole = gateway.is_v4() ? 32 : 128;
        (void)routes.add_address({gateway, whole});
    }
    for (const char* everything : {"0.0.0.0/0", "::/0"})
        (void)routes.accept(*wire::Prefix::parse(everything));
    for (const wire::Prefix& own : drivers::PrivateAddresses::standard().own)
        aliases.push_back(own.address);
    return aliases;
}

}  // namespace

int run_with_own_tcp(const OwnRun& options, const Words& command,
                     const std::function<void(std::vector<Forwarded>)>& report) {
    const std::unique_ptr<OwnNetwork> network = OwnNetwork::open(options.network);
    runtime::Reactor& reactor = network->reactor();
    const Destinations destinations(make_far_host(reactor.stack()), options.host_loopback);
    Gate gate(destinations, {}, options.log);
    TcpForwarder tcp(reactor, gate);
    auto listener =
        socket::Listener::listen(reactor, {.any_address = true, .any_port = true, .hold = true});
    if (!listener)
        throw std::runtime_error(fmt::format("cannot listen: {}", to_string(listener.error())));
    socket::spawn(reactor, tcp.open_all(*listener));
    socket::spawn(reactor, tcp.accept_all(*listener));
    // At the first turn: CMD has started with the limit that it was given.
    reactor.at({}, [] { drivers::raise_descriptor_limit(); });

    drivers::Fd calls;
    drivers::Child child = drivers::spawn(
        command, {.keep = true,
                  .files = {{"/etc/hosts", destinations.hosts()}},
                  .leftover = Control::path(),
                  .stopped_calls = &calls});
    owntcp::Supervisor supervisor(reactor.loop(), network->near(), std::move(calls));
    network->tell(&supervisor);
    const int status = await_command(reactor, std::move(child), patience, [&] {
        return supervisor.is_idle() && network->is_quiet();
    });
    network->tell(nullptr);
    report(tcp.take_report());
    return status;
}

}  // namespace estab::cli
