#include "link/path.hpp"

#include <array>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "link/link_testing.hpp"
#include "link/memory_link.hpp"

namespace estab::link {
namespace {

using testing::Built;
using testing::build;
using testing::see;

static_assert(device::Device<Path<MemoryLink::End>>);
static_assert(device::Device<Path<Segmenter<MemoryLink::End>>>);

constexpr Instant at(Duration d) { return Instant{d}; }

struct World {
    MemoryLink link;
    Path<MemoryLink::End> path;
    std::array<device::Frame, 64> batch;

    explicit World(std::string_view text, const MemoryLink::Settings& settings = {})
        : link(settings), path(link.end(0), {.spec = *parse_path(text)}) {}

    template <class D>
    void send(D& device, Instant now, const Built& built) {
        const MutableBytes room = device.reserve(built.bytes.size());
        ASSERT_FALSE(room.empty());
        std::copy(built.bytes.begin(), built.bytes.end(), room.begin());
        device.commit(now, built.bytes.size(), built.offload);
        device.flush(now);
    }
};

TEST(Path, DelaysBothWays) {
    World w("up:delay=10ms,down:delay=30ms");
    w.send(w.path, at(0ms), build({.payload = 100}));
    EXPECT_EQ(w.link.end(1).receive(at(0ms), w.batch), 0u);
    EXPECT_EQ(w.path.deadline(), at(10ms));
    w.path.flush(at(10ms));
    ASSERT_EQ(w.link.end(1).receive(at(10ms), w.batch), 1u);
    EXPECT_TRUE(see(w.batch[0].bytes).valid);

    w.send(w.link.end(1), at(10ms), build({.partial = false, .payload = 100}));
    EXPECT_EQ(w.path.receive(at(12ms), w.batch), 0u);
    EXPECT_EQ(w.path.deadline(), at(40ms));  // counted from the arrival, not from the turn
    ASSERT_EQ(w.path.receive(at(41ms), w.batch), 1u);
    EXPECT_EQ(w.batch[0].arrived, at(40ms));
    EXPECT_EQ(w.path.deadline(), never);
}

// Every packet of more than 500 octets takes the branch.
std::size_t by_size(void*, Bytes packet, bool) { return packet.size() > 500 ? 1 : 0; }

TEST(Path, ABranchHasLanesOfItsOwn) {
    MemoryLink link({});
    Path<MemoryLink::End> path(link.end(0), {.spec = *parse_path("delay=10ms"),
                                             .branches = {*parse_path("delay=30ms")},
                                             .classify = by_size});
    std::array<device::Frame, 64> batch;
    const auto send = [&](std::uint32_t payload) {
        const Built built = build({.payload = payload});
        const MutableBytes room = path.reserve(built.bytes.size());
        std::copy(built.bytes.begin(), built.bytes.end(), room.begin());
        path.commit(at(0ms), built.bytes.size(), built.offload);
    };
    send(1000);
    send(100);
    path.flush(at(0ms));
    EXPECT_EQ(path.deadline(), at(10ms));
    path.flush(at(10ms));
    ASSERT_EQ(link.end(1).receive(at(10ms), batch), 1u);
    EXPECT_LT(batch[0].bytes.size(), 500u);
    EXPECT_EQ(path.deadline(), at(30ms));
    path.flush(at(30ms));
    ASSERT_EQ(link.end(1).receive(at(30ms), batch), 1u);
    EXPECT_GT(batch[0].bytes.size(), 500u);
    EXPECT_EQ(path.lanes().up(0).counters().left, 1u);
    EXPECT_EQ(path.lanes().up(1).counters().left, 1u);

    // The other way round, in the order in which they are due.
    for (const std::uint32_t payload : {1000U, 100U}) {
        const Built built = build({.partial = false, .payload = payload});
        const MutableBytes room = link.end(1).reserve(built.bytes.size());
        std::copy(built.bytes.begin(), built.bytes.end(), room.begin());
        link.end(1).commit(at(40ms), built.bytes.size(), built.offload);
    }
    EXPECT_EQ(path.receive(at(40ms), batch), 0u);
    ASSERT_EQ(path.receive(at(80ms), batch), 2u);
    EXPECT_EQ(batch[0].arrived, at(50ms));
    EXPECT_EQ(batch[1].arrived, at(70ms));
}

TEST(Path, OnlyWireSizeFramesWithChecksumsPass) {
    World w("drop=3", {.caps = {.frame_max = 65'535}});
    w.send(w.path, at(0ms), build({.payload = 10'000, .gso_size = 1'000}));
    ASSERT_EQ(w.link.end(1).receive(at(0ms), w.batch), 9u);  // one lost packet is one lost packet
    for (std::size_t i = 0; i < 9; ++i) {
        EXPECT_EQ(w.batch[i].offload.gso, device::Gso::none);
        EXPECT_EQ(w.batch[i].offload.checksum, device::Checksum::complete);
        EXPECT_TRUE(see(w.batch[i].bytes).valid);
        EXPECT_EQ(see(w.batch[i].bytes).seq, 1'000 + 1'000 * (i < 2 ? i : i + 1));
    }
    w.send(w.link.end(1), at(0ms), build({.v4 = false, .payload = 10'000, .gso_size = 1'000}));
    ASSERT_EQ(w.path.receive(at(0ms), w.batch), 9u);
    for (std::size_t i = 0; i < 9; ++i) EXPECT_TRUE(see(w.batch[i].bytes).valid);
    EXPECT_EQ(w.path.up().entered, 10u);
    EXPECT_EQ(w.path.down().dropped_by_script, 1u);
}

TEST(Path, WhatComesOutAtOnceIsJoinedForADeviceThatTakesIt) {
    World w("drop=3", {.caps = {.frame_max = 65'535, .tso4 = true, .checksum = true}});
    w.send(w.path, at(0ms), build({.payload = 10'000, .gso_size = 1'000}));
    ASSERT_EQ(w.link.end(1).receive(at(0ms), w.batch), 2u);  // before the lost one, and behind it
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(w.batch[i].offload.gso, device::Gso::tcp4);
        EXPECT_EQ(w.batch[i].offload.gso_size, 1'000u);
        EXPECT_EQ(see(w.batch[i].bytes).seq, i == 0 ? 1'000u : 4'000u);
        EXPECT_EQ(see(w.batch[i].bytes).payload.size(), i == 0 ? 2'000u : 7'000u);
    }
    EXPECT_EQ(w.path.deadline(), never);
}

TEST(Path, WhatIsNotJoinedWaitsForAFullDevice) {
    World w("drop=3", {.caps = {.frame_max = 65'535, .tso4 = true, .checksum = true},
                       .frames_max = 1});
    w.send(w.path, at(0ms), build({.payload = 10'000, .gso_size = 1'000}));
    EXPECT_EQ(w.path.deadline(), at(1ms));
    std::size_t octets = 0;
    for (int turn = 1; turn <= 4; ++turn) {
        const std::size_t count = w.link.end(1).receive(at(turn * 1ms), w.batch);
        for (std::size_t i = 0; i < count; ++i) octets += see(w.batch[i].bytes).payload.size();
        w.path.flush(at(turn * 1ms));
    }
    EXPECT_EQ(octets, 9'000u);
    EXPECT_EQ(w.path.deadline(), never);
}

TEST(Path, AFullDeviceBelowLosesNothing) {
    World w("", {.caps = {}, .frames_max = 3});
    w.send(w.path, at(0ms), build({.payload = 10'000, .gso_size = 1'000}));
    EXPECT_EQ(w.path.deadline(), at(1ms));  // ask again soon
    std::size_t total = 0;
    for (int turn = 1; turn <= 10; ++turn) {
        const std::size_t count = w.link.end(1).receive(at(turn * 1ms), w.batch);
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_EQ(see(w.batch[i].bytes).seq, 1'000 + 1'000 * (total + i));
        }
        total += count;
        w.path.flush(at(turn * 1ms));
    }
    EXPECT_EQ(total, 10u);
    EXPECT_EQ(w.path.deadline(), never);
}

TEST(Path, ABatchIsLentUntilTheNextReceive) {
    World w("duplicate=100%");
    for (std::uint32_t i = 0; i < 10; ++i) {
        w.send(w.link.end(1), at(0ms), build({.partial = false, .payload = 10, .seq = i}));
    }
    std::size_t total = 0;
    while (const std::size_t count = w.path.receive(at(0ms), std::span{w.batch}.first(7))) {
        for (std::size_t i = 0; i < count; ++i)
            EXPECT_EQ(see(w.batch[i].bytes).seq, (total + i) / 2);
        total += count;
    }
    EXPECT_EQ(total, 20u);
}

TEST(Path, CorruptionComesAfterTheChecksum) {
    World w("corrupt=100%");
    for (int i = 0; i < 100; ++i) {
        w.send(w.path, at(0ms), build({.v4 = false, .payload = 100}));
        ASSERT_EQ(w.link.end(1).receive(at(0ms), w.batch), 1u);
        // IPv6's traffic class, flow label and hop limit are covered by no checksum.
        const std::vector<std::uint8_t> sent = [] {
            Built built = build({.v4 = false, .payload = 100});
            complete_checksum(built.bytes, built.offload);
            return built.bytes;
        }();
        EXPECT_NE(sent,
                  (std::vector<std::uint8_t>{w.batch[0].bytes.begin(), w.batch[0].bytes.end()}));
    }
    EXPECT_EQ(w.path.up().corrupted, 100u);
}

TEST(Path, DirectionsHaveStreamsOfTheirOwn) {
    World w("loss=50%");
    std::vector<bool> up, down;
    for (int i = 0; i < 100; ++i) {
        w.send(w.path, at(0ms), build({.payload = 10}));
        up.push_back(w.link.end(1).receive(at(0ms), w.batch) == 1);
        w.send(w.link.end(1), at(0ms), build({.partial = false, .payload = 10}));
        down.push_back(w.path.receive(at(0ms), w.batch) == 1);
    }
    EXPECT_NE(up, down);
}

TEST(Path, WhatCannotBeCutIsDroppedAndCounted) {
    World w("", {.caps = {.frame_max = 65'535}});
    Built bad = build({.payload = 5'000, .gso_size = 1'000});
    bad.offload.checksum_start = 9'999;
    w.send(w.path, at(0ms), bad);
    w.send(w.link.end(1), at(0ms), bad);
    w.send(w.link.end(1), at(0ms), build({.partial = false, .payload = 5'000}));
    EXPECT_EQ(w.path.receive(at(0ms), w.batch), 0u);
    EXPECT_EQ(w.link.end(1).receive(at(0ms), w.batch), 0u);
    EXPECT_EQ(w.path.malformed(), 3u);
}

}  // namespace
}  // namespace estab::link
