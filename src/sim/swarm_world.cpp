#include "sim/swarm_world.hpp"

#include <algorithm>

#include "congestion/algorithm.hpp"

namespace estab::sim {
namespace {

constexpr std::uint16_t port = 80;
// Such that the seeds that have found something (tests/simulation/swarm.cpp) have neither: they are
// still the worlds that they were.
constexpr std::uint64_t doors_key = 0x0600'006a, stalls_key = 0x0600'0804;

// The first TCP segment that anybody sends is a SYN.
class FirstNumber final : public Observer {
public:
    void on_packet(Instant, const Host&, Way, Bytes bytes) override {
        const auto packet = wire::IpPacket::parse(bytes);
        if (seq || !packet || packet->protocol != wire::protocol_tcp) return;
        if (const auto tcp = wire::TcpView::parse(packet->payload)) seq = tcp->seq().raw;
    }
    std::optional<std::uint32_t> seq;
};

std::string in_ms(Duration d) { return std::to_string(to_us(d) / 1000) + " ms"; }

}  // namespace

SwarmWorld::SwarmWorld(std::uint64_t seed, Duration later)
    : rng_(seed * 2 + 1),
      later_(seed ^ 0x7413'9768),
      latest_(seed ^ 0x4821'0768),
      doors_(seed ^ doors_key),
      has_doors_(doors_.below(3) == 0),
      stalls_(seed ^ stalls_key),
      has_stalls_(stalls_.below(8) == 0),
      ledger_(rng_.next()) {
    if (has_doors_) describe("doors");
    if (has_stalls_) describe("stalls");
    World::Settings settings;
    settings.seed = rng_.next();
    // Numbers that wrap and clocks that begin anywhere: ISNs depend on time (RFC 9293 3.4.1).
    settings.begin = after(Instant(time_between(1s, 100'000s)), later);
    settings.rules.kept_bytes_max = 256u << 10;
    world_ = std::make_unique<World>(settings);
    calm_at_ = after(world_->now(), time_between(2s, 60s));
    make_topology();
    put_boxes();
    make_servers();
    make_talks();
    plan_mtu();
    plan_changes();
    add_datagrams();
}

// In one world out of three the numbers of the first talk's client wrap on the way: an ISN is the
// time in steps of 4 us and a secret (RFC 9293 3.4.1), so it is chosen by when the world begins.
Duration SwarmWorld::wrap_shift(std::uint64_t seed) {
    if (seed % 3 != 1) return {};
    SwarmWorld trial(seed, {});
    FirstNumber first;
    trial.world().watch(&first);
    trial.world().run_until([&] { return first.seq.has_value(); }, trial.calm_at());
    if (!first.seq) return {};
    Rng rng(seed);
    const std::uint64_t until_wrap = 1 + rng.below(std::uint64_t{1} << rng.below(17));
    return 4us * static_cast<std::uint32_t>(0 - until_wrap - *first.seq);
}

std::uint64_t SwarmWorld::about(std::uint64_t least, std::uint64_t most) {
    std::uint64_t low = least, high = least;
    std::uint32_t octaves = 0;
    while (high < most) {
        high *= 2;
        ++octaves;
    }
    low = least << rng_.below(octaves + 1);
    return std::min(most, between(low, 2 * low));
}

// --- Topology

void SwarmWorld::make_topology() {
    World& w = *world_;
    const std::uint64_t kind = rng_.below(4);
    if (kind == 0) {
        describe("pair");
        Host& a = w.add_host(random_host());
        Host& b = w.add_host(random_host());
        w.connect(a, b, random_link());
        return;
    }
    if (kind == 1) {
        describe("chain");
        Node* last = &w.add_host(random_host());
        const std::uint64_t routers = between(1, 3);
        for (std::uint64_t i = 0; i < routers; ++i) {
            Node& next = w.add_router("r" + std::to_string(i + 1));
            w.connect(*last, next, random_link());
            last = &next;
        }
        // One draw after the other: as arguments of one call their order is the compiler's.
        const World::LinkSettings link = random_link();
        w.connect(*last, w.add_host(random_host()), link);
        return;
    }
    const std::uint64_t hosts = between(2, 5);
    describe(kind == 2 ? "star" : "dumbbell");
    Router& left = w.add_router("left");
    Router& right = kind == 2 ? left : w.add_router("right");
    if (kind == 3) w.connect(left, right, random_link());
    for (std::uint64_t i = 0; i < hosts; ++i) {
        Host& host = w.add_host(random_host());
        World::LinkSettings clean;
        clean.there.delay = clean.back.delay = time_between(0s, 1ms);
        w.connect(host, i % 2 == 0 ? left : right, kind == 2 ? random_link() : clean);
    }
}

World::LinkSettings SwarmWorld::random_link() {
    World::LinkSettings link;
    // One bit at most is damaged on the way: two could cancel out in the checksum.
    may_damage_ = !has_damage_;
    link.there = random_direction();
    link.back = maybe(50) ? link.there : random_direction();
    add_queue(link.there);
    add_queue(link.back);
    has_damage_ = has_damage_ || link.there.corrupt != 0 || link.back.corrupt != 0;
    link.round_trip = link.there.delay + link.back.delay;
    link.mtu = maybe(70) ? 1500 : static_cast<std::uint32_t>(between(576, 9000));
    if (maybe(20)) link.grain = time_between(10us, 2ms);
    if (has_doors_ && doors_.below(2) == 0)
        link.grain = Duration(static_cast<std::int64_t>(10'000 + doors_.below(3'000'000)));
    smallest_mtu_ = std::min(smallest_mtu_, link.mtu);
    allows_v6_ = allows_v6_ && link.mtu >= 1280;  // RFC 8200 5
    return link;
}

link::Direction SwarmWorld::random_direction() {
    link::Direction d;
    d.delay = maybe(20) ? Duration{} : time_between(100us, maybe(50) ? 10ms : 200ms);
    if (maybe(70)) {
        d.rate_bits = about(256'000, 200'000'000);
        slowest_bits_ = std::min(slowest_bits_, d.rate_bits);
        const std::uint64_t kind = rng_.below(4);
        if (kind == 1) d.queue = {.unit = link::Queue::Unit::packets, .limit = between(2, 200)};
        if (kind == 2)
            d.queue = {.unit = link::Queue::Unit::bytes, .limit = between(10'000, 300'000)};
        if (kind == 3)
            d.queue = {.unit = link::Queue::Unit::bdp_thousandths, .limit = between(300, 3000)};
    }
    add_faults(d);
    describe(std::to_string(d.rate_bits / 1000) + " kbit/s " + in_ms(d.delay) + " ±" +
             in_ms(d.jitter) + " loss " + std::to_string(d.loss) + " ppm");
    return d;
}

void SwarmWorld::add_faults(link::Direction& d) {
    if (maybe(30)) d.jitter = time_between(0s, 20ms);
    if (maybe(40)) d.loss = static_cast<Ppm>(about(1000, 150'000));
    if (maybe(15)) {
        d.burst_loss.enter = static_cast<Ppm>(between(1000, 20'000));
        d.burst_loss.leave = static_cast<Ppm>(between(50'000, 500'000));
    }
    if (maybe(30)) {
        d.reorder.chance = static_cast<Ppm>(about(1000, 200'000));
        d.reorder.packets = static_cast<std::uint32_t>(rng_.below(20));
        d.reorder.hold_max = time_between(100us, 100ms);
    }
    if (maybe(25)) d.duplicate = static_cast<Ppm>(about(1000, 200'000));
    if (maybe(25) && may_damage_) d.corrupt = static_cast<Ppm>(about(1000, 100'000));
}

// One queue in five has a discipline, or marks beyond a threshold.
void SwarmWorld::add_queue(link::Direction& d) {
    if (d.rate_bits == 0 || later_.below(5) != 0) return;
    const std::uint64_t kind = later_.below(6);
    if (kind == 0) {
        d.ce = {.unit = link::MarkThreshold::Unit::packets, .value = later_.below(30)};
    } else {
        d.queue.discipline = static_cast<link::Queue::Discipline>(kind);
        d.queue.drops_only = later_.below(4) == 0;
    }
    describe("discipline " + std::to_string(kind));
}

// --- Middleboxes

// On one link in ten worlds. What breaks connections that are at rest ends with the faults; what
// only changes them stays.
void SwarmWorld::put_boxes() {
    if (later_.below(10) != 0) return;
    const auto& wires = world_->wires();
    const bool is_even = std::all_of(wires.begin(), wires.end(), [&](const auto& wire) {
        return wire->mtu() == wires.front()->mtu();
    });
    const std::size_t link = later_.below(wires.size() / 2);
    const Middlebox::Settings settings = random_box(is_even);
    Middlebox& box =
        world_->put_box({wires[2 * link].get(), wires[2 * link + 1].get()}, settings);
    boxes_.emplace_back(&box, settings);
}

// Where sizes differ, somebody has to tell so, and must be understood: no box there that swallows
// ICMP, changes the numbers that it quotes, or makes packets larger.
Middlebox::Settings SwarmWorld::random_box(bool is_even) {
    Middlebox::Settings box;
    const auto maybe_so = [this](bool& setting, const char* name) {
        setting = later_.below(3) == 0;
        if (setting) describe(name);
    };
    describe("a box");
    maybe_so(box.strip_sack, "no SACK");
    maybe_so(box.strip_timestamps, "no timestamps");
    maybe_so(box.strip_scaling, "no scaling");
    maybe_so(box.bleach_ecn, "no ECN");
    if (is_even) {
        maybe_so(box.rewrite_numbers, "other numbers");
        maybe_so(box.drop_icmp, "no ICMP");
        maybe_so(box.merge, "merges");
    }
    if (later_.below(3) == 0) box.mss_max = static_cast<std::uint16_t>(200 + later_.below(1261));
    if (later_.below(4) == 0) {
        box.window_max = static_cast<std::uint16_t>(2000 + later_.below(60'000));
    }
    if (later_.below(4) == 0) box.split_over = static_cast<std::uint32_t>(later_.below(1400) + 1);
    if (later_.below(4) == 0) {
        box.forget_after = Duration(static_cast<std::int64_t>(100'000'000 + later_.below(20) *
                                                                                100'000'000));
    }
    return box;
}

// --- Hosts

HostSettings SwarmWorld::random_host() {
    HostSettings host;
    host.config = random_config();
    host.big_segments = maybe(40);
    host.mtu = maybe(70) ? 1500 : static_cast<std::uint32_t>(between(1280, 9000));
    if (maybe(15)) host.memory_bytes = between(8, 32) << 20;
    if (has_stalls_ && stalls_.below(4) != 0) {
        host.config.recv_autotune = false;
        host.config.recv_buffer = 3'000 + static_cast<std::uint32_t>(stalls_.below(20'000));
    }
    if (has_doors_) {
        host.big_segments = false;
        host.door = random_door();
    }
    return host;
}

// In one world out of three: what cuts and joins segments is different at each host, and with it
// which ways through the stack they take.
Door::Settings SwarmWorld::random_door() {
    Door::Settings door;
    door.tso4 = doors_.below(3) != 0;
    door.tso6 = doors_.below(3) != 0;
    door.checksum = doors_.below(2) == 0;
    if (doors_.below(2) == 0)
        door.frame_max = 3'000 + static_cast<std::uint32_t>(doors_.below(30'000));
    if (doors_.below(4) == 0)
        door.smaller_percent = 10 + static_cast<std::uint32_t>(doors_.below(90));
    door.in = static_cast<Door::In>(doors_.below(4));
    door.seed = doors_.next();
    return door;
}

tcp::Config SwarmWorld::random_config() {
    tcp::Config c;
    switch (rng_.below(6)) {
    case 0: c = tcp::profile::rfc(); break;
    case 1: c = tcp::profile::freebsd(); break;
    case 2: c = tcp::profile::tutorial(); break;
    default: break;
    }
    // What applications have let go of is carried through any outage: giving up early is a policy,
    // no fault.
    c.orphan_retries = 15;
    if (maybe(25)) c.sack = false;
    if (maybe(10)) c.dsack = false;
    if (maybe(25)) c.timestamps = false;
    if (c.timestamps == false) c.require_timestamps = false;
    if (maybe(20)) c.window_scaling = false;
    if (maybe(15)) c.syn_cookies_always = true;
    if (maybe(30)) c.ecn = tcp::EcnMode::on;
    if (maybe(30)) c.recv_buffer = static_cast<std::uint32_t>(about(2'000, 1'000'000));
    if (maybe(30)) c.send_buffer = static_cast<std::uint32_t>(about(2'000, 1'000'000));
    if (maybe(30)) c.recv_autotune = false;
    if (maybe(30)) c.send_autotune = false;
    if (maybe(20)) c.mss = static_cast<std::uint16_t>(between(64, 1460));
    if (maybe(20)) c.nagle = false;
    if (maybe(20)) c.limited_transmit = false;
    if (maybe(20)) c.delayed_ack = time_between(1ms, 400ms);
    if (maybe(20)) c.quick_acks = static_cast<std::uint8_t>(rng_.below(32));
    if (maybe(20)) c.initial_window = static_cast<std::uint32_t>(between(1, 30));
    if (maybe(15)) c.rto_min = time_between(10ms, 1s);
    if (maybe(15)) c.timestamp_tick = time_between(1ms, 1s);
    if (maybe(15)) c.probe_form = tcp::ProbeForm::one_octet;
    if (maybe(10)) c.notsent_lowat = static_cast<std::uint32_t>(about(1000, 100'000));
    if (maybe(20)) c.time_wait = time_between(1s, 60s);
    if (maybe(10)) c.backlog = static_cast<std::uint32_t>(between(1, 3));
    if (later_.below(3) == 0) c.ecn = static_cast<tcp::EcnMode>(3 + later_.below(3));
    if (later_.below(4) == 0) c.accecn_option = static_cast<std::uint8_t>(later_.below(3));
    if (later_.below(4) == 0) c.fast_open = tcp::FastOpenMode::client | tcp::FastOpenMode::server;
    if (later_.below(8) == 0) c.mtu_probing = tcp::MtuProbing::always;
    if (later_.below(8) == 0) c.rack = c.tail_loss_probe = false;
    c.cwnd_validation = later_.below(8) == 0;
    c.tcb_sharing = later_.below(8) == 0;
    if (maybe(50)) {
        const auto all = congestion::built_in();
        c.congestion_control = all[rng_.below(all.size())];
        // A fixed window never yields to a queue that is smaller: it is not meant to come to an
        // end.
        if (c.congestion_control->name == "fixed") c.congestion_control = nullptr;
    }
    return c;
}

void SwarmWorld::make_servers() {
    for (const auto& host : world_->hosts()) {
        stack::ListenOptions options;
        options.port = port;
        servers_.push_back(std::make_unique<Server>(ledger_, *host, options));
    }
}

// --- Talks

void SwarmWorld::make_talks() {
    const auto& hosts = world_->hosts();
    const bool is_busy = maybe(15);                     // many short ones instead of a few
    const std::uint64_t count = is_busy ? between(20, 80) : between(1, 8);
    const Duration mean = time_between(1ms, 300ms);
    Instant at = world_->now();
    describe(std::to_string(count) + " talks");
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t from = rng_.below(hosts.size());
        const std::uint64_t to = (from + 1 + rng_.below(hosts.size() - 1)) % hosts.size();
        Order order = random_order();
        if (is_busy) {
            order.up = between(0, 3000);
            order.down = between(0, 20'000);
        }
        order.server_forgets = hosts[to]->stack().config().syn_cookies_always;
        const bool v6 = allows_v6_ && maybe(40);
        at = after(at, is_busy ? exponential(rng_, mean) : time_between(0s, 2s));
        const tcp::Config* config = nullptr;
        if (maybe(20)) {
            configs_.push_back(std::make_unique<tcp::Config>(random_config()));
            config = configs_.back().get();
        }
        talks_.push_back(std::make_unique<Talk>(
            ledger_, Talk::Client{.host = *hosts[from],
                                  .server = {v6 ? hosts[to]->v6() : hosts[to]->v4(), port},
                                  .number = ledger_.add(order),
                                  .begin = at,
                                  .config = config}));
    }
}

Order SwarmWorld::random_order() {
    Order o;
    // What the slowest link carries in about ten seconds, and not much at all.
    const std::uint64_t most =
        std::clamp<std::uint64_t>(slowest_bits_ / 8 * 10, 20'000, maybe(10) ? 4'000'000 : 400'000);
    if (maybe(70)) o.up = about(1, most);
    if (maybe(70)) o.down = about(1, most);
    o.concurrent = maybe(30);
    o.echo = maybe(15);
    if (maybe(25)) {
        o.rounds = static_cast<std::uint32_t>(between(2, 20));
        o.up /= o.rounds;
        o.down /= o.rounds;
    }
    switch (rng_.below(4)) {
    case 0: o.end = Order::End::half_close; break;
    case 1: o.end = Order::End::server_first; break;
    case 2: o.end = Order::End::close_at_once; break;
    default: break;
    }
    if (maybe(20)) o.client_writes = random_pace();
    if (maybe(20)) o.client_reads = random_pace();
    if (maybe(20)) o.server_writes = random_pace();
    if (maybe(20)) o.server_reads = random_pace();
    if (maybe(8)) o.client_aborts_after = rng_.below(o.up + o.down + 1);
    if (maybe(8)) o.server_aborts_after = rng_.below(o.up + o.down + 1);
    o.nodelay = maybe(30);
    if (has_stalls_) {
        o.client_reads = stalling_pace(o.down);
        o.server_reads = stalling_pace(o.up);
    }
    return o;
}

// In one world out of eight readers pause so long that windows close, and open again often: an
// update of the window is heard, or it is lost and asked for.
Pace SwarmWorld::stalling_pace(std::uint64_t octets) {
    const std::uint64_t least = std::max<std::uint64_t>(octets / 40, 500);
    const std::uint64_t pause = 100'000'000 + stalls_.below(2'000'000'000);
    return {.octets = static_cast<std::uint32_t>(least + stalls_.below(4 * least)),
            .pause = Duration(static_cast<std::int64_t>(pause))};
}

Pace SwarmWorld::random_pace() {
    return {.octets = static_cast<std::uint32_t>(about(500, 100'000)),
            .pause = time_between(1ms, 200ms)};
}

// --- Changes

// Outages and new weather now and then; at the end, only rate and delay remain.
void SwarmWorld::plan_changes() {
    for (const auto& wire : world_->wires()) {
        const link::Direction given = wire->settings().direction;
        link::Direction calm;
        calm.rate_bits = given.rate_bits;
        calm.queue = given.queue;
        calm.delay = given.delay;
        changes_.push_back({.at = calm_at_, .wire = wire.get(), .direction = calm});
        if (maybe(15)) {  // an outage
            const Instant from = after(world_->now(), time_between(0s, calm_at_ - world_->now()));
            link::Direction dead = given;
            dead.loss = ppm_all;
            changes_.push_back({.at = from, .wire = wire.get(), .direction = dead});
            const Instant until =
                std::min(after(from, time_between(10ms, 20s)), after(calm_at_, Duration(-1)));
            changes_.push_back(
                {.at = std::max(from, until), .wire = wire.get(), .direction = given});
        }
        if (maybe(15)) {
            link::Direction other = given;
            other.delay = time_between(0s, 300ms);
            may_damage_ = given.corrupt != 0;
            add_faults(other);
            const Instant at = after(world_->now(), time_between(0s, calm_at_ - world_->now()));
            changes_.push_back({.at = std::min(at, after(calm_at_, Duration(-1))),
                                .wire = wire.get(),
                                .direction = other});
        }
    }
    // In order of time, those of one time as they were made.
    const auto earlier = [](const Change& a, const Change& b) { return a.at < b.at; };
    for (auto it = changes_.begin(); it != changes_.end(); ++it) {
        std::rotate(std::upper_bound(changes_.begin(), it, *it, earlier), it, it + 1);
    }
}

// In one world out of six a router forwards less for a while; not where a box swallows its ICMP, or
// changes the numbers that it quotes.
void SwarmWorld::plan_mtu() {
    if (latest_.below(6) != 0 || !boxes_.empty()) return;
    std::vector<Wire*> routed;
    for (const auto& wire : world_->wires())
        if (dynamic_cast<Router*>(&wire->from()) != nullptr) routed.push_back(wire.get());
    if (routed.empty()) return;
    Wire* wire = routed[latest_.below(routed.size())];
    const std::uint32_t least = allows_v6_ ? 1280 : 576;
    if (wire->mtu() <= least) return;
    const auto mtu = least + static_cast<std::uint32_t>(latest_.below(wire->mtu() - least));
    const auto span = static_cast<std::uint64_t>(to_ns(calm_at_ - world_->now()));
    const Instant from =
        after(world_->now(), Duration(static_cast<std::int64_t>(latest_.below(span))));
    describe("MTU " + std::to_string(mtu) + " for a while");
    changes_.push_back({.at = from, .wire = wire, .mtu = mtu});
    changes_.push_back({.at = calm_at_, .wire = wire, .mtu = wire->mtu()});
}

// In one world out of six datagrams cross the way of the talks until the faults stop.
void SwarmWorld::add_datagrams() {
    const auto& hosts = world_->hosts();
    if (latest_.below(6) != 0) return;
    const std::size_t from = latest_.below(hosts.size());
    const std::size_t to = (from + 1 + latest_.below(hosts.size() - 1)) % hosts.size();
    const std::uint64_t most = std::min<std::uint64_t>(slowest_bits_, 4'000'000);
    Datagrams::Plan plan{.rate_bits = most / 8 + latest_.below(most),
                         .payload = static_cast<std::uint16_t>(
                             1 + latest_.below(std::min(smallest_mtu_, 1500u) - 28)),
                         .length = calm_at_ - world_->now(),
                         .is_random = latest_.below(2) == 0};
    if (latest_.below(2) == 0) plan.on = plan.off = 300ms;
    describe("datagrams at " + std::to_string(plan.rate_bits / 1000) + " kbit/s");
    datagrams_ = std::make_unique<Datagrams>(*hosts[from], *hosts[to], plan, latest_.next());
}

Instant SwarmWorld::next_change() const {
    return changes_done_ < changes_.size() ? changes_[changes_done_].at : never;
}

void SwarmWorld::change(Instant now) {
    while (next_change() <= now) {
        const Change& c = changes_[changes_done_++];
        if (c.direction) c.wire->change(*c.direction);
        if (c.mtu != 0) c.wire->change_mtu(c.mtu);
        if (c.at < calm_at_) continue;
        for (auto& [box, settings] : boxes_) {
            settings.drop_icmp = false;
            settings.forget_after = {};
            box->change(settings);
        }
    }
}

}  // namespace estab::sim
