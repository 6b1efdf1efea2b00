#include "observe/capture_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace estab::observe {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets file_named(const std::string& name) {
    const auto path = std::filesystem::path(ESTAB_SOURCE_DIR) / "tests" / "captures" / name;
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Kept {
    Instant time;
    LinkType link;
    std::uint32_t interface, original_bytes;
    std::uint64_t number, offset;
    Octets bytes;
    std::vector<std::string> comments;
    friend bool operator==(const Kept&, const Kept&) = default;
};

Kept keep(const CapturedFrame& f) {
    return {f.time,
            f.link,
            f.interface,
            f.original_bytes,
            f.number,
            f.offset,
            {f.bytes.begin(), f.bytes.end()},
            {f.comments.begin(), f.comments.end()}};
}

struct All {
    std::vector<Kept> frames;
    std::optional<CaptureError> error;
};

// The file in pieces of `piece` bytes; each piece is gone once next() has returned nothing.
All read(const Octets& file, std::size_t piece) {
    All all;
    CaptureReader reader;
    for (std::size_t at = 0; at < file.size(); at += piece) {
        const std::size_t count = std::min(piece, file.size() - at);
        auto lent = std::make_unique<std::uint8_t[]>(count);
        std::copy_n(file.data() + at, count, lent.get());
        reader.feed({lent.get(), count});
        while (const CapturedFrame* frame = reader.next()) all.frames.push_back(keep(*frame));
    }
    reader.finish();
    all.error = reader.error();
    return all;
}

All read(const Octets& file) { return read(file, file.size() + 1); }

TEST(CaptureReader, PiecesOfAnySizeGiveTheSame) {
    for (const char* name : {"hello-welcome.pcap", "d-bigendian.pcapng", "d-two-sections.pcapng",
                             "pcapng-dumpcap.pcapng", "d-cut-record.pcap", "d-bad-caplen.pcap"}) {
        const Octets file = file_named(name);
        ASSERT_FALSE(file.empty()) << name;
        const All whole = read(file);
        for (const std::size_t piece : {1UL, 3UL, 16UL, 17UL, 100UL, 1500UL}) {
            const All pieces = read(file, piece);
            EXPECT_EQ(pieces.frames, whole.frames) << name << " in pieces of " << piece;
            EXPECT_EQ(pieces.error.has_value(), whole.error.has_value()) << name;
        }
    }
}

TEST(CaptureReader, EveryFormOfOneCaptureHoldsTheSameFrames) {
    const All plain = read(file_named("hello-welcome.pcap"));
    ASSERT_EQ(plain.frames.size(), 23U);
    EXPECT_FALSE(plain.error);
    for (const char* name : {"d-bigendian.pcap", "d-nano-be.pcap", "d-bigendian.pcapng",
                             "d-two-sections.pcapng"}) {
        const All other = read(file_named(name));
        EXPECT_FALSE(other.error) << name << ": " << other.error->what;
        ASSERT_EQ(other.frames.size(), plain.frames.size()) << name;
        for (std::size_t i = 0; i < other.frames.size(); ++i) {
            EXPECT_EQ(other.frames[i].bytes, plain.frames[i].bytes) << name << " frame " << i + 1;
            // The nanosecond form was given seven nanoseconds of its own.
            EXPECT_EQ(std::chrono::floor<std::chrono::microseconds>(other.frames[i].time),
                      plain.frames[i].time)
                << name << " frame " << i + 1;
        }
    }
}

TEST(CaptureReader, InterfacesOfDifferentLinkTypesAreRead) {
    const All all = read(file_named("d-multi-if.pcapng"));
    EXPECT_FALSE(all.error);
    bool raw = false, ethernet = false;
    for (const Kept& k : all.frames) {
        raw |= k.link == LinkType::raw;
        ethernet |= k.link == LinkType::ethernet;
    }
    EXPECT_TRUE(raw && ethernet);
    EXPECT_EQ(all.frames.size(), 21U);
}

TEST(CaptureReader, ACutRecordIsAnErrorAtItsBeginning) {
    const Octets file = file_named("d-cut-record.pcap");
    const All all = read(file);
    ASSERT_TRUE(all.error);
    EXPECT_EQ(all.frames.size(), 22U);
    EXPECT_EQ(all.error->what, "the file ends within a record: 75 of 82 bytes");
    EXPECT_EQ(all.error->offset, file.size() - 75);
}

TEST(CaptureReader, ACutRecordHeaderToo) {
    const All all = read(file_named("d-cut-header.pcap"));
    ASSERT_TRUE(all.error);
    EXPECT_EQ(all.frames.size(), 1U);
    EXPECT_EQ(all.error->what, "the file ends within a record header: 9 of 16 bytes");
    EXPECT_EQ(all.error->offset, 82U);
}

TEST(CaptureReader, AnAbsurdLengthIsNotFollowed) {
    const All all = read(file_named("d-bad-caplen.pcap"));
    ASSERT_TRUE(all.error);
    EXPECT_THAT(all.error->what, testing::HasSubstr("claims 2147483647 captured bytes"));
}

TEST(CaptureReader, AHeaderWithoutPacketsIsFineAndNothingIsNot) {
    EXPECT_FALSE(read(file_named("d-empty.pcap")).error);
    const All nothing = read({});
    ASSERT_TRUE(nothing.error);
    EXPECT_EQ(nothing.error->what, "the file is empty");
    const All text = read({'h', 'e', 'l', 'l', 'o'});
    ASSERT_TRUE(text.error);
    EXPECT_EQ(text.error->offset, 0U);
}

void add32(Octets& out, std::uint32_t v) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(v >> 8 * i));
}

void add_block(Octets& out, std::uint32_t type, const Octets& body) {
    const auto total = static_cast<std::uint32_t>(12 + body.size());
    add32(out, type);
    add32(out, total);
    out.insert(out.end(), body.begin(), body.end());
    add32(out, total);
}

Octets section() {
    Octets out, body;
    add32(body, 0x1a2b3c4d);
    add32(body, 1);
    add32(body, 0xffffffff);
    add32(body, 0xffffffff);
    add_block(out, 0x0a0d0d0a, body);
    return out;
}

Octets interface(std::uint8_t resolution, std::uint32_t offset_s) {
    Octets body{101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, resolution, 0, 0, 0, 14, 0, 8, 0};
    add32(body, offset_s);
    add32(body, 0);
    Octets out;
    add_block(out, 1, body);
    return out;
}

Octets packet(std::uint64_t ticks, std::uint32_t interface_id, const Octets& options) {
    Octets body, out;
    add32(body, interface_id);
    add32(body, static_cast<std::uint32_t>(ticks >> 32));
    add32(body, static_cast<std::uint32_t>(ticks));
    add32(body, 3);
    add32(body, 1500);
    body.insert(body.end(), {0x45, 1, 2, 0});
    body.insert(body.end(), options.begin(), options.end());
    add_block(out, 6, body);
    return out;
}

Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

TEST(CaptureReader, ResolutionAndOffsetMakeTheTime) {
    struct Case {
        std::uint8_t resolution;
        std::uint32_t offset_s;
        std::uint64_t ticks;
        std::int64_t ns;
    };
    for (const Case& c : {Case{6, 0, 1'500'000, 1'500'000'000}, Case{9, 0, 7, 7},
                          Case{12, 0, 7'999, 7}, Case{0, 5, 2, 7'000'000'000},
                          Case{0x80 | 1, 0, 3, 1'500'000'000}, Case{0x80 | 127, 0, ~0ULL, 0},
                          Case{0, 0, ~0ULL, std::numeric_limits<std::int64_t>::max()}}) {
        const All all =
            read(section() + interface(c.resolution, c.offset_s) + packet(c.ticks, 0, {}));
        ASSERT_FALSE(all.error) << all.error->what;
        ASSERT_EQ(all.frames.size(), 1U);
        EXPECT_EQ(all.frames[0].time, Instant{Duration{c.ns}}) << int{c.resolution};
        EXPECT_EQ(all.frames[0].original_bytes, 1500U);
    }
}

TEST(CaptureReader, CommentsAreKept) {
    const Octets options{1, 0, 2, 0, 'h', 'i', 0, 0, 1, 0, 3, 0, 'y', 'o', 'u', 0, 0, 0, 0, 0};
    const All all = read(section() + interface(6, 0) + packet(1, 0, options), 1);
    ASSERT_EQ(all.frames.size(), 1U);
    EXPECT_THAT(all.frames[0].comments, testing::ElementsAre("hi", "you"));
}

TEST(CaptureReader, AnOptionThatLeavesItsBlockIsIgnored) {
    const All all =
        read(section() + interface(6, 0) + packet(1, 0, {1, 0, 200, 0, 'h', 'i', 0, 0}));
    EXPECT_FALSE(all.error);
    ASSERT_EQ(all.frames.size(), 1U);
    EXPECT_TRUE(all.frames[0].comments.empty());
}

TEST(CaptureReader, UnknownBlocksAreSkippedWhateverTheirSize) {
    Octets big;
    add_block(big, 0x99, Octets(3 << 20));
    const Octets file = section() + interface(6, 0) + big + packet(1, 0, {});
    EXPECT_EQ(read(file, 4096).frames.size(), 1U);
    const All cut = read(Octets(file.begin(), file.begin() + 100'000), 4096);
    ASSERT_TRUE(cut.error);
    EXPECT_EQ(cut.error->what, "the file ends within a block");
}

TEST(CaptureReader, DamagedBlocksEndTheReading) {
    const Octets before = section() + interface(6, 0) + packet(1, 0, {});
    Octets differing = packet(2, 0, {});
    differing.back() ^= 1;
    Octets unaligned;
    add32(unaligned, 6);
    add32(unaligned, 33);
    unaligned.resize(64);
    const Octets stranger = packet(2, 1, {});
    for (const Octets& damage : {differing, unaligned, stranger}) {
        const All all = read(before + damage + packet(3, 0, {}));
        EXPECT_EQ(all.frames.size(), 1U);
        ASSERT_TRUE(all.error);
        EXPECT_EQ(all.error->offset, before.size());
    }
}

TEST(LinkLayer, TagsAreTakenOffAndCounted) {
    const Octets frame{1,    2,    3,    4, 5,    6, 1, 2, 3,    4, 5,   6,
                       0x88, 0xa8, 0x20, 7, 0x81, 0, 0, 8, 0x08, 0, 0x45};
    const auto found = network_packet(LinkType::ethernet, frame, 100);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->ethertype, ethertype_ipv4);
    EXPECT_EQ(found->vlan_tags, 2);
    EXPECT_EQ(found->vlan, 7);
    EXPECT_EQ(found->offset, 22U);
    EXPECT_EQ(found->original_bytes, 78U);
    EXPECT_EQ(found->bytes.size(), 1U);
}

TEST(LinkLayer, AHeaderThatIsCutOffIsNothing) {
    const Octets frame(40);
    for (const auto& [link, bytes] :
         {std::pair{LinkType::ethernet, 14U}, std::pair{LinkType::null, 4U},
          std::pair{LinkType::linux_sll, 16U}, std::pair{LinkType::linux_sll2, 20U}}) {
        EXPECT_FALSE(network_packet(link, Bytes{frame}.first(bytes - 1), 100));
        EXPECT_TRUE(network_packet(link, Bytes{frame}.first(bytes), 100));
    }
    EXPECT_FALSE(network_packet(static_cast<LinkType>(147), frame, 40));
}

}  // namespace
}  // namespace estab::observe
