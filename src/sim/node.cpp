// What stands at the ends of wires: hosts and routers.
#include <algorithm>

#include "base/check.hpp"
#include "sim/world.hpp"
#include "wire/checksum.hpp"

namespace estab::sim {
namespace {

wire::Address v4_address(std::uint8_t net, std::uint32_t number) {
    return wire::Address::v4(10, net, static_cast<std::uint8_t>(number >> 8),
                             static_cast<std::uint8_t>(number));
}

// fd00::NUMBER and, for routers, fd00:1::NUMBER
wire::Address v6_address(std::uint8_t net, std::uint32_t number) {
    std::array<std::uint8_t, 16> octets{0xfd, 0, 0, net};
    octets[14] = static_cast<std::uint8_t>(number >> 8);
    octets[15] = static_cast<std::uint8_t>(number);
    return wire::Address::from_v6(octets.data());
}

constexpr std::uint8_t hosts_net = 0, routers_net = 1;

// The number of the host that a packet is for; 0: of none.
std::uint32_t destination_host(Bytes packet) {
    if (packet.size() >= 20 && packet[0] >> 4 == 4) {
        return packet[16] == 10 && packet[17] == hosts_net ? load_be16(&packet[18]) : 0u;
    }
    if (packet.size() >= 40 && packet[0] >> 4 == 6) {
        return packet[24] == 0xfd && packet[27] == hosts_net ? load_be16(&packet[38]) : 0u;
    }
    return 0;
}

Door::Settings door_of(const HostSettings& settings) {
    Door::Settings door = settings.door;
    if (settings.big_segments) door.tso4 = door.tso6 = true;
    return door;
}

// Everybody is on the link, as on a point-to-point one.
void add_default_routes(ip::Routes& routes) {
    for (const wire::Address& any : {wire::Address::v4(0, 0, 0, 0), wire::Address()}) {
        ip::Route route;
        route.destination = {any, 0};
        CHECK(routes.add(route).has_value());
    }
}

}  // namespace

// --- Hosts

Host::Host(World& world, const HostSettings& settings, std::uint32_t number, std::uint64_t seed)
    : Node(world, settings.name, number),
      Actor(world),
      event_room_(settings.events_max),
      door_(door_of(settings)),
      caps_(door_.caps(settings.mtu)),
      v4_(v4_address(hosts_net, number)),
      v6_(v6_address(hosts_net, number)),
      clock_(settings.clock) {
    stack::StackOptions options;
    options.config = settings.config;
    options.config.clock_granularity = std::max(options.config.clock_granularity, clock_);
    options.memory_bytes = settings.memory_bytes;
    options.seed = seed;
    options.event_room = event_room_;
    stack_ = std::make_unique<stack::Stack>(clock(world.now()), options);
    stack_->attach(caps_);
    room_.resize(stack_->frame_bytes());
    piece_.resize(settings.mtu);
    CHECK(stack_->routes().add_address({v4_, 32}).has_value());
    CHECK(stack_->routes().add_address({v6_, 128}).has_value());
    add_default_routes(stack_->routes());
}

void Host::fit(std::uint32_t mtu) {
    if (mtu >= caps_.mtu) return;
    caps_ = door_.caps(mtu);
    stack_->attach(caps_);
}

void Host::own(stack::ConnectionId id, Owner* owner) {
    if (connections_.size() <= id.index) connections_.resize(id.index + 1);
    connections_[id.index] = {id.generation, owner};
}

void Host::own(stack::ListenerId id, Owner* owner) {
    if (listeners_.size() <= id.index) listeners_.resize(id.index + 1);
    listeners_[id.index] = {id.generation, owner};
}

Instant Host::clock(Instant now) const {
    return clock_ == Duration::zero() ? now : now - now.time_since_epoch() % clock_;
}

Instant Host::when_clock_reads(Instant at) const {
    if (clock_ == Duration::zero() || at == never || at == Instant::min()) return at;
    const Instant before = clock(at);
    return before == at ? at : after(before, clock_);
}

void Host::act(Instant now) {
    stack_->advance(clock(now));
    pump(now);
}

void Host::arrive(Instant now, std::span<const device::Frame> frames) {
    for (const device::Frame& frame : frames)
        home().see(*this, Observer::Way::received, frame.bytes);
    stack_->advance(clock(now));
    if (clock_ != Duration::zero()) {
        restamped_.assign(frames.begin(), frames.end());
        for (device::Frame& frame : restamped_) frame.arrived = clock(frame.arrived);
        frames = restamped_;
    }
    door_.hand_over(frames, [&](std::span<const device::Frame> batch) {
        stack_->receive(clock(now), batch);
        pump(now);
    });
}

void Host::pump(Instant now) {
    if (is_pumping_) return;  // an owner who is being told: the loop below goes on
    is_pumping_ = true;
    now = clock(now);
    do {
        notify(now);
        send(now);
        if (stack_->deadline() <= now) stack_->advance(now);
    } while (stack_->has_output());
    event::Log& log = stack_->log();
    for (const event::Event* e = log.front(); e != nullptr; e = log.front()) {
        for (Observer* observer : home().observers_) observer->on_event(now, *this, *e);
        log.pop();
    }
    is_pumping_ = false;
    reschedule();
}

void Host::notify(Instant now) {
    while (const auto what = stack_->next_notification()) {
        const bool is_listener = !what->connection.valid();
        const std::uint32_t index = is_listener ? what->listener.index : what->connection.index;
        const std::uint32_t generation =
            is_listener ? what->listener.generation : what->connection.generation;
        const auto& owned = is_listener ? listeners_ : connections_;
        if (index >= owned.size() || owned[index].generation != generation) continue;
        if (owned[index].owner != nullptr) owned[index].owner->on_notice(now, *what);
    }
}

void Host::send(Instant now) {
    while (stack_->has_output()) {
        device::Offload offload;
        const std::size_t size = stack_->write_next(now, room_, offload);
        if (size == 0) break;
        const Bytes frame = Bytes(room_).first(size);
        if (offload.gso == device::Gso::none && offload.checksum == device::Checksum::complete) {
            emit(now, frame);
            continue;
        }
        door_.cut(frame, offload, caps_.mtu, piece_, [&](Bytes piece) { emit(now, piece); });
    }
}

void Host::emit(Instant now, Bytes packet) {
    home().see(*this, Observer::Way::sent, packet);
    if (!wires().empty()) wires().front()->send(std::max(now, home().now()), packet);
}

// --- Ports

Port::Port(World& world, std::string name, std::uint32_t number)
    : Node(world, std::move(name), number),
      v4_(v4_address(hosts_net, number)),
      v6_(v6_address(hosts_net, number)) {}

void Port::arrive(Instant now, std::span<const device::Frame> frames) {
    for (const device::Frame& frame : frames)
        if (deliver) deliver(now, frame.bytes);
}

void Port::send(Instant now, Bytes packet) {
    if (!wires().empty()) wires().front()->send(std::max(now, home().now()), packet);
}

// --- Routers

Router::Router(World& world, std::string name, std::uint32_t number)
    : Node(world, std::move(name), number), icmp_(icmp_counters_, addresses_) {
    CHECK(addresses_.add_address({v4_address(routers_net, number), 32}).has_value());
    CHECK(addresses_.add_address({v6_address(routers_net, number), 128}).has_value());
    add_default_routes(addresses_);
}

void Router::arrive(Instant now, std::span<const device::Frame> frames) {
    for (const device::Frame& frame : frames) forward(now, frame.bytes);
}

void Router::forward(Instant now, Bytes packet) {
    const std::uint32_t host = destination_host(packet);
    const bool is_v4 = packet.size() >= 20 && packet[0] >> 4 == 4;
    if (is_v4 && wire::checksum(packet.first(20)) != 0) {
        ++counters_.damaged;
        return;
    }
    if (host == 0 || host >= next_.size() || next_[host] == nullptr) {
        ++counters_.unroutable;
        return refuse(now, packet, wire::IcmpReason::network_unreachable, 0);
    }
    Wire& next = *next_[host];
    const std::uint8_t hops = is_v4 ? packet[8] : packet[7];
    if (hops <= 1) {
        ++counters_.expired;
        return refuse(now, packet, wire::IcmpReason::hop_limit_exceeded, 0);
    }
    if (packet.size() > next.mtu()) {
        ++counters_.too_big;
        return refuse(now, packet, wire::IcmpReason::too_big, next.mtu());
    }
    std::array<std::uint8_t, 12> head;  // as far as it changes
    std::copy_n(packet.begin(), head.size(), head.begin());
    if (is_v4) {
        const std::uint16_t before = load_be16(&head[8]);
        const auto after = static_cast<std::uint16_t>(before - 0x100);
        store_be16(&head[8], after);
        store_be16(&head[10], wire::updated_checksum(load_be16(&head[10]), before, after));
    } else {
        --head[7];
    }
    ++counters_.forwarded;
    next.send(now, packet, head);
}

void Router::refuse(Instant now, Bytes packet, wire::IcmpReason reason, std::uint32_t mtu) {
    if (silent) return;
    const auto about = wire::IpPacket::parse(packet);
    if (!about) return;
    std::array<std::uint8_t, 1280> room;
    const std::size_t size =
        icmp_.answer_error(now, room, *about, {.reason = reason, .detail = mtu});
    const std::uint32_t host = size != 0 ? destination_host(Bytes(room).first(size)) : 0;
    if (host != 0 && host < next_.size() && next_[host] != nullptr) {
        next_[host]->send(now, Bytes(room).first(size));
    }
}

}  // namespace estab::sim
