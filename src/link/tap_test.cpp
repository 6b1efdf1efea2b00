#include "link/tap.hpp"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "link/link_testing.hpp"
#include "link/memory_link.hpp"
#include "link/path.hpp"

namespace estab::link {
namespace {

using testing::Built;
using testing::build;
using testing::see;

struct Recorder {
    struct Record {
        Instant at;
        Way way;
        std::vector<std::uint8_t> bytes;
        device::Offload offload;
        std::string comment;
    };
    std::vector<Record> records;
    void record(const Tapped& f) {
        records.push_back(
            {f.at, f.way, {f.bytes.begin(), f.bytes.end()}, f.offload, std::string(f.comment)});
    }
};

static_assert(device::Device<Tap<Path<MemoryLink::End>, Recorder>>);

struct TapTest : ::testing::Test {
    MemoryLink link{{.caps = {.frame_max = 65'535, .tso4 = true, .checksum = true}}};
    Recorder recorder;
    Tap<MemoryLink::End, Recorder> tap{link.end(0), recorder};
    std::array<device::Frame, 8> batch;

    template <class D>
    void send(D& device, Duration when, const Built& built) {
        const MutableBytes room = device.reserve(built.bytes.size());
        std::copy(built.bytes.begin(), built.bytes.end(), room.begin());
        device.commit(Instant{when}, built.bytes.size(), built.offload);
    }
};

TEST_F(TapTest, SeesBothWays) {
    send(tap, 5ms, build({.payload = 10}));
    send(link.end(1), 7ms, build({.partial = false, .payload = 20}));
    ASSERT_EQ(tap.receive(Instant{9ms}, batch), 1u);
    ASSERT_EQ(recorder.records.size(), 2u);
    EXPECT_EQ(recorder.records[0].way, Way::sent);
    EXPECT_EQ(recorder.records[0].at, Instant{5ms});
    EXPECT_EQ(recorder.records[1].way, Way::received);
    EXPECT_EQ(recorder.records[1].at, Instant{7ms});
    EXPECT_EQ(see(recorder.records[1].bytes).payload.size(), 20u);
}

TEST_F(TapTest, CompletesTheChecksumOnlyInItsCopy) {
    const Built built = build({.payload = 10'000, .gso_size = 1'000});
    send(tap, 0ms, built);
    EXPECT_TRUE(see(recorder.records[0].bytes).valid);
    EXPECT_EQ(recorder.records[0].offload.gso_size, 1'000);
    ASSERT_EQ(link.end(1).receive(Instant{}, batch), 1u);
    EXPECT_EQ(batch[0].offload.checksum, device::Checksum::partial);
    EXPECT_TRUE(std::equal(built.bytes.begin(), built.bytes.end(), batch[0].bytes.begin()));

    send(link.end(1), 0ms, built);
    ASSERT_EQ(tap.receive(Instant{}, batch), 1u);
    EXPECT_TRUE(see(recorder.records[1].bytes).valid);
    EXPECT_FALSE(see(batch[0].bytes).valid);
}

TEST_F(TapTest, ACommentGoesWithTheNextFrameOfItsWay) {
    tap.comment_next(Way::sent, "first");
    tap.comment_next(Way::sent, "second");
    send(link.end(1), 0ms, build({.payload = 1}));
    tap.receive(Instant{}, batch);
    send(tap, 0ms, build({.payload = 1}));
    send(tap, 0ms, build({.payload = 1}));
    EXPECT_EQ(recorder.records[0].comment, "");
    EXPECT_EQ(recorder.records[1].comment, "first\nsecond");
    EXPECT_EQ(recorder.records[2].comment, "");
}

TEST_F(TapTest, CommentsAreBounded) {
    tap.comment_next(Way::sent, std::string(NextComment::bytes_max, 'a'));
    tap.comment_next(Way::sent, "b");
    send(tap, 0ms, build({.payload = 1}));
    EXPECT_EQ(recorder.records[0].comment, std::string(NextComment::bytes_max, 'a'));
}

TEST_F(TapTest, ARoomGivenBackIsNotRecorded) {
    tap.reserve(100);
    tap.commit(Instant{}, 0, {});
    EXPECT_TRUE(recorder.records.empty());
}

}  // namespace
}  // namespace estab::link
