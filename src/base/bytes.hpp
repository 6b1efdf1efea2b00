// Spans of octets and big-endian loads and stores: the only places where bytes become numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace estab {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline constexpr std::uint16_t to_big(std::uint16_t v) { return __builtin_bswap16(v); }
inline constexpr std::uint32_t to_big(std::uint32_t v) { return __builtin_bswap32(v); }
inline constexpr std::uint64_t to_big(std::uint64_t v) { return __builtin_bswap64(v); }
static_assert(std::endian::native == std::endian::little,
              "estab is built for little-endian machines");

inline std::uint16_t load_be16(const std::uint8_t* p) {
    std::uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return to_big(v);
}
inline std::uint32_t load_be32(const std::uint8_t* p) {
    std::uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return to_big(v);
}
inline std::uint64_t load_be64(const std::uint8_t* p) {
    std::uint64_t v;
    std::memcpy(&v, p, sizeof v);
    return to_big(v);
}
inline void store_be16(std::uint8_t* p, std::uint16_t v) {
    v = to_big(v);
    std::memcpy(p, &v, sizeof v);
}
inline void store_be32(std::uint8_t* p, std::uint32_t v) {
    v = to_big(v);
    std::memcpy(p, &v, sizeof v);
}
inline void store_be64(std::uint8_t* p, std::uint64_t v) {
    v = to_big(v);
    std::memcpy(p, &v, sizeof v);
}

}  // namespace estab
