// FQ-CoDel and the dual queue of L4S.
#include <gtest/gtest.h>

#include "link/dualpi2.hpp"
#include "link/fq_codel.hpp"

namespace estab::link {
namespace {

constexpr Instant at(Duration d) { return Instant{d}; }
double part(Chance chance) { return static_cast<double>(chance) / static_cast<double>(certain); }

struct Bench {
    Packets packets;
    PacketList dropped;
    PacketIndex make(std::uint32_t size, std::uint32_t flow, Instant now,
                     wire::Ecn ecn = wire::Ecn::not_ect) {
        const PacketIndex packet = packets.add();
        packets[packet] = {.size = size, .flow = flow, .at = now, .ecn = ecn};
        return packet;
    }
};

TEST(FqCoDel, ANewFlowDoesNotWaitBehindALongOne) {  // RFC 8290 1.3, 4.2
    Bench b;
    FqCoDel queue({});
    for (int i = 0; i < 100; ++i) queue.push(b.packets, b.make(1500, 1, at(1s)));
    EXPECT_EQ(b.packets[queue.pop(at(1s), b.packets, b.dropped)].flow, 1u);
    EXPECT_EQ(b.packets[queue.pop(at(1s), b.packets, b.dropped)].flow, 1u);  // its quantum ends
    queue.push(b.packets, b.make(100, 2, at(1s)));
    EXPECT_EQ(b.packets[queue.pop(at(1s), b.packets, b.dropped)].flow, 2u);
}

TEST(FqCoDel, BusyFlowsShareOctetsNotPackets) {
    Bench b;
    FqCoDel queue({});
    for (int i = 0; i < 300; ++i) queue.push(b.packets, b.make(1500, 1, at(1s)));
    for (int i = 0; i < 3000; ++i) queue.push(b.packets, b.make(150, 2, at(1s)));
    std::uint64_t octets[3]{};
    for (int i = 0; i < 1100; ++i) {
        const Packet& p = b.packets[queue.pop(at(1s), b.packets, b.dropped)];
        octets[p.flow] += p.size;
    }
    EXPECT_NEAR(static_cast<double>(octets[1]), static_cast<double>(octets[2]), 3028);
}

TEST(FqCoDel, AnEmptiedNewFlowWaitsItsTurn) {  // RFC 8290 4.2: so that nobody starves
    Bench b;
    FqCoDel queue({});
    for (int i = 0; i < 10; ++i) queue.push(b.packets, b.make(500, 1, at(1s)));
    for (int i = 0; i < 4; ++i) queue.pop(at(1s), b.packets, b.dropped);
    queue.push(b.packets, b.make(100, 2, at(1s)));
    EXPECT_EQ(b.packets[queue.pop(at(1s), b.packets, b.dropped)].flow, 2u);
    EXPECT_EQ(b.packets[queue.pop(at(1s), b.packets, b.dropped)].flow, 1u);
    queue.push(b.packets, b.make(100, 2, at(1s)));  // still listed, among the old ones now
    EXPECT_EQ(b.packets[queue.pop(at(1s), b.packets, b.dropped)].flow, 1u);
}

TEST(FqCoDel, TheLongestQueuePaysForMissingRoom) {
    Bench b;
    FqCoDel queue({});
    queue.push(b.packets, b.make(1500, 1, at(1s)));
    const PacketIndex first = b.make(1500, 2, at(1s));
    queue.push(b.packets, first);
    queue.push(b.packets, b.make(1500, 2, at(1s)));
    queue.drop_from_longest(b.packets, b.dropped);
    EXPECT_EQ(b.dropped.head, first);
    EXPECT_EQ(queue.count(), 2u);
    EXPECT_EQ(queue.bytes(), 3000u);
}

TEST(FqCoDel, EachFlowHasCoDelOfItsOwn) {
    Bench b;
    FqCoDel queue({});
    // Flow 1 stands in a queue of 50 ms; flow 2 comes with one packet now and then.
    Instant now = at(1s);
    for (int i = 0; i < 50; ++i) queue.push(b.packets, b.make(1500, 1, now));
    for (int i = 0; i < 1000; ++i, now = after(now, 1ms)) {
        queue.push(b.packets, b.make(1500, 1, now));
        if (i % 50 == 0) queue.push(b.packets, b.make(100, 2, now));
        queue.pop(now, b.packets, b.dropped);
    }
    EXPECT_GT(b.dropped.count, 3u);
    for (PacketIndex i = b.dropped.head; i != no_packet; i = b.packets[i].next) {
        EXPECT_EQ(b.packets[i].flow, 1u);
    }
}

TEST(DualPi2, TheControllersGains) {  // RFC 9332 A.1: 15 ms, 100 ms -> alpha 0.15, beta 3
    DualPi2 dual({});
    EXPECT_EQ(dual.update_time(), 15ms);
    dual.update(30ms);
    EXPECT_NEAR(part(dual.base()), 0.15 * 0.015 + 3 * 0.030, 1e-6);
    dual.update(30ms);
    EXPECT_NEAR(part(dual.base()), 2 * 0.15 * 0.015 + 3 * 0.030, 1e-6);
    dual.update(0ms);
    EXPECT_NEAR(part(dual.base()), 0.15 * 0.015, 1e-6);
}

TEST(DualPi2, TheSquareForClassicTwiceForTheOthers) {  // k = 2
    DualPi2 dual({});
    dual.update(100ms);
    const double base = part(dual.base());
    EXPECT_NEAR(part(dual.classic()), base * base, 1e-9);
    EXPECT_NEAR(part(dual.coupled()), 2 * base, 1e-9);
    for (int i = 0; i < 20; ++i) dual.update(400ms);
    EXPECT_TRUE(dual.is_overloaded());
    EXPECT_EQ(dual.coupled(), certain);
}

TEST(DualPi2, TheNativeRampIsFrom800To1200Microseconds) {
    const DualPi2 dual({});
    EXPECT_EQ(dual.native(800us), 0);
    EXPECT_NEAR(part(dual.native(900us)), 0.25, 1e-6);
    EXPECT_NEAR(part(dual.native(1000us)), 0.5, 1e-6);
    EXPECT_EQ(dual.native(1200us), certain);
}

TEST(DualPi2, TheCodepointDecides) {  // RFC 9331 5.1
    EXPECT_TRUE(DualPi2::is_l4s(wire::Ecn::ect1));
    EXPECT_TRUE(DualPi2::is_l4s(wire::Ecn::ce));
    EXPECT_FALSE(DualPi2::is_l4s(wire::Ecn::ect0));
    EXPECT_FALSE(DualPi2::is_l4s(wire::Ecn::not_ect));
}

TEST(DualPi2, ATenthIsClassicWhereBothWait) {
    Bench b;
    DualPi2 dual({});
    for (int i = 0; i < 1000; ++i) {
        dual.push(at(1s), b.packets, b.make(1500, 0, at(1s), wire::Ecn::ect1));
        dual.push(at(1s), b.packets, b.make(1500, 0, at(1s)));
    }
    int classic = 0;
    for (int i = 0; i < 1000; ++i) {
        classic += b.packets[dual.pop(at(1s), b.packets, b.dropped)].ecn == wire::Ecn::not_ect;
    }
    EXPECT_NEAR(classic, 100, 1);
}

TEST(DualPi2, MarksWhatHasWaitedLonger) {
    Bench b;
    DualPi2 dual({});
    const auto leaves_marked = [&](Duration waited) {
        for (int i = 0; i < 2; ++i)  // one alone would be no queue
            dual.push(at(1s), b.packets, b.make(1500, 0, at(1s), wire::Ecn::ect1));
        const Instant now = after(at(1s), waited);
        const bool first = b.packets[dual.pop(now, b.packets, b.dropped)].marked;
        EXPECT_FALSE(b.packets[dual.pop(now, b.packets, b.dropped)].marked);
        return first;
    };
    EXPECT_FALSE(leaves_marked(700us));
    EXPECT_FALSE(leaves_marked(1000us));  // half and half: every second one
    EXPECT_TRUE(leaves_marked(1000us));
    EXPECT_TRUE(leaves_marked(1300us));
}

TEST(DualPi2, DropsOnlyWhatCannotBeMarkedUntilOverloaded) {
    for (const bool overloaded : {false, true}) {
        Bench b;
        DualPi2 dual({});
        for (int i = 0; i < (overloaded ? 50 : 1); ++i) dual.update(120ms);
        EXPECT_EQ(dual.is_overloaded(), overloaded);
        int marked = 0;
        for (int i = 0; i < 400; ++i) {
            dual.push(at(0s), b.packets, b.make(1500, 0, at(0s), wire::Ecn::ect0));
            const PacketIndex packet = dual.pop(at(0s), b.packets, b.dropped);
            marked += packet != no_packet && b.packets[packet].marked;
        }
        EXPECT_EQ(b.dropped.count == 0, !overloaded);
        EXPECT_EQ(marked == 0, overloaded);
    }
}

}  // namespace
}  // namespace estab::link
