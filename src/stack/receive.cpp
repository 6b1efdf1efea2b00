// Frames on their way in: link, IP, then whoever the packet is for. Segments of one connection that
// follow each other are merged before TCP sees them, within one call of receive().
#include <algorithm>
#include <cstring>

#include "stack/stack.hpp"
#include "tcp/plant.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ndp.hpp"

namespace estab::stack {

using wire::Flags;

namespace {

constexpr std::uint32_t run_max = 64 * 1024;  // octets of text that are merged

// But for length, identification and checksum, which must be right, both headers are the same.
// Neither has options or extensions.
bool has_same_ip_header(const std::uint8_t* p, const std::uint8_t* was, std::size_t ip_bytes) {
    if (was[0] >> 4 == 6) {
        return ip_bytes == 40 && load_be32(p) == load_be32(was) &&
               load_be16(p + 6) == load_be16(was + 6) && std::memcmp(p + 8, was + 8, 32) == 0;
    }
    if (ip_bytes != 20 || load_be16(p) != load_be16(was) ||
        load_be32(p + 6) != load_be32(was + 6) || load_be64(p + 12) != load_be64(was + 12)) {
        return false;
    }
    wire::Sum sum;
    sum.add_words(p, ip_bytes);
    return sum.is_valid();
}

struct WireSegments {
    std::uint16_t count;
    std::uint32_t size;  // of the largest payload
};
// A device may hand up many wire segments as one frame.
WireSegments wire_segments(const device::Offload& offload, std::size_t payload) {
    const auto octets = static_cast<std::uint32_t>(payload);
    if (offload.gso == device::Gso::none || offload.gso_size == 0 || octets <= offload.gso_size)
        return {1, octets};
    const std::uint32_t count = (octets + offload.gso_size - 1) / offload.gso_size;
    return {static_cast<std::uint16_t>(count), offload.gso_size};
}

}  // namespace

void Stack::receive(Instant now, std::span<const device::Frame> frames) {
    for (const device::Frame& frame : frames) {
        caps_.link == device::LinkType::ip
            ? receive_packet(now, frame, frame.bytes, false, nullptr)
            : receive_frame(now, frame);
    }
    flush_merged(now);
    while (!loop_.empty()) {
        const Bytes packet = loop_.front();
        device::Frame frame{.bytes = packet, .arrived = now, .offload = {}};
        frame.offload.checksum = device::Checksum::verified;  // it has not left us
        is_loop_ = true;
        receive_packet(now, frame, packet, false, nullptr);
        flush_merged(now);
        is_loop_ = false;
        loop_.pop();
    }
}

// Ethernet's.
void Stack::receive_frame(Instant now, const device::Frame& frame) {
    const auto ethernet = wire::EthernetFrame::parse(frame.bytes);
    if (!ethernet) return drop(event::Drop::malformed);
    const bool group = (ethernet->destination.octets[0] & 1) != 0;
    if (!group && ethernet->destination != mac_) return drop(event::Drop::not_ours);
    switch (ethernet->type) {
    case wire::ethertype_arp:
        if (const auto arp = wire::Arp::parse(ethernet->payload)) neighbours_.on_arp(now, *arp);
        return;
    case wire::ethertype_ipv4:
    case wire::ethertype_ipv6:
        return receive_packet(now, frame, ethernet->payload, group, &ethernet->source);
    default: return drop(event::Drop::unsupported);
    }
}

void Stack::receive_packet(Instant now, const device::Frame& frame, Bytes bytes,
                           bool link_broadcast, const wire::Mac* from) {
    ++counters_.Ip_InReceives;
    if (merged_ref_ != none && !link_broadcast && goes_on(frame.offload, bytes)) return;
    const auto packet = wire::IpPacket::parse(bytes);
    if (!packet) {
        ++counters_.Ip_InHdrErrors;
        return drop(event::Drop::malformed);
    }
    if (packet->source_routed) {  // RFC 7126 4.3, 4.4: see decisions/0005
        ++counters_.Estab_TCPSourceRouteDrops;
        return drop(event::Drop::source_route);
    }
    if (!is_loop_ && is_martian(*packet)) {
        ++counters_.Ip_InAddrErrors;
        return drop(event::Drop::bad_source);
    }
    const bool known = is_known_local(packet->destination);
    const bool many =
        !known && (packet->destination.is_multicast() || routes_.is_broadcast(packet->destination));
    if (!many && (link_broadcast || !(known || routes_.is_local(packet->destination)))) {
        ++counters_.Ip_InAddrErrors;
        return drop(event::Drop::not_ours);
    }
    if (!known && !many) {
        last_local_ = packet->destination;
        has_local_ = true;
    }
    if (!packet->fragment) return deliver(now, frame, *packet, from);
    flush_merged(now);
    const auto whole = reassembler_.add(now, *packet);
    if (!whole) return;
    const auto again = wire::IpPacket::parse(*whole);
    if (!again) {
        ++counters_.Ip_InHdrErrors;
        return drop(event::Drop::fragment);
    }
    const device::Frame put_together{.bytes = *whole, .arrived = frame.arrived, .offload = {}};
    deliver(now, put_together, *again, from);
    flush_merged(now);  // the bytes are the reassembler's
}

// From outside nobody speaks with an address of ours, and 127/8 and ::1 never leave a host
// (RFC 1122 3.2.1.3 g). An answer to such a packet would go to ourselves.
bool Stack::is_martian(const wire::IpPacket& packet) const {
    return packet.source.is_loopback() || packet.destination.is_loopback() ||
           routes_.is_own(packet.source);
}

void Stack::deliver(Instant now, const device::Frame& frame, const wire::IpPacket& packet,
                    const wire::Mac* from) {
    ++counters_.Ip_InDelivers;
    if (packet.protocol == wire::protocol_tcp) return receive_tcp(now, frame, packet);
    deliver_other(now, frame, packet, from);
}

void Stack::deliver_other(Instant now, const device::Frame& frame, const wire::IpPacket& packet,
                          const wire::Mac* from) {
    switch (packet.protocol) {
    case wire::protocol_icmp:
    case wire::protocol_icmpv6: return receive_icmp(now, packet, from);
    case wire::protocol_udp:
        if (is_tunnelled(packet)) return receive_tunnelled(now, frame, packet);
        if (udp_.on_packet != nullptr &&
            udp_.on_packet(udp_.packet_context, now, packet, frame.offload))
            return;
        ++counters_.Udp_NoPorts;
        return answer_error(now, packet, wire::IcmpReason::port_unreachable);
    default:
        if (other_.on_packet != nullptr && packet.protocol == other_protocol_ &&
            other_.on_packet(other_.packet_context, now, packet, frame.offload)) {
            return;
        }
        ++counters_.Ip_InUnknownProtos;
        return answer_error(now, packet, wire::IcmpReason::protocol_unreachable);
    }
}

void Stack::receive_icmp(Instant now, const wire::IpPacket& packet, const wire::Mac* from) {
    ++counters_.Icmp_InMsgs;
    if (packet.protocol == wire::protocol_icmpv6 && from != nullptr) {
        if (const auto ndp = wire::parse_ndp(packet)) {
            neighbours_.on_ndp(now, packet, *ndp, *from);
            return;
        }
    }
    const ip::Icmp::Input input = icmp_.read(packet);
    if (const auto* echo = std::get_if<wire::IcmpEcho>(&input)) {
        if (!echo_for_accepted_ && !routes_.is_own(packet.destination)) {
            if (other_.on_packet != nullptr && other_protocol_ == wire::protocol_icmp)
                (void)other_.on_packet(other_.packet_context, now, packet, {});
            return;
        }
        const MutableBytes room = answers_.reserve(packet.payload.size() + 40);
        if (room.empty()) return drop(event::Drop::queue_full);
        if (const std::size_t octets = icmp_.answer_echo(room, packet, *echo))
            answers_.commit(octets);
        return;
    }
    const auto* report = std::get_if<ip::IcmpReport>(&input);
    if (report == nullptr) return;
    if (report->protocol == wire::protocol_tcp) return icmp_to_tcp(now, *report);
    if (report->protocol == wire::protocol_udp && config_.udp_tunnel_port != 0 &&
        report->tuple.local.port == config_.udp_tunnel_port && report->inner_ports)
        return icmp_to_tunnel(now, *report);
    const Handler& h = report->protocol == wire::protocol_udp ? udp_ : other_;
    if (h.on_icmp != nullptr) h.on_icmp(h.icmp_context, now, *report);
}

// About a datagram of ours that carried a segment: nobody but whom it went to can say so.
void Stack::icmp_to_tunnel(Instant now, ip::IcmpReport report) {
    const std::uint16_t through = report.tuple.remote.port;
    report.protocol = wire::protocol_tcp;
    report.tuple.local.port = report.inner_ports->source;
    report.tuple.remote.port = report.inner_ports->destination;
    report.seq = report.inner_seq;
    if (tunnel_of(report.tuple) != through) return drop(event::Drop::icmp_unproven);
    icmp_to_tcp(now, report);
}

// To the connection that caused it (MUST-54), if the quoted number proves that there was a cause.
void Stack::icmp_to_tcp(Instant now, const ip::IcmpReport& report) {
    flush_merged(now);
    const std::uint32_t ref = find_flow(report.tuple);
    if (ref == none || !report.seq) {
        ++counters_.TcpExt_OutOfWindowIcmps;
        return drop(event::Drop::icmp_unproven);
    }
    tcp::IcmpError e{
        .type = report.type, .code = report.code, .seq = *report.seq, .mtu = report.mtu};
    switch (report.kind) {
    case ip::IcmpKind::soft: e.kind = tcp::IcmpError::Kind::soft; break;
    case ip::IcmpKind::hard: e.kind = tcp::IcmpError::Kind::hard; break;
    case ip::IcmpKind::too_big: e.kind = tcp::IcmpError::Kind::too_big; break;
    }
    e.error = ip::to_error(report.reason);
    const std::uint32_t index = Ref::index(ref);
    switch (Ref::kind(ref)) {
    case Kind::connection: {
        Record& r = records_[index];
        tcp::Connection& c = r.connection;
        const std::uint16_t before = c.path_mtu();
        c.on_icmp(environment_, now, e);
        if (c.path_mtu() < before) {
            path_mtus_.learn(now, report.tuple.remote.address, c.path_mtu(), before);
        }
        touch_record(r);
        return;
    }
    case Kind::half_open:
        if ((e.kind == tcp::IcmpError::Kind::hard ||
             (config_.soft_icmp_ends_opening && e.kind == tcp::IcmpError::Kind::soft)) &&
            report.seq->raw == half_open_[index].iss) {
            forget_half_open(index);
        }
        return;
    case Kind::time_wait: return;
    }
}

void Stack::receive_tcp(Instant now, const device::Frame& frame, const wire::IpPacket& packet) {
    ++counters_.Tcp_InSegs;
    const auto view = wire::TcpView::parse(packet.payload);
    if (!view) {
        ++counters_.Tcp_InErrs;
        return drop(event::Drop::malformed);
    }
    if (frame.offload.checksum == device::Checksum::complete &&
        !planted(tcp::Bug::checksum_unchecked) &&
        !view->checksum_is_valid(packet.source, packet.destination)) {  // MUST-3
        ++counters_.Tcp_InErrs;
        ++counters_.Tcp_InCsumErrors;
        return drop(event::Drop::checksum);
    }
    const wire::FourTuple tuple{{packet.destination, view->destination_port()},
                                {packet.source, view->source_port()}};
    if (merged_ref_ != none) {
        if (merge(tuple, *view, packet.ecn, frame.offload)) return;
        flush_merged(now);
    }
    if (last_ref_ == none || last_tuple_ != tuple) {
        last_ref_ = find_flow(tuple);
        last_tuple_ = tuple;
    }
    const std::uint32_t ref = last_ref_;
    if (!tunnels_.empty() && ref != none && came_through_another(tuple)) {
        tcp::Segment stray;
        tcp::Tcb{}.read(*view, packet.ecn, stray);
        answer_reset(tuple, stray);
        if (answer_through_ == 0) answer_through_.reset();
        return;
    }
    if (answer_through_ == 0) answer_through_.reset();
    // MUST-57, MUST-63: TCP is between two hosts. That was asked of a connection's when it began.
    if (ref == none && (!routes_.is_unicast(packet.source) ||
                        !(is_known_local(packet.destination) ||
                          routes_.is_unicast(packet.destination)))) {
        return drop(event::Drop::bad_source);
    }
    if (ref != none && Ref::kind(ref) == Kind::connection) {
        const tcp::Connection& c = records_[Ref::index(ref)].connection;
        if (c.state() == tcp::State::time_wait && view->flags().has(Flags::syn)) {
            tcp::Segment syn;
            tcp::Tcb{}.read(*view, packet.ecn, syn);
            if (reopens_owned(now, Ref::index(ref), syn, packet)) return;
        }
        c.tcb().read(*view, packet.ecn, merged_);
        merged_options_ = view->option_bytes();
        merged_ip_ = packet.header;
        const WireSegments wire = wire_segments(frame.offload, merged_.payload.size());
        merged_.segments = wire.count;
        merged_.segment_size = wire.size;
        counters_.Tcp_InSegs += merged_.segments - 1u;
        // ECE, CWR and AE are the same in all of a run, or it ends.
        const bool plain = !view->flags().has(Flags::syn | Flags::fin | Flags::rst | Flags::urg);
        merged_ref_ = ref;
        merged_arrived_ = frame.arrived;
        if (!plain || merged_.payload.empty() || merged_.options.sack_count != 0 ||
            merged_.options.unknown_count != 0) {
            flush_merged(now);
        }
        return;
    }
    tcp::Segment seg;
    tcp::Tcb{}.read(*view, packet.ecn, seg);
    const std::uint32_t index = Ref::index(ref);
    if (ref == none) return on_listen(now, tuple, seg, packet);
    if (Ref::kind(ref) == Kind::half_open) return on_half_open(now, frame.arrived, index, seg);
    on_time_wait(now, index, seg, tuple, packet);
}

// Does this segment simply go on where the run ends? Never across a change of flags,
// acknowledgment, window, options or ECN; a pure ACK is never merged, because its number counts.
bool Stack::merge(const wire::FourTuple& tuple, const wire::TcpView& view, wire::Ecn ecn,
                  const device::Offload& offload) {
    const Bytes text = view.payload();
    if (merged_ref_ != last_ref_ || tuple != last_tuple_ || text.empty() || merged_.payload.full())
        return false;
    if ((view.flags().bits & ~Flags::psh) != (merged_.flags.bits & ~Flags::psh) ||
        merged_.ecn != ecn)
        return false;
    if (view.seq() != (merged_.seq + merged_.payload.size()).wire() ||
        view.ack() != merged_.ack.wire())
        return false;
    if (merged_.payload.size() + text.size() > run_max || view.window() != merged_.raw_window)
        return false;
    if (!std::ranges::equal(view.option_bytes(), merged_options_)) return false;
    extend(text, view.flags(), offload);
    return true;
}

void Stack::extend(Bytes text, wire::Flags flags, const device::Offload& offload) {
    merged_.payload.add(text);
    merged_.flags.bits |= flags.bits;
    const WireSegments more = wire_segments(offload, text.size());
    merged_.segment_size = std::max(merged_.segment_size, more.size);
    merged_.segments = static_cast<std::uint16_t>(merged_.segments + more.count);
    counters_.Tcp_InSegs += more.count - 1u;
}

// What the way through parse(), is_martian(), deliver() and merge() comes to when a packet's
// headers are, octet by octet, those of the run but for lengths, numbers, checksums and PSH. Most
// packets of a transfer are like that. False, and nothing done: it has to go that way.
bool Stack::goes_on(const device::Offload& offload, Bytes bytes) {
    const std::size_t ip_bytes = merged_ip_.size();
    const std::size_t headers = ip_bytes + 20 + merged_options_.size();
    if (merged_ref_ != last_ref_ || merged_.payload.full() || bytes.size() <= headers) return false;
    const std::uint8_t *p = bytes.data(), *was = merged_ip_.data();
    const std::size_t total =
        p[0] == 0x45 ? std::size_t{load_be16(p + 2)} : 40 + std::size_t{load_be16(p + 4)};
    if (total > bytes.size() || total <= headers || !has_same_ip_header(p, was, ip_bytes))
        return false;
    const Bytes tcp = bytes.subspan(ip_bytes, total - ip_bytes);
    const Bytes text = bytes.subspan(headers, total - headers);
    const std::uint8_t *t = tcp.data(), *t_was = was + ip_bytes;
    constexpr std::uint16_t but_psh = static_cast<std::uint16_t>(~Flags::psh);
    if (load_be32(t) != load_be32(t_was) ||  // ports
        load_be32(t + 4) != (merged_.seq + merged_.payload.size()).wire().raw ||
        load_be32(t + 8) != load_be32(t_was + 8) ||
        ((load_be16(t + 12) ^ load_be16(t_was + 12)) & but_psh) != 0 ||
        load_be16(t + 14) != merged_.raw_window || merged_.payload.size() + text.size() > run_max ||
        std::memcmp(t + 20, merged_options_.data(), merged_options_.size()) != 0) {
        return false;
    }
    if (offload.checksum == device::Checksum::complete) {
        wire::Sum sum;
        const std::size_t addresses = ip_bytes == 20 ? 8 : 32;
        sum.add_words(p + ip_bytes - addresses, addresses);
        sum.add_be16(wire::protocol_tcp);
        sum.add_be32(static_cast<std::uint32_t>(tcp.size()));
        sum.add(tcp);
        if (!sum.is_valid()) return false;
    }
    ++counters_.Ip_InDelivers;
    ++counters_.Tcp_InSegs;
    ++counters_.TcpExt_TCPHPHits;
    extend(text, {static_cast<std::uint16_t>(load_be16(t + 12) & 0x1ff)}, offload);
    return true;
}

void Stack::flush_merged(Instant now) {
    if (merged_ref_ == none) return;
    Record& r = records_[Ref::index(merged_ref_)];
    merged_ref_ = none;
    const std::uint64_t acked = r.connection.tcb().snd.una.value();
    if (merged_.options.malformed) ++counters_.Estab_TCPMalformedOptions;
    counters_.Estab_TCPUnknownOptions += merged_.options.unknown_count;
    const auto refused = [this] {
        return counters_.TcpExt_TCPRcvQDrop + counters_.TcpExt_TCPOFODrop;
    };
    const std::uint64_t refused_before = refused();
    const auto verdict = r.connection.on_segment(environment_, now, merged_arrived_, merged_);
    // There may be room when the peer sends it again.
    if (refused() != refused_before && !memory_.has(Memory::slab_bytes)) make_room();
    if (verdict == tcp::Connection::Verdict::reset) answer_reset(r.connection.tuple(), merged_);
    if (caps_.link == device::LinkType::ethernet && r.connection.tcb().snd.una.value() != acked) {
        const auto hop = routes_.find(r.connection.tuple().remote.address);
        if (hop) neighbours_.confirm(now, hop->next);  // it hears us
    }
    touch_record(r);
}

}  // namespace estab::stack
