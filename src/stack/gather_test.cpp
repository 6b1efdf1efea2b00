// Payload that stays in the send buffer on its way to a device that gathers: the frames are the
// same, octet for octet.
#include "base/rng.hpp"
#include "stack/stack_testing.hpp"

namespace estab::stack {
namespace {

device::Caps cuts_and_sums() {
    return {.mtu = 1500, .frame_max = 65'535, .tso4 = true, .tso6 = true, .checksum = true};
}

struct Sender : Bench {
    ConnectionId id;
    std::uint32_t iss;

    Sender() : Bench({}, 64u << 20, cuts_and_sums()) {
        const auto listener = stack.listen({.port = 80}).value();
        iss = handshake(them, "mss 1460 ws 8");
        id = stack.accept(listener).value();
    }
    struct Sent {
        Octets frame;
        device::Offload offload;
        std::size_t apart = 0;  // octets that stayed where they were
    };
    Sent next(bool gathers) {
        Octets room(stack.frame_bytes(), 0xee);
        Sent sent;
        Stack::Tail tail;
        const std::size_t size =
            stack.write_next(now, room, sent.offload, gathers ? &tail : nullptr);
        for (const Bytes part : tail) sent.apart += part.size();
        room.resize(size - sent.apart);
        for (const Bytes part : tail) room.insert(room.end(), part.begin(), part.end());
        sent.frame = std::move(room);
        return sent;
    }
    void acknowledge(std::uint32_t octets) {
        const Octets packet =
            make_segment(them, us, "A 1001 ack " + std::to_string(iss + 1 + octets));
        const device::Frame f{.bytes = packet, .arrived = now, .offload = {}};
        stack.receive(now, std::span(&f, 1));
    }
};

TEST(Gather, FramesAreTheSameAsWithoutIt) {
    Sender plain, gathering;
    ASSERT_EQ(plain.iss, gathering.iss);
    Rng rng(11);
    std::uint32_t written = 0;
    std::size_t apart = 0;
    for (int round = 0; round != 200; ++round) {
        Octets text(1 + rng.below(60'000));
        for (auto& octet : text) octet = static_cast<std::uint8_t>(rng.next());
        const auto n = plain.stack.write(plain.now, plain.id, text);
        ASSERT_EQ(n.value_or(0), gathering.stack.write(gathering.now, gathering.id, text).value_or(0));
        written += static_cast<std::uint32_t>(n.value_or(0));
        for (;;) {
            const auto a = plain.next(false), b = gathering.next(true);
            ASSERT_EQ(a.frame, b.frame) << "round " << round;
            ASSERT_EQ(a.offload.checksum_start, b.offload.checksum_start);
            ASSERT_EQ(a.offload.header_length, b.offload.header_length);
            ASSERT_EQ(a.offload.gso_size, b.offload.gso_size);
            apart += b.apart;
            if (a.frame.empty()) break;
        }
        const auto acked = written - static_cast<std::uint32_t>(rng.below(2) * rng.below(20'000));
        for (Sender* s : {&plain, &gathering}) {
            s->now += 1ms;
            if (static_cast<std::int32_t>(acked) > 0) s->acknowledge(acked);
        }
    }
    EXPECT_GT(apart, written / 2u);
}

TEST(Gather, SmallSegmentsAreCopied) {
    Sender b;
    ASSERT_TRUE(b.stack.write(b.now, b.id, Octets(1000)));
    const auto sent = b.next(true);
    EXPECT_EQ(sent.apart, 0u);
    EXPECT_EQ(sent.frame.size(), 1040u);
}

}  // namespace
}  // namespace estab::stack
