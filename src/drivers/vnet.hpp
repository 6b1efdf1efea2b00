// The virtio network header that TUN and AF_PACKET put in front of a frame, and Offload: two
// spellings of the same thing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/device.hpp"

namespace estab::drivers {

// struct virtio_net_hdr, in the machine's byte order. The kernel's own header is not C++ (a member
// of it is called `class`).
struct VnetHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t header_length = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;

    static constexpr std::uint8_t needs_checksum = 1;
    static constexpr std::uint8_t data_valid = 2;
    static constexpr std::uint8_t gso_none = 0;
    static constexpr std::uint8_t gso_tcp4 = 1;
    static constexpr std::uint8_t gso_tcp6 = 4;
    static constexpr std::uint8_t gso_ecn = 0x80;
};
inline constexpr std::size_t vnet_header_size = sizeof(VnetHeader);
static_assert(vnet_header_size == 10);

// What the kernel says about a frame it gives us. Offsets that point outside the frame, and kinds
// of segmentation that we never asked for, give nothing.
struct FromKernel {
    bool usable = false;
    device::Offload offload;
};
FromKernel from_vnet(const VnetHeader& header, Bytes frame);

VnetHeader to_vnet(const device::Offload& offload);

}  // namespace estab::drivers
