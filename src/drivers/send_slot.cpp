#include "drivers/send_slot.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "drivers/vnet.hpp"

namespace estab::drivers {
namespace {

constexpr std::size_t lead = 16;  // keeps the frame aligned behind its 10-byte header
constexpr Duration retry_after = 100us;
constexpr Duration patience = 1s;

}  // namespace

SendSlot::SendSlot(bool vnet, std::size_t frame_max)
    : room_(std::make_unique_for_overwrite<std::uint8_t[]>(lead + frame_max)),
      frame_max_(frame_max),
      header_size_(vnet ? vnet_header_size : 0) {}

MutableBytes SendSlot::reserve(std::size_t size) {
    if (is_pending() || size > frame_max_) return {};
    return {room_.get() + lead, size};
}

void SendSlot::commit(int fd, Instant now, std::size_t size, const device::Offload& offload,
                      std::span<const Bytes> tail) {
    if (size == 0) return;
    CHECK(!is_pending());
    CHECK(size <= frame_max_);
    if (header_size_ != 0) {
        const VnetHeader header = to_vnet(offload);
        std::memcpy(room_.get() + lead - header_size_, &header, header_size_);
    }
    pending_ = size;
    write(fd, now, tail);
}

void SendSlot::flush(int fd, Instant now) {
    if (is_pending()) write(fd, now);
}

void SendSlot::write(int fd, Instant now, std::span<const Bytes> tail) {
    std::array<iovec, 1 + device::tail_pieces_max> parts;
    CHECK(tail.size() <= device::tail_pieces_max);
    std::uint8_t* end = room_.get() + lead + pending_;  // of what is in the room
    for (std::size_t i = 0; i < tail.size(); ++i) {
        parts[1 + i] = {const_cast<std::uint8_t*>(tail[i].data()), tail[i].size()};
        end -= tail[i].size();
    }
    std::uint8_t* const begin = room_.get() + lead - header_size_;
    parts[0] = {begin, static_cast<std::size_t>(end - begin)};
    ssize_t n;
    do n = ::writev(fd, parts.data(), static_cast<int>(1 + tail.size()));
    while (n < 0 && errno == EINTR);
    const bool is_busy = n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM);
    if (is_busy && busy_since_ == never) busy_since_ = now;
    if (is_busy && now - busy_since_ < patience) {
        for (const Bytes part : tail) end = std::ranges::copy(part, end).out;
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
    retry_at_ = busy_since_ = never;
}

}  // namespace estab::drivers
