// The option list alone: how wire/tcp.cpp lays it out and recognises what is in nearly every
// segment.
#pragma once

#include "wire/tcp.hpp"

namespace estab::wire {

inline constexpr std::size_t tcp_options_max = 40;

// "nop,nop,TS" and nothing else: the options of nearly every segment of an established connection.
inline constexpr std::uint32_t timestamps_head = 0x0101080a;
inline constexpr std::size_t timestamps_bytes = 12;

constexpr bool has_timestamps_only(const TcpOptions& o) {
    return o.timestamps && !o.mss && !o.window_scale && !o.sack_permitted && o.sack_count == 0 &&
           !o.fast_open;
}
constexpr bool has_none(const TcpOptions& o) {
    return !o.timestamps && !o.mss && !o.window_scale && !o.sack_permitted && o.sack_count == 0 &&
           !o.fast_open;
}

// Writes at most tcp_options_max bytes, a multiple of 4; how many.
std::size_t write_tcp_options(std::uint8_t* room, const TcpOptions& options, OptionOrder order);

}  // namespace estab::wire
