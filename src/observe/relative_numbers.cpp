#include "observe/relative_numbers.hpp"

#include <algorithm>
#include <bit>

namespace estab::observe {

RelativeNumbers::RelativeNumbers(std::uint32_t connections_max)
    : connections_max_(std::clamp(connections_max, 1U, 1U << 30)),
      buckets_(std::min(std::bit_ceil(connections_max_), 1U << 16), none) {}

RelativeNumbers::Base* RelativeNumbers::find(const Key& key) {
    for (std::uint32_t i = bucket(key); i != none; i = entries_[i].next) {
        if (entries_[i].key == key) return &entries_[i].base;
    }
    return nullptr;
}

void RelativeNumbers::add(const Key& key, Base base) {
    std::uint32_t index = size();
    if (index < connections_max_) {
        entries_.emplace_back();
    } else {
        index = oldest_;
        oldest_ = oldest_ + 1 == connections_max_ ? 0 : oldest_ + 1;
        unlink(index);
    }
    std::uint32_t& head = bucket(key);
    entries_[index] = {key, base, head};
    head = index;
}

void RelativeNumbers::clear() {
    entries_.clear();
    std::ranges::fill(buckets_, none);
    oldest_ = 0;
}

std::uint32_t& RelativeNumbers::bucket(const Key& key) {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    std::uint64_t h = key.ports;
    for (const std::uint64_t part :
         {key.source[0], key.source[1], key.destination[0], key.destination[1]}) {
        h = (h ^ part) * odd;
        h ^= h >> 32;
    }
    return buckets_[h & (buckets_.size() - 1)];
}

void RelativeNumbers::unlink(std::uint32_t index) {
    std::uint32_t* at = &bucket(entries_[index].key);
    while (*at != index) at = &entries_[*at].next;
    *at = entries_[index].next;
}

}  // namespace estab::observe
