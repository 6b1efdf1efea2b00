#include "wire/checksum.hpp"

#include "base/check.hpp"

namespace estab::wire {
namespace {

// A vector of four lanes in the compiler's own notation: two SSE2 registers, one of AVX2, or
// whatever another machine has.
using Lanes = std::uint64_t __attribute__((vector_size(32)));
constexpr std::size_t lanes_bytes = sizeof(Lanes);

// Loads one vector, copies it if asked to, and advances `from` and `to`.
template <bool copy>
[[gnu::always_inline]] inline void next(Lanes& lanes, const std::uint8_t*& from,
                                        std::uint8_t*& to) {
    std::memcpy(&lanes, from, lanes_bytes);
    from += lanes_bytes;
    if constexpr (copy) {
        std::memcpy(to, &lanes, lanes_bytes);
        to += lanes_bytes;
    }
}

// Sums whole vectors. Each 32-bit half is added to a 64-bit lane, so nothing can carry out of one
// before 2^32 additions, and the lanes do not wait for each other.
template <bool copy>
[[gnu::always_inline]] inline std::uint64_t sum_lanes(const std::uint8_t*& from, std::uint8_t*& to,
                                                      std::size_t count) {
    Lanes low0{}, low1{}, high0{}, high1{}, a, b;
    for (; count >= 2; count -= 2) {
        next<copy>(a, from, to);
        next<copy>(b, from, to);
        low0 += a & 0xffffffff;
        high0 += a >> 32;
        low1 += b & 0xffffffff;
        high1 += b >> 32;
    }
    if (count != 0) {
        next<copy>(a, from, to);
        low0 += a & 0xffffffff;
        high0 += a >> 32;
    }
    low0 += low1;
    high0 += high1;
    low0 += high0;
    return (low0[0] + low0[1]) + (low0[2] + low0[3]);
}

template <class Word, bool copy>
[[gnu::always_inline]] inline std::uint64_t one_word(const std::uint8_t*& from, std::uint8_t*& to) {
    Word word;
    std::memcpy(&word, from, sizeof word);
    from += sizeof word;
    if constexpr (copy) {
        std::memcpy(to, &word, sizeof word);
        to += sizeof word;
    }
    return word;
}

template <bool copy>
[[gnu::always_inline]] inline std::uint64_t sum_all(const std::uint8_t* from, std::uint8_t* to,
                                                    std::size_t size) {
    std::uint64_t sum = 0;
    if (size >= 2 * lanes_bytes) {
        sum = sum_lanes<copy>(from, to, size / lanes_bytes);
        size %= lanes_bytes;
    }
    for (; size >= 8; size -= 8)
        sum = Sum::add_with_carry(sum, one_word<std::uint64_t, copy>(from, to));
    if ((size & 4) != 0) sum = Sum::add_with_carry(sum, one_word<std::uint32_t, copy>(from, to));
    if ((size & 2) != 0) sum = Sum::add_with_carry(sum, one_word<std::uint16_t, copy>(from, to));
    if ((size & 1) != 0) sum = Sum::add_with_carry(sum, one_word<std::uint8_t, copy>(from, to));
    return sum;
}

#if defined(__x86_64__)
template <bool copy>
[[gnu::target("avx2"), gnu::noinline]] std::uint64_t sum_avx2(const std::uint8_t* from,
                                                              std::uint8_t* to, std::size_t size) {
    return sum_all<copy>(from, to, size);
}
#endif

template <bool copy>
std::uint64_t sum_bytes(const std::uint8_t* from, std::uint8_t* to, std::size_t size) {
#if defined(__x86_64__)
    // Below this the call costs more than the wider registers save.
    if (size >= 4 * lanes_bytes && __builtin_cpu_supports("avx2"))
        return sum_avx2<copy>(from, to, size);
#endif
    return sum_all<copy>(from, to, size);
}

}  // namespace

// Bytes at an odd offset sit in the other half of every word: the sum is that of the even case with
// its two bytes exchanged (RFC 1071 2(B)).
std::uint64_t Sum::at_offset(std::uint64_t sum, bool odd) { return odd ? to_big(fold(sum)) : sum; }

void Sum::add(Bytes bytes, bool at_odd_offset) {
    const std::uint64_t sum = sum_bytes<false>(bytes.data(), nullptr, bytes.size());
    add_native(at_offset(sum, at_odd_offset));
}

void Sum::add_copying(Bytes from, std::uint8_t* to, bool at_odd_offset) {
    const std::uint64_t sum = sum_bytes<true>(from.data(), to, from.size());
    add_native(at_offset(sum, at_odd_offset));
}

std::uint16_t checksum(Bytes bytes) {
    Sum sum;
    sum.add(bytes);
    return sum.checksum();
}

std::uint16_t updated_checksum(std::uint16_t old_checksum, std::uint16_t old_word,
                               std::uint16_t new_word) {
    // HC' = ~(~HC + ~m + m'): unlike RFC 1141's form it never makes 0xffff out of 0. RFC 1624 3.
    const std::uint64_t sum = std::uint64_t{static_cast<std::uint16_t>(~old_checksum)} +
                              static_cast<std::uint16_t>(~old_word) + new_word;
    return static_cast<std::uint16_t>(~Sum::fold(sum));
}

bool complete_checksum(MutableBytes packet, std::size_t start, std::size_t offset) {
    if (start > packet.size() || packet.size() - start < 2 || offset > packet.size() - start - 2)
        return false;
    const MutableBytes covered = packet.subspan(start);
    store_be16(covered.data() + offset, checksum(covered));
    return true;
}

}  // namespace estab::wire
