// The search for the largest packet that a path carries, by the segments themselves (RFC 4821,
// RFC 8899): for paths whose routers say nothing, or are not heard.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

struct MtuSearch {                   // octets of IP packets
    bool on = false;
    std::uint16_t low = 0;           // is known to get through
    std::uint16_t high = 0;          // nothing larger is tried
    std::uint16_t probe = 0;         // under way; 0: none
    Seq begin, end;                  // its text
    std::uint8_t losses = 0;         // of probes of this size
    Instant again_at = never;        // when a larger one is tried once more
};

}  // namespace estab::tcp
