// TCP in UDP, as FreeBSD speaks it: a segment is the text of a datagram between our port for such
// (Config::udp_tunnel_port) and one of the peer's. A connection is heard through the port by which
// it was opened, and by no other.
#include <algorithm>

#include "stack/stack.hpp"
#include "wire/udp.hpp"

namespace estab::stack {
namespace {

constexpr std::size_t tunnels_max = 4096;  // policy when full: what would be one more is dropped

bool is_before(const wire::FourTuple& a, const wire::FourTuple& b) {
    const auto key = [](const wire::FourTuple& t) {
        return std::tie(t.remote.address.octets(), t.remote.port, t.local.port,
                        t.local.address.octets());
    };
    return key(a) < key(b);
}

}  // namespace

bool Stack::is_tunnelled(const wire::IpPacket& packet) const {
    if (config_.udp_tunnel_port == 0) return false;
    const auto udp = wire::UdpView::parse(packet.payload);
    return udp && udp->destination_port() == config_.udp_tunnel_port;
}

void Stack::receive_tunnelled(Instant now, const device::Frame& frame,
                              const wire::IpPacket& packet) {
    const auto udp = wire::UdpView::parse(packet.payload);
    const bool known = frame.offload.checksum != device::Checksum::complete;
    if (!known && !udp->checksum_is_valid(packet.source, packet.destination)) {
        ++counters_.Udp_InErrors;
        return drop(event::Drop::checksum);
    }
    ++counters_.Udp_InDatagrams;
    flush_merged(now);
    wire::IpPacket inner = packet;
    inner.protocol = wire::protocol_tcp;
    inner.payload = udp->payload();
    device::Frame segment = frame;
    segment.offload = {};
    segment.offload.checksum = device::Checksum::verified;  // the datagram's covers it
    answer_through_ = udp->source_port();
    receive_tcp(now, segment, inner);
    flush_merged(now);
    answer_through_.reset();
}

std::uint16_t Stack::find_tunnel(const wire::FourTuple& tuple) const {
    if (answer_through_) return *answer_through_;
    const auto at = std::lower_bound(
        tunnels_.begin(), tunnels_.end(), tuple,
        [](const Tunnel& t, const wire::FourTuple& key) { return is_before(t.tuple, key); });
    return at != tunnels_.end() && at->tuple == tuple ? at->port : std::uint16_t{0};
}

std::uint16_t Stack::udp_port(ConnectionId id) const {
    const tcp::Connection* c = find(id);
    return c != nullptr ? tunnel_of(c->tuple()) : std::uint16_t{0};
}

// What came may concern a connection that is spoken to in another way.
bool Stack::came_through_another(const wire::FourTuple& tuple) {
    const std::uint16_t port = answer_through_.value_or(0);
    answer_through_.reset();
    const bool another = tunnel_of(tuple) != port;
    answer_through_ = port;
    return another;
}

bool Stack::keep_tunnel(const wire::FourTuple& tuple) {
    const std::uint16_t port = answer_through_.value_or(0);
    if (port == 0) return true;
    const auto at = std::lower_bound(
        tunnels_.begin(), tunnels_.end(), tuple,
        [](const Tunnel& t, const wire::FourTuple& key) { return is_before(t.tuple, key); });
    if (at != tunnels_.end() && at->tuple == tuple) {
        at->port = port;
        return true;
    }
    if (tunnels_.size() == tunnels_max) return false;
    tunnels_.insert(at, {tuple, port});
    return true;
}

void Stack::forget_tunnel(const wire::FourTuple& tuple) {
    std::erase_if(tunnels_, [&](const Tunnel& t) { return t.tuple == tuple; });
}

std::uint32_t Stack::mtu_for(const wire::FourTuple& tuple) const {
    constexpr auto header = static_cast<std::uint32_t>(wire::udp_header_bytes);
    return caps_.mtu - (tunnel_of(tuple) != 0 ? header : 0);
}

// `room` begins with the place for the header, and the segment is behind it.
void Stack::write_tunnel(MutableBytes room, const wire::FourTuple& tuple,
                         std::uint16_t port) const {
    store_be16(room.data(), config_.udp_tunnel_port);
    store_be16(room.data() + 2, port);
    store_be16(room.data() + 4, static_cast<std::uint16_t>(room.size()));
    store_be16(room.data() + 6, 0);
    wire::Sum sum = wire::pseudo_header(tuple.local.address, tuple.remote.address,
                                        wire::protocol_udp,
                                        static_cast<std::uint32_t>(room.size()));
    sum.add(room);
    const std::uint16_t checksum = sum.checksum();
    store_be16(room.data() + 6, checksum != 0 ? checksum : 0xffff);
}

}  // namespace estab::stack
