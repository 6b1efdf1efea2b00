#include "wire/ndp.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/checksum.hpp"
#include "wire/icmp.hpp"

namespace estab::wire {
namespace {

constexpr std::uint8_t solicitation = 135, advertisement = 136;
constexpr std::uint8_t source_link_address = 1, target_link_address = 2;
constexpr std::size_t fixed_bytes = 24;  // type, code, checksum, flags, target
constexpr std::size_t option_bytes = 8;

// False: an option without length or one that ends outside makes the whole message invalid.
bool find_mac(Bytes options, std::uint8_t wanted, std::optional<Mac>& mac) {
    while (!options.empty()) {
        if (options.size() < 2 || options[1] == 0) return false;
        const std::size_t length = std::size_t{options[1]} * 8;
        if (length > options.size()) return false;
        if (options[0] == wanted && length == option_bytes && !mac) {
            mac.emplace();
            std::copy_n(options.begin() + 2, 6, mac->octets.begin());
        }
        options = options.subspan(length);
    }
    return true;
}

bool is_solicited_node(const Address& a) { return a == solicited_node(a); }

}  // namespace

Result<NdpMessage> parse_ndp(const IpPacket& packet) {
    const Bytes message = packet.payload;
    if (packet.protocol != protocol_icmpv6 || packet.fragment || message.empty())
        return fail(Error::malformed);
    if (message[0] != solicitation && message[0] != advertisement)
        return fail(Error::not_supported);
    if (packet.hop_limit != ndp_hop_limit || message.size() < fixed_bytes || message[1] != 0) {
        return fail(Error::malformed);
    }
    const Address target = Address::from_v6(message.data() + 8);
    if (target.is_multicast() || target.is_v4()) return fail(Error::malformed);
    const bool asks = message[0] == solicitation;
    std::optional<Mac> mac;
    if (!find_mac(message.subspan(fixed_bytes), asks ? source_link_address : target_link_address,
                  mac)) {
        return fail(Error::malformed);
    }
    if (!icmp_checksum_is_valid(packet)) return fail(Error::malformed);
    if (asks) {
        // Somebody who tries an address out cannot say where it is yet. RFC 4861 7.1.1.
        const bool is_probe = packet.source.is_unspecified();
        if (is_probe && (mac || !is_solicited_node(packet.destination)))
            return fail(Error::malformed);
        return NeighbourSolicitation{target, mac};
    }
    const bool solicited = (message[4] & 0x40) != 0;
    if (solicited && packet.destination.is_multicast())
        return fail(Error::malformed);  // RFC 4861 7.1.2
    return NeighbourAdvertisement{.target = target,
                                  .mac = mac,
                                  .is_router = (message[4] & 0x80) != 0,
                                  .solicited = solicited,
                                  .overrides = (message[4] & 0x20) != 0};
}

std::size_t write_ndp(MutableBytes room, const NdpWrite& what) {
    const auto* asked = std::get_if<NeighbourSolicitation>(&what.message);
    const auto* told = std::get_if<NeighbourAdvertisement>(&what.message);
    const std::optional<Mac>& mac = asked != nullptr ? asked->source : told->mac;
    const Address& target = asked != nullptr ? asked->target : told->target;
    const std::size_t total = fixed_bytes + (mac ? option_bytes : 0);
    CHECK(room.size() >= total);
    CHECK(!what.source.is_v4() && !what.destination.is_v4() && !target.is_v4());

    std::uint8_t* p = room.data();
    std::fill_n(p, fixed_bytes, std::uint8_t{0});
    p[0] = asked != nullptr ? solicitation : advertisement;
    if (told != nullptr) {
        p[4] =
            static_cast<std::uint8_t>((told->is_router ? 0x80 : 0) | (told->solicited ? 0x40 : 0) |
                                      (told->overrides ? 0x20 : 0));
    }
    std::copy_n(target.octets().begin(), 16, p + 8);
    if (mac) {
        p[24] = asked != nullptr ? source_link_address : target_link_address;
        p[25] = 1;
        std::copy_n(mac->octets.begin(), 6, p + 26);
    }
    Sum sum = pseudo_header(what.source, what.destination, protocol_icmpv6,
                            static_cast<std::uint32_t>(total));
    sum.add(room.first(total));
    store_be16(p + 2, sum.checksum());
    return total;
}

Address solicited_node(const Address& address) {
    std::array<std::uint8_t, 16> octets{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    std::copy_n(address.octets().begin() + 13, 3, octets.begin() + 13);
    return Address::from_v6(octets.data());
}

Mac multicast_mac(const Address& group) {
    const auto& o = group.octets();
    if (group.is_v4())
        return {{0x01, 0x00, 0x5e, static_cast<std::uint8_t>(o[13] & 0x7f), o[14], o[15]}};
    return {{0x33, 0x33, o[12], o[13], o[14], o[15]}};
}

}  // namespace estab::wire
