#include "cli/run_own.hpp"

#include <fmt/format.h>

#include <map>
#include <numeric>

#include "cli/control.hpp"
#include "cli/forward_tcp.hpp"
#include "cli/gate.hpp"
#include "cli/own_network.hpp"

namespace estab::cli {
namespace {

// Beyond CMD's end: what it has written goes its way, as it would behind a program that has ended.
constexpr Duration patience = 10s;
constexpr std::size_t near_max = 4096;  // later ones are told without

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
    const Destinations destinations(make_far_host(reactor.stack()),
                                    {.host_loopback = options.host_loopback});
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

    std::vector<drivers::ReplacedFile> files;
    if (options.host_loopback) files.push_back({"/etc/hosts", destinations.hosts()});
    drivers::Fd calls;
    drivers::Child child = drivers::spawn(
        command, {.keep = true,
                  .files = std::move(files),
                  .files_by_user_namespace = true,
                  .leftover = Control::path(),
                  .stopped_calls = &calls});
    // What CMD's ends knew, of those connections that a report can be about.
    std::map<wire::Endpoint, tcp::Info> near;
    const auto on_ended = [&near](const wire::FourTuple& tuple, const tcp::Info& info) {
        const Duration limited = std::accumulate(info.limited.begin(), info.limited.end(), 0ns);
        if (limited > 100ms && near.size() < near_max) near.insert_or_assign(tuple.local, info);
    };
    owntcp::Supervisor supervisor(reactor.loop(), network->near(), std::move(calls), on_ended);
    network->tell(&supervisor);
    const int status = await_command(reactor, std::move(child), patience, [&] {
        return supervisor.is_idle() && network->is_quiet();
    });
    network->tell(nullptr);
    std::vector<Forwarded> connections = tcp.take_report();
    for (Forwarded& c : connections)
        if (const auto found = near.find(c.from); found != near.end()) c.near = found->second;
    report(std::move(connections));
    return status;
}

}  // namespace estab::cli
