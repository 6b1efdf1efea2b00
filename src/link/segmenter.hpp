// A decorator that takes big and partial frames for a device that cannot: they are cut and summed
// here. What the device below can do itself passes through untouched.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/check.hpp"
#include "base/time.hpp"
#include "device/device.hpp"
#include "link/segment.hpp"

namespace estab::link {

// One frame that is being cut. Holds it until the last piece has found room below: a full device in
// the middle of a burst loses nothing.
class CutInProgress {
public:
    explicit CutInProgress(device::LinkType link);

    MutableBytes room(
        std::size_t size);  // where the big frame is written; nothing may be under way
    // Begins with the frame in room(), its first `size` bytes. False: it cannot be cut; it is
    // forgotten.
    bool begin(Instant now, std::size_t size, const device::Offload& offload, const Cuts::How& how);
    bool is_done() const { return !cuts_; }

    template <device::Device D>
    bool continue_to(D& below) {  // true when all is out
        while (cuts_) {
            const std::size_t size = cuts_->bytes(next_);
            const MutableBytes room = below.reserve(size);
            if (room.empty()) return false;
            cuts_->write(next_, room);
            below.commit(now_, size, device::Offload{});
            if (++next_ == cuts_->count()) cuts_.reset();
        }
        return true;
    }

private:
    std::size_t frame_max_;
    std::unique_ptr<std::uint8_t[]> frame_;
    std::optional<Cuts> cuts_;
    std::size_t next_ = 0;
    Instant now_{};
};

// The largest frame on the wire behind a device of these caps.
std::size_t wire_frame_max(const device::Caps& caps);
// Caps of a device with everything done in software above it.
device::Caps with_offloads(device::Caps caps);
// Whether a device of these caps takes the frame as it is.
bool takes(const device::Caps& caps, const device::Offload& offload, std::size_t size);

template <device::Device D>
class Segmenter {
public:
    explicit Segmenter(D& below)
        : below_(below), caps_(with_offloads(below.caps())), cut_(below.caps().link) {}

    const device::Caps& caps() const { return caps_; }
    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        return below_.receive(now, batch);
    }

    MutableBytes reserve(std::size_t size) {
        if (!cut_.continue_to(below_)) return {};
        is_staged_ = size > below_.caps().frame_max;
        room_ = is_staged_ ? cut_.room(size) : below_.reserve(size);
        return room_;
    }

    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        const device::Caps& caps = below_.caps();
        if (size == 0) {
            if (!is_staged_) below_.commit(now, 0, offload);
            return;
        }
        CHECK(size <= room_.size());
        if (!is_staged_) {
            device::Offload rest = offload;
            const bool is_whole = offload.gso == device::Gso::none &&
                                  (caps.checksum || complete_checksum(room_.first(size), rest));
            if (is_whole || takes(caps, offload, size)) {
                below_.commit(now, size, rest);
                return;
            }
            const MutableBytes copy = cut_.room(size);
            std::copy_n(room_.data(), size, copy.data());
            below_.commit(now, 0, {});
        }
        if (!cut_.begin(now, size, offload, {.link = caps.link, .frame_max = wire_frame_max(caps)}))
            ++malformed_;
        cut_.continue_to(below_);
    }

    void flush(Instant now) {
        cut_.continue_to(below_);
        below_.flush(now);
    }
    Instant deadline() const { return below_.deadline(); }

    std::uint64_t malformed() const {
        return malformed_;
    }  // frames dropped because they could not be cut
    D& below() { return below_; }

private:
    D& below_;
    device::Caps caps_;
    CutInProgress cut_;
    MutableBytes room_;
    bool is_staged_ = false;
    std::uint64_t malformed_ = 0;
};

}  // namespace estab::link
