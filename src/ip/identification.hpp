// The identification field of IPv4. A datagram that may not be fragmented needs none and gets 0
// (RFC 6864 4.1). Where DF is off, the number must not repeat soon for one source, destination and
// protocol, and must not tell others how much we send: a counter per bucket of destinations, which
// starts at a keyed offset.
#pragma once

#include <array>
#include <cstdint>

#include "base/siphash.hpp"
#include "wire/address.hpp"

namespace estab::ip {

class Identification {
public:
    explicit Identification(SipKey key) : key_(key) {}

    // The value for the next datagram. Names that share a bucket share its counter: they skip
    // numbers, and still none of them repeats within 65,536 datagrams of the bucket.
    std::uint16_t next(const wire::Address& source, const wire::Address& destination,
                       std::uint8_t protocol, bool dont_fragment);

private:
    SipKey key_;
    std::array<std::uint16_t, 256> counters_{};
};

}  // namespace estab::ip
