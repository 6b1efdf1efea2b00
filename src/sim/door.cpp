#include "sim/door.hpp"

#include <algorithm>
#include <optional>

#include "wire/checksum.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::sim {
namespace {

using wire::Flags;

constexpr std::uint32_t joined_max = 65'535;

// A packet whose text may be joined with others', or one of several.
struct Run {
    std::size_t ip = 0;         // octets of its headers
    std::size_t headers = 0;
    std::size_t text = 0;       // octets in all
    std::size_t gso_size = 0;   // of the first packet; the last may be shorter
    bool is_over = false;       // nothing comes behind it
};

// Plain headers, a right checksum, text, and no flag that ends a run before it began.
std::optional<Run> begin_run(Bytes packet) {
    const auto ip = wire::IpPacket::parse(packet);
    if (!ip || ip->protocol != wire::protocol_tcp || ip->fragment) return {};
    const std::size_t plain = packet[0] >> 4 == 4 ? 20 : 40;
    if (ip->header.size() != plain) return {};
    const auto tcp = wire::TcpView::parse(ip->payload);
    if (!tcp || tcp->payload().empty() || !tcp->checksum_is_valid(ip->source, ip->destination))
        return {};
    const Flags flags = tcp->flags();
    if (flags.has(Flags::syn | Flags::rst | Flags::urg)) return {};
    const std::size_t text = tcp->payload().size();
    return Run{.ip = plain,
               .headers = plain + tcp->header_bytes(),
               .text = text,
               .gso_size = text,
               .is_over = flags.has(Flags::fin | Flags::psh)};
}

// The same to the octet but for lengths, identification, numbers, checksums, and what may stand on
// the last one.
bool goes_on(const Run& run, const std::uint8_t* first, const Run& next, const std::uint8_t* p) {
    if (run.is_over || run.ip != next.ip || run.headers != next.headers) return false;
    if (next.text > run.gso_size || run.headers + run.text + next.text > joined_max) return false;
    const bool is_v4 = run.ip == 20;
    const auto is_same = [&](std::size_t from, std::size_t to) {
        return std::equal(first + from, first + to, p + from);
    };
    if (!(is_v4 ? is_same(0, 2) && is_same(6, 10) && is_same(12, 20)
                : is_same(0, 4) && is_same(6, 40))) {
        return false;
    }
    const std::size_t t = run.ip;
    constexpr std::uint16_t may_end = Flags::fin | Flags::psh;
    return is_same(t, t + 4) && is_same(t + 8, t + 12) && is_same(t + 14, t + 16) &&
           is_same(t + 20, run.headers) &&
           ((load_be16(first + t + 12) ^ load_be16(p + t + 12)) & ~may_end) == 0 &&
           load_be32(p + t + 4) ==
               static_cast<std::uint32_t>(load_be32(first + t + 4) + run.text);
}

// Lengths as they are now. The field of TCP's checksum holds that of the pseudo-header.
device::Offload finish(const Run& run, MutableBytes frame) {
    std::uint8_t* p = frame.data();
    wire::Sum sum;
    if (run.ip == 20) {
        store_be16(p + 2, static_cast<std::uint16_t>(frame.size()));
        store_be16(p + 10, 0);
        store_be16(p + 10, wire::checksum(Bytes(frame).first(20)));
        sum.add(Bytes(frame).subspan(12, 8));
    } else {
        store_be16(p + 4, static_cast<std::uint16_t>(frame.size() - 40));
        sum.add(Bytes(frame).subspan(8, 32));
    }
    sum.add_be16(wire::protocol_tcp);
    sum.add_be32(static_cast<std::uint32_t>(frame.size() - run.ip));
    store_be16(p + run.ip + 16, static_cast<std::uint16_t>(~sum.checksum()));
    return {.checksum = device::Checksum::partial,
            .gso = run.ip == 20 ? device::Gso::tcp4 : device::Gso::tcp6,
            .checksum_start = static_cast<std::uint16_t>(run.ip),
            .checksum_offset = 16,
            .gso_size = static_cast<std::uint16_t>(run.gso_size),
            .header_length = static_cast<std::uint16_t>(run.headers)};
}

}  // namespace

device::Caps Door::caps(std::uint32_t mtu) const {
    device::Caps caps{.link = device::LinkType::ip, .mtu = mtu, .frame_max = mtu};
    caps.tso4 = settings_.tso4;
    caps.tso6 = settings_.tso6;
    caps.gso_ecn = caps.tso4 || caps.tso6;
    caps.checksum = settings_.checksum || caps.gso_ecn;
    if (caps.gso_ecn) caps.frame_max = std::max(mtu, settings_.frame_max);
    return caps;
}

std::size_t Door::piece(std::uint32_t mtu) {
    constexpr std::uint32_t least = 200;  // more than all headers
    const bool is_smaller =
        settings_.smaller_percent != 0 && rng_.below(100) < settings_.smaller_percent;
    return is_smaller && mtu > least ? least + rng_.below(mtu - least) : mtu;
}

Door::Batch Door::next_batch(std::size_t most) {
    In in = settings_.in;
    if (in == In::mixed) {
        in = static_cast<In>(rng_.below(3));
        most = 1 + rng_.below(most);
    }
    return {.count = in == In::singly ? 1 : most, .joined = in == In::joined};
}

std::span<const device::Frame> Door::join(std::span<const device::Frame> packets) {
    frames_.clear();
    joined_.clear();
    joined_.reserve(packets.size());  // frames point into them
    for (std::size_t i = 0; i < packets.size();) {
        device::Frame frame = packets[i++];
        auto run = begin_run(frame.bytes);
        if (run) frame.offload.checksum = device::Checksum::verified;
        std::vector<std::uint8_t>* whole = nullptr;
        for (; run && i < packets.size(); ++i) {
            const Bytes more = packets[i].bytes;
            const auto next = begin_run(more);
            if (!next || !goes_on(*run, frame.bytes.data(), *next, more.data())) break;
            if (whole == nullptr) {
                whole = &joined_.emplace_back(frame.bytes.begin(), frame.bytes.end());
                whole->reserve(joined_max);
            }
            whole->resize(run->headers + run->text);
            const Bytes text = more.subspan(next->headers, next->text);
            whole->insert(whole->end(), text.begin(), text.end());
            frame.bytes = *whole;
            std::uint8_t* flags = whole->data() + run->ip + 13;
            *flags = static_cast<std::uint8_t>(*flags | more[next->ip + 13]);
            run->text += next->text;
            run->is_over = next->is_over || next->text < run->gso_size;
        }
        if (whole != nullptr) {
            frame.bytes = *whole;
            frame.offload = finish(*run, *whole);
        }
        frames_.push_back(frame);
    }
    return frames_;
}

}  // namespace estab::sim
