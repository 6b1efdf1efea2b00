#include "link/tap.hpp"

#include "link/segment.hpp"

namespace estab::link {

Tapped TapCopy::complete(Tapped frame) {
    if (frame.offload.checksum != device::Checksum::partial) return frame;
    bytes_.assign(frame.bytes.begin(), frame.bytes.end());
    if (complete_checksum(bytes_, frame.offload)) frame.bytes = bytes_;
    return frame;
}

void NextComment::add(std::string_view remark) {
    const std::size_t separator = text_.empty() ? 0 : 1;
    if (remark.empty() || text_.size() + separator + remark.size() > bytes_max) return;
    if (separator != 0) text_ += '\n';
    text_ += remark;
}

}  // namespace estab::link
