#include "link/memory_link.hpp"

#include <bit>

#include "base/math.hpp"

namespace estab::link {

FrameRing::FrameRing(std::size_t frames_max, std::size_t frame_max)
    : frames_max_(frames_max),
      frame_max_(frame_max),
      mask_(std::bit_ceil(frames_max) - 1),
      // One line more than the frame needs, so that equal offsets in successive frames do not fall
      // on the same cache set.
      stride_(round_up(frame_max, 64) + 64),
      storage_(std::make_unique_for_overwrite<std::uint8_t[]>((mask_ + 1) * stride_)),
      slots_(mask_ + 1) {
    CHECK(frames_max > 0 && frame_max > 0);
}

MemoryLink::MemoryLink(const Settings& settings)
    : caps_(settings.caps),
      there_(settings.frames_max, settings.caps.frame_max),
      back_(settings.frames_max, settings.caps.frame_max),
      ends_{End{caps_, back_, there_}, End{caps_, there_, back_}} {}

}  // namespace estab::link
