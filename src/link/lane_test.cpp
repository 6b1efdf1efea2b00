#include "link/lane.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include <gtest/gtest.h>

#include "link/link_testing.hpp"

namespace estab::link {
namespace {

constexpr Instant at(Duration d) { return Instant{d}; }

Lane lane(std::string_view text, std::uint64_t seed = 1) {
    return Lane({.direction = parse_path(text)->up, .seed = seed});
}

// A frame that carries its number.
std::array<std::uint8_t, 100> frame(std::uint32_t number) {
    std::array<std::uint8_t, 100> bytes{};
    store_be32(bytes.data(), number);
    return bytes;
}

struct Out {
    std::uint32_t number;
    Instant at;
    friend bool operator==(const Out&, const Out&) = default;
};

std::vector<Out> drain(Lane& l, Instant now) {
    std::vector<Out> out;
    while (const auto d = l.pop(now)) out.push_back({load_be32(d->bytes.data()), d->at});
    l.release();
    return out;
}

// `count` frames, one each `gap`, then all that is left.
std::vector<Out> run(Lane& l, std::uint32_t count, Duration gap) {
    std::vector<Out> out;
    Instant now{};
    for (std::uint32_t i = 0; i < count; ++i, now += gap) {
        l.push(now, frame(i));
        const auto some = drain(l, now);
        out.insert(out.end(), some.begin(), some.end());
    }
    while (l.deadline() != never) {
        now = l.deadline();
        const auto some = drain(l, now);
        out.insert(out.end(), some.begin(), some.end());
    }
    return out;
}

TEST(Lane, WithoutSettingsEverythingPassesAtOnce) {
    Lane l = lane("");
    const auto out = run(l, 1'000, 1us);
    ASSERT_EQ(out.size(), 1'000u);
    for (std::uint32_t i = 0; i < 1'000; ++i) EXPECT_EQ(out[i], (Out{i, at(i * 1us)}));
    EXPECT_EQ(l.counters(), (Lane::Counters{.entered = 1'000, .entered_bytes = 100'000,
                                            .left = 1'000, .left_bytes = 100'000}));
}

TEST(Lane, LossIsAsOftenAsAsked) {
    Lane l = lane("loss=1%");
    const auto out = run(l, 100'000, 1us);
    EXPECT_EQ(out.size() + l.counters().dropped_by_loss, 100'000u);
    EXPECT_NEAR(static_cast<double>(l.counters().dropped_by_loss), 1'000, 100);
    Lane all = lane("loss=100%");
    EXPECT_TRUE(run(all, 100, 1us).empty());
}

TEST(Lane, BurstsLastAsLongAsAsked) {
    Lane l = lane("burst-loss=1%/25%");  // a share of 1/26 in bursts of four
    const auto out = run(l, 100'000, 1us);
    std::uint32_t bursts = 0, expected = 0;
    for (const Out& o : out) {
        bursts += o.number != expected;
        expected = o.number + 1;
    }
    const auto lost = static_cast<double>(l.counters().dropped_by_loss);
    EXPECT_NEAR(lost, 100'000.0 / 26, 300);
    EXPECT_NEAR(lost / bursts, 4.0, 0.3);
}

TEST(Lane, TheScriptDropsTheseVeryPackets) {
    Lane l = lane("drop=1+3-4");
    const auto out = run(l, 6, 1us);
    ASSERT_EQ(out.size(), 3u);
    EXPECT_EQ(out[0].number, 1u);
    EXPECT_EQ(out[1].number, 4u);
    EXPECT_EQ(out[2].number, 5u);
    EXPECT_EQ(l.counters().dropped_by_script, 3u);
}

TEST(Lane, RateSpacesPackets) {
    Lane l = lane("rate=800kbit");  // 100 bytes each millisecond
    for (std::uint32_t i = 0; i < 3; ++i) l.push(at(0ms), frame(i));
    EXPECT_EQ(l.deadline(), at(1ms));
    EXPECT_TRUE(drain(l, at(1ms) - 1ns).empty());
    EXPECT_EQ(drain(l, at(10ms)), (std::vector<Out>{{0, at(1ms)}, {1, at(2ms)}, {2, at(3ms)}}));
    EXPECT_EQ(l.deadline(), never);
    l.push(at(20ms), frame(3));  // an idle line saves nothing up
    EXPECT_EQ(drain(l, at(30ms)), (std::vector<Out>{{3, at(21ms)}}));
}

TEST(Lane, AFullQueueDropsItsTail) {
    Lane l = lane("rate=800kbit,queue=2p");  // one is being sent, two wait
    for (std::uint32_t i = 0; i < 5; ++i) l.push(at(0ms), frame(i));
    EXPECT_EQ(l.counters().dropped_by_queue, 2u);
    EXPECT_EQ(l.queued_packets(), 2u);
    l.push(at(1ms), frame(5));  // the first has just gone
    EXPECT_EQ(drain(l, at(10ms)),
              (std::vector<Out>{{0, at(1ms)}, {1, at(2ms)}, {2, at(3ms)}, {5, at(4ms)}}));
}

TEST(Lane, QueueLimitsInBytesAndProducts) {
    Lane bytes = lane("rate=800kbit,queue=250b");
    for (std::uint32_t i = 0; i < 5; ++i) bytes.push(at(0ms), frame(i));
    EXPECT_EQ(bytes.counters().dropped_by_queue, 2u);
    EXPECT_EQ(bytes.queued_bytes(), 200u);
    const Lane product({.direction = parse_path("rate=8mbit,queue=2bdp")->up, .round_trip = 40ms});
    EXPECT_EQ(product.queue_bytes_max(), 80'000u);
    const Lane none({.direction = parse_path("rate=8mbit,queue=2bdp")->up});
    EXPECT_EQ(none.queue_bytes_max(), 1'500u);  // never less than a frame
}

TEST(Lane, DelayAndJitterKeepTheOrder) {
    Lane l = lane("delay=20ms±5ms");
    EXPECT_TRUE(std::ranges::is_sorted(run(l, 10'000, 100us), {}, &Out::number));

    l = lane("delay=20ms±5ms");
    const auto out = run(l, 10'000, 10ms);
    ASSERT_EQ(out.size(), 10'000u);
    Duration least = 1h, most{};
    for (std::uint32_t i = 0; i < out.size(); ++i) {
        ASSERT_EQ(out[i].number, i);
        ASSERT_LE(out[i == 0 ? 0 : i - 1].at, out[i].at);
        const Duration delay = out[i].at - at(i * 10ms);
        least = std::min(least, delay);
        most = std::max(most, delay);
    }
    EXPECT_GE(least, 15ms);
    EXPECT_LE(least, 15'100us);
    EXPECT_GE(most, 24'900us);
    EXPECT_LE(most, 25ms);
}

TEST(Lane, AReorderedPacketIsOvertakenByThree) {
    Lane l = lane("reorder=1%");
    const auto out = run(l, 100'000, 10us);
    ASSERT_EQ(out.size(), 100'000u);
    EXPECT_NEAR(static_cast<double>(l.counters().reordered), 1'000, 100);
    std::uint64_t late = 0;
    for (std::size_t i = 1; i < out.size(); ++i) late += out[i].number < out[i - 1].number;
    EXPECT_GE(late, l.counters().reordered * 9 / 10);
    EXPECT_LE(late, l.counters().reordered);
}

TEST(Lane, NothingIsHeldForever) {
    Lane l = lane("reorder=100%/3p/10ms");
    l.push(at(0ms), frame(1));
    EXPECT_TRUE(drain(l, at(0ms)).empty());
    EXPECT_EQ(l.deadline(), at(10ms));
    EXPECT_EQ(drain(l, at(15ms)), (std::vector<Out>{{1, at(10ms)}}));
}

TEST(Lane, DuplicatesFollowTheirOriginal) {
    Lane l = lane("duplicate=1%");
    const auto out = run(l, 100'000, 1us);
    EXPECT_EQ(out.size(), 100'000 + l.counters().duplicated);
    EXPECT_NEAR(static_cast<double>(l.counters().duplicated), 1'000, 100);
    EXPECT_EQ(l.counters().left, out.size());
    for (std::size_t i = 1; i < out.size(); ++i) ASSERT_LE(out[i].number - out[i - 1].number, 1u);
}

TEST(Lane, CorruptionFlipsOneBit) {
    Lane l = lane("corrupt=100%,duplicate=100%");
    const std::array<std::uint8_t, 100> zero{};
    std::array<int, 100> hits{};
    for (int i = 0; i < 10'000; ++i) {
        l.push(at(0ms), zero);
        for (int copy = 0; copy < 2; ++copy) {
            const auto d = l.pop(at(0ms));
            int bits = 0;
            for (std::size_t k = 0; k < 100; ++k) {
                bits += std::popcount(d->bytes[k]);
                hits[k] += d->bytes[k] != 0;
            }
            ASSERT_EQ(bits, 1);  // each copy has a fault of its own
        }
        EXPECT_FALSE(l.pop(at(0ms)));
        l.release();
    }
    EXPECT_EQ(l.counters().corrupted, 20'000u);
    EXPECT_GT(*std::min_element(hits.begin(), hits.end()), 100);  // anywhere
}

TEST(Lane, OnEthernetOnlyTheIpPacketIsCorrupted) {
    Lane l({.direction = parse_path("corrupt=100%")->up, .link = device::LinkType::ethernet});
    std::array<std::uint8_t, 60> bytes{};
    for (const std::uint16_t type :
         {std::uint16_t{0x0800}, std::uint16_t{0x86dd}, std::uint16_t{0x0806}}) {
        store_be16(bytes.data() + 12, type);
        for (int i = 0; i < 1'000; ++i) {
            l.push(at(0ms), bytes);
            const auto d = l.pop(at(0ms));
            ASSERT_TRUE(std::equal(bytes.begin(), bytes.begin() + 14, d->bytes.begin()));
            ASSERT_EQ(std::equal(bytes.begin(), bytes.end(), d->bytes.begin()), type == 0x0806);
            l.release();
        }
    }
    EXPECT_EQ(l.counters().corrupted, 2'000u);
}

constexpr std::string_view everything =
    "loss=1%,burst-loss=0.1%/"
    "20%,delay=20ms±5ms,rate=50mbit,queue=20p,reorder=1%,duplicate=1%,corrupt=1%";

TEST(Lane, TheSameSeedDecidesTheSame) {
    Lane first = lane(everything, 7), second = lane(everything, 7), other = lane(everything, 8);
    const auto out = run(first, 20'000, 20us);
    EXPECT_EQ(out, run(second, 20'000, 20us));
    EXPECT_EQ(first.counters(), second.counters());
    EXPECT_NE(out, run(other, 20'000, 20us));
}

TEST(Lane, WhenPopIsCalledChangesNothing) {
    Lane eager = lane(everything), lazy = lane(everything);
    std::vector<Out> eager_out, lazy_out;
    for (std::uint32_t i = 0; i < 5'000; ++i) {
        const Instant now = at(i * 15us);
        eager.push(now, frame(i));
        lazy.push(now, frame(i));
        for (const Out& o : drain(eager, now)) eager_out.push_back(o);
    }
    for (const Out& o : drain(eager, at(10s))) eager_out.push_back(o);
    for (const Out& o : drain(lazy, at(10s))) lazy_out.push_back(o);
    EXPECT_EQ(eager_out, lazy_out);
    EXPECT_EQ(eager.counters(), lazy.counters());
}

TEST(Lane, OneStageDoesNotDisturbAnother) {
    Lane alone = lane("loss=5%"),
         beside = lane("loss=5%,jitter=1ms,duplicate=5%,corrupt=5%,reorder=5%");
    run(alone, 10'000, 1us);
    run(beside, 10'000, 1us);
    EXPECT_EQ(alone.counters().dropped_by_loss, beside.counters().dropped_by_loss);
}

TEST(Lane, EveryPacketIsAccountedFor) {
    Lane l = lane(everything);
    run(l, 100'000, 15us);
    const Lane::Counters& c = l.counters();
    EXPECT_EQ(c.entered, 100'000u);
    EXPECT_EQ(c.entered + c.duplicated, c.left + c.dropped_by_loss + c.dropped_by_queue);
    EXPECT_GT(c.dropped_by_queue, 0u);
    EXPECT_EQ(c.left_bytes, c.left * 100);
}

TEST(Lane, BuffersAreBoundedAndTheDropIsCounted) {
    Lane l({.direction = parse_path("delay=1s")->up, .frame_max = 1024, .bytes_max = 10 * 1024});
    for (std::uint32_t i = 0; i < 15; ++i) l.push(at(0s), frame(i));
    EXPECT_EQ(l.counters().dropped_by_memory, 5u);
    EXPECT_EQ(drain(l, at(1s)).size(), 10u);
    l.push(at(2s), frame(99));
    EXPECT_EQ(drain(l, at(3s)).size(), 1u);
}

TEST(Lane, LendsUntilRelease) {
    Lane l = lane("");
    l.push(at(0s), frame(1));
    l.push(at(0s), frame(2));
    const auto first = l.pop(at(0s));
    const auto second = l.pop(at(0s));
    l.push(at(0s), frame(3));
    EXPECT_EQ(load_be32(first->bytes.data()), 1u);
    EXPECT_EQ(load_be32(second->bytes.data()), 2u);
}

TEST(Lane, ChangesWhileItRuns) {
    Lane l = lane("rate=8kbit");
    for (std::uint32_t i = 0; i < 3; ++i) l.push(at(0s), frame(i));
    l.change(parse_path("loss=100%")->up);
    EXPECT_EQ(drain(l, at(100ms)).size(), 3u);  // the rate no longer holds what waits
    l.push(at(100ms), frame(4));
    EXPECT_TRUE(drain(l, at(1s)).empty());
}

// --- Disciplines, marks and the policer

std::vector<std::uint8_t> tcp_frame(std::uint16_t port, wire::Ecn ecn, bool v4 = true) {
    std::vector<std::uint8_t> bytes(1500);
    wire::write_ip(bytes, {.source = testing::source_of(v4),
                           .destination = testing::destination_of(v4),
                           .protocol = wire::protocol_tcp,
                           .ecn = ecn,
                           .payload_bytes = static_cast<std::uint32_t>(
                               1500 - wire::ip_header_bytes(v4))});
    store_be16(&bytes[wire::ip_header_bytes(v4)], port);
    return bytes;
}

TEST(Lane, MarksWithCeAndKeepsTheChecksumRight) {  // RFC 3168 5
    for (const bool v4 : {true, false}) {
        Lane l = lane("rate=12mbit,ce=2p");
        for (int i = 0; i < 5; ++i) l.push(at(1s), tcp_frame(1, wire::Ecn::ect0, v4));
        std::vector<bool> marked;
        for (Instant now = l.deadline(); now != never; now = l.deadline()) {
            while (const auto d = l.pop(now)) {
                const auto packet = wire::IpPacket::parse(d->bytes);
                ASSERT_TRUE(packet.has_value());
                marked.push_back(packet->ecn == wire::Ecn::ce);
            }
            l.release();
        }
        // One is being sent, two wait: the fourth finds two.
        EXPECT_EQ(marked, (std::vector<bool>{false, false, false, true, true}));
        EXPECT_EQ(l.counters().marked, 2u);
    }
}

TEST(Lane, MarksByTimeWhatWaitedLonger) {
    Lane l = lane("rate=12mbit,ce=2ms");  // a millisecond for each
    for (int i = 0; i < 5; ++i) l.push(at(1s), tcp_frame(1, wire::Ecn::ect1));
    for (Instant now = l.deadline(); now != never; now = l.deadline()) drain(l, now);
    EXPECT_EQ(l.counters().marked, 2u);  // 3 and 4 ms; 2 ms is not longer
}

TEST(Lane, WhatIsNotEctIsNeverMarked) {
    Lane l = lane("rate=12mbit,ce=0p");
    for (int i = 0; i < 5; ++i) l.push(at(1s), tcp_frame(1, wire::Ecn::not_ect));
    for (Instant now = l.deadline(); now != never; now = l.deadline()) drain(l, now);
    EXPECT_EQ(l.counters().marked, 0u);
}

TEST(Lane, ThePolicerDropsWhatItsBurstDoesNotCover) {
    Lane l = lane("police=8mbit/15000b");  // a megabyte a second
    for (int i = 0; i < 20; ++i) l.push(at(1s), tcp_frame(1, wire::Ecn::not_ect));
    EXPECT_EQ(l.counters().dropped_by_policer, 10u);
    l.push(after(at(1s), 1500us), tcp_frame(1, wire::Ecn::not_ect));  // room for one again
    EXPECT_EQ(l.counters().dropped_by_policer, 10u);
    l.push(after(at(1s), 1500us), tcp_frame(1, wire::Ecn::not_ect));
    EXPECT_EQ(l.counters().dropped_by_policer, 11u);
}

// Twice what the link carries, for ten seconds: how long packets wait at the end.
Duration standing_delay(std::string_view queue, wire::Ecn ecn) {
    struct Waited final : Lane::Watcher {
        void on_drop(Instant, Bytes) override {}
        void on_transmit(Instant, Duration waited, wire::Ecn) override { last = waited; }
        Duration last{};
    } watcher;
    Lane l = lane("rate=12mbit,queue=" + std::string(queue));
    l.watch(&watcher);
    for (Instant now = at(1s); now < at(11s); now = after(now, 500us)) {
        l.push(now, tcp_frame(static_cast<std::uint16_t>(to_us(now.time_since_epoch()) % 7), ecn));
        drain(l, now);
    }
    EXPECT_EQ(l.counters().dropped(), l.counters().dropped_by_queue);
    return watcher.last;
}

TEST(Lane, EveryDisciplineKeepsASenderThatDoesNotListenWithinItsLimit) {
    EXPECT_GE(standing_delay("100p", wire::Ecn::ect0), 99ms);
    EXPECT_LE(standing_delay("codel/100p", wire::Ecn::not_ect), 100ms);
    EXPECT_LE(standing_delay("fq_codel/100p", wire::Ecn::not_ect), 100ms);
    EXPECT_LE(standing_delay("pie", wire::Ecn::not_ect), 40ms);
    EXPECT_LE(standing_delay("pie", wire::Ecn::ect0), 40ms);  // above 10 % it drops
    EXPECT_LE(standing_delay("red/30k/60k/10%", wire::Ecn::not_ect), 100ms);
    EXPECT_LE(standing_delay("dualpi2/100p", wire::Ecn::not_ect), 100ms);
    EXPECT_LE(standing_delay("dualpi2/100p", wire::Ecn::ect1), 100ms);
}

TEST(Lane, AnotherQueueKeepsWhatWaits) {
    Lane l = lane("rate=12mbit,queue=100p");
    for (int i = 0; i < 50; ++i) l.push(at(1s), tcp_frame(1, wire::Ecn::not_ect));
    l.change(parse_path("rate=24mbit,queue=fq_codel")->up);
    EXPECT_EQ(l.queued_packets(), 49u);
    l.change(parse_path("rate=24mbit,queue=10p")->up);
    EXPECT_EQ(l.queued_packets(), 10u);
    EXPECT_EQ(l.counters().dropped_by_queue, 39u);
}

}  // namespace
}  // namespace estab::link
