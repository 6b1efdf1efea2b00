// A SYN that waits for its owner's word.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.hpp"
#include "tcp/handshake.hpp"
#include "wire/address.hpp"

namespace estab::stack {

struct HeldSynId {
    std::uint64_t serial = 0;  // grows
    friend constexpr auto operator<=>(HeldSynId, HeldSynId) = default;
};

struct Held {
    HeldSynId id;
    std::uint32_t listener;
    wire::FourTuple tuple;
    tcp::Handshake offered;            // what the SYN said
    Instant ends;                      // all wait equally long: the oldest ends first
    std::vector<std::uint8_t> quoted;  // the start of the packet, for an ICMP answer
    bool told = false;
};

}  // namespace estab::stack
