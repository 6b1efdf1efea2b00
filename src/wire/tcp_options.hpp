// The option list alone: how wire/tcp.cpp lays it out and recognises what is in nearly every
// segment.
#pragma once

#include "wire/tcp.hpp"

namespace estab::wire {

inline constexpr std::size_t tcp_options_max = 40;

inline constexpr std::uint32_t timestamps_head = 0x0101080a;  // "nop,nop,TS"
inline constexpr std::size_t timestamps_bytes = 12;

// Writes at most tcp_options_max bytes, a multiple of 4; how many.
std::size_t write_tcp_options(std::uint8_t* room, const TcpOptions& options, OptionOrder order);

}  // namespace estab::wire
