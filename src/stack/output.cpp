// Frames on their way out: what has no connection first, then each connection that may speak, in
// turn.
#include <algorithm>

#include "stack/stack.hpp"
#include "tcp/plant.hpp"
#include "wire/ethernet.hpp"
#include "wire/udp.hpp"

namespace estab::stack {
namespace {

constexpr std::uint64_t quantum = 64 * 1024;  // octets that a connection may send in its turn
constexpr std::uint32_t apart_min = 8 * 1024;  // less is copied sooner than gathered
static_assert(tcp::Payload::pieces_max <= device::tail_pieces_max);

}  // namespace

bool Stack::has_output() const {
    if (speak_.head != none || !answers_.empty()) return true;
    return caps_.link == device::LinkType::ethernet &&
           const_cast<Stack*>(this)->neighbours_.next_bytes() != 0;
}

std::size_t Stack::write_next(Instant now, MutableBytes room, device::Offload& offload,
                              Tail* tail) {
    for (;;) {
        offload = {};
        if (caps_.link == device::LinkType::ethernet) {
            if (const std::size_t octets = neighbours_.next_bytes();
                octets != 0 && octets <= room.size()) {
                offload = neighbours_.write_next(room);
                return octets;
            }
        }
        const bool is_answer = !answers_.empty();
        const std::size_t octets = is_answer ? write_answer(now, room, offload)
                                             : write_connection(now, room, offload, tail);
        if (octets != 0) return octets;
        if (is_answer) continue;  // it went another way
        const std::size_t owed =
            caps_.link == device::LinkType::ethernet ? neighbours_.next_bytes() : 0;
        if (owed == 0 || owed > room.size()) return 0;
    }
}

std::size_t Stack::write_answer(Instant now, MutableBytes room, device::Offload& offload) {
    const Bytes packet = answers_.front();
    std::size_t written = 0;
    if (packet.size() <= caps_.mtu && packet.size() + link_bytes_ <= room.size()) {
        std::copy(packet.begin(), packet.end(),
                  room.begin() + static_cast<std::ptrdiff_t>(link_bytes_));
        const bool v4 = packet[0] >> 4 == 4;
        const auto from = v4 ? wire::Address::from_v4(packet.data() + 12)
                             : wire::Address::from_v6(packet.data() + 8);
        const auto to = v4 ? wire::Address::from_v4(packet.data() + 16)
                           : wire::Address::from_v6(packet.data() + 24);
        written = finish_frame(now, room, packet.size(),
                               {.from = from, .to = to, .home = routes_.is_own(to)}, offload);
    } else {
        ++counters_.Ip_OutDiscards;  // larger than the link carries; we do not fragment
    }
    answers_.pop();
    return written;
}

// Round robin by octets: whoever has said its share goes to the end of the line.
std::size_t Stack::write_connection(Instant now, MutableBytes room, device::Offload& offload,
                                    Tail* tail) {
    while (!burst_.is_done() || speak_.head != none) {
        if (!burst_.is_done()) {
            if (const std::size_t octets = write_burst(now, room); octets != 0) return octets;
            continue;
        }
        Record& r = records_[speak_.head];
        if (r.connection.is_silent()) {
            r.connection.on_silence(environment_, now);
            end_turn(now, r);
            continue;
        }
        const wire::FourTuple& tuple = r.connection.tuple();
        const bool v4 = tuple.remote.address.is_v4();
        const bool home = routes_.is_own(tuple.remote.address);
        // What goes to ourselves waits for the next receive(); when that queue is full, so do we.
        if (home && loop_.reserve(caps_.mtu).empty()) return 0;
        const bool tunnelled = !tunnels_.empty() && tunnel_of(tuple) != 0;
        const bool gso = !home && !tunnelled && (v4 ? caps_.tso4 : caps_.tso6);
        // Many wire segments at once also for a device that cannot cut: Burst does it.
        const bool cut =
            !gso && !home && !tunnelled && r.connection.path_mtu() <= caps_.mtu;
        const std::size_t ip_max = gso   ? std::min<std::size_t>(room.size() - link_bytes_, 65'535)
                                   : cut ? 65'535
                                         : caps_.mtu;
        const tcp::Room space{
            .segment_max = static_cast<std::uint32_t>(
                ip_max - wire::ip_header_bytes(v4) - (tunnelled ? wire::udp_header_bytes : 0)),
            .gso = gso || cut};
        tcp::Segment& seg = burst_.segment();
        if (!r.connection.next_segment(environment_, now, space, seg)) {
            end_turn(now, r);
            continue;
        }
        if (cut && seg.gso_size != 0) {
            burst_.begin(
                {.tuple = tuple, .owner = r.connection.id(), .order = config_.option_order});
            counters_.Tcp_OutSegs += seg.segments;
            take_turn(r, seg.payload.size());
            continue;
        }
        const std::size_t octets =
            write_segment(now, room, {tuple, seg, home}, offload, tail);
        if (r.connection.is_silent()) {
            r.connection.on_silence(environment_, now);
            end_turn(now, r);
        } else {
            take_turn(r, octets);
        }
        if (octets != 0) return octets;
    }
    return 0;
}

// It has said all that it had to say.
void Stack::end_turn(Instant now, Record& r) {
    remove<&Record::speak>(speak_, r);
    quantum_left_ = quantum;
    settle(now, r);
}

void Stack::take_turn(Record& r, std::size_t octets) {
    if (octets < quantum_left_) {
        quantum_left_ -= octets;
        return;
    }
    quantum_left_ = quantum;
    if (speak_.head == speak_.tail) return;
    remove<&Record::speak>(speak_, r);
    push<&Record::speak>(speak_, r);
}

// The next frame of the burst. 0: it went another way, or what was left need not go any more.
std::size_t Stack::write_burst(Instant now, MutableBytes room) {
    // Since its last frame an acknowledgment may have come, or the end of the connection.
    const tcp::Connection& c = records_[burst_.owner()].connection;
    if (c.state() == tcp::State::closed) burst_.cancel();
    burst_.skip_to(c.tcb().snd.una);
    if (burst_.is_done()) return 0;
    const wire::Address &from = c.tuple().local.address, &to = c.tuple().remote.address;
    const std::uint16_t id = identification_.next(from, to, wire::protocol_tcp,
                                                  burst_.segment().dont_fragment);
    const std::size_t octets = burst_.write(room.subspan(link_bytes_), id);
    return finish_frame(now, room, octets, {.from = from, .to = to, .home = false}, {});
}

std::size_t Stack::write_segment(Instant now, MutableBytes room, const Outgoing& what,
                                 device::Offload& offload, Tail* tail) {
    const wire::FourTuple& tuple = what.tuple;
    const tcp::Segment& seg = what.segment;
    const bool v4 = tuple.remote.address.is_v4();
    const std::size_t ip_bytes = wire::ip_header_bytes(v4);
    const wire::TcpFields fields{.source_port = tuple.local.port,
                                 .destination_port = tuple.remote.port,
                                 .seq = seg.seq.wire(),
                                 .ack = seg.has(wire::Flags::ack) ? seg.ack.wire() : wire::SeqNum{},
                                 .flags = seg.flags,
                                 .window = seg.window_field,
                                 .urgent = seg.urgent};
    const std::uint16_t port = tunnels_.empty() ? std::uint16_t{0} : tunnel_of(tuple);
    const std::size_t outer_bytes = ip_bytes + (port != 0 ? wire::udp_header_bytes : 0);
    const bool partial = caps_.checksum && port == 0;
    // A frame that may have to wait for its neighbour's address is kept whole.
    const bool apart = tail != nullptr && !what.home && partial &&
                       caps_.link == device::LinkType::ip && seg.payload.size() >= apart_min;
    if (apart) *tail = seg.payload.pieces();
    const MutableBytes body = room.subspan(link_bytes_ + outer_bytes);
    std::size_t tcp_bytes =
        wire::write_tcp(body, fields, seg.options,
                        {.source = tuple.local.address,
                         .destination = tuple.remote.address,
                         .payload = seg.payload.pieces(),
                         .order = config_.option_order,
                         .partial_checksum = partial,
                         .payload_apart = apart});
    if (port != 0) {
        tcp_bytes += wire::udp_header_bytes;
        write_tunnel(room.subspan(link_bytes_ + ip_bytes, tcp_bytes), tuple, port);
    }
    wire::write_ip(room.subspan(link_bytes_),
                   {.source = tuple.local.address,
                    .destination = tuple.remote.address,
                    .protocol = port != 0 ? wire::protocol_udp : wire::protocol_tcp,
                    .hop_limit = seg.hop_limit,
                    .dscp = seg.dscp,
                    .ecn = seg.ecn,
                    .dont_fragment = seg.dont_fragment,
                    .id = identification_.next(tuple.local.address, tuple.remote.address,
                                               wire::protocol_tcp, seg.dont_fragment),
                    .flow_label = 0,
                    .payload_bytes = static_cast<std::uint32_t>(tcp_bytes)});
    counters_.Tcp_OutSegs += seg.segments;
    if (partial) {
        offload.checksum = device::Checksum::partial;
        offload.checksum_start = static_cast<std::uint16_t>(link_bytes_ + ip_bytes);
        offload.checksum_offset = 16;
        offload.header_length =
            static_cast<std::uint16_t>(link_bytes_ + ip_bytes + tcp_bytes - seg.payload.size());
        if (seg.gso_size != 0) {
            offload.gso = v4 ? device::Gso::tcp4 : device::Gso::tcp6;
            offload.gso_size = seg.gso_size;
        }
    }
    return finish_frame(
        now, room, ip_bytes + tcp_bytes,
        {.from = tuple.local.address, .to = tuple.remote.address, .home = what.home}, offload);
}

// The IP packet is in place; now whom to give it to. 0: it went another way than into `room`.
std::size_t Stack::finish_frame(Instant now, MutableBytes room, std::size_t ip_bytes,
                                const Way& way, const device::Offload& offload) {
    ++counters_.Ip_OutRequests;
    if (way.home) {  // in again by the next receive()
        const MutableBytes copy = loop_.reserve(ip_bytes);
        if (copy.empty()) {
            ++counters_.Ip_OutDiscards;
            return 0;
        }
        std::copy_n(room.begin() + static_cast<std::ptrdiff_t>(link_bytes_), ip_bytes,
                    copy.begin());
        loop_.commit(ip_bytes);
        return 0;
    }
    if (caps_.link == device::LinkType::ip) return ip_bytes;
    return address_frame(now, room, ip_bytes, way, offload);
}

// Ethernet: in the frame's header is who is next on the way.
std::size_t Stack::address_frame(Instant now, MutableBytes room, std::size_t ip_bytes,
                                 const Way& way, const device::Offload& offload) {
    const auto hop = routes_.find(way.to);
    if (!hop) {
        ++counters_.Ip_OutNoRoutes;
        return 0;
    }
    const std::uint16_t type = way.to.is_v4() ? wire::ethertype_ipv4 : wire::ethertype_ipv6;
    const auto mac = neighbours_.find(now, hop->next);
    wire::write_ethernet(room,
                         {.destination = mac.value_or(wire::Mac{}), .source = mac_, .type = type});
    const std::size_t octets = ip_bytes + link_bytes_;
    if (mac) return octets;
    if (!neighbours_.hold(now, {.next_hop = hop->next, .source = way.from,
                                .frame = room.first(octets), .offload = offload})) {
        ++counters_.Ip_OutDiscards;
    }
    return 0;
}

// A segment of those who have no connection, as a packet that waits for room.
bool Stack::answer(const wire::FourTuple& tuple, const tcp::Segment& seg) {
    const bool v4 = tuple.remote.address.is_v4();
    const std::size_t ip_bytes = wire::ip_header_bytes(v4);
    const std::uint16_t port = tunnel_of(tuple);
    const std::size_t outer_bytes = ip_bytes + (port != 0 ? wire::udp_header_bytes : 0);
    const MutableBytes room = answers_.reserve(outer_bytes + 60);
    if (room.empty()) {
        drop(event::Drop::queue_full);
        return false;
    }
    const wire::TcpFields fields{.source_port = tuple.local.port,
                                 .destination_port = tuple.remote.port,
                                 .seq = seg.seq.wire(),
                                 .ack = seg.has(wire::Flags::ack) ? seg.ack.wire() : wire::SeqNum{},
                                 .flags = seg.flags,
                                 .window = seg.window_field,
                                 .urgent = 0};
    std::size_t tcp_bytes = wire::write_tcp(
        room.subspan(outer_bytes), fields, seg.options,
        {.source = tuple.local.address, .destination = tuple.remote.address, .payload = {},
         .order = config_.option_order, .partial_checksum = false});
    if (port != 0) {
        tcp_bytes += wire::udp_header_bytes;
        write_tunnel(room.subspan(ip_bytes, tcp_bytes), tuple, port);
    }
    wire::write_ip(room, {.source = tuple.local.address,
                          .destination = tuple.remote.address,
                          .protocol = port != 0 ? wire::protocol_udp : wire::protocol_tcp,
                          .hop_limit = seg.hop_limit,  // MUST-49
                          .dscp = seg.dscp,            // MUST-48
                          .ecn = wire::Ecn::not_ect,
                          .dont_fragment = true,
                          .id = 0,
                          .flow_label = 0,
                          .payload_bytes = static_cast<std::uint32_t>(tcp_bytes)});
    answers_.commit(ip_bytes + tcp_bytes);
    ++counters_.Tcp_OutSegs;
    return true;
}

void Stack::answer_reset(const wire::FourTuple& tuple, const tcp::Segment& in) {
    if (planted(tcp::Bug::closed_silent)) return;
    tcp::Segment out;
    out.hop_limit = config_.hop_limit;
    out.dscp = config_.dscp;
    if (!tcp::answer_reset(in, out)) return;
    ++counters_.Tcp_OutRsts;
    log_.count(event::Kind::reset_sent);
    if (!answer(tuple, out)) ++counters_.TcpExt_TCPAbortFailed;
}

void Stack::answer_error(Instant now, const wire::IpPacket& about, wire::IcmpReason reason) {
    const std::size_t most = about.source.is_v4() ? 576 : 1280;
    const MutableBytes room = answers_.reserve(most);
    if (room.empty()) return drop(event::Drop::queue_full);
    const std::size_t octets = icmp_.answer_error(now, room, about, {.reason = reason});
    if (octets != 0) answers_.commit(octets);
}

}  // namespace estab::stack
