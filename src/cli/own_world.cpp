#include "cli/own_world.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/sim_scenario.hpp"
#include "runtime/loop.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t records_max = 2000;  // what the report at the end can be about
// A world that is slower than the clock goes on in such pieces, so that CMD is served between them.
constexpr Duration piece = 10ms;
constexpr const char* usual_name = "cmd";

// Which of the hosts CMD is; one more where it is none of them.
std::size_t choose_host(sim::DumbbellSettings& world, const WorldOptions& options) {
    const auto is_free = [](const sim::HostPlan& plan) { return plan.services.empty(); };
    const auto found = options.as.empty()
                           ? std::ranges::find_if(world.hosts, is_free)
                           : std::ranges::find(world.hosts, options.as, &sim::HostPlan::name);
    if (found != world.hosts.end()) {
        if (!is_free(*found))
            throw UsageError(fmt::format("--as {}: that host is a server of the world's already",
                                         printable(options.as)));
        return static_cast<std::size_t>(found - world.hosts.begin());
    }
    if (!options.as.empty()) {
        std::vector<std::string> names;
        for (const sim::HostPlan& plan : world.hosts) names.push_back(plan.name);
        throw UsageError(fmt::format("--as: {} has no host '{}'{}", printable(options.file),
                                     printable(options.as), suggestion(options.as, names)));
    }
    world.hosts.push_back({.name = usual_name});
    return world.hosts.size() - 1;
}

}  // namespace

OwnWorld::OwnWorld(const WorldOptions& options) {
    sim::DumbbellSettings world = read_scenario(options.file);
    if (options.seed) world.seed = *options.seed;
    const std::size_t which = choose_host(world, options);
    world.hosts[which].is_outside = true;
    world.begin = runtime::Loop::now();
    world.referee = false;      // it would see only one end of what CMD says
    world.measure_rtt = false;  // who knows for how long
    world.on_served = [this](const sim::Served& served) { keep(served, false); };
    mtu_ = world.mtu;
    dumbbell_ = std::make_unique<sim::Dumbbell>(world);
    const sim::Dumbbell::Named& self = dumbbell_->named()[which];
    name_ = self.name;
    addresses_.command = {{self.v4, 32}, {self.v6, 128}};
    port_ = self.port;
    port_->deliver = [this](Instant, Bytes packet) {
        arrived_.push_back({std::ssize(packets_), packet.size()});
        packets_.insert(packets_.end(), packet.begin(), packet.end());
    };
}

std::string OwnWorld::hosts() const {
    std::string text;
    for (const sim::Dumbbell::Named& host : dumbbell_->named())
        for (const wire::Address& address : {host.v4, host.v6})
            text += fmt::format("{} {}\n", address.text(), host.name);
    return text;
}

void OwnWorld::advance(Instant now) {
    const Instant due = std::max(dumbbell_->deadline(), time());
    if (due > now) return dumbbell_->run_to(std::max(now, time()));
    late_ = std::max(late_, now - due);
    dumbbell_->run_to(std::min(now, after(due, piece)));
}

Instant OwnWorld::deadline() const { return dumbbell_->deadline(); }

void OwnWorld::keep(const sim::Served& served, bool is_open) {
    // Only CMD's: others may call on servers, too.
    const auto is_cmd = [&](const wire::Prefix& own) {
        return own.address == served.tuple.remote.address;
    };
    if (std::ranges::none_of(addresses_.command, is_cmd)) return;
    if (!is_open) {
        ++totals_.connections;
        totals_.up += served.in;
        totals_.down += served.out;
    }
    if (ended_.size() == records_max) return;
    ended_.push_back({.from = served.tuple.remote,
                      .wanted = served.tuple.local,
                      .began = served.began,
                      .ended = served.ended,
                      .up = served.in,
                      .down = served.out,
                      .is_broken = served.is_broken,
                      .is_open = is_open,
                      .info = served.info});
}

void OwnWorld::reset_all() {
    for (const auto& service : dumbbell_->services()) service->reset_all(time());
}

std::vector<Forwarded> OwnWorld::take_report() {
    for (const auto& service : dumbbell_->services())
        service->each_open([this](const sim::Served& served) { keep(served, true); });
    return std::exchange(ended_, {});
}

}  // namespace estab::cli
