#include "link/segment.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::link {
namespace {

constexpr std::size_t tcp_checksum_at = 16;
constexpr std::size_t udp_checksum_at = 6;

// Where the transport header begins, or 0: IPv6 extension headers lie between, and only a partial
// checksum tells without walking them.
std::size_t transport_start(Bytes frame, std::size_t ip, const device::Offload& offload) {
    if (offload.checksum == device::Checksum::partial) return offload.checksum_start;
    const Result<wire::IpPacket> packet = wire::IpPacket::parse(frame.subspan(ip));
    if (!packet || packet->protocol != wire::protocol_tcp || packet->fragment) return 0;
    return ip + packet->header.size();
}

}  // namespace

bool complete_checksum(MutableBytes frame, device::Offload& offload) {
    if (offload.checksum != device::Checksum::partial) return true;
    const std::size_t start = offload.checksum_start;
    const std::size_t field = start + offload.checksum_offset;
    if (field + 2 > frame.size()) return false;
    wire::Sum sum;
    sum.add(Bytes{frame.subspan(start)});
    std::uint16_t value = sum.checksum();
    // In UDP a zero means "no checksum"; the other zero is sent instead (RFC 768, RFC 8200 8.1).
    if (value == 0 && offload.checksum_offset == udp_checksum_at) value = 0xffff;
    store_be16(frame.data() + field, value);
    offload.checksum = device::Checksum::complete;
    return true;
}

Result<Cuts> Cuts::plan(Bytes frame, const device::Offload& offload, const How& how) {
    Cuts cuts(frame, offload);
    if (offload.gso != device::Gso::none) {
        if (!cuts.plan_gso(how)) return fail(Error::malformed);
        return cuts;
    }
    if (offload.checksum == device::Checksum::partial &&
        std::size_t{offload.checksum_start} + offload.checksum_offset + 2 > frame.size()) {
        return fail(Error::malformed);
    }
    return cuts;
}

bool Cuts::plan_gso(const How& how) {
    ip_ = link_header_bytes(how.link);
    is_v4_ = offload_.gso == device::Gso::tcp4;
    is_gso_ = true;
    const std::size_t fixed = wire::ip_header_bytes(is_v4_);
    if (frame_.size() < ip_ + fixed) return false;
    if (frame_[ip_] >> 4 != (is_v4_ ? 4 : 6)) return false;
    const std::size_t v4_header = (frame_[ip_] & 0xfu) * 4u;
    tcp_ = transport_start(frame_, ip_, offload_);
    if (is_v4_ ? tcp_ != ip_ + v4_header || v4_header < fixed : tcp_ < ip_ + fixed) return false;
    if (frame_.size() < tcp_ + 20) return false;

    const std::size_t tcp_header = (frame_[tcp_ + 12] >> 4) * 4u;
    header_ = tcp_ + tcp_header;
    if (tcp_header < 20 || frame_.size() < header_ || header_ >= how.frame_max) return false;
    if (offload_.gso_size == 0) return false;
    piece_payload_ = std::min<std::size_t>(offload_.gso_size, how.frame_max - header_);
    const std::size_t payload = frame_.size() - header_;
    count_ = std::max<std::size_t>(1, (payload + piece_payload_ - 1) / piece_payload_);

    const std::size_t address_bytes = is_v4_ ? 8 : 32;
    addresses_.add(frame_.subspan(ip_ + (is_v4_ ? 12 : 8), address_bytes));
    addresses_.add_be16(wire::protocol_tcp);
    return true;
}

void Cuts::write(std::size_t piece, MutableBytes room) const {
    CHECK(piece < count_ && room.size() >= bytes(piece));
    const MutableBytes out = room.first(bytes(piece));
    if (!is_gso_) {
        std::memcpy(out.data(), frame_.data(), frame_.size());
        device::Offload offload = offload_;
        CHECK(complete_checksum(out, offload));  // plan() has looked at the offsets
        return;
    }
    std::memcpy(out.data(), frame_.data(), header_);
    write_ip_header(piece, out);
    write_tcp_header(piece, out);

    const std::size_t payload = out.size() - header_;
    wire::Sum sum = addresses_;
    sum.add_be32(static_cast<std::uint32_t>(out.size() - tcp_));
    sum.add(Bytes{out.subspan(tcp_, header_ - tcp_)});
    // A TCP header is a multiple of four bytes, so the payload begins at an even distance.
    sum.add_copying(frame_.subspan(header_ + piece * piece_payload_, payload),
                    out.data() + header_);
    store_be16(out.data() + tcp_ + tcp_checksum_at, sum.checksum());
}

void Cuts::write_ip_header(std::size_t piece, MutableBytes out) const {
    std::uint8_t* ip = out.data() + ip_;
    if (!is_v4_) {
        store_be16(ip + 4, static_cast<std::uint16_t>(out.size() - ip_ - 40));  // RFC 8200 3
        return;
    }
    store_be16(ip + 2, static_cast<std::uint16_t>(out.size() - ip_));
    store_be16(ip + 4, static_cast<std::uint16_t>(load_be16(ip + 4) + piece));
    store_be16(ip + 10, 0);
    store_be16(ip + 10, wire::checksum(Bytes{out.subspan(ip_, tcp_ - ip_)}));
}

void Cuts::write_tcp_header(std::size_t piece, MutableBytes out) const {
    std::uint8_t* tcp = out.data() + tcp_;
    const std::size_t offset = piece * piece_payload_;
    store_be32(tcp + 4, load_be32(tcp + 4) + static_cast<std::uint32_t>(offset));
    std::uint8_t flags = tcp[13];
    if (piece + 1 < count_) {
        flags = static_cast<std::uint8_t>(flags & ~(wire::Flags::fin | wire::Flags::psh));
    }
    // With AccECN the same bit is part of a counter that every segment repeats (RFC 9768 3.2.2), so
    // only a frame that says gso_ecn loses it here; RFC 3168 6.1.2 wants it on one segment.
    if (piece > 0 && offload_.gso_ecn) flags = static_cast<std::uint8_t>(flags & ~wire::Flags::cwr);
    if ((flags & wire::Flags::urg) != 0) {
        const std::size_t urgent =
            load_be16(tcp + 18);  // counts from the sequence number (RFC 9293 3.1)
        if (urgent >= offset) {
            store_be16(tcp + 18, static_cast<std::uint16_t>(urgent - offset));
        } else {
            flags = static_cast<std::uint8_t>(flags & ~wire::Flags::urg);
            store_be16(tcp + 18, 0);
        }
    }
    tcp[13] = flags;
    store_be16(tcp + tcp_checksum_at, 0);
}

}  // namespace estab::link
