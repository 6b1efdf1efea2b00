// The sending half that TUN and AF_PACKET share: room for one frame with its virtio header in
// front, written at once, kept and tried again when the kernel has no room for it.
#pragma once

#include <cstdint>
#include <memory>

#include "device/device.hpp"

namespace estab::drivers {

// Frames are 64-bit counted; `last_error` is an errno value.
struct Counters {
    std::uint64_t rx_frames = 0;
    std::uint64_t rx_bytes = 0;
    std::uint64_t rx_unusable = 0;  // truncated, or of a kind we never asked for: dropped
    std::uint64_t tx_frames = 0;
    std::uint64_t tx_bytes = 0;
    std::uint64_t tx_busy = 0;  // times the kernel had no room; the frame was kept
    std::uint64_t tx_lost = 0;  // refused for good (interface down, malformed) or too long: dropped
    int last_error = 0;
};

class SendSlot {
public:
    SendSlot(bool vnet, std::size_t frame_max);

    // Empty while a frame waits: the device is full.
    MutableBytes reserve(std::size_t size);
    // `tail`: the last of those bytes, elsewhere; they are written from there, and copied only when
    // the frame has to wait.
    void commit(int fd, Instant now, std::size_t size, const device::Offload& offload,
                std::span<const Bytes> tail = {});
    void flush(int fd, Instant now);
    bool is_pending() const { return pending_ != 0; }
    // A waiting frame is tried again soon, because not every "no room" is followed by a wake-up;
    // for a second, because some frames the kernel never has room for.
    Instant deadline() const { return retry_at_; }

    Counters counters;

private:
    void write(int fd, Instant now, std::span<const Bytes> tail = {});

    std::unique_ptr<std::uint8_t[]> room_;
    std::size_t frame_max_;
    std::size_t header_size_;  // bytes of virtio header in front, 0 without
    std::size_t pending_ = 0;  // size of the frame that waits, without header
    Instant retry_at_ = never;
    Instant busy_since_ = never;  // of the frame that waits
};

}  // namespace estab::drivers
