#include "ip/icmp.hpp"

namespace estab::ip {
namespace {

bool is_unreachable(wire::IcmpReason reason) {
    switch (reason) {
    case wire::IcmpReason::network_unreachable:
    case wire::IcmpReason::host_unreachable:
    case wire::IcmpReason::protocol_unreachable:
    case wire::IcmpReason::port_unreachable:
    case wire::IcmpReason::prohibited: return true;
    case wire::IcmpReason::too_big:
    case wire::IcmpReason::hop_limit_exceeded:
    case wire::IcmpReason::reassembly_timed_out:
    case wire::IcmpReason::parameter_problem: return false;
    }
    return false;
}

struct Envelope {
    wire::Address source, destination;
    std::size_t message_bytes;
};

std::size_t write_envelope(MutableBytes room, const Envelope& envelope) {
    const bool v4 = envelope.source.is_v4();
    return wire::write_ip(room,
                          {.source = envelope.source,
                           .destination = envelope.destination,
                           .protocol = v4 ? wire::protocol_icmp : wire::protocol_icmpv6,
                           .payload_bytes = static_cast<std::uint32_t>(envelope.message_bytes)});
}

// The parser's header and payload are neighbours in the packet as it came.
Bytes whole(const wire::IpPacket& packet) {
    return {packet.header.data(), packet.header.size() + packet.payload.size()};
}

}  // namespace

IcmpKind classify(wire::IcmpReason reason) {
    switch (reason) {
    case wire::IcmpReason::network_unreachable:
    case wire::IcmpReason::host_unreachable:
    case wire::IcmpReason::hop_limit_exceeded:
    case wire::IcmpReason::reassembly_timed_out:
    case wire::IcmpReason::parameter_problem: return IcmpKind::soft;
    case wire::IcmpReason::protocol_unreachable:
    case wire::IcmpReason::port_unreachable:
    case wire::IcmpReason::prohibited: return IcmpKind::hard;
    case wire::IcmpReason::too_big: return IcmpKind::too_big;
    }
    return IcmpKind::soft;
}

Error to_error(wire::IcmpReason reason) {
    switch (reason) {
    case wire::IcmpReason::network_unreachable: return Error::network_unreachable;
    case wire::IcmpReason::host_unreachable:
    case wire::IcmpReason::prohibited:
    case wire::IcmpReason::hop_limit_exceeded:
    case wire::IcmpReason::reassembly_timed_out: return Error::host_unreachable;
    case wire::IcmpReason::protocol_unreachable:
    case wire::IcmpReason::parameter_problem: return Error::protocol_unreachable;
    case wire::IcmpReason::port_unreachable: return Error::refused;
    case wire::IcmpReason::too_big: return Error::message_too_long;
    }
    return Error::host_unreachable;
}

std::optional<IcmpReport> to_report(const wire::IcmpError& error) {
    if (!error.ports) return std::nullopt;
    if (error.source.is_v4() != error.destination.is_v4()) return std::nullopt;
    const bool too_big = error.reason == wire::IcmpReason::too_big;
    return IcmpReport{.kind = classify(error.reason),
                      .reason = error.reason,
                      .type = error.type,
                      .code = error.code,
                      .mtu = too_big ? error.detail : 0,
                      .protocol = error.protocol,
                      .tuple = {.local = {error.source, error.ports->source},
                                .remote = {error.destination, error.ports->destination}},
                      .seq = error.seq,
                      .inner_ports = error.inner_ports,
                      .inner_seq = error.inner_seq};
}

bool may_answer_with_error(const wire::IpPacket& about, const Routes& routes, bool link_broadcast) {
    if (wire::carries_icmp_error(about)) return false;
    if (about.fragment && about.fragment->offset != 0) return false;
    if (link_broadcast || !routes.is_unicast(about.destination)) return false;
    return routes.is_unicast(about.source) && !about.source.is_loopback();
}

bool RateLimit::take(Instant now) {
    if (limits_.per_second == 0 || limits_.burst == 0) return false;
    const Duration token = Duration{1s} / limits_.per_second;
    const Duration earned = now - last_;
    spent_ = earned >= spent_ ? Duration{} : spent_ - earned;
    last_ = now;
    if (spent_ > token * (limits_.burst - 1)) return false;
    spent_ += token;
    return true;
}

Icmp::Input Icmp::read(const wire::IpPacket& packet) {
    ++counters_.Icmp_InMsgs;
    const auto message = wire::parse_icmp(packet);
    if (!message) {
        ++counters_.Icmp_InErrors;
        return {};
    }
    if (const auto* echo = std::get_if<wire::IcmpEcho>(&*message)) {
        if (!echo->is_request) return {};
        ++counters_.Icmp_InEchos;
        return *echo;
    }
    const auto* error = std::get_if<wire::IcmpError>(&*message);
    if (error == nullptr) return {};
    if (is_unreachable(error->reason)) ++counters_.Icmp_InDestUnreachs;
    // Nothing that we sent says that it came from another family, from nobody or to many.
    if (error->source.is_v4() != packet.source.is_v4() || !routes_.is_local(error->source)) {
        return {};
    }
    const auto report = to_report(*error);
    if (!report) return {};
    return *report;
}

std::size_t Icmp::answer_echo(MutableBytes room, const wire::IpPacket& request,
                              const wire::IcmpEcho& echo) {
    if (!routes_.is_unicast(request.source) || !routes_.is_local(request.destination)) return 0;
    const std::size_t header_bytes = wire::ip_header_bytes(request.source.is_v4());
    const std::size_t message_bytes = wire::icmp_header_bytes + echo.data.size();
    if (room.size() < header_bytes + message_bytes) return 0;
    const wire::Address& us = request.destination;  // RFC 1122 3.2.2.6: the reply's source
    write_envelope(room, {us, request.source, message_bytes});
    wire::IcmpEcho reply = echo;
    reply.is_request = false;
    wire::write_icmp_echo(room.subspan(header_bytes), {us, request.source, reply});
    ++counters_.Icmp_OutMsgs;
    ++counters_.Icmp_OutEchoReps;
    return header_bytes + message_bytes;
}

std::size_t Icmp::answer_error(Instant now, MutableBytes room, const wire::IpPacket& about,
                               const ErrorAnswer& answer) {
    if (!may_answer_with_error(about, routes_, answer.link_broadcast)) return 0;
    const auto us =
        routes_.is_local(about.destination) ? about.destination : routes_.source_for(about.source);
    if (!us) return 0;
    const wire::IcmpErrorWrite error{.source = *us,
                                     .destination = about.source,
                                     .reason = answer.reason,
                                     .detail = answer.detail,
                                     .about = whole(about)};
    const std::size_t header_bytes = wire::ip_header_bytes(us->is_v4());
    const std::size_t message_bytes = wire::icmp_error_bytes(error);
    if (room.size() < header_bytes + message_bytes || !errors_.take(now)) return 0;
    write_envelope(room, {*us, about.source, message_bytes});
    wire::write_icmp_error(room.subspan(header_bytes), error);
    ++counters_.Icmp_OutMsgs;
    if (is_unreachable(answer.reason)) ++counters_.Icmp_OutDestUnreachs;
    return header_bytes + message_bytes;
}

}  // namespace estab::ip
