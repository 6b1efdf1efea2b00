// TCP frames for the tests of this module.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "device/device.hpp"
#include "link/segment.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::link::testing {

struct TcpFrame {
    bool v4 = true;
    bool ethernet = false;
    bool partial = true;
    std::size_t payload = 4000;
    std::uint16_t gso_size = 0;  // 0: not a GSO frame
    std::uint16_t flags = wire::Flags::ack;
    std::uint16_t urgent = 0;
    bool gso_ecn = false;
    std::uint16_t id = 100;
    std::uint32_t seq = 1000;
    bool timestamps = true;
};

struct Built {
    std::vector<std::uint8_t> bytes;
    device::Offload offload;
};

inline wire::Address source_of(bool v4) {
    return v4 ? wire::Address::v4(10, 77, 0, 2) : *wire::Address::parse("fd77::2");
}
inline wire::Address destination_of(bool v4) {
    return v4 ? wire::Address::v4(10, 77, 0, 100) : *wire::Address::parse("fd77::100");
}

inline Built build(const TcpFrame& what) {
    std::vector<std::uint8_t> payload(what.payload);
    std::iota(payload.begin(), payload.end(), std::uint8_t{0});
    wire::TcpHeader tcp{.source_port = 80,
                        .destination_port = 40'000,
                        .seq = {what.seq},
                        .ack = {7},
                        .flags = {what.flags},
                        .window = 500,
                        .urgent = what.urgent,
                        .options = {}};
    if (what.timestamps) tcp.options.timestamps = wire::Timestamps{.val = 1, .ecr = 2};
    const std::size_t link = what.ethernet ? 14 : 0;
    const std::size_t ip = wire::ip_header_bytes(what.v4);
    const std::size_t header = wire::tcp_header_bytes(tcp.options);
    Built built;
    built.bytes.resize(link + ip + header + payload.size());
    if (what.ethernet) store_be16(built.bytes.data() + 12, what.v4 ? 0x0800 : 0x86dd);
    wire::write_ip(MutableBytes{built.bytes}.subspan(link),
                   {.source = source_of(what.v4), .destination = destination_of(what.v4),
                    .protocol = wire::protocol_tcp, .id = what.id,
                    .payload_bytes = static_cast<std::uint32_t>(header + payload.size())});
    const Bytes spans[] = {payload};
    wire::write_tcp(MutableBytes{built.bytes}.subspan(link + ip), tcp,
                    {.source = source_of(what.v4), .destination = destination_of(what.v4),
                     .payload = spans, .partial_checksum = what.partial});
    if (what.partial) {
        built.offload.checksum = device::Checksum::partial;
        built.offload.checksum_start = static_cast<std::uint16_t>(link + ip);
        built.offload.checksum_offset = 16;
    }
    if (what.gso_size != 0) {
        built.offload.gso = what.v4 ? device::Gso::tcp4 : device::Gso::tcp6;
        built.offload.gso_size = what.gso_size;
        built.offload.header_length = static_cast<std::uint16_t>(link + ip + header);
        built.offload.gso_ecn = what.gso_ecn;
    }
    return built;
}

// What a strict receiver sees in a frame; `valid` only if every length and checksum is right.
struct Seen {
    bool valid = false;
    std::uint16_t id = 0;
    std::uint32_t seq = 0;
    std::uint16_t flags = 0;
    std::uint16_t urgent = 0;
    std::vector<std::uint8_t> payload;
};

inline Seen see(Bytes frame, bool ethernet = false) {
    Seen seen;
    const Bytes packet = frame.subspan(ethernet ? 14 : 0);
    const Result<wire::IpPacket> ip = wire::IpPacket::parse(packet);
    if (!ip || ip->header.size() + ip->payload.size() != packet.size()) return seen;
    const Result<wire::TcpView> tcp = wire::TcpView::parse(ip->payload);
    if (!tcp) return seen;
    seen.valid = tcp->checksum_is_valid(ip->source, ip->destination);
    if (ip->source.is_v4()) seen.id = load_be16(packet.data() + 4);
    seen.seq = tcp->seq().raw;
    seen.flags = tcp->flags().bits;
    seen.urgent = tcp->urgent();
    seen.payload.assign(tcp->payload().begin(), tcp->payload().end());
    return seen;
}

}  // namespace estab::link::testing
