// IP packets that are complete and wait for room in the device: answers of those who have no
// connection, ICMP, UDP. Policy when full: the newest is refused, and its maker counts it; every
// one of these can be lost without harm.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include "base/bytes.hpp"

namespace estab::stack {

class PacketQueue {
public:
    // Holds at least half of `octets_max` whatever the order of calls.
    explicit PacketQueue(std::size_t octets_max)
        : room_(new std::uint8_t[octets_max]), size_(octets_max) {}

    // Room for a packet of up to `octets`, or empty. commit() makes the first so many of it a
    // packet.
    MutableBytes reserve(std::size_t octets) {
        if (head_ == tail_) head_ = tail_ = 0;
        if (size_ - tail_ < octets + header && head_ >= size_ / 2) {
            std::memmove(room_.get(), room_.get() + head_, tail_ - head_);
            tail_ -= head_;
            head_ = 0;
        }
        if (size_ - tail_ < octets + header) return {};
        return {room_.get() + tail_ + header, octets};
    }
    void commit(std::size_t octets) {
        const auto size = static_cast<std::uint32_t>(octets);
        std::memcpy(room_.get() + tail_, &size, sizeof size);
        tail_ += header + octets;
    }
    bool empty() const { return head_ == tail_; }
    Bytes front() const {
        std::uint32_t octets;
        std::memcpy(&octets, room_.get() + head_, sizeof octets);
        return {room_.get() + head_ + header, octets};
    }
    void pop() { head_ += header + front().size(); }

private:
    static constexpr std::size_t header = sizeof(std::uint32_t);

    std::unique_ptr<std::uint8_t[]> room_;
    std::size_t size_;
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
};

}  // namespace estab::stack
