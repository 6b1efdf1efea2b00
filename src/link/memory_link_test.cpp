#include "link/memory_link.hpp"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

namespace estab::link {
namespace {

constexpr Instant at(std::int64_t ns) { return Instant{Duration{ns}}; }

bool send(MemoryLink::End& end, Instant now, std::uint8_t value, std::size_t size,
          const device::Offload& offload = {}) {
    const MutableBytes room = end.reserve(size);
    if (room.empty()) return false;
    std::fill(room.begin(), room.end(), value);
    end.commit(now, size, offload);
    return true;
}

TEST(MemoryLink, CarriesFramesBothWaysInOrder) {
    MemoryLink link({});
    std::array<device::Frame, 4> batch;
    EXPECT_TRUE(send(link.end(0), at(5), 1, 100));
    EXPECT_TRUE(send(link.end(0), at(6), 2, 1500));
    EXPECT_TRUE(send(link.end(1), at(7), 3, 1));
    EXPECT_TRUE(link.end(1).has_frames());
    ASSERT_EQ(link.end(1).receive(at(9), batch), 2u);
    EXPECT_EQ(batch[0].bytes.size(), 100u);
    EXPECT_EQ(batch[0].bytes[99], 1);
    EXPECT_EQ(batch[0].arrived, at(5));
    EXPECT_EQ(batch[1].bytes.size(), 1500u);
    EXPECT_EQ(batch[1].bytes[1499], 2);
    ASSERT_EQ(link.end(0).receive(at(9), batch), 1u);
    EXPECT_EQ(batch[0].bytes[0], 3);
    EXPECT_FALSE(link.end(0).has_frames());
    EXPECT_EQ(link.end(0).receive(at(9), batch), 0u);
}

TEST(MemoryLink, GivesNoRoomWhenFullAndLosesNothing) {
    MemoryLink link({.caps = {}, .frames_max = 3});
    std::array<device::Frame, 8> batch;
    for (std::uint8_t i = 0; i < 3; ++i) EXPECT_TRUE(send(link.end(0), at(0), i, 10));
    EXPECT_FALSE(send(link.end(0), at(0), 99, 10));
    ASSERT_EQ(link.end(1).receive(at(0), batch), 3u);
    EXPECT_FALSE(send(link.end(0), at(0), 99, 10));  // all three are still lent
    for (std::uint8_t i = 0; i < 3; ++i) EXPECT_EQ(batch[i].bytes[0], i);
    EXPECT_EQ(link.end(1).receive(at(0), batch), 0u);
    EXPECT_TRUE(send(link.end(0), at(0), 4, 10));
}

TEST(MemoryLink, LendsUntilTheNextReceive) {
    MemoryLink link({.caps = {}, .frames_max = 2});
    std::array<device::Frame, 1> first, second;
    send(link.end(0), at(0), 1, 10);
    send(link.end(0), at(0), 2, 10);
    ASSERT_EQ(link.end(1).receive(at(0), first), 1u);
    EXPECT_FALSE(send(link.end(0), at(0), 3, 10));
    EXPECT_EQ(first[0].bytes[9], 1);
    ASSERT_EQ(link.end(1).receive(at(0), second), 1u);
    EXPECT_TRUE(send(link.end(0), at(0), 3, 10));
    EXPECT_EQ(second[0].bytes[9], 2);
}

TEST(MemoryLink, KeepsTheOffload) {
    MemoryLink link(
        {.caps = {.frame_max = 65'535, .tso4 = true, .checksum = true}, .frames_max = 2});
    std::array<device::Frame, 1> batch;
    EXPECT_TRUE(send(link.end(0), at(0), 1, 65'535,
                     {.checksum = device::Checksum::partial,
                      .gso = device::Gso::tcp4,
                      .checksum_start = 20,
                      .checksum_offset = 16,
                      .gso_size = 1460,
                      .header_length = 40}));
    ASSERT_EQ(link.end(1).receive(at(0), batch), 1u);
    EXPECT_EQ(batch[0].offload.checksum, device::Checksum::partial);
    EXPECT_EQ(batch[0].offload.gso, device::Gso::tcp4);
    EXPECT_EQ(batch[0].offload.gso_size, 1460);
    EXPECT_EQ(batch[0].bytes.size(), 65'535u);
}

TEST(MemoryLink, ARoomGivenBackIsNotSent) {
    MemoryLink link({});
    std::array<device::Frame, 1> batch;
    EXPECT_FALSE(link.end(0).reserve(100).empty());
    link.end(0).commit(at(0), 0, {});
    EXPECT_EQ(link.end(1).receive(at(0), batch), 0u);
    EXPECT_FALSE(link.end(0).reserve(100).empty());
    EXPECT_TRUE(send(link.end(0), at(0), 7, 50));  // a second reserve() replaces the first
    ASSERT_EQ(link.end(1).receive(at(0), batch), 1u);
    EXPECT_EQ(batch[0].bytes.size(), 50u);
}

TEST(MemoryLink, AnOpenReservationOutlivesTheOtherEndsReceive) {
    MemoryLink link({});
    std::array<device::Frame, 1> batch;
    send(link.end(0), at(0), 1, 10);
    ASSERT_EQ(link.end(1).receive(at(0), batch), 1u);
    const MutableBytes room = link.end(0).reserve(10);
    EXPECT_EQ(link.end(1).receive(at(0), batch), 0u);
    room[0] = 2;
    link.end(0).commit(at(0), 10, {});
    ASSERT_EQ(link.end(1).receive(at(0), batch), 1u);
    EXPECT_EQ(batch[0].bytes[0], 2);
}

TEST(MemoryLink, GoesRoundItsRingManyTimes) {
    MemoryLink link({.caps = {.frame_max = 64}, .frames_max = 5});
    std::array<device::Frame, 3> batch;
    std::uint8_t sent = 0, received = 0;
    for (int turn = 0; turn < 1000; ++turn) {
        while (send(link.end(0), at(turn), sent, 8)) ++sent;
        const std::size_t count = link.end(1).receive(at(turn), batch);
        for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(batch[i].bytes[0], received++);
    }
}

}  // namespace
}  // namespace estab::link
