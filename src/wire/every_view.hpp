// For tests and fuzzers: reads all that can be read in a packet and checks what must hold of it.
#pragma once

#include "base/bytes.hpp"

namespace estab::wire {

// Both give a number that depends on everything that was read.
std::uint64_t read_every_view(Bytes ip_packet);
std::uint64_t read_every_frame_view(Bytes ethernet_frame);

}  // namespace estab::wire
