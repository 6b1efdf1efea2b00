#include "drivers/send_ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.hpp"

namespace estab::drivers {
namespace {

constexpr Duration retry_after = 100us;
constexpr std::size_t line = 64;  // of the processor's cache

bool has_no_room(std::int32_t result) {
    return result == -EAGAIN || result == -ENOBUFS || result == -ENOMEM;
}

}  // namespace

SendRing::SendRing(std::size_t frame_max, bool wants_uring)
    : frame_max_(frame_max),
      stride_((frame_max + line - 1) / line * line),
      rooms_(std::make_unique_for_overwrite<std::uint8_t[]>(frames_max * stride_)),
      wants_uring_(wants_uring) {
    frames_.reserve(frames_max);
    results_.reserve(frames_max);
}

MutableBytes SendRing::reserve(std::size_t size) {
    if (retry_at_ != never || size > frame_max_) return {};
    return {room(frames_.size()), size};
}

void SendRing::commit(int fd, Instant now, std::size_t size, Counters& counters) {
    if (size == 0) return;
    CHECK(size <= frame_max_ && frames_.size() < frames_max && retry_at_ == never);
    frames_.push_back({room(frames_.size()), size});
    if (frames_.size() == frames_max) flush(fd, now, counters);
}

void SendRing::flush(int fd, Instant now, Counters& counters) {
    if (frames_.empty()) return;
    results_.assign(frames_.size(), 0);
    if (frames_.size() < together_min || !write_together(fd)) write_each(fd);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (results_[i] >= 0) {
            ++counters.tx_frames;
            counters.tx_bytes += frames_[i].iov_len;
        } else if (has_no_room(results_[i])) {
            // Moved to the front, in order: their rooms are behind where they go, or the same.
            std::memmove(room(kept), frames_[i].iov_base, frames_[i].iov_len);
            frames_[kept] = {room(kept), frames_[i].iov_len};
            ++kept;
        } else {
            ++counters.tx_lost;
            counters.last_error = -results_[i];
        }
    }
    frames_.resize(kept);
    if (kept != 0) ++counters.tx_busy;
    retry_at_ = kept != 0 ? after(now, retry_after) : never;
}

bool SendRing::write_together(int fd) {
    if (wants_uring_ && !uring_) {
        uring_ = Uring::open(frames_max);
        wants_uring_ = static_cast<bool>(uring_);
    }
    if (!uring_) return false;
    const bool done = uring_->write(fd, frames_, results_);
    if (done && std::ranges::find(results_, -EOPNOTSUPP) == results_.end()) return true;
    uring_.reset();  // never again; what has no result yet is written without it
    std::ranges::replace(results_, -EOPNOTSUPP, 0);
    wants_uring_ = false;
    return false;
}

void SendRing::write_each(int fd) {
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        if (results_[i] != 0) continue;
        ssize_t n;
        do n = ::write(fd, frames_[i].iov_base, frames_[i].iov_len);
        while (n < 0 && errno == EINTR);
        results_[i] = n < 0 ? -errno : static_cast<std::int32_t>(n);
        if (!has_no_room(results_[i])) continue;
        // Those behind it would overtake it.
        for (std::size_t rest = i + 1; rest < frames_.size(); ++rest)
            if (results_[rest] == 0) results_[rest] = results_[i];
        return;
    }
}

}  // namespace estab::drivers
