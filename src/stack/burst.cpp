#include "stack/burst.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::stack {

using wire::Flags;

void Burst::begin(const Start& start) {
    const wire::Endpoint &local = start.tuple.local, &remote = start.tuple.remote;
    const bool v4 = remote.address.is_v4();
    ip_bytes_ = wire::ip_header_bytes(v4);
    const MutableBytes headers(headers_);
    std::uint8_t* const tcp = headers_.data() + ip_bytes_;
    const wire::TcpHeader header{.source_port = local.port,
                                 .destination_port = remote.port,
                                 .seq = {},
                                 .ack = segment_.ack.wire(),
                                 .flags = segment_.flags,
                                 .window = segment_.window_field,
                                 .urgent = 0,
                                 .options = segment_.options};
    const std::size_t tcp_bytes = wire::write_tcp(
        headers.subspan(ip_bytes_), header,
        {.source = local.address, .destination = remote.address, .payload = {},
         .order = start.order, .partial_checksum = true});
    wire::write_ip(headers, {.source = local.address,
                             .destination = remote.address,
                             .protocol = wire::protocol_tcp,
                             .hop_limit = segment_.hop_limit,
                             .dscp = segment_.dscp,
                             .ecn = segment_.ecn,
                             .dont_fragment = segment_.dont_fragment,
                             .id = 0,
                             .flow_label = 0,
                             .payload_bytes = 0});
    headers_bytes_ = ip_bytes_ + tcp_bytes;
    offset_flags_ = load_be16(tcp + 12);
    store_be16(tcp + 12, 0);
    store_be16(tcp + 16, 0);
    tcp_sum_ = wire::pseudo_header(local.address, remote.address, wire::protocol_tcp, 0);
    tcp_sum_.add_words(tcp, tcp_bytes);
    ip_sum_ = {};
    if (v4) {
        store_be16(headers_.data() + 2, 0);
        store_be16(headers_.data() + 10, 0);
        ip_sum_.add_words(headers_.data(), ip_bytes_);
    }
    owner_ = start.owner;
    seq_ = segment_.seq;
    left_ = segment_.payload.size();
    size_ = segment_.gso_size;
    piece_ = 0;
    offset_ = 0;
}

std::size_t Burst::write(MutableBytes room, std::uint16_t id) {
    const std::uint32_t octets = next_payload();
    const std::size_t total = headers_bytes_ + octets;
    const std::size_t tcp_bytes = total - ip_bytes_;
    CHECK(octets != 0 && room.size() >= total);
    std::uint8_t* const ip = room.data();
    std::uint8_t* const tcp = ip + ip_bytes_;
    std::memcpy(ip, headers_.data(), headers_bytes_);
    if (ip_bytes_ == wire::ip_header_bytes(true)) {
        store_be16(ip + 2, static_cast<std::uint16_t>(total));
        store_be16(ip + 4, id);
        wire::Sum sum = ip_sum_;
        sum.add_be16(static_cast<std::uint16_t>(total));
        sum.add_be16(id);
        store_be16(ip + 10, sum.checksum());
    } else {
        store_be16(ip + 4, static_cast<std::uint16_t>(tcp_bytes));
    }
    // FIN and PSH are of the last one only.
    constexpr std::uint16_t at_the_end = Flags::fin | Flags::psh;
    const auto offset_flags = static_cast<std::uint16_t>(
        octets == left_ ? offset_flags_ : offset_flags_ & ~at_the_end);
    const std::uint32_t seq = seq_.wire().raw;
    store_be32(tcp + 4, seq);
    store_be16(tcp + 12, offset_flags);
    wire::Sum sum = tcp_sum_;
    sum.add_be32(seq);
    sum.add_be16(offset_flags);
    sum.add_be32(static_cast<std::uint32_t>(tcp_bytes));
    std::size_t at = headers_bytes_;
    const std::span<const Bytes> pieces = segment_.payload.pieces();
    std::size_t offset = offset_;
    for (std::uint32_t piece = piece_; at != total; ++piece, offset = 0) {
        const Bytes here = pieces[piece].subspan(offset);
        const Bytes part = here.first(std::min(here.size(), total - at));
        sum.add_copying(part, ip + at, (at - headers_bytes_) % 2 != 0);
        at += part.size();
    }
    store_be16(tcp + 16, sum.checksum());
    advance(octets);
    return total;
}

void Burst::advance(std::uint32_t octets) {
    seq_ += octets;
    left_ -= octets;
    const std::span<const Bytes> pieces = segment_.payload.pieces();
    for (std::size_t rest = octets; rest != 0;) {
        const std::size_t here = pieces[piece_].size() - offset_;
        if (rest < here) {
            offset_ += rest;
            return;
        }
        rest -= here;
        offset_ = 0;
        ++piece_;
    }
}

}  // namespace estab::stack
