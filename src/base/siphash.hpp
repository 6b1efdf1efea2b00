// SipHash (Aumasson and Bernstein): a keyed hash that a peer who lacks the key can neither compute
// nor steer. 2-4 for initial sequence numbers and cookies, 1-3 for tables.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace estab {

struct SipKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
};

std::uint64_t siphash_2_4(SipKey key, Bytes data);
std::uint64_t siphash_1_3(SipKey key, Bytes data);

}  // namespace estab
