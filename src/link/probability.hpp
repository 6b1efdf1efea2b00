// Probabilities and their control, in integers: 2^40 is certain.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/math.hpp"
#include "base/time.hpp"

namespace estab::link {

using Chance = std::int64_t;
inline constexpr Chance certain = Chance{1} << 40;

constexpr Chance chance_of(std::int64_t part, std::int64_t of) { return certain / of * part; }

constexpr Chance times(Chance a, Chance b) {
    return static_cast<Chance>(mul_div(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b),
                                       static_cast<std::uint64_t>(certain)));
}

// error * part / of, as a chance; 10 s of error are as much as any more.
constexpr Chance gain(Duration error, std::uint64_t part, std::uint64_t of) {
    const std::int64_t ns = std::clamp<std::int64_t>(to_ns(error), -10'000'000'000, 10'000'000'000);
    const auto size = static_cast<std::uint64_t>(ns < 0 ? -ns : ns);
    const auto scaled = static_cast<Chance>(
        std::min<u128>(static_cast<u128>(size) * part * static_cast<u128>(certain) / of,
                       static_cast<u128>(8 * certain)));
    return ns < 0 ? -scaled : scaled;
}

}  // namespace estab::link
