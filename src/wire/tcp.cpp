#include "wire/tcp.hpp"

#include "base/check.hpp"
#include "wire/tcp_options.hpp"

namespace estab::wire {
namespace {

constexpr std::size_t fixed_bytes = 20;
constexpr std::size_t checksum_offset = 16;

// How many octets, which are added to `sum`; `room` must hold them: whoever gave it has asked
// tcp_header_bytes().
std::size_t write_options(MutableBytes room, const TcpOptions& options, OptionOrder order,
                          Sum& sum) {
    if (!options.at_most_timestamps()) {
        std::array<std::uint8_t, tcp_options_max> scratch;
        const std::size_t octets = write_tcp_options(scratch.data(), options, order);
        CHECK(octets <= room.size());
        std::memcpy(room.data(), scratch.data(), octets);
        sum.add_words(scratch.data(), octets);
        return octets;
    }
    if (!options.timestamps) return 0;
    CHECK(room.size() >= timestamps_bytes);
    const std::uint64_t values =
        std::uint64_t{options.timestamps->val} << 32 | options.timestamps->ecr;
    store_be32(room.data(), timestamps_head);
    store_be64(room.data() + 4, values);
    sum.add_be32(timestamps_head);
    sum.add_be64(values);
    return timestamps_bytes;
}

// All but checksum and urgent pointer. What is added to `sum` are the words that are written:
// reading them back would wait for narrower stores.
void write_fixed(std::uint8_t* p, const TcpFields& fields, std::size_t header_bytes, Sum& sum) {
    const std::uint64_t first = std::uint64_t{fields.source_port} << 48 |
                                std::uint64_t{fields.destination_port} << 32 | fields.seq.raw;
    const std::uint64_t second = std::uint64_t{fields.ack.raw} << 32 | header_bytes / 4 << 28 |
                                 std::uint64_t{fields.flags.bits & 0x1ffu} << 16 | fields.window;
    store_be64(p, first);
    store_be64(p + 8, second);
    sum.add_be64(first);
    sum.add_be64(second);
    sum.add_be16(fields.urgent);
}

void write_checksum(std::uint8_t* p, std::uint16_t checksum, const TcpFields& fields) {
    store_be32(p + checksum_offset, std::uint32_t{checksum} << 16 | fields.urgent);
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
    out.clear();
    const Bytes bytes = option_bytes();
    if (bytes.empty()) return;
    if (bytes.size() != timestamps_bytes || load_be32(bytes.data()) != timestamps_head)
        return parse_tcp_options(bytes, out);
    out.timestamps = Timestamps{load_be32(bytes.data() + 4), load_be32(bytes.data() + 8)};
}

bool TcpView::checksum_is_valid(const Address& source, const Address& destination) const {
    Sum sum =
        pseudo_header(source, destination, protocol_tcp, static_cast<std::uint32_t>(bytes_.size()));
    if (bytes_.size() == header_bytes_) {
        sum.add_words(bytes_.data(), header_bytes_);
    } else {
        sum.add(bytes_);
    }
    return sum.is_valid();
}

std::size_t tcp_header_bytes_of_list(const TcpOptions& options, OptionOrder order) {
    std::array<std::uint8_t, tcp_options_max> scratch;
    return fixed_bytes + write_tcp_options(scratch.data(), options, order);
}

// The checksum is always there, or left to a device that fills it in (MUST-2).
std::size_t write_tcp(MutableBytes room, const TcpFields& fields, const TcpOptions& options,
                      const TcpWrite& what) {
    std::size_t payload_bytes = 0;
    for (const Bytes part : what.payload) payload_bytes += part.size();
    CHECK(room.size() >= fixed_bytes);
    Sum sum;
    const std::size_t header_bytes =
        fixed_bytes + write_options(room.subspan(fixed_bytes), options, what.order, sum);
    const std::size_t total = header_bytes + payload_bytes;
    CHECK(room.size() >= total);

    std::uint8_t* p = room.data();
    const Sum pseudo = pseudo_header(what.source, what.destination, protocol_tcp,
                                     static_cast<std::uint32_t>(total));
    write_fixed(p, fields, header_bytes, sum);
    std::size_t at = header_bytes;
    CHECK(what.partial_checksum || !what.payload_apart);
    if (what.partial_checksum) {
        for (const Bytes part : what.payload_apart ? std::span<const Bytes>() : what.payload) {
            if (!part.empty()) std::memcpy(p + at, part.data(), part.size());
            at += part.size();
        }
        write_checksum(p, pseudo.folded(), fields);
        return total;
    }
    sum.add_sum(pseudo);
    for (const Bytes part : what.payload) {
        sum.add_copying(part, p + at, at % 2 != 0);
        at += part.size();
    }
    write_checksum(p, sum.checksum(), fields);
    return total;
}

}  // namespace estab::wire
