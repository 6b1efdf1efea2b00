// A seeded source of numbers, the same on every compiler and machine (xoshiro256**, seeded by
// splitmix64). The only randomness there is: it always arrives as an argument.
#pragma once

#include <array>
#include <cstdint>

#include "base/math.hpp"

namespace estab {

class Rng {
public:
    explicit Rng(std::uint64_t seed) {
        for (auto& word : state_) {
            seed += 0x9e3779b97f4a7c15;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
            z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
            word = z ^ (z >> 31);
        }
    }

    std::uint64_t next() {
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    // Uniform in [0, bound); 0 when bound is 0.
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<u128>(next()) * bound) >> 64);
    }

    // True with the given probability.
    bool chance(Ppm probability) { return probability != 0 && below(ppm_all) < probability; }

private:
    static constexpr std::uint64_t rotate(std::uint64_t v, int k) {
        return (v << k) | (v >> (64 - k));
    }

    std::array<std::uint64_t, 4> state_{};
};

}  // namespace estab
