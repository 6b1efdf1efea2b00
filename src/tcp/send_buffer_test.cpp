#include "tcp/send_buffer.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "base/rng.hpp"

namespace estab::tcp {
namespace {

constexpr Seq start{(std::uint64_t{1} << 32) + 4'000'000'000};

Bytes bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string text_of(const Payload& payload) {
    std::string text;
    for (Bytes piece : payload.pieces()) text.append(piece.begin(), piece.end());
    return text;
}

std::string noise(Rng& rng, std::size_t octets) {
    std::string text(octets, '\0');
    for (char& c : text) c = static_cast<char>(rng.next());
    return text;
}

void count_release(void* context) { ++*static_cast<int*>(context); }

struct Fixture {
    explicit Fixture(std::size_t limit) : memory(limit) {}
    Memory memory;
    ChunkPool chunks{memory};
};

TEST(Payload, DropsFromBothEnds) {
    const std::string text = "abcdefghij";
    Payload payload;
    payload.add(bytes(text).first(3));
    payload.add(bytes(text).subspan(3, 4));
    payload.add(bytes(text).subspan(7));
    payload.drop_front(0);
    payload.drop_front(3);
    EXPECT_EQ(text_of(payload), "defghij");
    EXPECT_EQ(payload.pieces().size(), 2u);
    payload.drop_front(1);
    payload.drop_back(4);
    EXPECT_EQ(text_of(payload), "ef");
    EXPECT_EQ(payload.size(), 2u);
    payload.drop_back(2);
    EXPECT_TRUE(payload.empty());
    EXPECT_TRUE(payload.pieces().empty());
}

TEST(SendBuffer, AnEmptyOneHoldsNothing) {
    Fixture f{1 << 20};
    SendBuffer buffer{f.chunks, start};
    EXPECT_EQ(f.memory.used(), 0u);
    EXPECT_EQ(buffer.append(bytes("hello")), 5u);
    EXPECT_EQ(f.chunks.in_use(), 1u);
    buffer.release(buffer.end());
    EXPECT_EQ(f.memory.used(), 0u);
    EXPECT_EQ(buffer.begin(), start + 5);
}

TEST(SendBuffer, WritesAreJoinedInOneChunk) {
    Fixture f{1 << 20};
    SendBuffer buffer{f.chunks, start};
    for (int i = 0; i != 4096; ++i) ASSERT_EQ(buffer.append(bytes("x")), 1u);
    EXPECT_EQ(f.chunks.in_use(), 1u);
    Payload out;
    EXPECT_EQ(buffer.gather(start + 1, 4095, out), 4095u);
    EXPECT_EQ(out.pieces().size(), 1u);
}

TEST(SendBuffer, GatherStopsWhenThePayloadIsFull) {
    Fixture f{1 << 20};
    SendBuffer buffer{f.chunks, start};
    int released = 0;
    const std::string text = "0123456789";
    for (int i = 0; i != 60; ++i) {
        ASSERT_TRUE(buffer.append_external(bytes(text), count_release, &released));
    }
    Payload out;
    EXPECT_EQ(buffer.gather(start + 5, 595, out), Payload::pieces_max * 10 - 5);
    buffer.release(start + 19);
    EXPECT_EQ(released, 1);
    buffer.release(start + 20);
    EXPECT_EQ(released, 2);
}

TEST(SendBuffer, ForeignMemoryIsReleasedWhenTheBufferDies) {
    Fixture f{1 << 20};
    int released = 0;
    {
        SendBuffer buffer{f.chunks, start};
        ASSERT_TRUE(buffer.append_external(bytes("abc"), count_release, &released));
        ASSERT_TRUE(buffer.append_external({}, count_release, &released));
        EXPECT_EQ(released, 1);
    }
    EXPECT_EQ(released, 2);
    EXPECT_EQ(f.memory.used(), 0u);
}

TEST(SendBuffer, AReservationOutlivesTheReleaseOfItsChunk) {
    Fixture f{1 << 20};
    SendBuffer buffer{f.chunks, start};
    buffer.append(bytes("abc"));
    MutableBytes room = buffer.reserve();
    ASSERT_EQ(room.size(), Chunk::size - 3);
    buffer.release(start + 3);
    room[0] = 'd';
    buffer.commit(1);
    Payload out;
    EXPECT_EQ(buffer.gather(start + 3, 1, out), 1u);
    EXPECT_EQ(text_of(out), "d");
    buffer.release(start + 4);
    EXPECT_EQ(f.memory.used(), 0u);
    ASSERT_FALSE(buffer.reserve().empty());
    buffer.commit(0);
    EXPECT_EQ(f.memory.used(), 0u);
}

// Random use against a string, with so little memory that much is refused. `model` is the queue.
class SendLaw {
public:
    SendLaw(std::uint64_t seed, std::size_t limit) : rng_(seed), f_(limit) {}

    void run(int steps) {
        {
            SendBuffer buffer{f_.chunks, begin_};
            for (int i = 0; i != steps && !::testing::Test::HasFatalFailure(); ++i) step(buffer);
        }
        EXPECT_EQ(f_.memory.used(), 0u);
        EXPECT_EQ(released_, queued_);
    }
    bool refused() const { return refused_; }

private:
    void step(SendBuffer& buffer) {
        switch (rng_.below(8)) {
            case 0:
            case 1: append(buffer); break;
            case 2: external(buffer); break;
            case 3: reserve(buffer); break;
            case 4: release(buffer); break;
            default: gather(buffer); break;
        }
        ASSERT_EQ(buffer.begin(), begin_);
        ASSERT_EQ(buffer.size(), model_.size());
        if (model_.empty()) {
            ASSERT_EQ(f_.memory.used(), 0u);
        }
    }
    void append(SendBuffer& buffer) {
        const std::string text = noise(rng_, rng_.below(rng_.chance(100'000) ? 300'000 : 6'000));
        const std::size_t n = buffer.append(bytes(text));
        refused_ |= n < text.size();
        model_.append(text, 0, n);
    }
    void external(SendBuffer& buffer) {
        for (std::uint64_t burst = rng_.chance(50'000) ? 400 : 1; burst != 0; --burst) {
            foreign_.push_back(noise(rng_, rng_.below(20)));
            if (buffer.append_external(bytes(foreign_.back()), count_release, &released_)) {
                ++queued_;
                model_ += foreign_.back();
            } else {
                refused_ = true;
            }
        }
    }
    void reserve(SendBuffer& buffer) {
        MutableBytes room = buffer.reserve();
        if (room.empty()) {
            refused_ = true;
            return;
        }
        if (rng_.chance(300'000)) release(buffer);
        const std::string text = noise(rng_, rng_.below(room.size() + 1));
        std::copy(text.begin(), text.end(), room.begin());
        buffer.commit(text.size());
        model_ += text;
    }
    void release(SendBuffer& buffer) {
        const std::uint64_t all = model_.size();
        const std::uint64_t n = rng_.chance(200'000) ? all : rng_.below(all + 1);
        buffer.release(begin_ + n);
        begin_ += n;
        model_.erase(0, n);
    }
    void gather(SendBuffer& buffer) {
        std::uint64_t from = rng_.below(model_.size() + 1);
        if (rng_.chance(500'000)) from = std::min(forward_, std::uint64_t{model_.size()});
        const auto length =
            static_cast<std::uint32_t>(rng_.below(std::min(model_.size() - from, 9000ul) + 1));
        Payload out;
        const std::uint32_t n = buffer.gather(begin_ + from, length, out);
        ASSERT_TRUE(n == length || out.full());
        ASSERT_EQ(text_of(out), model_.substr(from, n));
        forward_ = from + n;
    }

    Rng rng_;
    Fixture f_;
    Seq begin_ = start;
    std::string model_;
    std::deque<std::string> foreign_;
    std::uint64_t forward_ = 0;
    int queued_ = 0;
    int released_ = 0;
    bool refused_ = false;
};

TEST(SendBuffer, IsAQueueOfOctets) {
    bool refused = false;
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        SCOPED_TRACE("--seed=" + std::to_string(seed));
        SendLaw law{seed, seed % 4 * 3 * Memory::slab_bytes + Memory::slab_bytes};
        law.run(700);
        refused |= law.refused();
    }
    EXPECT_TRUE(refused);
    SendLaw rich{99, 64 << 20};
    rich.run(3000);
    EXPECT_FALSE(rich.refused());
}

}  // namespace
}  // namespace estab::tcp
