// Sending for a device that takes small frames only: they wait for flush() and go together, with
// one system call through io_uring where the kernel has it and allows it, else each by its own.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "drivers/send_slot.hpp"
#include "drivers/uring.hpp"

namespace estab::drivers {

class SendRing {
public:
    static constexpr std::size_t frames_max = 64;  // that wait; then they are sent

    SendRing(std::size_t frame_max, bool wants_uring);

    // Empty while frames wait for which the kernel had no room: the device is full.
    MutableBytes reserve(std::size_t size);
    void commit(int fd, Instant now, std::size_t size, Counters& counters);
    void flush(int fd, Instant now, Counters& counters);
    Instant deadline() const { return retry_at_; }

private:
    // Below that a ring costs more than it saves.
    static constexpr std::size_t together_min = 4;

    std::uint8_t* room(std::size_t number) const { return rooms_.get() + number * stride_; }
    void write_each(int fd);
    bool write_together(int fd);

    std::size_t frame_max_;
    std::size_t stride_;
    std::unique_ptr<std::uint8_t[]> rooms_;
    std::vector<iovec> frames_;           // those that wait, in order; each in a room
    std::vector<std::int32_t> results_;   // of writing them
    std::unique_ptr<Uring> uring_;
    bool wants_uring_;                    // it is made when first used, by the thread that uses it
    Instant retry_at_ = never;
};

}  // namespace estab::drivers
