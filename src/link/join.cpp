#include "link/join.hpp"

#include <algorithm>

#include "link/segment.hpp"
#include "wire/checksum.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::link {
namespace {

using wire::Flags;

constexpr std::size_t v4_bytes = 20, v6_bytes = 40;

}  // namespace

Joined::Joined(const device::Caps& below, MutableBytes room, std::size_t size)
    : link_(below.link), room_(room), size_(size) {
    if (!below.tso4 && !below.tso6) return;
    if (!read(link_, room.first(size), first_) || first_.is_last) return;
    const bool is_v4 = first_.tcp - first_.ip == v4_bytes;
    gso_size_ = size - first_.text;
    may_go_on_ = is_v4 ? below.tso4 : below.tso6;
}

// Plain headers, a right checksum, text, and no flag that ends a run before it began.
bool Joined::read(device::LinkType link, Bytes frame, Parts& parts) {
    parts.ip = link_header_bytes(link);
    if (frame.size() < parts.ip) return false;
    const auto ip = wire::IpPacket::parse(frame.subspan(parts.ip));
    if (!ip || ip->protocol != wire::protocol_tcp || ip->fragment) return false;
    if (ip->header.size() != (ip->source.is_v4() ? v4_bytes : v6_bytes)) return false;
    const auto tcp = wire::TcpView::parse(ip->payload);
    if (!tcp || tcp->payload().empty() || !tcp->checksum_is_valid(ip->source, ip->destination))
        return false;
    // RFC 3168 6.1.2: CWR is said once.
    if (tcp->flags().has(Flags::syn | Flags::rst | Flags::urg | Flags::cwr)) return false;
    parts.tcp = parts.ip + ip->header.size();
    parts.text = parts.tcp + tcp->header_bytes();
    parts.is_last = tcp->flags().has(Flags::fin | Flags::psh);
    return frame.size() == parts.text + tcp->payload().size();  // no padding behind it
}

// The same to the octet but for lengths, identification, numbers, checksums, and what may stand on
// the last one.
bool Joined::goes_on(const std::uint8_t* next, const Parts& parts) const {
    const std::uint8_t* const first = room_.data();
    if (parts.ip != first_.ip || parts.tcp != first_.tcp || parts.text != first_.text) return false;
    const auto is_same = [&](std::size_t from, std::size_t to) {
        return std::equal(first + from, first + to, next + from);
    };
    const std::size_t ip = first_.ip, tcp = first_.tcp;
    const bool is_v4 = tcp - ip == v4_bytes;
    if (!is_same(0, ip)) return false;
    if (!(is_v4 ? is_same(ip, ip + 2) && is_same(ip + 6, ip + 10) && is_same(ip + 12, tcp)
                : is_same(ip, ip + 4) && is_same(ip + 6, tcp)))
        return false;
    constexpr std::uint16_t may_end = Flags::fin | Flags::psh;
    const auto so_far = static_cast<std::uint32_t>(size_ - first_.text);
    return is_same(tcp, tcp + 4) && is_same(tcp + 8, tcp + 12) && is_same(tcp + 14, tcp + 16) &&
           is_same(tcp + 18, first_.text) &&
           ((load_be16(first + tcp + 12) ^ load_be16(next + tcp + 12)) & ~may_end) == 0 &&
           load_be32(next + tcp + 4) == load_be32(first + tcp + 4) + so_far;
}

bool Joined::add(Bytes frame) {
    Parts parts;
    if (!may_go_on_ || !read(link_, frame, parts) || !goes_on(frame.data(), parts)) return false;
    const Bytes text = frame.subspan(parts.text);
    const std::size_t most = std::min<std::size_t>(room_.size(), big_frame_bytes(link_));
    if (text.size() > gso_size_ || size_ + text.size() > most) return false;
    std::copy(text.begin(), text.end(), room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += text.size();
    room_[first_.tcp + 13] |= frame[parts.tcp + 13];
    is_big_ = true;
    may_go_on_ = text.size() == gso_size_ && !parts.is_last;
    return true;
}

device::Offload Joined::finish() {
    if (!is_big_) return {};
    const MutableBytes frame = room_.first(size_);
    const MutableBytes ip = frame.subspan(first_.ip, first_.tcp - first_.ip);
    const bool is_v4 = ip.size() == v4_bytes;
    wire::Sum sum;
    if (is_v4) {
        store_be16(&ip[2], static_cast<std::uint16_t>(size_ - first_.ip));
        store_be16(&ip[10], 0);
        store_be16(&ip[10], wire::checksum(ip));
        sum.add(ip.subspan(12, 8));
    } else {
        store_be16(&ip[4], static_cast<std::uint16_t>(size_ - first_.tcp));
        sum.add(ip.subspan(8, 32));
    }
    sum.add_be16(wire::protocol_tcp);
    sum.add_be32(static_cast<std::uint32_t>(size_ - first_.tcp));
    store_be16(&frame[first_.tcp + 16], static_cast<std::uint16_t>(~sum.checksum()));
    return {.checksum = device::Checksum::partial,
            .gso = is_v4 ? device::Gso::tcp4 : device::Gso::tcp6,
            .checksum_start = static_cast<std::uint16_t>(first_.tcp),
            .checksum_offset = 16,
            .gso_size = static_cast<std::uint16_t>(gso_size_),
            .header_length = static_cast<std::uint16_t>(first_.text)};
}

}  // namespace estab::link
