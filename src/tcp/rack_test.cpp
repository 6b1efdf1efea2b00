#include "tcp/rack.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <vector>

#include "base/rng.hpp"

namespace estab::tcp {
namespace {

constexpr Rack::Path path{.srtt = 40ms, .rtt_min = 40ms, .granularity = 0ns};

// Segments of 1000 octets, numbered from 0, and what their acknowledgments say.
class Flight : public ::testing::Test {
protected:
    Seq seq(std::uint64_t n) const { return Seq((std::uint64_t{1} << 32) + n * 1000); }
    Instant at(Duration t) const { return Instant{1000s} + t; }
    void send(std::uint64_t from, std::uint64_t to, Duration when) {
        for (std::uint64_t n = from; n < to; ++n)
            ASSERT_TRUE(sent_.append(seq(n), seq(n + 1), 1000, at(when)));
    }
    void sack(std::uint64_t from, std::uint64_t to, Duration when, bool answers_original = false) {
        SentQueue::Acked acked;
        sent_.sack(seq(from), seq(to), acked, [&](const Sent& r, std::uint64_t octets) {
            rack_.on_delivered(r, r.begin + octets, at(when), path.rtt_min, answers_original);
        });
    }
    void ack(std::uint64_t to, Duration when) {
        sent_.acknowledge(seq(to), [&](const Sent& r, std::uint64_t octets) {
            rack_.on_delivered(r, r.begin + octets, at(when), path.rtt_min, false);
        });
    }
    void resend(std::uint64_t n, Duration when) { sent_.mark_retransmitted(*sent_.find(seq(n)), at(when)); }
    Instant detect(Duration when, bool impatient = false) {
        return rack_.detect(sent_, at(when), path, impatient);
    }
    std::vector<std::uint64_t> lost() {
        std::vector<std::uint64_t> numbers;
        for (const Sent* r = sent_.first(); r != nullptr; r = r->next)
            if (r->lost) numbers.push_back((r->begin.value() - seq(0).value()) / 1000);
        return numbers;
    }

    Memory memory_{1 << 20};
    SentPool pool_{memory_};
    SentQueue sent_{pool_};
    Rack rack_;
};
using Numbers = std::vector<std::uint64_t>;

TEST_F(Flight, ASegmentIsGivenAQuarterOfTheRoundTrip) {
    send(0, 4, 0ms);
    sack(1, 2, 40ms);
    EXPECT_EQ(detect(40ms), at(50ms));
    EXPECT_EQ(lost(), Numbers{});
    EXPECT_EQ(detect(49ms), at(50ms));
    EXPECT_EQ(detect(50ms), never);
    EXPECT_EQ(lost(), Numbers{0});
}

TEST_F(Flight, EnoughEvidenceByNumberEndsTheWait) {
    send(0, 6, 0ms);
    sack(1, 4, 40ms);
    EXPECT_EQ(detect(40ms, true), never);
    EXPECT_EQ(lost(), Numbers{0});
}

TEST_F(Flight, WhatWasSentLaterIsInNoDoubt) {
    send(0, 2, 0ms);
    send(2, 4, 20ms);
    sack(1, 2, 40ms);
    detect(80ms, true);
    EXPECT_EQ(lost(), Numbers{0});
}

TEST_F(Flight, OfOneBurstOnlyTheLowerNumbersAreInDoubt) {
    send(0, 5, 0ms);
    sack(2, 3, 40ms);
    detect(60ms);
    EXPECT_EQ(lost(), (Numbers{0, 1}));
}

TEST_F(Flight, ALostRetransmissionIsFoundByLaterOnes) {
    send(0, 4, 0ms);
    sack(1, 4, 40ms);
    detect(40ms, true);
    resend(0, 40ms);
    send(4, 5, 41ms);
    sack(4, 5, 81ms);
    EXPECT_EQ(detect(81ms, true), never);
    EXPECT_EQ(lost(), Numbers{0});
}

// A retransmission that seems to be answered at once was not: the original was late.
TEST_F(Flight, AnAnswerFasterThanThePathIsNotToTheRetransmission) {
    send(0, 4, 0ms);
    sack(1, 2, 40ms);
    detect(50ms);
    resend(0, 50ms);
    ack(1, 55ms);
    detect(55ms, true);
    EXPECT_EQ(lost(), Numbers{});  // or 2 and 3, sent long before, would be
}

TEST_F(Flight, NorIsOneThatEchoesAnOlderTimestamp) {
    send(0, 4, 0ms);
    sack(1, 2, 40ms);
    detect(50ms);
    resend(0, 50ms);
    sack(0, 1, 100ms, true);
    detect(100ms, true);
    EXPECT_EQ(lost(), Numbers{});
}

TEST_F(Flight, OnlyWhatWasNeverResentProvesReordering) {
    send(0, 4, 0ms);
    sack(1, 4, 40ms);
    detect(40ms, true);
    resend(0, 40ms);
    ack(1, 80ms);
    EXPECT_FALSE(rack_.has_seen_reordering());
    send(4, 6, 80ms);
    sack(5, 6, 120ms);
    sack(4, 5, 121ms);
    EXPECT_TRUE(rack_.has_seen_reordering());
}

TEST_F(Flight, APathThatReordersIsWaitedForEvenInRecovery) {
    send(0, 2, 0ms);
    sack(1, 2, 40ms);
    sack(0, 1, 41ms);
    ASSERT_TRUE(rack_.has_seen_reordering());
    send(2, 8, 50ms);
    sack(3, 8, 90ms);
    EXPECT_EQ(detect(90ms, true), at(100ms));
    EXPECT_EQ(lost(), Numbers{});
}

TEST_F(Flight, EachRoundTripWithADuplicateReportWidensTheWindow) {
    EXPECT_EQ(rack_.window(path, false), 10ms);
    rack_.on_duplicate_report(seq(0), seq(10));
    EXPECT_EQ(rack_.window(path, false), 20ms);
    rack_.on_duplicate_report(seq(5), seq(12));  // the same round
    EXPECT_EQ(rack_.window(path, false), 20ms);
    rack_.on_duplicate_report(seq(10), seq(20));
    EXPECT_EQ(rack_.window(path, false), 30ms);
    rack_.on_duplicate_report(seq(20), seq(30));
    rack_.on_duplicate_report(seq(30), seq(40));
    EXPECT_EQ(rack_.window(path, false), 40ms);  // never more than SRTT
}

TEST_F(Flight, AfterSixteenRecoveriesWithoutOneItIsNarrowAgain) {
    rack_.on_duplicate_report(seq(0), seq(10));
    for (int i = 0; i < 15; ++i) rack_.on_recovery_end();
    EXPECT_EQ(rack_.window(path, false), 20ms);
    rack_.on_recovery_end();
    EXPECT_EQ(rack_.window(path, false), 10ms);
}

// Jitter of 3 ms on a path of 20 ms reorders; read by clocks that tick rarely, nothing is lost.
TEST(Rack, ACoarseClockMakesNoLosses) {
    for (const Duration tick : {500us, 4'000us, 16'000us}) {
        Memory memory{1 << 20};
        SentPool pool{memory};
        SentQueue sent{pool};
        Rack rack;
        Rng rng{7};
        struct Arrival {
            Instant at;
            std::uint64_t n;
        };
        const auto clock = [&](Instant t) { return Instant{t.time_since_epoch() / tick * tick}; };
        const auto seq = [](std::uint64_t n) { return Seq((std::uint64_t{1} << 32) + n); };
        std::vector<Arrival> arrivals;
        for (std::uint64_t n = 0; n < 2000; ++n) {
            const Instant t = Instant{1000s} + n * 200us;
            arrivals.push_back({t + 20ms + Duration(static_cast<std::int64_t>(rng.below(3'000'000))), n});
        }
        std::ranges::sort(arrivals, {}, &Arrival::at);
        std::uint64_t next = 0;
        Duration rtt_min = 1s;
        for (const Arrival& arrival : arrivals) {
            for (; next < 2000 && Instant{1000s} + next * 200us <= arrival.at; ++next)
                ASSERT_TRUE(sent.append(seq(next), seq(next + 1), 1, clock(Instant{1000s} + next * 200us)));
            const Instant now = clock(arrival.at);
            SentQueue::Acked acked;
            sent.sack(seq(arrival.n), seq(arrival.n + 1), acked, [&](const Sent& r, std::uint64_t) {
                rtt_min = std::min(rtt_min, std::max(now - r.sent_at, Duration{1}));
                rack.on_delivered(r, r.end, now, rtt_min, false);
            });
            // The first three in a row may fool it (DupThresh); from then on it knows.
            if (!rack.has_seen_reordering()) continue;
            rack.detect(sent, now, {.srtt = 21ms, .rtt_min = rtt_min, .granularity = tick}, true);
            ASSERT_EQ(sent.lost_bytes(), 0u) << "tick " << tick.count() << " segment " << arrival.n;
        }
    }
}

}  // namespace
}  // namespace estab::tcp
