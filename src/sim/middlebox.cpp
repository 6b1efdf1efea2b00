#include "sim/middlebox.hpp"

#include <algorithm>
#include <optional>

#include "wire/checksum.hpp"

namespace estab::sim {
namespace {

constexpr std::uint8_t option_end = 0, option_nop = 1, option_mss = 2, option_scale = 3,
                       option_sack_ok = 4, option_sack = 5, option_timestamps = 8;

std::optional<wire::FourTuple> flow_of(const wire::IpPacket& packet) {
    const bool has_ports = packet.protocol == wire::protocol_tcp && packet.payload.size() >= 20;
    if (!has_ports || packet.fragment) return {};
    return wire::FourTuple{.local = {packet.source, load_be16(packet.payload.data())},
                           .remote = {packet.destination, load_be16(packet.payload.data() + 2)}};
}

wire::FourTuple turned(const wire::FourTuple& flow) {
    return {.local = flow.remote, .remote = flow.local};
}

bool is_v4(Bytes packet) { return packet[0] >> 4 == 4; }

}  // namespace

Middlebox::Middlebox(const Settings& settings, std::uint64_t seed, std::uint32_t mtu)
    : settings_(settings), key_{.k0 = seed, .k1 = ~seed}, mtu_(mtu) {}

std::span<const device::Frame> Middlebox::pass(Instant now, std::span<const device::Frame> frames,
                                               bool from_inside) {
    out_.clear();
    for (const device::Frame& frame : frames) {
        Segment segment;
        if (!take(now, frame, from_inside, segment)) continue;
        if (settings_.merge && !out_.empty() && merge_into(out_.back(), segment)) continue;
        emit(std::move(segment));
    }
    frames_.clear();
    for (Segment& segment : out_) {
        finish(segment);
        frames_.push_back({.bytes = segment.bytes, .arrived = segment.arrived, .offload = {}});
    }
    return frames_;
}

// False: it goes no further.
bool Middlebox::take(Instant now, const device::Frame& frame, bool from_inside, Segment& out) {
    out.bytes.assign(frame.bytes.begin(), frame.bytes.end());
    out.arrived = frame.arrived;
    const auto packet = wire::IpPacket::parse(out.bytes);
    if (!packet) return true;  // somebody else's worry
    const bool is_icmp = packet->protocol == wire::protocol_icmp ||
                         packet->protocol == wire::protocol_icmpv6;
    if (settings_.drop_icmp && is_icmp) {
        ++counters_.dropped_icmp;
        return false;
    }
    if (settings_.forget_after > Duration{} && is_forgotten(now, *packet, from_inside)) {
        ++counters_.dropped_forgotten;
        return false;
    }
    if (!flow_of(*packet)) return true;
    const auto tcp = wire::TcpView::parse(packet->payload);
    // What is damaged stays so: a right checksum would hide it.
    if (!tcp || !tcp->checksum_is_valid(packet->source, packet->destination)) return true;
    out.is_tcp = true;
    out.tcp = static_cast<std::size_t>(packet->payload.data() - out.bytes.data());
    out.text = out.tcp + tcp->header_bytes();
    out.bytes.resize(out.tcp + packet->payload.size());
    touch(out, *packet);
    return true;
}

bool Middlebox::is_forgotten(Instant now, const wire::IpPacket& packet, bool from_inside) {
    const auto flow = flow_of(packet);
    if (!flow) return false;
    if (from_inside) {
        if (heard_.size() >= flows_max) heard_.clear();
        heard_[*flow] = now;
        return false;
    }
    const bool opens = (packet.payload[13] & 0x02) != 0;  // a SYN is let in: no firewall
    const auto known = heard_.find(turned(*flow));
    if (known != heard_.end() && now - known->second <= settings_.forget_after) {
        known->second = now;
        return false;
    }
    if (opens && heard_.size() < flows_max) heard_[turned(*flow)] = now;
    return !opens;
}

std::uint32_t Middlebox::offset_of(const wire::FourTuple& flow) const {
    std::array<std::uint8_t, 36> key{};
    const auto put = [&key](std::size_t at, const wire::Endpoint& end) {
        const auto& octets = end.address.octets();
        std::copy(octets.begin(), octets.end(), key.begin() + static_cast<std::ptrdiff_t>(at));
        store_be16(&key[at + 16], end.port);
    };
    put(0, flow.local);
    put(18, flow.remote);
    return static_cast<std::uint32_t>(siphash_1_3(key_, key));
}

void Middlebox::touch(Segment& segment, const wire::IpPacket& packet) {
    std::uint8_t* ip = segment.bytes.data();
    std::uint8_t* tcp = ip + segment.tcp;
    if (settings_.bleach_ecn) {
        ip[1] = is_v4(segment.bytes) ? static_cast<std::uint8_t>(ip[1] & ~3)
                                     : static_cast<std::uint8_t>(ip[1] & ~0x30);
    }
    std::uint32_t to_heard = 0;  // what this end hears of the other's numbers is so much higher
    if (settings_.rewrite_numbers) {
        const auto flow = *flow_of(packet);
        const std::uint32_t own = offset_of(flow);
        to_heard = offset_of(turned(flow));
        store_be32(tcp + 4, load_be32(tcp + 4) + own);
        if ((tcp[13] & 0x10) != 0) store_be32(tcp + 8, load_be32(tcp + 8) - to_heard);
        ++counters_.rewritten;
    }
    const std::uint16_t window = load_be16(tcp + 14);
    if (settings_.window_max != 0 && window > settings_.window_max) {
        store_be16(tcp + 14, settings_.window_max);
    }
    touch_options(segment, (tcp[13] & 0x02) != 0, to_heard);
}

void Middlebox::touch_options(Segment& segment, bool is_syn, std::uint32_t sack_offset) {
    std::uint8_t* options = segment.bytes.data() + segment.tcp + 20;
    const std::size_t size = segment.text - segment.tcp - 20;
    for (std::size_t at = 0; at < size && options[at] != option_end;) {
        const std::uint8_t kind = options[at];
        if (kind == option_nop) {
            ++at;
            continue;
        }
        if (at + 1 >= size) return;
        const std::size_t length = options[at + 1];
        if (length < 2 || at + length > size) return;
        const bool is_stripped = is_syn && ((kind == option_sack_ok && settings_.strip_sack) ||
                                            (kind == option_scale && settings_.strip_scaling) ||
                                            (kind == option_timestamps &&
                                             settings_.strip_timestamps));
        if (is_stripped) std::fill_n(options + at, length, option_nop);
        if (kind == option_mss && length == 4 && settings_.mss_max != 0) {
            store_be16(options + at + 2,
                       std::min(load_be16(options + at + 2), settings_.mss_max));
        }
        if (kind == option_sack) {
            for (std::size_t i = at + 2; i + 4 <= at + length; i += 4) {
                store_be32(options + i, load_be32(options + i) - sack_offset);
            }
        }
        at += length;
    }
}

// A bigger segment in two, FIN and PSH on the second.
void Middlebox::emit(Segment&& segment) {
    const std::size_t text = segment.bytes.size() - segment.text;
    const std::uint8_t flags = segment.is_tcp ? segment.bytes[segment.tcp + 13] : 0;
    const bool is_plain = segment.is_tcp && (flags & 0x26) == 0;  // no SYN, RST or URG
    if (settings_.split_over == 0 || !is_plain || text <= settings_.split_over) {
        out_.push_back(std::move(segment));
        return;
    }
    ++counters_.split;
    Segment second = segment;
    const std::size_t half = text / 2;
    const auto from = second.bytes.begin() + static_cast<std::ptrdiff_t>(second.text);
    second.bytes.erase(from, from + static_cast<std::ptrdiff_t>(half));
    std::uint8_t* tcp = second.bytes.data() + second.tcp;
    store_be32(tcp + 4, load_be32(tcp + 4) + static_cast<std::uint32_t>(half));
    tcp[13] &= 0x7f;  // CWR is said once
    segment.bytes.resize(segment.text + half);
    segment.bytes[segment.tcp + 13] &= 0xf6;
    out_.push_back(std::move(segment));
    out_.push_back(std::move(second));
}

// The second continues the first, with the same flow, acknowledgment and options.
bool Middlebox::merge_into(Segment& first, const Segment& second) {
    if (!first.is_tcp || !second.is_tcp || first.tcp != second.tcp || first.text != second.text)
        return false;
    const std::size_t text = first.bytes.size() - first.text;
    const std::size_t more = second.bytes.size() - second.text;
    if (text == 0 || more == 0 || first.bytes.size() + more > mtu_) return false;
    const std::uint8_t* a = first.bytes.data() + first.tcp;
    const std::uint8_t* b = second.bytes.data() + second.tcp;
    const std::size_t addresses = is_v4(first.bytes) ? 12 : 8;
    const bool is_same =
        std::equal(first.bytes.begin() + static_cast<std::ptrdiff_t>(addresses),
                   first.bytes.begin() + static_cast<std::ptrdiff_t>(first.tcp + 4),
                   second.bytes.begin() + static_cast<std::ptrdiff_t>(addresses)) &&
        first.bytes[1] == second.bytes[1] &&
        std::equal(a + 8, a + 12, b + 8) && std::equal(a + 14, a + 16, b + 14) &&
        std::equal(a + 20, a + (first.text - first.tcp), b + 20);
    const bool continues = load_be32(a + 4) + static_cast<std::uint32_t>(text) == load_be32(b + 4);
    // Only ACK, and on the second PSH or FIN too.
    if (!is_same || !continues || a[13] != 0x10 || (b[13] & ~0x09) != 0x10) return false;
    first.bytes[first.tcp + 13] = b[13];
    first.bytes.insert(first.bytes.end(),
                       second.bytes.begin() + static_cast<std::ptrdiff_t>(second.text),
                       second.bytes.end());
    ++counters_.merged;
    return true;
}

// Lengths and checksums as they should be.
void Middlebox::finish(Segment& segment) {
    if (!segment.is_tcp) return;
    std::uint8_t* ip = segment.bytes.data();
    const std::size_t size = segment.bytes.size();
    wire::Address source, destination;
    if (is_v4(segment.bytes)) {
        store_be16(ip + 2, static_cast<std::uint16_t>(size));
        store_be16(ip + 10, 0);
        const std::size_t header = std::size_t{4} * (ip[0] & 15);
        store_be16(ip + 10, wire::checksum(Bytes(segment.bytes).first(header)));
        source = wire::Address::v4(ip[12], ip[13], ip[14], ip[15]);
        destination = wire::Address::v4(ip[16], ip[17], ip[18], ip[19]);
    } else {
        store_be16(ip + 4, static_cast<std::uint16_t>(size - 40));
        source = wire::Address::from_v6(ip + 8);
        destination = wire::Address::from_v6(ip + 24);
    }
    const Bytes tcp = Bytes(segment.bytes).subspan(segment.tcp);
    store_be16(ip + segment.tcp + 16, 0);
    wire::Sum sum = wire::pseudo_header(source, destination, wire::protocol_tcp,
                                        static_cast<std::uint32_t>(tcp.size()));
    sum.add(tcp);
    store_be16(ip + segment.tcp + 16, sum.checksum());
}

}  // namespace estab::sim
