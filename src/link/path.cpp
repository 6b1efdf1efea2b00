#include "link/path.hpp"

#include "base/rng.hpp"

namespace estab::link {
namespace {

Lane::Settings lane_settings(const PathLanes::Settings& settings, const device::Caps& below,
                             bool is_up) {
    Rng random(settings.spec.seed);
    const std::uint64_t up_seed = random.next();
    const std::uint64_t down_seed = random.next();
    return {.direction = is_up ? settings.spec.up : settings.spec.down,
            .seed = is_up ? up_seed : down_seed,
            .round_trip = settings.spec.up.delay + settings.spec.down.delay,
            .link = below.link,
            .frame_max = static_cast<std::uint32_t>(wire_frame_max(below)),
            .bytes_max = settings.bytes_max};
}

}  // namespace

PathLanes::PathLanes(const Settings& settings, const device::Caps& below)
    : link_(below.link),
      frame_max_(wire_frame_max(below)),
      big_frame_max_(big_frame_bytes(below.link)),
      big_frame_(std::make_unique_for_overwrite<std::uint8_t[]>(big_frame_max_)),
      piece_(std::make_unique_for_overwrite<std::uint8_t[]>(frame_max_)),
      up_(lane_settings(settings, below, true)),
      down_(lane_settings(settings, below, false)) {}

void PathLanes::send(Instant now, std::size_t size, const device::Offload& offload) {
    push(up_, now, room(size), offload);
}

void PathLanes::arrive(Instant now, const device::Frame& frame) {
    const bool is_stamped = frame.arrived != Instant{} && frame.arrived < now;
    push(down_, is_stamped ? frame.arrived : now, frame.bytes, frame.offload);
}

std::size_t PathLanes::receive(Instant now, std::span<device::Frame> batch) {
    down_.release();
    std::size_t count = 0;
    while (count < batch.size()) {
        const std::optional<Lane::Delivery> frame = down_.pop(now);
        if (!frame) break;
        batch[count++] = {.bytes = frame->bytes, .arrived = frame->at, .offload = {}};
    }
    return count;
}

void PathLanes::push(Lane& lane, Instant now, Bytes frame, const device::Offload& offload) {
    if (offload.gso == device::Gso::none && offload.checksum != device::Checksum::partial) {
        if (frame.size() > frame_max_) {
            ++malformed_;
        } else {
            lane.push(now, frame);
        }
        return;
    }
    const auto count = cut(frame, offload, {.link = link_, .frame_max = frame_max_},
                           {piece_.get(), frame_max_}, [&](Bytes piece) { lane.push(now, piece); });
    if (!count) ++malformed_;
}

}  // namespace estab::link
