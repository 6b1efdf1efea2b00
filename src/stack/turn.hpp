// One turn of a shard: what has arrived goes in, whose time has come speaks, and everything that is
// owed goes out while the device has room. The same for a TUN, a wire in memory and a simulated
// network.
#pragma once

#include <array>

#include "stack/stack.hpp"

namespace estab::stack {

// What is owed goes out; false when the device is full and more waits.
template <device::Device D>
bool flush(Stack& stack, D& device, Instant now) {
    bool done = true;
    while (stack.has_output()) {
        const MutableBytes room = device.reserve(stack.frame_bytes());
        if (room.empty()) {
            done = false;
            break;
        }
        device::Offload offload;
        std::size_t size;
        if constexpr (device::GatheringDevice<D>) {
            Stack::Tail tail;
            size = stack.write_next(now, room, offload, &tail);
            device.commit(now, size, offload, tail);
        } else {
            size = stack.write_next(now, room, offload);
            device.commit(now, size, offload);
        }
        if (size == 0) break;
    }
    device.flush(now);
    return done;
}

// Left unset: to clear it would cost more than a turn of one frame. The device fills in what it
// lends.
union Batch {
    Batch() {}
    std::array<device::Frame, 64> frames;
};

// Everything that the device has, then time, then output. How many frames came in.
template <device::Device D>
std::size_t turn(Stack& stack, D& device, Instant now, std::size_t frames_max = 1024) {
    Batch room;
    const std::span batch(room.frames);
    std::size_t total = 0;
    stack.advance(now);
    for (;;) {
        const std::size_t count = device.receive(now, batch);
        stack.receive(now, batch.first(count));
        total += count;
        flush(stack, device, now);
        if (count < batch.size() || total >= frames_max) break;
    }
    return total;
}

}  // namespace estab::stack
