#include "cli/run_own.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "cli/console.hpp"
#include "cli/control.hpp"
#include "cli/relay.hpp"

namespace estab::cli {
namespace {

// Beyond CMD's end: what it has written goes its way, as it would behind a program that has ended.
constexpr Duration patience = 10s;
constexpr std::size_t near_max = 4096;  // later ones are told without
constexpr Duration late_max = 1s;       // of a world; beyond, it is told
constexpr const char* who = "estab run";

// Nobody but the hosts file, and nobody else's resolver: an address to which a host does not send.
constexpr const char* no_resolver = "nameserver 255.255.255.255\noptions timeout:1 attempts:1\n";
constexpr const char* files_only = "hosts: files\n";

// Whether CMD sees other files than we do.
bool has_own_files(pid_t pid) {
    struct stat ours {}, theirs {};
    const std::string path = fmt::format("/proc/{}/ns/mnt", pid);
    return ::stat("/proc/self/ns/mnt", &ours) != 0 || ::stat(path.c_str(), &theirs) != 0 ||
           ours.st_ino != theirs.st_ino;
}

}  // namespace

OwnPlace::OwnPlace(const NetworkOptions& options, std::string why, std::vector<std::string> names,
                   std::unique_ptr<OwnWorld> world)
    : why_(std::move(why)),
      quiet_(options.quiet),
      names_(std::move(names)),
      world_(std::move(world)),
      network_(OwnNetwork::open(options, world_.get())) {
    if (!quiet_) note(who, reason());
}

std::string OwnPlace::reason() const {
    return world_ ? fmt::format("{}, CMD is the host {}", why_, world_->name()) : why_;
}

void OwnPlace::learn_names(egress::Policy& policy) {
    if (world_)
        for (const sim::Dumbbell::Named& host : world_->named())
            for (const wire::Address& address : {host.v4, host.v6}) policy.pin(host.name, address);
    for (const std::string& name : names_) {
        if (policy.knows(name)) continue;
        try {
            for (const wire::Address& address : resolve(name)) policy.pin(name, address);
        } catch (const std::runtime_error& e) {
            throw std::runtime_error(fmt::format("--to: {}", e.what()));
        }
    }
}

std::vector<drivers::ReplacedFile> OwnPlace::files(const Destinations& destinations) const {
    if (world_)
        return {{"/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n" + world_->hosts()},
                {"/etc/resolv.conf", no_resolver},
                {"/etc/nsswitch.conf", files_only}};
    if (destinations.opens_host()) return {{"/etc/hosts", destinations.hosts()}};
    return {};
}

// --forward: what CMD asks its own loopback for is the gateway's, which is the host's 127.0.0.1.
std::optional<wire::Endpoint> OwnPlace::forwarded(const wire::Endpoint& wanted) const {
    const bool is_ours = wanted.address.is_loopback() &&
                         std::ranges::find(forwarded_, wanted.port) != forwarded_.end();
    if (!is_ours) return {};
    return wire::Endpoint{network_->addresses().gateways.front(), wanted.port};
}

int OwnPlace::run(const Words& command, const Destinations& destinations, bool) {
    runtime::Reactor& reactor = network_->reactor();
    std::vector<drivers::ReplacedFile> replaced = files(destinations);
    drivers::Fd calls;
    drivers::Child child = drivers::spawn(
        command, {.keep = true,
                  .files = std::move(replaced),
                  .files_by_user_namespace = true,
                  .leftover = Control::path(),
                  .stopped_calls = &calls});
    if (world_ && !quiet_ && !has_own_files(child.pid())) {
        note(who, "no user namespace for a hosts file: CMD does not know the names of");
        for (const sim::Dumbbell::Named& host : world_->named())
            note(who, fmt::format("{} {}", host.v4.text(), host.name));
    }
    const auto on_ended = [this](const wire::FourTuple& tuple, const tcp::Info& info) {
        const Duration limited = std::accumulate(info.limited.begin(), info.limited.end(), 0ns);
        if (limited > 100ms && near_.size() < near_max) near_.insert_or_assign(tuple.local, info);
    };
    owntcp::Supervisor supervisor(reactor.loop(), network_->near(), std::move(calls), on_ended);
    if (!forwarded_.empty())
        supervisor.redirect([this](const wire::Endpoint& wanted) { return forwarded(wanted); });
    network_->tell(&supervisor);
    const int status = await_command(reactor, std::move(child), patience, [&] {
        return supervisor.is_idle() && network_->is_quiet();
    });
    network_->tell(nullptr);
    if (world_ && !quiet_ && world_->late() > late_max)
        note(who, fmt::format("the world was up to {:.1f} s behind the clock: it is more than this "
                              "machine can do",
                              std::chrono::duration<double>(world_->late()).count()));
    return status;
}

std::vector<Forwarded> OwnPlace::report(TcpForwarder& tcp) {
    std::vector<Forwarded> connections = world_ ? world_->take_report() : tcp.take_report();
    for (Forwarded& c : connections)
        if (const auto found = near_.find(c.from); found != near_.end()) c.near = found->second;
    return connections;
}

}  // namespace estab::cli
