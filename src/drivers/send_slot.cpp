#include "drivers/send_slot.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "drivers/vnet.hpp"

namespace estab::drivers {
namespace {

constexpr std::size_t lead = 16;  // keeps the frame aligned behind its 10-byte header
constexpr Duration retry_after = 100us;

}  // namespace

SendSlot::SendSlot(bool vnet, std::size_t frame_max)
    : room_(std::make_unique_for_overwrite<std::uint8_t[]>(lead + frame_max)),
      frame_max_(frame_max),
      header_size_(vnet ? vnet_header_size : 0) {}

MutableBytes SendSlot::reserve(std::size_t size) {
    if (is_pending() || size > frame_max_) return {};
    return {room_.get() + lead, size};
}

void SendSlot::commit(int fd, Instant now, std::size_t size, const device::Offload& offload) {
    if (size == 0) return;
    CHECK(!is_pending());
    CHECK(size <= frame_max_);
    if (header_size_ != 0) {
        const VnetHeader header = to_vnet(offload);
        std::memcpy(room_.get() + lead - header_size_, &header, header_size_);
    }
    pending_ = size;
    write(fd, now);
}

void SendSlot::flush(int fd, Instant now) {
    if (is_pending()) write(fd, now);
}

void SendSlot::write(int fd, Instant now) {
    ssize_t n;
    do n = ::write(fd, room_.get() + lead - header_size_, pending_ + header_size_);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
        ++counters.tx_busy;
        retry_at_ = after(now, retry_after);
        return;
    }
    if (n < 0) {
        ++counters.tx_lost;
        counters.last_error = errno;
    } else {
        ++counters.tx_frames;
        counters.tx_bytes += pending_;
    }
    pending_ = 0;
    retry_at_ = never;
}

}  // namespace estab::drivers
