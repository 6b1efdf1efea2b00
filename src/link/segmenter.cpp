#include "link/segmenter.hpp"

namespace estab::link {

CutInProgress::CutInProgress(device::LinkType link)
    : frame_max_(big_frame_bytes(link)),
      frame_(std::make_unique_for_overwrite<std::uint8_t[]>(frame_max_)) {}

MutableBytes CutInProgress::room(std::size_t size) {
    CHECK(is_done() && size <= frame_max_);
    return {frame_.get(), size};
}

bool CutInProgress::begin(Instant now, std::size_t size, const device::Offload& offload,
                          const Cuts::How& how) {
    CHECK(is_done() && size <= frame_max_);
    Result<Cuts> cuts = Cuts::plan({frame_.get(), size}, offload, how);
    if (!cuts || cuts->bytes(0) > how.frame_max) return false;
    cuts_ = *cuts;
    next_ = 0;
    now_ = now;
    return true;
}

std::size_t wire_frame_max(const device::Caps& caps) {
    return std::min<std::size_t>(caps.mtu + link_header_bytes(caps.link), caps.frame_max);
}

device::Caps with_offloads(device::Caps caps) {
    caps.frame_max = big_frame_bytes(caps.link);
    caps.tso4 = caps.tso6 = caps.gso_ecn = caps.checksum = true;
    return caps;
}

bool takes(const device::Caps& caps, const device::Offload& offload, std::size_t size) {
    if (size > caps.frame_max) return false;
    if (offload.checksum == device::Checksum::partial && !caps.checksum) return false;
    if (offload.gso_ecn && !caps.gso_ecn) return false;
    switch (offload.gso) {
    case device::Gso::none: return true;
    case device::Gso::tcp4: return caps.tso4;
    case device::Gso::tcp6: return caps.tso6;
    }
    return false;
}

}  // namespace estab::link
