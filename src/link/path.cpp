#include "link/path.hpp"

#include "base/rng.hpp"

namespace estab::link {
namespace {

constexpr std::size_t ethernet_bytes = 14;

Lane::Settings lane_settings(const PathSpec& spec, bool is_up, std::size_t bytes_max,
                             const device::Caps& below) {
    Rng random(spec.seed);
    const std::uint64_t up_seed = random.next();
    const std::uint64_t down_seed = random.next();
    return {.direction = is_up ? spec.up : spec.down,
            .seed = is_up ? up_seed : down_seed,
            .round_trip = spec.up.delay + spec.down.delay,
            .link = below.link,
            .frame_max = static_cast<std::uint32_t>(wire_frame_max(below)),
            .bytes_max = bytes_max};
}

}  // namespace

PathLanes::PathLanes(const Settings& settings, const device::Caps& below)
    : link_(below.link),
      frame_max_(wire_frame_max(below)),
      big_frame_max_(big_frame_bytes(below.link)),
      big_frame_(std::make_unique_for_overwrite<std::uint8_t[]>(big_frame_max_)),
      piece_(std::make_unique_for_overwrite<std::uint8_t[]>(frame_max_)),
      classify_(settings.classify),
      classify_context_(settings.classify_context) {
    CHECK(settings.branches.size() <= branches_max);
    const auto add = [&](const PathSpec& spec) {
        const auto lane = [&](bool is_up) {
            return Lane(lane_settings(spec, is_up, settings.bytes_max, below));
        };
        pairs_.push_back(std::make_unique<Pair>(lane(true), lane(false)));
    };
    add(settings.spec);
    for (const PathSpec& branch : settings.branches) add(branch);
}

void PathLanes::send(Instant now, std::size_t size, const device::Offload& offload) {
    const MutableBytes frame = room(size);
    push(up(classify(frame, false)), now, frame, offload);
}

void PathLanes::arrive(Instant now, const device::Frame& frame) {
    const bool is_stamped = frame.arrived != Instant{} && frame.arrived < now;
    push(down(classify(frame.bytes, true)), is_stamped ? frame.arrived : now, frame.bytes,
         frame.offload);
}

std::size_t PathLanes::receive(Instant now, std::span<device::Frame> batch) {
    for (const auto& pair : pairs_) pair->down.release();
    std::size_t count = 0;
    while (count < batch.size()) {
        const std::optional<Lane::Delivery> frame = next_down().pop(now);
        if (!frame) break;
        batch[count++] = {.bytes = frame->bytes, .arrived = frame->at, .offload = {}};
    }
    return count;
}

// What is no IP packet, as ARP, takes the path itself.
std::size_t PathLanes::classify(Bytes frame, bool arrives) const {
    if (classify_ == nullptr) return 0;
    if (link_ == device::LinkType::ethernet) {
        if (frame.size() < ethernet_bytes) return 0;
        frame = frame.subspan(ethernet_bytes);
    }
    const std::size_t branch = classify_(classify_context_, frame, arrives);
    return branch < pairs_.size() ? branch : 0;
}

Lane& PathLanes::next(Lane Pair::*way) const {
    Lane* first = &(*pairs_.front().*way);
    for (const auto& pair : pairs_)
        if ((*pair.*way).deadline() < first->deadline()) first = &(*pair.*way);
    return *first;
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
