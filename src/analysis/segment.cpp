#include "analysis/segment.hpp"

namespace estab::analysis {
namespace {

constexpr std::uint8_t tcp_protocol = 6;
constexpr std::uint32_t tcp_header_bytes_min = 20;

struct Inside {
    Bytes bytes;           // from the TCP header on, as far as captured
    std::uint32_t length;  // what the IP header leaves for TCP
};

bool read_v4(const observe::NetworkPacket& packet, Segment& into, Inside& tcp) {
    const Bytes bytes = packet.bytes;
    if (bytes.size() < 20 || bytes[0] >> 4 != 4 || bytes[9] != tcp_protocol) return false;
    const std::uint8_t* p = bytes.data();
    const std::uint32_t header = (p[0] & 15U) * 4;
    std::uint32_t total = load_be16(p + 2);
    // A segment that the card will cut may have said nothing of its length yet.
    if (total == 0) total = packet.original_bytes;
    if (header < 20 || total < header || bytes.size() < header) return false;
    if ((load_be16(p + 6) & 0x1fff) != 0) return false;
    into.ecn = p[1] & 3;
    into.ip_id = load_be16(p + 4);
    into.v6 = false;
    constexpr std::uint64_t mapped = 0xffff'0000'0000;
    into.source.host = {0, mapped | load_be32(p + 12)};
    into.destination.host = {0, mapped | load_be32(p + 16)};
    tcp.length = total - header;
    tcp.bytes = bytes.subspan(header);
    if (tcp.bytes.size() > tcp.length) tcp.bytes = tcp.bytes.first(tcp.length);
    return true;
}

bool read_v6(const observe::NetworkPacket& packet, Segment& into, Inside& tcp) {
    Bytes bytes = packet.bytes;
    if (bytes.size() < 40 || bytes[0] >> 4 != 6) return false;
    const std::uint8_t* p = bytes.data();
    std::uint32_t length = load_be16(p + 4);
    if (length == 0) length = packet.original_bytes - 40;
    into.ecn = p[1] >> 4 & 3;
    into.ip_id = 0;
    into.v6 = true;
    into.source.host = {load_be64(p + 8), load_be64(p + 16)};
    into.destination.host = {load_be64(p + 24), load_be64(p + 32)};
    std::uint8_t kind = p[6];
    bytes = bytes.subspan(40);
    while (kind == 0 || kind == 43 || kind == 60 || kind == 44) {  // RFC 8200 4
        if (bytes.size() < 8) return false;
        const bool fragment = kind == 44;
        if (fragment && (load_be16(bytes.data() + 2) & 0xfff8) != 0) return false;
        const std::uint32_t size = fragment ? 8 : (bytes[1] + 1U) * 8;
        if (bytes.size() < size || length < size) return false;
        kind = bytes[0];
        bytes = bytes.subspan(size);
        length -= size;
    }
    if (kind != tcp_protocol) return false;
    tcp.length = length;
    tcp.bytes = bytes.size() > length ? bytes.first(length) : bytes;
    return true;
}

void read_option(std::uint8_t kind, Bytes value, Segment& into) {
    switch (kind) {
        case 2:
            if (value.size() == 2) into.mss = load_be16(value.data());
            break;
        case 3:
            // RFC 7323 2.3: more than 14 counts as 14.
            if (value.size() == 1) into.scale = value[0] < 14 ? value[0] : std::uint8_t{14};
            break;
        case 4: into.sack_permitted = true; break;
        case 5:
            for (; value.size() >= 8 && into.sack_count < into.sack.size();
                 value = value.subspan(8)) {
                into.sack[into.sack_count++] = {load_be32(value.data()),
                                                load_be32(value.data() + 4)};
            }
            break;
        case 8:
            if (value.size() != 8) break;
            into.has_timestamps = true;
            into.tsval = load_be32(value.data());
            into.tsecr = load_be32(value.data() + 4);
            break;
        case 30: into.multipath = true; break;
        case 34: into.fast_open = true; break;
        default: break;
    }
}

void read_options(Bytes options, Segment& into) {
    into.mss = 0;
    into.scale.reset();
    into.sack_permitted = into.has_timestamps = into.multipath = into.fast_open = false;
    into.sack_count = 0;
    // What nearly every segment has (RFC 7323 appendix A): two NOPs and the timestamps.
    if (options.size() == 12 && load_be32(options.data()) == 0x0101080a) {
        into.has_timestamps = true;
        into.tsval = load_be32(options.data() + 4);
        into.tsecr = load_be32(options.data() + 8);
        return;
    }
    while (!options.empty() && options[0] != 0) {
        if (options[0] == 1) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return;
        read_option(options[0], options.subspan(2, options[1] - 2U), into);
        options = options.subspan(options[1]);
    }
}

}  // namespace

bool read_segment(const observe::NetworkPacket& packet, Segment& into) {
    Inside tcp;
    switch (packet.ethertype) {
        case observe::ethertype_ipv4:
            if (!read_v4(packet, into, tcp)) return false;
            break;
        case observe::ethertype_ipv6:
            if (!read_v6(packet, into, tcp)) return false;
            break;
        default: return false;
    }
    if (tcp.bytes.size() < tcp_header_bytes_min) return false;
    const std::uint8_t* p = tcp.bytes.data();
    const std::uint32_t header = (p[12] >> 4) * 4U;
    if (header < tcp_header_bytes_min || header > tcp.length) return false;
    into.source.port = load_be16(p);
    into.destination.port = load_be16(p + 2);
    into.seq = load_be32(p + 4);
    into.ack = load_be32(p + 8);
    into.flags = static_cast<std::uint16_t>((p[12] & 1) << 8 | p[13]);
    into.window = load_be16(p + 14);
    into.text_bytes = tcp.length - header;
    into.header_cut = tcp.bytes.size() < header;
    const std::size_t end = header < tcp.bytes.size() ? header : tcp.bytes.size();
    read_options(tcp.bytes.subspan(tcp_header_bytes_min, end - tcp_header_bytes_min), into);
    return true;
}

}  // namespace estab::analysis
