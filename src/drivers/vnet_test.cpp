#include "drivers/vnet.hpp"

#include <gtest/gtest.h>

#include <array>

namespace estab::drivers {
namespace {

using device::Checksum;
using device::Gso;
using device::Offload;

// 20 bytes of IPv4, 32 of TCP (offset 8), 100 of text.
std::array<std::uint8_t, 152> tcp_frame() {
    std::array<std::uint8_t, 152> frame{};
    frame[20 + 12] = 8 << 4;
    return frame;
}

constexpr VnetHeader big{.flags = VnetHeader::needs_checksum,
                         .gso_type = VnetHeader::gso_tcp4,
                         .header_length = 152,
                         .gso_size = 50,
                         .checksum_start = 20,
                         .checksum_offset = 16};

TEST(Vnet, EmptyHeaderMeansACompleteFrame) {
    const auto from = from_vnet({}, tcp_frame());
    EXPECT_TRUE(from.usable);
    EXPECT_EQ(from.offload.checksum, Checksum::complete);
    EXPECT_EQ(from.offload.gso, Gso::none);
}

TEST(Vnet, CheckedByTheKernel) {
    EXPECT_EQ(from_vnet({.flags = VnetHeader::data_valid}, tcp_frame()).offload.checksum,
              Checksum::verified);
}

TEST(Vnet, HeaderLengthComesFromTcpNotFromTheHint) {
    const auto from = from_vnet(big, tcp_frame());
    ASSERT_TRUE(from.usable);
    EXPECT_EQ(from.offload.header_length, 52);
    EXPECT_EQ(from.offload.gso_size, 50);
    EXPECT_FALSE(from.offload.gso_ecn);
}

TEST(Vnet, ToKernelAndBack) {
    for (const Gso gso : {Gso::none, Gso::tcp4, Gso::tcp6}) {
        for (const bool ecn : {false, true}) {
            Offload offload{.checksum = Checksum::partial,
                            .gso = gso,
                            .gso_ecn = ecn && gso != Gso::none,
                            .checksum_start = 20,
                            .checksum_offset = 16};
            if (gso != Gso::none) {
                offload.gso_size = 50;
                offload.header_length = 52;
            }
            const auto back = from_vnet(to_vnet(offload), tcp_frame());
            ASSERT_TRUE(back.usable);
            EXPECT_EQ(back.offload.gso, offload.gso);
            EXPECT_EQ(back.offload.gso_ecn, offload.gso_ecn);
            EXPECT_EQ(back.offload.gso_size, offload.gso_size);
            EXPECT_EQ(back.offload.header_length, offload.header_length);
            EXPECT_EQ(back.offload.checksum_start, offload.checksum_start);
        }
    }
}

TEST(Vnet, OffsetsOutsideTheFrameAreUnusable) {
    VnetHeader header{
        .flags = VnetHeader::needs_checksum, .checksum_start = 150, .checksum_offset = 0};
    EXPECT_TRUE(from_vnet(header, tcp_frame()).usable);
    header.checksum_offset = 1;
    EXPECT_FALSE(from_vnet(header, tcp_frame()).usable);
    header.checksum_start = header.checksum_offset = 0xffff;
    EXPECT_FALSE(from_vnet(header, tcp_frame()).usable);
}

TEST(Vnet, SegmentationThatDoesNotAddUpIsUnusable) {
    EXPECT_FALSE(from_vnet({.gso_type = VnetHeader::gso_tcp4, .gso_size = 50}, tcp_frame()).usable);
    VnetHeader header = big;
    header.gso_size = 0;
    EXPECT_FALSE(from_vnet(header, tcp_frame()).usable);
    header = big;
    header.gso_type = 5;  // UDP
    EXPECT_FALSE(from_vnet(header, tcp_frame()).usable);
    auto frame = tcp_frame();
    frame[32] = 4 << 4;  // a TCP header of 16 bytes
    EXPECT_FALSE(from_vnet(big, frame).usable);
    frame[32] = 15 << 4;
    EXPECT_FALSE(from_vnet(big, Bytes(frame).first(79)).usable);
    EXPECT_TRUE(from_vnet(big, Bytes(frame).first(80)).usable);
}

}  // namespace
}  // namespace estab::drivers
