#include "link/join.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "link/link_testing.hpp"

namespace estab::link {
namespace {

using testing::build;
using testing::Built;
using testing::see;
using testing::TcpFrame;
using wire::Flags;

using Frames = std::vector<std::vector<std::uint8_t>>;

device::Caps caps_of(bool ethernet) {
    return {.link = ethernet ? device::LinkType::ethernet : device::LinkType::ip,
            .frame_max = 65'549,
            .tso4 = true,
            .tso6 = true,
            .checksum = true};
}

Frames pieces_of(const Built& built, bool ethernet = false) {
    Frames frames;
    std::vector<std::uint8_t> scratch(1600);
    (void)cut(built.bytes, built.offload,
              {.link = caps_of(ethernet).link, .frame_max = 1514}, scratch,
              [&](Bytes piece) { frames.emplace_back(piece.begin(), piece.end()); });
    return frames;
}

struct Whole {
    std::vector<std::uint8_t> bytes;
    device::Offload offload;
    std::size_t joined = 1;  // frames
};

Whole join(const Frames& frames, const device::Caps& caps = caps_of(false)) {
    Whole whole;
    whole.bytes.assign(frames[0].begin(), frames[0].end());
    whole.bytes.resize(70'000);
    Joined joined(caps, whole.bytes, frames[0].size());
    while (whole.joined < frames.size() && joined.add(frames[whole.joined])) ++whole.joined;
    whole.offload = joined.finish();
    whole.bytes.resize(joined.size());
    return whole;
}

// What was cut is whole again, and can be cut again.
TEST(Joined, IsTheInverseOfCutting) {
    for (const bool v4 : {true, false}) {
        for (const bool ethernet : {true, false}) {
            const Built built = build({.v4 = v4,
                                       .ethernet = ethernet,
                                       .payload = 4001,
                                       .gso_size = 1000,
                                       .flags = Flags::ack | Flags::psh,
                                       .seq = 0xffff'fc00});
            const Frames pieces = pieces_of(built, ethernet);
            const Whole whole = join(pieces, caps_of(ethernet));
            EXPECT_EQ(whole.joined, 5u);
            EXPECT_EQ(whole.bytes, built.bytes);
            EXPECT_EQ(whole.offload.gso, built.offload.gso);
            EXPECT_EQ(whole.offload.gso_size, 1000);
            EXPECT_EQ(whole.offload.header_length, built.offload.header_length);
            EXPECT_EQ(whole.offload.checksum, device::Checksum::partial);
            EXPECT_EQ(whole.offload.checksum_start, built.offload.checksum_start);
            EXPECT_EQ(whole.offload.checksum_offset, 16);
            EXPECT_EQ(pieces_of({whole.bytes, whole.offload}, ethernet), pieces);
        }
    }
}

TEST(Joined, OneFrameStaysAsItIs) {
    const Frames pieces = pieces_of(build({.payload = 700, .gso_size = 1000}));
    const Whole whole = join(pieces);
    EXPECT_EQ(whole.bytes, pieces[0]);
    EXPECT_EQ(whole.offload.gso, device::Gso::none);
    EXPECT_EQ(whole.offload.checksum, device::Checksum::complete);
}

// Two frames of 1000 octets of which the second is changed; how many are joined.
template <class Change>
std::size_t joined_after(Change change, const TcpFrame& what = {}) {
    TcpFrame two = what;
    two.payload = 2000;
    two.gso_size = 1000;
    Frames pieces = pieces_of(build(two));
    change(pieces);
    return join(pieces).joined;
}

TEST(Joined, OnlyWhatSaysTheSameAndGoesOn) {
    const auto second = [](TcpFrame what) {
        what.seq += 1000;
        what.payload = 1000;
        return [what](Frames& frames) { frames[1] = pieces_of(build(what))[0]; };
    };
    const TcpFrame plain{.partial = false};
    EXPECT_EQ(joined_after([](Frames&) {}), 2u);
    EXPECT_EQ(joined_after(second(plain)), 2u);
    TcpFrame other = plain;
    other.seq += 1;
    EXPECT_EQ(joined_after(second(other)), 1u);
    other = plain;
    other.flags = Flags::ack | Flags::ece;
    EXPECT_EQ(joined_after(second(other)), 1u);
    other = plain;
    other.timestamps = false;
    EXPECT_EQ(joined_after(second(other)), 1u);
    other = plain;
    other.flags = Flags::ack | Flags::fin;
    EXPECT_EQ(joined_after(second(other)), 2u);
    // One with CE is not one without (RFC 3168 5).
    EXPECT_EQ(joined_after([](Frames& frames) { frames[1][1] ^= 3; }), 1u);
    EXPECT_EQ(joined_after([](Frames& frames) { frames[1][8] ^= 1; }), 1u);    // hops
    EXPECT_EQ(joined_after([](Frames& frames) { frames[1][999] ^= 1; }), 1u);  // damaged
    EXPECT_EQ(joined_after([](Frames& frames) { frames[0][999] ^= 1; }), 1u);
    EXPECT_EQ(joined_after([](Frames& frames) { frames[1].push_back(0); }), 1u);
    EXPECT_EQ(joined_after([](Frames& frames) { frames[1].resize(30); }), 1u);
}

TEST(Joined, NothingComesBehindTheLast) {
    for (const std::uint16_t flags : {Flags::psh, Flags::fin}) {
        const auto frames_with = static_cast<std::uint16_t>(Flags::ack | flags);
        Frames pieces =
            pieces_of(build({.payload = 1000, .gso_size = 1000, .flags = frames_with}));
        pieces.push_back(pieces_of(build({.payload = 1000, .gso_size = 1000, .seq = 2000}))[0]);
        EXPECT_EQ(join(pieces).joined, 1u);
    }
    // Nor behind one that is shorter.
    Frames pieces = pieces_of(build({.payload = 1500, .gso_size = 1000}));
    pieces.push_back(pieces_of(build({.payload = 500, .gso_size = 500, .seq = 2500}))[0]);
    EXPECT_EQ(join(pieces).joined, 2u);
}

TEST(Joined, NoMoreThanAnIpPacketHolds) {
    Frames pieces;
    for (std::uint32_t i = 0; i < 66; ++i)
        pieces.push_back(
            pieces_of(build({.payload = 1000, .gso_size = 1000, .seq = 1000 + 1000 * i}))[0]);
    const Whole whole = join(pieces);
    EXPECT_EQ(whole.joined, 65u);
    EXPECT_EQ(whole.bytes.size(), 52 + 65'000u);
}

TEST(Joined, NotForADeviceThatTakesNone) {
    device::Caps caps = caps_of(false);
    caps.tso4 = false;
    EXPECT_EQ(join(pieces_of(build({.payload = 2000, .gso_size = 1000})), caps).joined, 1u);
    EXPECT_EQ(join(pieces_of(build({.v4 = false, .payload = 2000, .gso_size = 1000})), caps).joined,
              2u);
}

}  // namespace
}  // namespace estab::link
