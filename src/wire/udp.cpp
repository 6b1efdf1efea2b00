#include "wire/udp.hpp"

#include "base/check.hpp"
#include "wire/checksum.hpp"
#include "wire/ip.hpp"

namespace estab::wire {

Result<UdpView> UdpView::parse(Bytes datagram) {
    if (datagram.size() < udp_header_bytes) return fail(Error::malformed);
    const std::size_t length = load_be16(datagram.data() + 4);
    if (length < udp_header_bytes || length > datagram.size()) return fail(Error::malformed);
    return UdpView(datagram.first(length));
}

bool UdpView::checksum_is_valid(const Address& source, const Address& destination) const {
    if (checksum() == 0) return source.is_v4();
    Sum sum =
        pseudo_header(source, destination, protocol_udp, static_cast<std::uint32_t>(bytes_.size()));
    sum.add(bytes_);
    return sum.is_valid();
}

std::size_t write_udp(MutableBytes room, const UdpWrite& what) {
    std::size_t total = udp_header_bytes;
    for (const Bytes part : what.payload) total += part.size();
    CHECK(total <= 0xffff);
    CHECK(room.size() >= total);

    std::uint8_t* p = room.data();
    store_be16(p, what.source.port);
    store_be16(p + 2, what.destination.port);
    store_be16(p + 4, static_cast<std::uint16_t>(total));
    store_be16(p + 6, 0);
    const Sum pseudo = pseudo_header(what.source.address, what.destination.address, protocol_udp,
                                     static_cast<std::uint32_t>(total));
    Sum sum = pseudo;
    sum.add(room.first(udp_header_bytes));
    std::size_t at = udp_header_bytes;
    for (const Bytes part : what.payload) {
        sum.add_copying(part, p + at, at % 2 != 0);
        at += part.size();
    }
    // Zero would mean "none"; all ones is the same number (RFC 768).
    const std::uint16_t full = sum.checksum() == 0 ? 0xffff : sum.checksum();
    store_be16(p + 6, what.partial_checksum ? pseudo.folded() : full);
    return total;
}

}  // namespace estab::wire
