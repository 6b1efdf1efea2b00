#include "drivers/send_slot.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "drivers/system.hpp"
#include "drivers/vnet.hpp"

namespace estab::drivers {
namespace {

// A device that takes whole frames and can be full.
struct Wire {
    Fd ours, theirs;
    Wire() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
    }
    std::vector<std::uint8_t> read() {
        std::vector<std::uint8_t> frame(70'000);
        const ssize_t n = ::read(*theirs, frame.data(), frame.size());
        frame.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return frame;
    }
};

TEST(SendSlot, AFrameInPiecesIsWrittenAsOneAndKeptWholeWhenItMustWait) {
    Wire wire;
    SendSlot slot(true, 65'535);
    const std::vector<std::uint8_t> first(4096, 'a'), second(1000, 'b');
    const std::array<Bytes, 2> tail{first, second};
    const auto send = [&] {
        const MutableBytes room = slot.reserve(65'535);
        if (room.empty()) return false;
        room[0] = 'h';
        slot.commit(*wire.ours, Instant(1s), 1 + 5096, {}, tail);
        return true;
    };
    while (send()) {
    }
    ASSERT_TRUE(slot.is_pending());
    EXPECT_NE(slot.deadline(), never);
    std::vector<std::uint8_t> expected(vnet_header_size, 0);
    expected.push_back('h');
    expected.insert(expected.end(), first.begin(), first.end());
    expected.insert(expected.end(), second.begin(), second.end());
    const std::uint64_t written = slot.counters.tx_frames;
    ASSERT_GT(written, 0u);
    for (std::uint64_t i = 0; i != written; ++i) EXPECT_EQ(wire.read(), expected);
    slot.flush(*wire.ours, Instant(2s));
    EXPECT_FALSE(slot.is_pending());
    EXPECT_EQ(wire.read(), expected);
    EXPECT_EQ(slot.counters.tx_bytes, (written + 1) * 5097);
}

TEST(SendSlot, AFrameThatFindsNoRoomForASecondIsLostSoThatOthersGo) {
    Wire wire;
    SendSlot slot(false, 65'535);
    while (!slot.reserve(5000).empty()) slot.commit(*wire.ours, Instant(1s), 5000, {});
    ASSERT_TRUE(slot.is_pending());
    slot.flush(*wire.ours, Instant(1999ms));
    EXPECT_TRUE(slot.is_pending());
    EXPECT_EQ(slot.counters.tx_lost, 0u);
    slot.flush(*wire.ours, Instant(2s));
    EXPECT_FALSE(slot.is_pending());
    EXPECT_EQ(slot.deadline(), never);
    EXPECT_EQ(slot.counters.tx_lost, 1u);
    // The next one has a second of its own.
    slot.commit(*wire.ours, Instant(3s), slot.reserve(5000).size(), {});
    slot.flush(*wire.ours, Instant(3999ms));
    EXPECT_TRUE(slot.is_pending());
}

}  // namespace
}  // namespace estab::drivers
