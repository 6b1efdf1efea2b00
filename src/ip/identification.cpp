#include "ip/identification.hpp"

#include <algorithm>

namespace estab::ip {

std::uint16_t Identification::next(const wire::Address& source, const wire::Address& destination,
                                   std::uint8_t protocol, bool dont_fragment) {
    if (dont_fragment) return 0;  // RFC 6864 4.1
    std::array<std::uint8_t, 33> name;
    std::copy(source.octets().begin(), source.octets().end(), name.begin());
    std::copy(destination.octets().begin(), destination.octets().end(), name.begin() + 16);
    name[32] = protocol;
    const std::uint64_t hash = siphash_1_3(key_, name);
    const auto offset = static_cast<std::uint16_t>(hash >> 32);
    return static_cast<std::uint16_t>(counters_[hash % counters_.size()]++ + offset);
}

}  // namespace estab::ip
