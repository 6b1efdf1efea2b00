// Integer arithmetic that floats would otherwise be used for. The core has no floating point.
#pragma once

#include <cstdint>

namespace estab {

__extension__ using u128 = unsigned __int128;

// a * b / c without overflow in between; c > 0. The result is cut to 64 bits only if it fits:
// callers keep a * b / c below 2^64.
constexpr std::uint64_t mul_div(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return static_cast<std::uint64_t>(static_cast<u128>(a) * b / c);
}

constexpr std::uint64_t mul_div_up(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return static_cast<std::uint64_t>((static_cast<u128>(a) * b + c - 1) / c);
}

constexpr std::uint64_t round_up(std::uint64_t v, std::uint64_t multiple) {
    return (v + multiple - 1) / multiple * multiple;
}

// The largest r with r * r * r <= v, for v < 2^126.
constexpr std::uint64_t cube_root(u128 v) {
    std::uint64_t root = 0;
    for (int bit = 41; bit >= 0; --bit) {
        const std::uint64_t next = root | (std::uint64_t{1} << bit);
        if (static_cast<u128>(next) * next * next <= v) root = next;
    }
    return root;
}

// Parts per million: how probabilities and ratios are written where floats are not used.
using Ppm = std::uint32_t;
inline constexpr Ppm ppm_all = 1'000'000;

}  // namespace estab
