// A network path as a decorator: between us and the device below, frames are lost, queued, delayed,
// reordered, duplicated and corrupted as a PathSpec says. Only wire-size frames with complete
// checksums pass it: big ones are cut before, in both directions, so that one lost packet is one
// lost packet. What comes out at once is joined again for a device below that takes big frames.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/check.hpp"
#include "base/time.hpp"
#include "device/device.hpp"
#include "link/join.hpp"
#include "link/lane.hpp"
#include "link/path_spec.hpp"
#include "link/segment.hpp"
#include "link/segmenter.hpp"

namespace estab::link {

// Both lanes and the way into them; what of a Path does not depend on the device. There may be
// branches beside it, each with two lanes of its own, for what a classifier finds.
class PathLanes {
public:
    static constexpr std::size_t branches_max = 16;

    // Which branch an IP packet takes, which comes from the peer (`arrives`) or goes there; 0: the
    // path itself, n: branch n - 1. Asked once for a big frame.
    using Classify = std::size_t (*)(void* context, Bytes packet, bool arrives);
    struct Settings {
        PathSpec spec{};
        std::vector<PathSpec> branches{};  // at most branches_max
        Classify classify = nullptr;
        void* classify_context = nullptr;
        std::size_t bytes_max = std::size_t{64}
                                << 20;  // of buffers in each direction; beyond: dropped
    };

    PathLanes(const Settings& settings, const device::Caps& below);

    MutableBytes room(std::size_t size) {
        CHECK(size <= big_frame_max_);
        return {big_frame_.get(), size};
    }
    void send(Instant now, std::size_t size, const device::Offload& offload);  // what is in room()
    void arrive(Instant now, const device::Frame& frame);
    std::size_t receive(Instant now, std::span<device::Frame> batch);

    // Of the path itself, or of a branch.
    Lane& up(std::size_t branch = 0) { return pairs_[branch]->up; }
    Lane& down(std::size_t branch = 0) { return pairs_[branch]->down; }
    const Lane& up(std::size_t branch = 0) const { return pairs_[branch]->up; }
    const Lane& down(std::size_t branch = 0) const { return pairs_[branch]->down; }
    std::size_t branches() const { return pairs_.size() - 1; }
    // For what enters a stage from now on; not the seed.
    void change(const PathSpec& spec, std::size_t branch = 0) {
        up(branch).change(spec.up);
        down(branch).change(spec.down);
    }
    // The one whose next frame is due first.
    Lane& next_up() { return next(&Pair::up); }
    Lane& next_down() { return next(&Pair::down); }
    const Lane& next_up() const { return next(&Pair::up); }
    const Lane& next_down() const { return next(&Pair::down); }
    std::size_t frame_max() const { return frame_max_; }
    std::uint64_t malformed() const { return malformed_; }

private:
    struct Pair {
        Lane up, down;
    };
    void push(Lane& lane, Instant now, Bytes frame, const device::Offload& offload);
    std::size_t classify(Bytes frame, bool arrives) const;
    Lane& next(Lane Pair::*way) const;

    device::LinkType link_;
    std::size_t frame_max_;      // on the wire
    std::size_t big_frame_max_;  // in room()
    std::unique_ptr<std::uint8_t[]> big_frame_;
    std::unique_ptr<std::uint8_t[]> piece_;
    std::vector<std::unique_ptr<Pair>> pairs_;  // never empty
    Classify classify_;
    void* classify_context_;
    std::uint64_t malformed_ = 0;
};

template <device::Device D>
class Path {
public:
    Path(D& below, const PathLanes::Settings& settings)
        : below_(below),
          caps_(with_offloads(below.caps())),
          lanes_(settings, below.caps()),
          room_bytes_(std::max<std::size_t>(lanes_.frame_max(), below.caps().frame_max)) {}

    const device::Caps& caps() const { return caps_; }

    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        std::array<device::Frame, 32> frames;
        std::size_t count;
        do {
            count = below_.receive(now, frames);
            for (std::size_t i = 0; i < count; ++i) lanes_.arrive(now, frames[i]);
        } while (count == frames.size());
        return lanes_.receive(now, batch);
    }

    MutableBytes reserve(std::size_t size) {
        return lanes_.room(size);
    }  // a path drops, it does not refuse
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        if (size != 0) lanes_.send(now, size, offload);
    }

    void flush(Instant now) {
        retry_at_ = never;
        while (!held_.empty() || lanes_.next_up().deadline() <= now) {
            const MutableBytes room = below_.reserve(room_bytes_);
            if (room.empty()) {
                retry_at_ = after(now, retry_after);
                break;
            }
            const std::size_t size = take_first(now, room);
            if (size == 0) {
                below_.commit(now, 0, device::Offload{});
                continue;
            }
            Joined joined(below_.caps(), room, size);
            join_more(now, joined);
            const device::Offload offload = joined.finish();
            below_.commit(now, joined.size(), offload);
        }
        below_.flush(now);
    }

    // A device that is full is asked again after a moment: its own deadline does not tell when.
    Instant deadline() const {
        const Instant due = held_.empty() ? lanes_.next_up().deadline() : Instant::min();
        const Instant up = retry_at_ != never ? retry_at_ : due;
        return std::min({up, lanes_.next_down().deadline(), below_.deadline()});
    }

    const Lane::Counters& up() const { return lanes_.up().counters(); }
    const Lane::Counters& down() const { return lanes_.down().counters(); }
    std::uint64_t malformed() const {
        return lanes_.malformed();
    }  // dropped because it could not be cut
    PathLanes& lanes() { return lanes_; }
    D& below() { return below_; }

private:
    static constexpr Duration retry_after = 1ms;

    // The next frame that is due, in `room`; 0: there is none after all.
    std::size_t take_first(Instant now, MutableBytes room) {
        if (!held_.empty()) {
            std::copy(held_.begin(), held_.end(), room.begin());
            const std::size_t size = held_.size();
            held_.clear();
            return size;
        }
        Lane& lane = lanes_.next_up();
        const std::optional<Lane::Delivery> frame = lane.pop(now);
        if (frame) std::copy(frame->bytes.begin(), frame->bytes.end(), room.begin());
        const std::size_t size = frame ? frame->bytes.size() : 0;
        lane.release();
        return size;
    }

    // Those behind it, as long as they go on; the first one that does not is held.
    void join_more(Instant now, Joined& joined) {
        while (joined.may_go_on() && held_.empty()) {
            Lane& lane = lanes_.next_up();
            if (lane.deadline() > now) return;
            const std::optional<Lane::Delivery> frame = lane.pop(now);
            if (frame && !joined.add(frame->bytes))
                held_.assign(frame->bytes.begin(), frame->bytes.end());
            lane.release();
        }
    }

    D& below_;
    device::Caps caps_;
    PathLanes lanes_;
    std::size_t room_bytes_;          // of a frame for the device below
    std::vector<std::uint8_t> held_;  // a frame that has left its lane; empty: none
    Instant retry_at_ = never;
};

}  // namespace estab::link
