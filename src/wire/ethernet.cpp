#include "wire/ethernet.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace estab::wire {
namespace {

constexpr std::size_t tag_bytes = 4;
constexpr std::uint8_t tags_max = 2;  // QinQ; more is nothing for a host

bool is_tag(std::uint16_t type) { return type == 0x8100 || type == 0x88a8 || type == 0x9100; }

}  // namespace

Result<EthernetFrame> EthernetFrame::parse(Bytes frame) {
    if (frame.size() < ethernet_header_bytes) return fail(Error::malformed);
    EthernetFrame result;
    std::copy_n(frame.begin(), 6, result.destination.octets.begin());
    std::copy_n(frame.begin() + 6, 6, result.source.octets.begin());
    result.type = load_be16(frame.data() + 12);
    result.payload = frame.subspan(ethernet_header_bytes);
    while (is_tag(result.type)) {
        if (result.tags == tags_max || result.payload.size() < tag_bytes)
            return fail(Error::malformed);
        ++result.tags;
        result.type = load_be16(result.payload.data() + 2);
        result.payload = result.payload.subspan(tag_bytes);
    }
    return result;
}

std::size_t write_ethernet(MutableBytes room, const EthernetWrite& what) {
    CHECK(room.size() >= ethernet_header_bytes);
    std::copy(what.destination.octets.begin(), what.destination.octets.end(), room.begin());
    std::copy(what.source.octets.begin(), what.source.octets.end(), room.begin() + 6);
    store_be16(room.data() + 12, what.type);
    return ethernet_header_bytes;
}

}  // namespace estab::wire
