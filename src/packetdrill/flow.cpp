// Lines to octets.
#include "packetdrill/flow.hpp"

#include <algorithm>

#include "wire/checksum.hpp"
#include "wire/icmp.hpp"
#include "wire/udp.hpp"

namespace estab::packetdrill {
namespace {

using wire::Flags;
using Octets = std::vector<std::uint8_t>;

class Builder {
public:
    void u8(std::uint32_t v) { out_.push_back(static_cast<std::uint8_t>(v)); }
    void u16(std::uint32_t v) { u8(v >> 8), u8(v); }
    void u24(std::uint32_t v) { u8(v >> 16), u16(v); }
    void u32(std::uint32_t v) { u16(v >> 16), u16(v); }
    void add(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
    void zeros(std::size_t n) { out_.resize(out_.size() + n); }
    Octets& bytes() { return out_; }

private:
    Octets out_;
};

void put16(Octets& bytes, std::size_t at, std::uint16_t value) {
    store_be16(bytes.data() + at, value);
}

std::uint8_t traffic_class(const IpInfo& ip) {
    if (ip.tos) return *ip.tos;
    return static_cast<std::uint8_t>(ip.dscp.value_or(0) << 2 | ip.ecn.value_or(0));
}

// `payload` behind a header of the flow's addresses.
Octets wrap(const IpInfo& info, const wire::Endpoint& from, const wire::Endpoint& to,
            std::uint8_t protocol, Bytes payload) {
    const std::size_t header = wire::ip_header_bytes(from.address.is_v4());
    Octets packet(header + payload.size());
    const std::uint8_t tos = traffic_class(info);
    wire::write_ip(packet, {.source = from.address,
                            .destination = to.address,
                            .protocol = protocol,
                            .hop_limit = info.ttl.value_or(255),
                            .dscp = static_cast<std::uint8_t>(tos >> 2),
                            .ecn = static_cast<wire::Ecn>(tos & 3),
                            .flow_label = info.flow_label.value_or(0),
                            .payload_bytes = static_cast<std::uint32_t>(payload.size())});
    std::copy(payload.begin(), payload.end(), packet.begin() + static_cast<std::ptrdiff_t>(header));
    return packet;
}

std::uint16_t checksum_of(const wire::Address& from, const wire::Address& to, std::uint8_t protocol,
                          Bytes bytes) {
    wire::Sum sum =
        wire::pseudo_header(from, to, protocol, static_cast<std::uint32_t>(bytes.size()));
    sum.add(bytes);
    return sum.checksum();
}

std::uint32_t live_ecr(const Option& ts, const Flow& flow, bool syn, Position at,
                       const Settings& settings) {
    if (ts.second == 0 && !flow.ts_live.contains(0)) return 0;
    const auto found = flow.ts_live.find(ts.second);
    if (found != flow.ts_live.end()) return found->second;
    if (settings.ts_ecr_scaled && flow.ts_script_first) {
        const std::int64_t tick_us = settings.ts_tick != 0s ? to_us(settings.ts_tick) : 1000;
        const std::int64_t steps = std::int64_t{ts.second} - *flow.ts_script_first;
        return static_cast<std::uint32_t>(*flow.ts_live_first + steps * tick_us / 1000);
    }
    // Of a SYN it is whatever the script says: an echo that is none, to see what comes of it.
    if (syn) return ts.second;
    throw ScriptError(
        at, "ecr " + std::to_string(ts.second) + " is the echo of no TS val that came out before");
}

Octets make_tcp(const TcpLine& tcp, Position at, const Flow& flow, const Settings& settings) {
    const bool syn = (tcp.flags & Flags::syn) != 0;
    const Octets options = option_bytes(tcp.options, flow, true, at, settings, syn);
    Builder b;
    b.u16(flow.tuple.remote.port);
    b.u16(flow.tuple.local.port);
    b.u32(flow.theirs.to_live(tcp.seq, syn));
    const bool has_ack = tcp.ack.has_value();
    b.u32(has_ack ? flow.ours.to_live(*tcp.ack, syn) : 0);
    b.u16(static_cast<std::uint32_t>((20 + options.size()) / 4) << 12 | tcp.flags);
    b.u16(tcp.window.value_or(0));
    b.u16(0);
    b.u16(tcp.urgent.value_or(0));
    b.add(options);
    b.zeros(tcp.length);
    const wire::Address &from = flow.tuple.remote.address, &to = flow.tuple.local.address;
    put16(b.bytes(), 16, checksum_of(from, to, wire::protocol_tcp, b.bytes()));
    return b.bytes();
}

// What an error quotes: the header of a packet of ours, and eight octets with ports and number.
Octets quote(const IcmpLine& icmp, const Flow& flow) {
    Builder b;
    if (icmp.udp) {
        b.u16(icmp.udp->source);
        b.u16(icmp.udp->destination);
        b.u16(icmp.length + 28);
        b.u16(0);
    }
    b.u16(flow.tuple.local.port);
    b.u16(flow.tuple.remote.port);
    std::uint8_t protocol = icmp.udp ? wire::protocol_udp : wire::protocol_tcp;
    if (icmp.quotes == IcmpLine::Quotes::udp) {
        protocol = wire::protocol_udp;
        b.u16(icmp.length + 8);
        b.u16(0);
    } else {
        b.u32(flow.ours.to_live(icmp.seq, false));
    }
    const std::uint32_t behind =
        icmp.length + (icmp.udp ? 28 : protocol == wire::protocol_tcp ? 20 : 8);
    Octets packet = wrap({}, flow.tuple.local, flow.tuple.remote, protocol, b.bytes());
    const bool v4 = flow.tuple.local.address.is_v4();
    if (v4) {  // the length of what was sent, not of what is quoted
        put16(packet, 2, static_cast<std::uint16_t>(20 + behind));
        put16(packet, 10, 0);
        put16(packet, 10, wire::checksum(Bytes(packet).first(20)));
    } else {
        put16(packet, 4, static_cast<std::uint16_t>(behind));
    }
    return packet;
}

Octets make_icmp(const IcmpLine& icmp, const Flow& flow) {
    const bool v4 = flow.tuple.local.address.is_v4();
    std::uint8_t type = icmp.type, code = icmp.code;
    if (!v4) {  // the names are IPv4's
        switch (icmp.type) {
        case 3: type = 1; break;
        case 102: type = 2; break;
        case 11: type = 3; break;
        case 12: type = 4; break;
        default: break;
        }
        if (type == 1 && code == 3) code = 4;  // port_unreachable
    }
    // Without brackets an error is about the first segment.
    const bool is_query = v4 ? type == 0 || type == 8 : type >= 128;
    const bool quotes_a_packet = icmp.quotes != IcmpLine::Quotes::nothing || !is_query;
    Builder b;
    b.u8(type);
    b.u8(code);
    b.u16(0);
    if (v4) {
        b.u16(icmp.id.value_or(0));
        b.u16(icmp.mtu.value_or(0));
    } else {
        b.u32(icmp.mtu.value_or(0));
    }
    if (quotes_a_packet) b.add(quote(icmp, flow));
    const wire::Address &from = flow.tuple.remote.address, &to = flow.tuple.local.address;
    put16(b.bytes(), 2,
          v4 ? wire::checksum(b.bytes()) : checksum_of(from, to, wire::protocol_icmpv6, b.bytes()));
    return b.bytes();
}

Octets make_datagram(Ports ports, Bytes text, const Flow& flow) {
    Builder b;
    b.u16(ports.source);
    b.u16(ports.destination);
    b.u16(static_cast<std::uint32_t>(text.size()) + 8);
    b.u16(0);
    b.add(text);
    put16(b.bytes(), 6,
          checksum_of(flow.tuple.remote.address, flow.tuple.local.address, wire::protocol_udp,
                      b.bytes()));
    return b.bytes();
}

Octets make_udp(const UdpLine& udp, const Flow& flow) {
    Builder b;
    b.u16(flow.tuple.remote.port);
    b.u16(flow.tuple.local.port);
    b.u16(udp.length + 8);
    b.u16(0);
    b.zeros(udp.length);
    put16(b.bytes(), 6,
          checksum_of(flow.tuple.remote.address, flow.tuple.local.address, wire::protocol_udp,
                      b.bytes()));
    return b.bytes();
}

}  // namespace

Octets option_bytes(const std::vector<Option>& options, const Flow& flow, bool inbound, Position at,
                    const Settings& settings, bool syn) {
    using Kind = Option::Kind;
    Builder b;
    const auto head = [&b](std::uint32_t kind, std::size_t length) {
        b.u8(kind);
        b.u8(static_cast<std::uint32_t>(length));
    };
    for (const Option& o : options) {
        switch (o.kind) {
        case Kind::eol: b.u8(0); break;
        case Kind::nop: b.u8(1); break;
        case Kind::mss:
            head(2, 4);
            b.u16(o.value);
            break;
        case Kind::wscale:
            head(3, 3);
            b.u8(o.value);
            break;
        case Kind::sack_ok: head(4, 2); break;
        case Kind::sack:
            head(5, 2 + 8 * o.ranges.size());
            for (const Range& r : o.ranges) {
                const Numbers& of = inbound ? flow.ours : flow.theirs;
                b.u32(of.to_live(r.begin, false));
                b.u32(of.to_live(r.end, false));
            }
            break;
        case Kind::ts:
            head(8, 10);
            b.u32(o.value);
            b.u32(inbound ? live_ecr(o, flow, syn, at, settings) : o.second);
            break;
        case Kind::md5:
            head(19, 2 + std::max<std::size_t>(o.bytes.size(), 16));
            b.add(o.bytes);
            if (o.bytes.size() < 16) b.zeros(16 - o.bytes.size());
            break;
        case Kind::fast_open:
            head(34, 2 + o.bytes.size());
            b.add(o.bytes);
            break;
        case Kind::fast_open_exp:
            head(254, 4 + o.bytes.size());
            b.u16(0xf989);
            b.add(o.bytes);
            break;
        case Kind::acc_ecn0:
        case Kind::acc_ecn1:
            head(o.kind == Kind::acc_ecn0 ? 172 : 174, 2 + 3 * o.counts.size());
            for (const std::uint32_t count : o.counts) b.u24(count);
            break;
        }
    }
    if (b.bytes().size() % 4 != 0 || b.bytes().size() > 40) {
        throw ScriptError(at,
                          "the options take " + std::to_string(b.bytes().size()) +
                              " octets: pad them with nop or eol to a multiple of 4, at most 40");
    }
    return b.bytes();
}

Octets make_packet(const Packet& line, Position at, const Flow& flow, const Settings& settings) {
    const bool v4 = flow.tuple.local.address.is_v4();
    Octets inner;
    std::uint8_t protocol = wire::protocol_tcp;
    if (const auto* tcp = std::get_if<TcpLine>(&line.layer)) {
        inner = make_tcp(*tcp, at, flow, settings);
        if (tcp->udp) {
            protocol = wire::protocol_udp;
            inner = make_datagram(*tcp->udp, inner, flow);
        }
    } else if (const auto* udp = std::get_if<UdpLine>(&line.layer)) {
        protocol = wire::protocol_udp;
        inner = make_udp(*udp, flow);
    } else {
        protocol = v4 ? wire::protocol_icmp : wire::protocol_icmpv6;
        inner = make_icmp(std::get<IcmpLine>(line.layer), flow);
    }
    return wrap(line.ip, flow.tuple.remote, flow.tuple.local, protocol, inner);
}

}  // namespace estab::packetdrill
