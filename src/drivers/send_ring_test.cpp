#include "drivers/send_ring.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/bytes.hpp"
#include "drivers/system.hpp"

namespace estab::drivers {
namespace {

// A device that takes whole frames and can be full; with io_uring where this machine has it, and
// without.
struct Ring : testing::TestWithParam<bool> {
    Fd ours, theirs;
    Counters counters;
    SendRing ring{1500, GetParam()};
    std::uint32_t sent = 0, received = 0;

    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
    }
    bool send() {
        const std::size_t size = 1000 + sent % 500;
        const MutableBytes room = ring.reserve(size);
        if (room.empty()) return false;
        store_be32(room.data(), sent++);
        ring.commit(*ours, Instant{}, size, counters);
        return true;
    }
    // Takes what is there, and checks that it is what comes next.
    void receive() {
        std::array<std::uint8_t, 2000> frame;
        for (;;) {
            const ssize_t n = ::read(*theirs, frame.data(), frame.size());
            if (n <= 0) return;
            ASSERT_EQ(n, 1000 + received % 500);
            ASSERT_EQ(load_be32(frame.data()), received++);
        }
    }
};

TEST_P(Ring, FramesWaitForTheFlush) {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(send());
    receive();
    EXPECT_EQ(received, 0U);
    ring.flush(*ours, Instant{}, counters);
    receive();
    EXPECT_EQ(received, 5U);
    EXPECT_EQ(counters.tx_frames, 5U);
    EXPECT_EQ(ring.deadline(), never);
}

TEST_P(Ring, OneThatIsFullSendsByItself) {
    for (std::size_t i = 0; i < SendRing::frames_max - 1; ++i) EXPECT_TRUE(send());
    receive();
    EXPECT_EQ(received, 0U);
    EXPECT_TRUE(send());
    // A socket takes fewer than a TUN does: what it did not take waits.
    for (int i = 0; i < 100 && received != sent; ++i) {
        receive();
        ring.flush(*ours, Instant{}, counters);
    }
    EXPECT_EQ(received, SendRing::frames_max);
}

TEST_P(Ring, WhatFindsNoRoomIsSentLaterInOrder) {
    while (send()) {
    }
    EXPECT_NE(ring.deadline(), never);
    EXPECT_GT(counters.tx_busy, 0U);
    EXPECT_LT(counters.tx_frames, sent);
    EXPECT_TRUE(ring.reserve(10).empty());
    for (int i = 0; i < 1000 && received != sent; ++i) {
        receive();
        ring.flush(*ours, Instant{}, counters);
    }
    EXPECT_EQ(received, sent);
    EXPECT_EQ(counters.tx_frames, sent);
    EXPECT_EQ(counters.tx_lost, 0U);
    EXPECT_EQ(ring.deadline(), never);
    EXPECT_TRUE(send());
}

TEST_P(Ring, WhatIsRefusedIsLostAndCounted) {
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(send());
    ::signal(SIGPIPE, SIG_IGN);  // as a socket would, unlike a TUN
    theirs.reset();
    ring.flush(*ours, Instant{}, counters);
    EXPECT_EQ(counters.tx_lost, 6U);
    EXPECT_EQ(counters.last_error, EPIPE);
    EXPECT_EQ(ring.deadline(), never);
    EXPECT_TRUE(ring.reserve(1501).empty());
    ring.commit(*ours, Instant{}, 0, counters);  // gives the room back
    ring.flush(*ours, Instant{}, counters);
    EXPECT_EQ(counters.tx_lost, 6U);
}

INSTANTIATE_TEST_SUITE_P(Both, Ring, testing::Values(true, false),
                         [](const auto& which) { return which.param ? "Uring" : "Write"; });

TEST(Uring, WritesInOrderAndSaysWhatBecameOfEach) {
    const auto ring = Uring::open(8);
    if (!ring) GTEST_SKIP() << "no io_uring here";
    std::array<int, 2> ends;
    ASSERT_EQ(::pipe(ends.data()), 0);
    const Fd reader(ends[0]), writer(ends[1]);
    char text[] = "abcdef";
    const std::array<iovec, 3> parts{iovec{text, 1}, iovec{text + 1, 2}, iovec{text + 3, 3}};
    std::array<std::int32_t, 3> results{};
    ASSERT_TRUE(ring->write(*writer, parts, results));
    EXPECT_EQ(results, (std::array<std::int32_t, 3>{1, 2, 3}));
    char got[10]{};
    EXPECT_EQ(::read(*reader, got, sizeof got), 6);
    EXPECT_STREQ(got, "abcdef");
    ASSERT_TRUE(ring->write(-1, parts, results));
    EXPECT_EQ(results[2], -EBADF);
}

}  // namespace
}  // namespace estab::drivers
