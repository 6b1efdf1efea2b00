#include "drivers/vnet.hpp"

namespace estab::drivers {

using device::Checksum;
using device::Gso;
using device::Offload;

FromKernel from_vnet(const VnetHeader& header, Bytes frame) {
    Offload offload;
    if ((header.flags & VnetHeader::needs_checksum) != 0) {
        const std::size_t field = std::size_t{header.checksum_start} + header.checksum_offset;
        if (field + 2 > frame.size()) return {};
        offload.checksum = Checksum::partial;
        offload.checksum_start = header.checksum_start;
        offload.checksum_offset = header.checksum_offset;
    } else if ((header.flags & VnetHeader::data_valid) != 0) {
        offload.checksum = Checksum::verified;
    }

    switch (header.gso_type & ~VnetHeader::gso_ecn) {
    case VnetHeader::gso_none: return {.usable = true, .offload = offload};
    case VnetHeader::gso_tcp4: offload.gso = Gso::tcp4; break;
    case VnetHeader::gso_tcp6: offload.gso = Gso::tcp6; break;
    default: return {};
    }
    // hdr_len is only a hint (the kernel gives the size of its linear part), so the TCP header
    // tells.
    const std::size_t tcp = offload.checksum_start;
    if (offload.checksum != Checksum::partial || tcp + 20 > frame.size()) return {};
    const std::size_t headers = tcp + std::size_t{frame[tcp + 12]} / 16 * 4;
    if (headers < tcp + 20 || headers > frame.size() || header.gso_size == 0) return {};
    offload.header_length = static_cast<std::uint16_t>(headers);
    offload.gso_size = header.gso_size;
    offload.gso_ecn = (header.gso_type & VnetHeader::gso_ecn) != 0;
    return {.usable = true, .offload = offload};
}

VnetHeader to_vnet(const Offload& offload) {
    VnetHeader header{};
    if (offload.checksum == Checksum::partial) {
        header.flags = VnetHeader::needs_checksum;
        header.checksum_start = offload.checksum_start;
        header.checksum_offset = offload.checksum_offset;
    }
    switch (offload.gso) {
    case Gso::none: return header;
    case Gso::tcp4: header.gso_type = VnetHeader::gso_tcp4; break;
    case Gso::tcp6: header.gso_type = VnetHeader::gso_tcp6; break;
    }
    if (offload.gso_ecn) header.gso_type |= VnetHeader::gso_ecn;
    header.gso_size = offload.gso_size;
    header.header_length = offload.header_length;
    return header;
}

}  // namespace estab::drivers
