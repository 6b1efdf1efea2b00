#include "cli/run_own.hpp"

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

}  // namespace

int run_with_own_tcp(const OwnRun& options, const Words& command,
                     const std::function<void(std::vector<Forwarded>)>& report) {
    const std::unique_ptr<OwnNetwork> network = OwnNetwork::open(options.network);
    runtime::Reactor& reactor = network->reactor();
    const Destinations destinations(
        stand_for_everybody(reactor.stack(), drivers::PrivateAddresses::standard()),
        {.host_loopback = options.host_loopback});
    Gate gate(destinations, {}, options.log);
    TcpForwarder tcp(reactor, gate);
    tcp.start();

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
