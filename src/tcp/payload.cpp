#include "tcp/payload.hpp"

#include <algorithm>

namespace estab::tcp {

void Payload::drop_front(std::uint32_t octets) {
    CHECK(octets <= size_);
    size_ -= octets;
    std::uint32_t whole = 0;
    while (octets != 0 && octets >= pieces_[whole].size()) {
        octets -= static_cast<std::uint32_t>(pieces_[whole++].size());
    }
    std::copy(pieces_.begin() + whole, pieces_.begin() + count_, pieces_.begin());
    count_ -= whole;
    if (octets != 0) pieces_[0] = pieces_[0].subspan(octets);
}

void Payload::drop_back(std::uint32_t octets) {
    CHECK(octets <= size_);
    size_ -= octets;
    while (octets != 0 && octets >= pieces_[count_ - 1].size()) {
        octets -= static_cast<std::uint32_t>(pieces_[--count_].size());
    }
    if (octets == 0) return;
    Bytes& last = pieces_[count_ - 1];
    last = last.first(last.size() - octets);
}

}  // namespace estab::tcp
