// A run of octets in pieces: what a segment carries. The pieces belong to someone else (chunks of a
// buffer, a received frame) and live as long as that someone says.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "base/check.hpp"

namespace estab::tcp {

class Payload {
public:
    // Enough for 64 KiB in 1448-octet frames or 4 KiB chunks at any alignment.
    static constexpr std::size_t pieces_max = 48;

    Payload()
        : count_(0), size_(0) {}  // the pieces themselves are left unset: a span would clear them
    explicit Payload(Bytes bytes) : Payload() { add(bytes); }

    bool full() const { return count_ == pieces_max; }
    void add(Bytes bytes) {
        if (bytes.empty()) return;
        CHECK(!full());
        std::construct_at(&pieces_[count_++], bytes);
        size_ += static_cast<std::uint32_t>(bytes.size());
    }
    void clear() { count_ = size_ = 0; }
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::span<const Bytes> pieces() const { return {pieces_.data(), count_}; }

    void drop_front(std::uint32_t octets);  // octets <= size()
    void drop_back(std::uint32_t octets);

private:
    union {
        std::array<Bytes, pieces_max> pieces_;
    };
    std::uint32_t count_;
    std::uint32_t size_;
};

}  // namespace estab::tcp
