// One number for everything that happened in a world, in order: equal for equal runs on every
// compiler. Four independent lanes, and sixteen octets to a multiplication, because every octet of
// every packet goes in.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "base/math.hpp"

namespace estab::sim {

class StreamHash {
public:
    void add(std::uint64_t word) { lanes_[0] = mix(lanes_[0], word); }
    void add(Bytes octets) {
        const std::uint8_t* p = octets.data();
        std::size_t left = octets.size();
        for (; left >= 64; left -= 64, p += 64) {
            for (int i = 0; i < 4; ++i) {
                lanes_[i] = fold(lanes_[i] ^ word_at(p + 16 * i, 8),
                                 word_at(p + 16 * i + 8, 8) ^ odd[i]);
            }
        }
        for (; left != 0;) {
            const std::size_t n = left < 8 ? left : 8;
            lanes_[1] = mix(lanes_[1], word_at(p, n));
            p += n;
            left -= n;
        }
        add(octets.size());
    }
    std::uint64_t value() const {
        std::uint64_t all = 0;
        for (const std::uint64_t lane : lanes_) all = mix(all, lane);
        return all ^ (all >> 32);
    }

private:
    static std::uint64_t word_at(const std::uint8_t* p, std::size_t n) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, n);
        return word;
    }
    static std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
        hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15;
        return hash ^ (hash >> 29);
    }
    // Both halves of the product, and something more, so that no lane stays 0.
    static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
        const u128 product = static_cast<u128>(a) * b;
        return (static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64)) +
               0x9e37'79b9'7f4a'7c15;
    }
    static constexpr std::uint64_t odd[4] = {0xa076'1d64'78bd'642f, 0xe703'7ed1'a0b4'28db,
                                             0x8ebc'6af0'9c88'c6e3, 0x5899'65cc'7537'4cc3};
    std::uint64_t lanes_[4] = {1, 2, 3, 4};
};

}  // namespace estab::sim
