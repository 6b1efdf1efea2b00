// A wire in memory: two ends, each a Device. What one end commits the other receives, in order, in
// place and with its Offload. The buffers are made once; sending a frame allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/check.hpp"
#include "base/time.hpp"
#include "device/device.hpp"

namespace estab::link {

// One direction. Holds `frames_max` frames, those lent to the receiver included; when it is full,
// reserve() gives no room and nothing is lost.
class FrameRing {
public:
    FrameRing(std::size_t frames_max, std::size_t frame_max);

    MutableBytes reserve(std::size_t size) {
        CHECK(size <= frame_max_);
        is_reserved_ = tail_ - head_ < frames_max_;
        return is_reserved_ ? MutableBytes{bytes(tail_), size} : MutableBytes{};
    }
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        if (size == 0) {
            is_reserved_ = false;
            return;
        }
        CHECK(is_reserved_ && size <= frame_max_);
        device::Frame& frame = slots_[tail_ & mask_];  // in place: nothing is made to be copied
        frame.bytes = {bytes(tail_), size};
        frame.arrived = now;
        frame.offload = offload;
        ++tail_;
        is_reserved_ = false;
    }
    std::size_t receive(std::span<device::Frame> batch) {
        head_ = lent_;  // what was lent last time is free now
        // An idle direction begins anew at the buffers that the caches still have.
        if (head_ == tail_ && !is_reserved_) head_ = lent_ = tail_ = 0;
        std::size_t count = 0;
        while (count < batch.size() && lent_ != tail_) batch[count++] = slots_[lent_++ & mask_];
        return count;
    }
    bool empty() const { return lent_ == tail_; }

private:
    std::uint8_t* bytes(std::size_t i) { return storage_.get() + (i & mask_) * stride_; }

    std::size_t frames_max_;
    std::size_t frame_max_;
    std::size_t mask_;    // places are a power of two, at least frames_max_
    std::size_t stride_;
    std::size_t head_ = 0;  // running counts: [head_, lent_) is lent, [lent_, tail_) waits
    std::size_t lent_ = 0;
    std::size_t tail_ = 0;
    bool is_reserved_ = false;
    std::unique_ptr<std::uint8_t[]> storage_;
    std::vector<device::Frame> slots_;
};

class MemoryLink {
public:
    struct Settings {
        device::Caps caps{};           // of both ends; caps.frame_max is the size of each buffer
        std::size_t frames_max = 256;  // in each direction
    };

    class End {
    public:
        const device::Caps& caps() const { return caps_; }
        std::size_t receive(Instant, std::span<device::Frame> batch) { return in_.receive(batch); }
        MutableBytes reserve(std::size_t size) { return out_.reserve(size); }
        void commit(Instant now, std::size_t size, const device::Offload& offload) {
            out_.commit(now, size, offload);
        }
        void flush(Instant) {}
        Instant deadline() const { return never; }
        bool has_frames() const { return !in_.empty(); }  // a receive() would give some

    private:
        friend class MemoryLink;
        End(const device::Caps& caps, FrameRing& in, FrameRing& out)
            : caps_(caps), in_(in), out_(out) {}
        const device::Caps& caps_;
        FrameRing& in_;
        FrameRing& out_;
    };

    explicit MemoryLink(const Settings& settings);
    MemoryLink(const MemoryLink&) = delete;
    MemoryLink& operator=(const MemoryLink&) = delete;

    End& end(std::size_t which) {
        CHECK(which < 2);
        return which == 0 ? ends_[0] : ends_[1];
    }

private:
    device::Caps caps_;
    FrameRing there_;  // from end 0 to end 1
    FrameRing back_;
    End ends_[2];
};

static_assert(device::Device<MemoryLink::End>);

}  // namespace estab::link
