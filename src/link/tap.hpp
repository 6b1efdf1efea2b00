// A decorator that shows every frame to a sink, as it passes: the only place where bytes are
// recorded. The device's own frames stay untouched; a partial checksum is completed in the copy
// that the sink sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "device/device.hpp"

namespace estab::link {

enum class Way : std::uint8_t { received, sent };  // seen from us

struct Tapped {
    Instant at{};              // received: when it arrived
    Way way = Way::received;
    Bytes bytes{};             // with complete checksums; valid during the call
    device::Offload
        offload{};  // gso and gso_size tell how many wire segments a big frame stands for
    std::string_view comment{};  // UTF-8, empty for none; valid during the call
};

template <class S>
concept TapSink = requires(S sink, const Tapped& frame) { sink.record(frame); };

// A frame with its checksum completed, in a buffer of its own if that changes it.
class TapCopy {
public:
    Tapped complete(Tapped frame);

private:
    std::vector<std::uint8_t> bytes_;  // grows to the largest partial frame seen
};

// What to say about the next frame of one way. Several remarks become lines of one comment.
class NextComment {
public:
    static constexpr std::size_t bytes_max = 1024;  // a remark that does not fit is left out

    void add(std::string_view remark);
    std::string_view text() const { return text_; }
    void clear() { text_.clear(); }

private:
    std::string text_;
};

template <device::Device D, TapSink S>
class Tap {
public:
    Tap(D& below, S& sink) : below_(below), sink_(sink) {}

    const device::Caps& caps() const { return below_.caps(); }

    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        const std::size_t count = below_.receive(now, batch);
        for (const device::Frame& frame : batch.first(count)) {
            record({.at = frame.arrived == Instant{} ? now : frame.arrived,
                    .way = Way::received,
                    .bytes = frame.bytes,
                    .offload = frame.offload,
                    .comment = next_received_.text()});
            next_received_.clear();
        }
        return count;
    }

    MutableBytes reserve(std::size_t size) { return room_ = below_.reserve(size); }
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        if (size != 0) {  // before the device has it: afterwards the room is no longer ours to read
            record({.at = now,
                    .way = Way::sent,
                    .bytes = room_.first(size),
                    .offload = offload,
                    .comment = next_sent_.text()});
            next_sent_.clear();
        }
        below_.commit(now, size, offload);
    }
    void flush(Instant now) { below_.flush(now); }
    Instant deadline() const { return below_.deadline(); }

    // What happened, said about the next frame that goes this way.
    void comment_next(Way way, std::string_view remark) {
        (way == Way::sent ? next_sent_ : next_received_).add(remark);
    }
    D& below() { return below_; }

private:
    void record(const Tapped& frame) { sink_.record(copy_.complete(frame)); }

    D& below_;
    S& sink_;
    MutableBytes room_;
    TapCopy copy_;
    NextComment next_sent_, next_received_;
};

}  // namespace estab::link
