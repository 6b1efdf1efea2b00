#include "wire/tcp.hpp"

#include "base/check.hpp"
#include "wire/tcp_options.hpp"

namespace estab::wire {
namespace {

constexpr std::size_t fixed_bytes = 20;
constexpr std::size_t checksum_offset = 16;

// How many octets; `room` must hold them: whoever gave it has asked tcp_header_bytes().
std::size_t write_options(MutableBytes room, const TcpOptions& options, OptionOrder order) {
    if (!options.at_most_timestamps()) {
        if (room.size() >= tcp_options_max) return write_tcp_options(room.data(), options, order);
        std::array<std::uint8_t, tcp_options_max> scratch;
        const std::size_t octets = write_tcp_options(scratch.data(), options, order);
        CHECK(octets <= room.size());
        std::memcpy(room.data(), scratch.data(), octets);
        return octets;
    }
    if (!options.timestamps) return 0;
    CHECK(room.size() >= timestamps_bytes);
    store_be32(room.data(), timestamps_head);
    store_be32(room.data() + 4, options.timestamps->val);
    store_be32(room.data() + 8, options.timestamps->ecr);
    return timestamps_bytes;
}

void write_fixed(std::uint8_t* p, const TcpHeader& header, std::size_t header_bytes) {
    store_be16(p, header.source_port);
    store_be16(p + 2, header.destination_port);
    store_be32(p + 4, header.seq.raw);
    store_be32(p + 8, header.ack.raw);
    store_be16(p + 12,
               static_cast<std::uint16_t>(header_bytes / 4 << 12 | (header.flags.bits & 0x1ff)));
    store_be16(p + 14, header.window);
    store_be16(p + checksum_offset, 0);
    store_be16(p + 18, header.urgent);
}

}  // namespace

Result<TcpView> TcpView::parse(Bytes segment) {
    if (segment.size() < fixed_bytes) return fail(Error::malformed);
    const std::size_t header_bytes = std::size_t{segment[12]} / 16 * 4;
    if (header_bytes < fixed_bytes || header_bytes > segment.size()) return fail(Error::malformed);
    return TcpView(segment, header_bytes);
}

TcpOptions TcpView::options() const {
    TcpOptions options;
    read_options(options);
    return options;
}

void TcpView::read_options(TcpOptions& out) const {
    out = {};
    const Bytes bytes = option_bytes();
    if (bytes.empty()) return;
    if (bytes.size() != timestamps_bytes || load_be32(bytes.data()) != timestamps_head)
        return parse_tcp_options(bytes, out);
    out.timestamps = Timestamps{load_be32(bytes.data() + 4), load_be32(bytes.data() + 8)};
}

bool TcpView::checksum_is_valid(const Address& source, const Address& destination) const {
    Sum sum =
        pseudo_header(source, destination, protocol_tcp, static_cast<std::uint32_t>(bytes_.size()));
    sum.add(bytes_);
    return sum.is_valid();
}

std::size_t tcp_header_bytes_of_list(const TcpOptions& options, OptionOrder order) {
    std::array<std::uint8_t, tcp_options_max> scratch;
    return fixed_bytes + write_options(scratch, options, order);
}

// The checksum is always there, or left to a device that fills it in (MUST-2).
std::size_t write_tcp(MutableBytes room, const TcpHeader& header, const TcpWrite& what) {
    std::size_t payload_bytes = 0;
    for (const Bytes part : what.payload) payload_bytes += part.size();
    CHECK(room.size() >= fixed_bytes);
    const std::size_t header_bytes =
        fixed_bytes + write_options(room.subspan(fixed_bytes), header.options, what.order);
    const std::size_t total = header_bytes + payload_bytes;
    CHECK(room.size() >= total);

    std::uint8_t* p = room.data();
    write_fixed(p, header, header_bytes);
    Sum sum = pseudo_header(what.source, what.destination, protocol_tcp,
                            static_cast<std::uint32_t>(total));
    std::size_t at = header_bytes;
    CHECK(what.partial_checksum || !what.payload_apart);
    if (what.partial_checksum) {
        for (const Bytes part : what.payload_apart ? std::span<const Bytes>() : what.payload) {
            if (!part.empty()) std::memcpy(p + at, part.data(), part.size());
            at += part.size();
        }
        store_be16(p + checksum_offset, sum.folded());
        return total;
    }
    sum.add_words(p, header_bytes);
    for (const Bytes part : what.payload) {
        sum.add_copying(part, p + at, at % 2 != 0);
        at += part.size();
    }
    store_be16(p + checksum_offset, sum.checksum());
    return total;
}

}  // namespace estab::wire
