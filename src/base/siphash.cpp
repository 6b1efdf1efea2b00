#include "base/siphash.hpp"

namespace estab {
namespace {

constexpr std::uint64_t rotate(std::uint64_t v, int k) { return (v << k) | (v >> (64 - k)); }

struct State {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = rotate(v1, 13) ^ v0;
        v0 = rotate(v0, 32);
        v2 += v3;
        v3 = rotate(v3, 16) ^ v2;
        v0 += v3;
        v3 = rotate(v3, 21) ^ v0;
        v2 += v1;
        v1 = rotate(v1, 17) ^ v2;
        v2 = rotate(v2, 32);
    }
};

std::uint64_t load_le64(const std::uint8_t* p) {
    std::uint64_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <int compress, int finish>
std::uint64_t siphash(SipKey key, Bytes data) {
    State s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
            key.k1 ^ 0x7465646279746573};
    const std::size_t whole = data.size() / 8 * 8;
    for (std::size_t i = 0; i < whole; i += 8) {
        const std::uint64_t m = load_le64(data.data() + i);
        s.v3 ^= m;
        for (int r = 0; r < compress; ++r) s.round();
        s.v0 ^= m;
    }
    std::uint64_t last = static_cast<std::uint64_t>(data.size()) << 56;
    std::size_t i = whole;
    if (data.size() - whole >= 4) {
        std::uint32_t half;
        std::memcpy(&half, data.data() + whole, sizeof half);
        last |= half;
        i += 4;
    }
    for (; i < data.size(); ++i) {
        last |= static_cast<std::uint64_t>(data[i]) << (8 * (i - whole));
    }
    s.v3 ^= last;
    for (int r = 0; r < compress; ++r) s.round();
    s.v0 ^= last;
    s.v2 ^= 0xff;
    for (int r = 0; r < finish; ++r) s.round();
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace

std::uint64_t siphash_2_4(SipKey key, Bytes data) { return siphash<2, 4>(key, data); }
std::uint64_t siphash_1_3(SipKey key, Bytes data) { return siphash<1, 3>(key, data); }

}  // namespace estab
