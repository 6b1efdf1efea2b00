// Just enough of io_uring to write many frames with one system call. Whoever has no io_uring (old
// kernel, kernel.io_uring_disabled, a container's seccomp profile) does without.
#pragma once

#include <linux/io_uring.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "drivers/system.hpp"

namespace estab::drivers {

class Uring {
public:
    // nullptr: not here. To be used from the thread that made it.
    static std::unique_ptr<Uring> open(unsigned entries);
    ~Uring();
    Uring(const Uring&) = delete;
    Uring& operator=(const Uring&) = delete;

    // Writes each part to the descriptor, in order, and waits for all; at most as many as there are
    // entries. `results` has for each what write() would have returned, or a negative errno. False:
    // the ring failed, and what is not in `results` (0) has not been tried.
    bool write(int fd, std::span<const iovec> parts, std::span<std::int32_t> results);

private:
    Uring() = default;
    bool map(const io_uring_params& params);
    std::size_t reap(std::span<std::int32_t> results);

    struct Mapping {
        void* base = nullptr;
        std::size_t size = 0;
        ~Mapping();
    };
    Fd fd_;
    Mapping rings_;
    Mapping entries_;
    std::uint32_t* tail_ = nullptr;   // of what we submit
    std::uint32_t* array_ = nullptr;
    std::uint32_t mask_ = 0;
    io_uring_sqe* submissions_ = nullptr;
    std::uint32_t* done_head_ = nullptr;
    std::uint32_t* done_tail_ = nullptr;
    std::uint32_t done_mask_ = 0;
    io_uring_cqe* completions_ = nullptr;
};

}  // namespace estab::drivers
