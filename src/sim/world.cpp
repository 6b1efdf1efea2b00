#include "sim/world.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace estab::sim {

Actor::Actor(World& world) : world_(world), id_(world.agenda_.add()) {
    if (world.actors_.size() <= id_) world.actors_.resize(id_ + 1);
    world.actors_[id_] = this;
}

Actor::~Actor() {
    world_.agenda_.remove(id_);
    world_.actors_[id_] = nullptr;
}

void Actor::reschedule() { world_.agenda_.set(id_, deadline()); }

// --- Wires

Wire::Wire(World& world, const Settings& settings, Node& from, Node& to)
    : Actor(world),
      settings_(settings),
      lane_({.direction = settings.direction,
             .seed = settings.seed,
             .round_trip = settings.round_trip,
             .frame_max = settings.mtu}),
      from_(from),
      to_(to) {
    lane_.watch(this);
}

void Wire::send(Instant now, Bytes packet, Bytes head) {
    const bool passes = settings_.is_straight && box == nullptr && lane_.deadline() == never;
    if (passes && to_.is_at_rest()) {
        if (!head.empty()) {
            auto& passing = world().passing_;
            passing.assign(packet.begin(), packet.end());
            std::copy(head.begin(), head.end(), passing.begin());
            packet = passing;
        }
        const device::Frame frame{.bytes = packet, .arrived = now, .offload = {}};
        return to_.arrive(now, {&frame, 1});
    }
    lane_.push(now, packet, head);
    reschedule();
}

void Wire::on_drop(Instant now, Bytes packet) {
    for (Observer* observer : world().observers_) observer->on_drop(now, *this, packet);
}

void Wire::on_transmit(Instant, Duration waited, wire::Ecn ecn) {
    if (waits == nullptr) return;
    const auto place =
        std::min<std::size_t>(static_cast<std::size_t>(waited / bucket), buckets_max);
    const auto count = [place](std::vector<std::uint64_t>& counts) {
        if (place >= counts.size()) counts.resize(place + 1);
        ++counts[place];
    };
    count(waits->all);
    if (link::DualPi2::is_l4s(ecn)) count(waits->l4s);
}

void Wire::change(const link::Direction& direction) {
    world().may_corrupt_ = world().may_corrupt_ || direction.corrupt != 0;
    lane_.change(direction);
    reschedule();
}

void Wire::change_mtu(std::uint32_t mtu) {
    CHECK(dynamic_cast<Router*>(&from_) != nullptr && mtu <= lane_.frame_max());
    settings_.mtu = mtu;
}

Instant Wire::deadline() const {
    const Instant at = lane_.deadline();
    if (settings_.grain == Duration::zero() || at == never || at == Instant::min()) return at;
    const std::int64_t grain = to_ns(settings_.grain);
    return Instant(Duration((to_ns(at.time_since_epoch()) + grain - 1) / grain * grain));
}

void Wire::act(Instant now) {
    // Not an array of its own: making one anew for each packet was a fifteenth of all work.
    std::span<device::Frame> frames = world().arriving_;
    std::size_t count;
    do {
        count = 0;
        while (count < frames.size()) {
            const auto delivery = lane_.pop(now);
            if (!delivery) break;
            frames[count++] = {.bytes = delivery->bytes, .arrived = delivery->at, .offload = {}};
        }
        std::span<const device::Frame> arrived = frames.first(count);
        if (box != nullptr) arrived = box->pass(now, arrived, is_outwards);
        if (!arrived.empty()) to_.arrive(now, arrived);
        lane_.release();
    } while (count == frames.size());
    reschedule();
}

// --- The world

World::World(const Settings& settings)
    : settings_(settings),
      now_(settings.begin),
      rng_(settings.seed),
      referee_(settings.rules),
      arriving_(64) {}

World::~World() = default;

Host& World::add_host(const HostSettings& settings) {
    const std::uint32_t number = next_number();
    HostSettings named = settings;
    if (named.name.empty()) named.name = "h" + std::to_string(number);
    hosts_.push_back(std::make_unique<Host>(*this, named, number, rng_.next()));
    return *hosts_.back();
}

Router& World::add_router(std::string name) {
    const auto number = static_cast<std::uint32_t>(routers_.size() + 1);
    routers_.push_back(std::make_unique<Router>(*this, std::move(name), number));
    return *routers_.back();
}

Port& World::add_port(std::string name) {
    ports_.push_back(std::make_unique<Port>(*this, std::move(name), next_number()));
    return *ports_.back();
}

// Of hosts and ports together: the last two octets of their addresses.
std::uint32_t World::next_number() const {
    CHECK(hosts_.size() + ports_.size() < 60'000);
    return static_cast<std::uint32_t>(hosts_.size() + ports_.size() + 1);
}

World::Link World::connect(Node& a, Node& b, const LinkSettings& settings) {
    const auto make = [&](const link::Direction& direction, Node& from, Node& to) {
        const Wire::Settings s{.direction = direction,
                               .seed = rng_.next(),
                               .round_trip = settings.round_trip,
                               .mtu = settings.mtu,
                               .grain = settings.grain,
                               .is_straight = settings.is_straight};
        wires_.push_back(std::make_unique<Wire>(*this, s, from, to));
        from.wires_.push_back(wires_.back().get());
        return wires_.back().get();
    };
    may_corrupt_ |= settings.there.corrupt != 0 || settings.back.corrupt != 0;
    has_routes_ = false;
    for (Node* node : {&a, &b}) {
        if (auto* host = dynamic_cast<Host*>(node)) host->fit(settings.mtu);
    }
    return {make(settings.there, a, b), make(settings.back, b, a)};
}

Middlebox& World::put_box(const Link& link, const Middlebox::Settings& settings) {
    boxes_.push_back(std::make_unique<Middlebox>(settings, rng_.next(), link.there->mtu()));
    link.there->box = link.back->box = boxes_.back().get();
    link.back->is_outwards = false;
    return *boxes_.back();
}

// The fewest hops; among equals the link that was made first.
void World::find_routes() {
    has_routes_ = true;
    std::vector<Node*> ends;
    for (const auto& host : hosts_) ends.push_back(host.get());
    for (const auto& port : ports_) ends.push_back(port.get());
    for (const auto& router : routers_) router->next_.assign(ends.size() + 1, nullptr);
    for (Node* const end : ends) {
        std::vector<Node*> reached{end};
        for (std::size_t i = 0; i < reached.size(); ++i) {
            for (const auto& wire : wires_) {
                if (&wire->to() != reached[i]) continue;
                auto* router = dynamic_cast<Router*>(&wire->from());
                if (router == nullptr || router->next_[end->number()] != nullptr) continue;
                router->next_[end->number()] = wire.get();
                reached.push_back(router);
            }
        }
    }
}

void World::step() {
    if (!has_routes_) find_routes();
    if (agenda_.next() == never) return;
    const Agenda::Id id = agenda_.first();
    now_ = std::max(now_, agenda_.next());
    ++steps_;
    actors_[id]->act(now_);
}

void World::advance_to(Instant now) {
    while (agenda_.next() <= now && agenda_.next() != never) step();
    now_ = std::max(now_, now);
}

bool World::run_until(const std::function<bool()>& is_done, Instant limit) {
    while (!is_done()) {
        if (agenda_.next() > limit || agenda_.next() == never) {
            now_ = std::max(now_, limit);
            return is_done();
        }
        step();
    }
    return true;
}

void World::see(const Host& host, Observer::Way way, Bytes packet) {
    ++packets_;
    const bool is_sent = way == Observer::Way::sent;
    hash_.add(static_cast<std::uint64_t>(to_ns(now_.time_since_epoch())));
    hash_.add((std::uint64_t{host.number()} << 1) + (is_sent ? 1 : 0));
    // Where nothing is damaged, the checksum speaks for the text.
    hash_.add(may_corrupt_ ? packet : packet.first(std::min<std::size_t>(packet.size(), 64)));
    if (settings_.referee) {
        referee_.observe({.at = now_,
                          .point = is_sent ? Referee::Point::leaves : Referee::Point::arrives,
                          .packet = packet,
                          .intact = !is_sent && !may_corrupt_});
    }
    for (Observer* observer : observers_) observer->on_packet(now_, host, way, packet);
}

void World::check() const {
    for (const auto& host : hosts_) {
        stack::Stack& stack = host->stack();
        CHECK(stack.memory().used() <= stack.memory().limit());
        for (const stack::Row& row : stack.table(now_)) {
            if (row.id.valid()) {
                const tcp::Connection* connection = stack.find(row.id);
                if (connection != nullptr) connection->check_invariants();
            }
        }
    }
}

Pair pair(World& world, const link::Direction& each_way, const HostSettings& each) {
    Host& left = world.add_host(each);
    Host& right = world.add_host(each);
    const auto link = world.connect(left, right,
                                    {.there = each_way,
                                     .back = each_way,
                                     .round_trip = 2 * each_way.delay,
                                     .mtu = each.mtu});
    return {left, right, link};
}

}  // namespace estab::sim
