// One number for everything that happened in a world, in order: equal for equal runs on every
// compiler. Four independent lanes, because every octet of every packet goes in.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"

namespace estab::sim {

class StreamHash {
public:
    void add(std::uint64_t word) { lanes_[0] = mix(lanes_[0], word); }
    void add(Bytes octets) {
        const std::uint8_t* p = octets.data();
        std::size_t left = octets.size();
        for (; left >= 32; left -= 32, p += 32) {
            for (int i = 0; i < 4; ++i) lanes_[i] = mix(lanes_[i], word_at(p + 8 * i, 8));
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
    std::uint64_t lanes_[4] = {1, 2, 3, 4};
};

}  // namespace estab::sim
