#include "sim/dumbbell.hpp"

#include <algorithm>
#include <bit>

#include "base/check.hpp"
#include "congestion/algorithm.hpp"

namespace estab::sim {
namespace {

constexpr std::uint16_t port = 80;

// The place at or below which `part` of a thousand are.
template <class T>
std::size_t percentile(const std::vector<T>& counts, std::uint64_t part) {
    std::uint64_t all = 0, seen = 0;
    for (const T n : counts) all += n;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        seen += counts[i];
        if (1000 * seen >= part * all) return i;
    }
    return 0;
}

Duration percentile_of_waits(const std::vector<std::uint64_t>& counts, std::uint64_t part) {
    return Wire::bucket * static_cast<std::int64_t>(percentile(counts, part));
}

}  // namespace

// Round-trip samples of each sender, counted: to the microsecond below a millisecond, and to a
// thousandth above it. However long a run is, it takes no more than 100 KB.
class Dumbbell::Meter final : public Observer {
public:
    explicit Meter(std::size_t flows) : counts_(2 * flows + 1) {}
    void on_event(Instant, const Host& host, const event::Event& e) override {
        if (!on || e.kind != event::Kind::rtt_sample) return;
        std::vector<std::uint32_t>& counts = counts_[host.number()];
        const std::size_t place = place_of(static_cast<std::uint32_t>(
            std::min<std::uint64_t>(e.values[0] / 1000, UINT32_MAX)));
        if (place >= counts.size()) counts.resize(place + 1);
        ++counts[place];
    }
    Duration percentile(const Host& host, std::uint64_t part) const {
        return std::chrono::microseconds(
            value_at(sim::percentile(counts_[host.number()], part)));
    }
    bool on = false;

private:
    static constexpr std::size_t exact = 1024;
    static std::size_t place_of(std::uint32_t us) {
        if (us < exact) return us;
        const auto shift = static_cast<std::size_t>(std::bit_width(us) - 11);
        return exact * (1 + shift) + (us >> shift) - exact;
    }
    static std::uint64_t value_at(std::size_t place) {
        if (place < exact) return place;
        return std::uint64_t{place % exact + exact} << (place / exact - 1);
    }
    std::vector<std::vector<std::uint32_t>> counts_;  // by the number of the host
};

Dumbbell::Dumbbell(const DumbbellSettings& settings)
    : settings_(settings),
      world_({.seed = settings.seed, .begin = settings.begin, .referee = settings.referee}),
      begin_(world_.now()),
      measure_from_(after(begin_, settings.warm_up)),
      ledger_(settings.seed),
      meter_(std::make_unique<Meter>(settings.flows.size())) {
    Router& left = world_.add_router("left");
    Router& right = world_.add_router("right");
    World::LinkSettings shared;
    shared.there = settings.there;
    shared.back.rate_bits = settings.there.rate_bits;
    shared.back.loss = settings.loss_back;
    if (settings.back) shared.back = *settings.back;
    shared.there.delay = shared.back.delay = settings.rtt / 2;
    shared.round_trip = settings.rtt;
    shared.mtu = settings.mtu;
    shared_ = world_.connect(left, right, shared);
    if (settings.box) world_.put_box(shared_, *settings.box);
    left.silent = right.silent = settings.silent;
    for (std::size_t i = 0; i < settings.flows.size(); ++i) make_flow(i, left, right);
    for (std::size_t i = 0; i < settings.datagrams.size(); ++i) make_datagrams(i, left, right);
    for (const HostPlan& plan : settings.hosts) make_host(plan, plan.is_left ? left : right);
    octets_before_.resize(settings.flows.size());
    world_.watch(meter_.get());
}

Dumbbell::~Dumbbell() = default;

Host& Dumbbell::add_host(Router& router, const tcp::Config& config) {
    HostSettings settings;
    settings.config = config;
    settings.mtu = settings_.mtu;
    settings.big_segments = settings_.big_segments;
    settings.clock = settings_.clock;
    if (settings_.all_events) settings.events_max = 4096;
    Host& host = world_.add_host(settings);
    World::LinkSettings access;
    access.mtu = settings_.mtu;
    world_.connect(host, router, access);
    return host;
}

void Dumbbell::make_datagrams(std::size_t index, Router& left, Router& right) {
    Datagrams::Plan plan = settings_.datagrams[index];
    const auto room = static_cast<std::uint16_t>(settings_.mtu - 28);  // IPv4 and UDP
    plan.payload = std::min(plan.payload, room);
    Host& there = add_host(left, {});
    Host& back = add_host(right, {});
    const std::uint64_t seed = Rng(settings_.seed ^ (index + 1) << 32).next();
    datagrams_.push_back(plan.is_back ? std::make_unique<Datagrams>(back, there, plan, seed)
                                      : std::make_unique<Datagrams>(there, back, plan, seed));
}

void Dumbbell::make_flow(std::size_t index, Router& left, Router& right) {
    Host& sender = add_host(left, settings_.flows[index]);
    Host& receiver = add_host(right, settings_.flows[index]);
    sender.stack().log().store(event::Kind::rtt_sample, settings_.measure_rtt);
    stack::ListenOptions options;
    options.port = port;
    servers_.push_back(std::make_unique<Server>(ledger_, receiver, options));
    Rng rng(settings_.seed * settings_.flows.size() + index);
    const Duration begin{
        static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(to_ns(settings_.spread))))};
    const FlowPlan plan =
        settings_.plans.empty() ? FlowPlan{.order = {.up = settings_.octets}, .begin = begin}
                                : settings_.plans[index];
    const std::uint32_t number = ledger_.add(plan.order);
    const Talk::Client client{.host = sender,
                              .server = {receiver.v4(), port},
                              .number = number,
                              .begin = after(begin_, plan.begin)};
    talks_.push_back(std::make_unique<Talk>(ledger_, client));
}

void Dumbbell::make_host(const HostPlan& plan, Router& router) {
    const World::LinkSettings access{
        .there = plan.up, .back = plan.down, .round_trip = settings_.rtt, .mtu = settings_.mtu};
    if (plan.is_outside) {
        Port& port = world_.add_port(plan.name);
        world_.connect(port, router, access);
        named_.push_back({plan.name, port.v4(), port.v6(), &port});
        return;
    }
    HostSettings settings;
    settings.name = plan.name;
    settings.config = plan.config;
    settings.mtu = settings_.mtu;
    settings.big_segments = settings_.big_segments;
    settings.clock = settings_.clock;
    Host& host = world_.add_host(settings);
    world_.connect(host, router, access);
    named_.push_back({plan.name, host.v4(), host.v6(), nullptr});
    for (const ServicePlan& service : plan.services) {
        services_.push_back(Service::start(host, service, settings_.on_served));
        CHECK(services_.back() != nullptr);  // no port twice
    }
}

Instant Dumbbell::deadline() const {
    if (changes_done_ == settings_.changes.size()) return world_.deadline();
    return std::min(world_.deadline(), after(begin_, settings_.changes[changes_done_].at));
}

void Dumbbell::begin_measuring() {
    is_measuring_ = true;
    meter_->on = true;
    before_ = shared_.there->lane().counters();
    shared_.there->waits = &waits_;
    for (std::size_t i = 0; i < talks_.size(); ++i)
        octets_before_[i] = octets_of(i);
}

// Of both directions: what applications got.
std::uint64_t Dumbbell::octets_of(std::size_t flow) const {
    const Ledger::Entry& entry = ledger_.entries()[flow];
    return entry.server.in + entry.client.in;
}

void Dumbbell::run_to(Instant at) {
    for (; changes_done_ < settings_.changes.size(); ++changes_done_) {
        const LinkChange& change = settings_.changes[changes_done_];
        if (after(begin_, change.at) > at) break;
        advance(after(begin_, change.at));
        shared_.there->change(change.there);
        shared_.back->change(change.back);
        if (change.mtu != 0) {
            shared_.there->change_mtu(change.mtu);
            shared_.back->change_mtu(change.mtu);
        }
    }
    advance(at);
}

void Dumbbell::advance(Instant at) {
    if (!is_measuring_ && at >= measure_from_) {
        world_.advance_to(measure_from_);
        begin_measuring();
    }
    world_.advance_to(at);
}

// Hosts come in pairs, those of flows first.
std::optional<std::size_t> Dumbbell::flow_of_sender(const Host& host) const {
    const std::size_t place = host.number() - 1;
    if (place % 2 != 0 || place / 2 >= talks_.size()) return {};
    return place / 2;
}

const tcp::Connection* Dumbbell::connection(std::size_t flow) const {
    const stack::Stack& stack = talks_[flow]->host().stack();
    return stack.find(talks_[flow]->id());
}

std::optional<FlowSample> Dumbbell::sample(std::size_t flow) const {
    const tcp::Connection* connection = this->connection(flow);
    if (connection == nullptr) return {};
    const tcp::Info info = connection->info(world_.now());
    return FlowSample{.cwnd = info.cwnd,
                      .ssthresh = info.ssthresh,
                      .in_flight = info.in_flight,
                      .pacing_bits = info.pacing_rate * 8,
                      .delivered = info.delivered,
                      .rtt_us = info.rtt_us};
}

FlowReport Dumbbell::flow_report(std::size_t index) const {
    FlowReport flow;
    const tcp::Config& config = settings_.flows[index];
    flow.congestion_control =
        config.congestion_control != nullptr ? config.congestion_control->name : "cubic";
    flow.octets = octets_of(index) - octets_before_[index];
    const Outcome& outcome = ledger_.entries()[index].client;
    const Instant until = outcome.is_over() ? outcome.ended : world_.now();
    const Duration time = until - std::max(outcome.began, measure_from_);
    if (time > Duration{}) {
        flow.goodput_bits =
            mul_div(flow.octets * 8, 1'000'000'000, static_cast<std::uint64_t>(to_ns(time)));
    }
    // Each has a host of its own, whose counters outlive the connection.
    stack::Stack& sender = talks_[index]->host().stack();
    flow.limited = outcome.limited;
    if (const tcp::Connection* connection = sender.find(talks_[index]->id())) {
        const tcp::Info info = connection->info(world_.now());
        flow.congestion_control = info.congestion_control;
        flow.limited = info.limited;
    }
    const event::Counters& n = sender.counters();
    flow.segments = n.Tcp_OutSegs;
    flow.retransmits = n.Tcp_RetransSegs;
    flow.timeouts = n.TcpExt_TCPTimeouts;
    flow.fast_retransmits = n.TcpExt_TCPFastRetrans;
    flow.tail_probes = n.TcpExt_TCPLossProbes;
    flow.undos = n.TcpExt_TCPFullUndo + n.TcpExt_TCPDSACKUndo + n.TcpExt_TCPLossUndo;
    Host& receiver = *world_.hosts()[2 * index + 1];
    flow.spurious = receiver.stack().log().counted(event::Kind::duplicate);
    flow.rtt_p50 = meter_->percentile(talks_[index]->host(), 500);
    flow.rtt_p99 = meter_->percentile(talks_[index]->host(), 990);
    return flow;
}

DumbbellReport Dumbbell::report() const {
    DumbbellReport r;
    r.measured = world_.now() - measure_from_;
    u128 sum = 0, squares = 0;
    for (std::size_t i = 0; i < talks_.size(); ++i) {
        r.flows.push_back(flow_report(i));
        const u128 kbit = r.flows.back().goodput_bits / 1000;
        r.goodput_bits += r.flows.back().goodput_bits;
        sum += kbit;
        squares += kbit * kbit;
    }
    if (squares != 0) r.jain = static_cast<Ppm>(sum * sum * ppm_all / (squares * r.flows.size()));
    for (const auto& datagrams : datagrams_) r.datagrams.push_back(datagrams->counters());
    const link::Lane::Counters& after_ = shared_.there->lane().counters();
    r.dropped_by_queue = after_.dropped_by_queue - before_.dropped_by_queue;
    r.dropped_by_loss = after_.dropped_by_loss - before_.dropped_by_loss;
    r.dropped_by_policer = after_.dropped_by_policer - before_.dropped_by_policer;
    r.marked = after_.marked - before_.marked;
    const std::uint64_t rate = settings_.there.rate_bits;
    if (rate != 0 && r.measured > Duration{}) {
        const std::uint64_t could =
            mul_div(rate, static_cast<std::uint64_t>(to_ns(r.measured)), 8'000'000'000);
        r.utilisation =
            static_cast<Ppm>(mul_div(after_.left_bytes - before_.left_bytes, ppm_all, could));
        r.queue_p50 = percentile_of_waits(waits_.all, 500);
        r.queue_p99 = percentile_of_waits(waits_.all, 990);
        r.l4s_p50 = percentile_of_waits(waits_.l4s, 500);
        r.l4s_p99 = percentile_of_waits(waits_.l4s, 990);
    }
    r.packets = world_.packets();
    r.hash = world_.hash();
    r.violations = world_.referee().violations();
    return r;
}

}  // namespace estab::sim
