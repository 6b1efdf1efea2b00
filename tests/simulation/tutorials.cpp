// The numbers of a tutorial, between two whole stacks over a link: S2-23 to S2-26, S4-9, S4-13 to
// S4-18. tests/conversation has the same rules with one end written by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "simulation/tutorial.hpp"

namespace estab::sim {
namespace {

constexpr Duration rtt = 100ms;
constexpr std::uint32_t mss = Tutorial::mss;

Tutorial::Terms with_ssthresh(std::uint32_t segments) {
    Tutorial::Terms t;
    t.config.initial_ssthresh = segments * mss;
    return t;
}

// The congestion window, in segments, while round after round is under way. The handshake was one.
std::vector<std::uint64_t> rounds(Tutorial& t, Duration from, std::size_t count) {
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < count; ++i) {
        t.run_to(from + rtt * static_cast<std::int64_t>(i) + rtt / 2);
        out.push_back(t.cwnd());
    }
    return out;
}

using Windows = std::vector<std::uint64_t>;

TEST(S2_23, SlowStartThenOneEachRoundAndATimeOutAt24) {
    Tutorial t(with_ssthresh(16));
    t.connect();
    t.run_to(rtt);
    t.write(600 * mss);
    EXPECT_EQ(rounds(t, rtt, 12), (Windows{1, 2, 4, 8, 16, 17, 18, 19, 20, 21, 22, 23}));
    t.cut(true);  // the round of 24 is lost, every segment of it
    EXPECT_EQ(rounds(t, 13 * rtt, 1), (Windows{24}));
    EXPECT_EQ(t.info().in_flight, 24 * mss);
    const std::size_t before = t.text_of_left().size();
    t.run_to(13 * rtt + 999ms);
    EXPECT_EQ(t.text_of_left().size(), before);
    t.cut(false);
    const Duration again = 13 * rtt + 1s;
    // Slow start ends at 12: after 8 comes 12 and not 16.
    EXPECT_EQ(rounds(t, again, 7), (Windows{1, 2, 4, 8, 12, 13, 14}));
    EXPECT_EQ(t.info().ssthresh, 12 * mss);
    EXPECT_TRUE(t.world.referee().is_content());
}

TEST(S2_24, HalvedByALossAndOneMoreEachRound) {
    Tutorial::Terms terms = with_ssthresh(16);
    terms.path.rate_bits = 8'000'000;  // a segment each ms: 100 in a round trip, and 20 wait
    terms.path.queue = {.unit = link::Queue::Unit::packets, .limit = 20};
    Tutorial t(terms);
    t.connect();
    t.run_to(rtt);
    t.write(1'000 * mss);
    const auto feed = [&t](Duration to) {  // never without text
        for (; t.now() < to; t.write(500 * mss)) t.run_to(t.now() + rtt);
    };
    feed(10s);  // slow start, and what it lost, is over
    const std::uint64_t timeouts = t.left().counters().TcpExt_TCPTimeouts;
    std::uint64_t last = t.cwnd(), peak = 0, losses = 0;
    for (Duration at = t.now(); at < 60s && losses < 4; at += rtt) {
        feed(at);
        const std::uint64_t now = t.cwnd();
        if (now >= last) {
            EXPECT_LE(now, last + 1) << "additive increase, at " << to_ms(at);
            peak = now;
        } else if (peak > now + 1 && peak != 0) {  // multiplicative decrease, to half
            ++losses;
            EXPECT_NEAR(static_cast<double>(t.info().ssthresh) / mss,
                        static_cast<double>(peak) / 2, 1);
            EXPECT_EQ(t.info().ssthresh, 60 * mss);  // 120 fill the path and its queue
            peak = 0;
        }
        last = now;
    }
    EXPECT_EQ(losses, 4u);
    EXPECT_EQ(t.left().counters().TcpExt_TCPTimeouts, timeouts);
}

// The receiver's duplicates go out the moment a segment comes out of order; the third one brings
// the segment, without a time-out.
TEST(S2_25, TheThirdDuplicateBringsTheSegmentAtOnce) {
    Tutorial::Terms terms = with_ssthresh(16);
    terms.config.ack_every = 2;         // what comes in order may wait for its ACK
    terms.config.limited_transmit = false;
    Tutorial t(terms);
    t.connect();
    t.run_to(rtt);
    link::Direction lossy = t.hosts.link.there->settings().direction;
    lossy.drops = {{.first = 2 + 9, .last = 2 + 9}};  // behind SYN and ACK: the ninth with text
    t.hosts.link.there->change(lossy);
    t.write(40 * mss);
    t.run_to(3s);
    const auto text = t.text_of_left();
    const auto lost = text[8];
    const auto again = std::find_if(text.begin() + 9, text.end(),
                                    [&](const auto& s) { return s.seq == lost.seq; });
    ASSERT_NE(again, text.end());
    std::size_t duplicates = 0;  // those that left when the segments behind the hole arrived
    for (const auto& s : t.sent) {
        if (!s.by_left && s.ack == lost.seq && s.at == lost.at + rtt / 2) ++duplicates;
    }
    EXPECT_GE(duplicates, 3u);
    EXPECT_EQ(t.left().counters().TcpExt_TCPTimeouts, 0u);
    EXPECT_EQ(t.left().counters().TcpExt_TCPFastRetrans, 1u);
    EXPECT_EQ(again->at, lost.at + rtt);
    EXPECT_EQ(t.taken, 40u * mss);
}

TEST(S2_26, ALossAt24GoesOnWith12) {
    Tutorial t(with_ssthresh(16));
    t.connect();
    t.run_to(rtt);
    t.write(600 * mss);
    EXPECT_EQ(rounds(t, rtt, 12).back(), 23u);
    link::Direction lossy = t.hosts.link.there->settings().direction;
    const std::uint64_t next = t.hosts.link.there->lane().counters().entered + 1;
    lossy.drops = {{.first = next, .last = next}};  // the first of the round of 24
    t.hosts.link.there->change(lossy);
    t.run_to(14 * rtt + rtt / 2);
    EXPECT_EQ(t.info().ssthresh, 12 * mss);
    // The retransmission's ACK ends the recovery with 12; a round of 12 that went out meanwhile is
    // acknowledged in the same moment. Then congestion avoidance, no slow start.
    EXPECT_EQ(rounds(t, 15 * rtt, 3), (Windows{13, 14, 15}));
    EXPECT_EQ(t.after_recovery, 12u);
    EXPECT_EQ(t.left().counters().TcpExt_TCPTimeouts, 0u);
    EXPECT_EQ(t.left().counters().TcpExt_TCPFastRetrans, 1u);
}

TEST(S4_9, FiveSynRetriesAndTheEndAfter63Seconds) {
    Tutorial t;
    t.cut(true);
    t.connect();
    t.run_to(63s - 1ns);
    ASSERT_NE(t.left().find(t.client), nullptr);
    EXPECT_FALSE(t.left().find(t.client)->has_failed());
    std::vector<Duration> times;
    for (const auto& s : t.sent) times.push_back(s.at);
    EXPECT_EQ(times, (std::vector<Duration>{0s, 1s, 3s, 7s, 15s, 31s}));
    t.run_to(63s);
    EXPECT_TRUE(t.left().find(t.client)->has_failed());
    EXPECT_EQ(t.left().find(t.client)->error(), Error::timed_out);
    t.run_to(600s);
    EXPECT_EQ(t.sent.size(), 6u);
}

TEST(S4_13, FromOneSegmentByOneForEachAck) {
    Tutorial t;
    t.connect();
    t.run_to(rtt);
    t.write(200 * mss);
    EXPECT_EQ(rounds(t, rtt, 6), (Windows{1, 2, 4, 8, 16, 32}));
}

TEST(S4_13, TheAdvertisedWindowIsALimitToo) {
    Tutorial::Terms terms;
    terms.config.recv_buffer = 4 * mss;
    Tutorial t(terms);
    t.connect();
    t.run_to(rtt);
    t.write(100 * mss);
    for (int round = 1; round < 12; ++round) {
        t.run_to(rtt * round + rtt / 2);
        EXPECT_LE(t.info().in_flight, 4 * mss);
    }
    EXPECT_EQ(t.info().in_flight, 4 * mss);
    EXPECT_TRUE(t.world.referee().is_content());
}

TEST(S4_14, TheThresholdBeginsAt65535) {
    Tutorial t;
    t.connect();
    t.run_to(rtt);
    EXPECT_EQ(t.info().cwnd, mss);
    EXPECT_EQ(t.info().ssthresh, 65'535u);
    t.write(600 * mss);
    // Up to it by doubling: 1 to 64; then one each round.
    EXPECT_EQ(rounds(t, rtt, 9), (Windows{1, 2, 4, 8, 16, 32, 64, 65, 66}));
}

TEST(S4_14, ATimeOutLeavesOneSegmentAndHalfButTwoAtLeast) {
    for (const auto& [flight, ssthresh] : {std::pair{1u, 2u}, {3u, 2u}, {8u, 4u}}) {
        Tutorial::Terms terms;
        terms.config.initial_window = flight;
        Tutorial t(terms);
        t.connect();
        t.run_to(rtt);
        t.cut(true);
        t.write(flight * mss);
        t.run_to(rtt + 1s);
        EXPECT_EQ(t.cwnd(), 1u) << flight;
        EXPECT_EQ(t.info().ssthresh, ssthresh * mss) << flight;
    }
}

// S4-15: each of the four timers ends in what it is for.
TEST(S4_15, RetransmissionPersistKeepaliveAndTimeWait) {
    Tutorial::Terms terms;
    terms.config.keepalive = true;
    terms.config.recv_buffer = 2 * mss;
    terms.config.time_wait = 240s;
    Tutorial t(terms);
    t.connect();
    t.run_to(rtt);
    t.cut(true);
    t.write(100);
    t.run_to(rtt + 999ms);
    t.cut(false);
    t.run_to(5s);
    EXPECT_EQ(t.text_of_left().size(), 2u) << "retransmission";
    t.reads = false;
    t.write(5 * mss);
    t.run_to(10s);
    EXPECT_GE(t.left().counters().TcpExt_TCPWinProbe, 1u) << "persist";
    t.reads = true;
    t.on_notice(t.world.now(), {});
    t.hosts.right.pump(t.world.now());
    t.run_to(100s);
    const std::size_t quiet = t.sent.size();
    t.run_to(7400s);
    EXPECT_EQ(t.sent.size(), quiet + 2) << "keepalive, and its answer";
    const Instant closed = t.world.now();
    t.left().close(closed, t.client);
    t.hosts.left.pump(closed);
    t.right().close(closed, *t.server);
    t.hosts.right.pump(closed);
    t.run_to(t.now() + 5s);
    const std::size_t waiting = t.left().time_waits() + t.right().time_waits();
    EXPECT_GE(waiting, 1u);
    t.run_to(t.now() + 234s);
    EXPECT_EQ(t.left().time_waits() + t.right().time_waits(), waiting);
    t.run_to(t.now() + 10s);
    EXPECT_EQ(t.left().time_waits() + t.right().time_waits(), 0u);
}

// RFC 6298 5.1 to 5.7: one timer for the connection, doubled each time, set anew by an ACK.
TEST(S4_16, TheTimeOutDoublesAndAnAckSetsItAnew) {
    Tutorial t;
    t.connect();
    t.run_to(rtt);
    t.cut(true);
    t.write(300);
    t.run_to(rtt + 16s);
    std::vector<Duration> times;
    for (const auto& s : t.text_of_left()) times.push_back(s.at - rtt);
    EXPECT_EQ(times, (std::vector<Duration>{0s, 1s, 3s, 7s, 15s}));
    t.cut(false);
    t.run_to(rtt + 40s);
    EXPECT_EQ(t.text_of_left().back().at, rtt + 31s);
    EXPECT_EQ(t.text_of_left().size(), 6u);
    // No sample was taken of what was sent six times (Karn), so the first text that gets through
    // alone brings the time-out back to its minimum.
    t.write(300);
    t.run_to(50s);
    EXPECT_EQ(t.info().rto_us, 1'000'000u);
    t.cut(true);
    t.write(300);
    t.run_to(50s + 1s);
    EXPECT_EQ(t.text_of_left().back().at, Duration(51s));
}

TEST(S4_17, ProbesOfOneOctetDoubleUpToSixtySeconds) {
    Tutorial::Terms terms;
    terms.delay = 0ms;
    terms.config.recv_buffer = 4 * mss;
    Tutorial t(terms);
    t.reads = false;
    t.connect();
    t.run_to(0s);
    t.write(20 * mss);
    t.run_to(400s);
    std::vector<Duration> gaps;
    Duration before{};
    for (const auto& s : t.text_of_left()) {
        if (s.length == 1) gaps.push_back(s.at - before);
        before = s.at;
    }
    ASSERT_GE(gaps.size(), 9u);
    gaps.resize(9);
    EXPECT_EQ(gaps, (std::vector<Duration>{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s}));
    t.reads = true;  // the window opens, and the rest arrives
    t.on_notice(t.world.now(), {});
    t.hosts.right.pump(t.world.now());
    t.run_to(500s);
    EXPECT_EQ(t.taken, 20u * mss);
    EXPECT_TRUE(t.world.referee().is_content());
}

TEST(S4_18, TenKeepalivesEach75SecondsAndTheEnd) {
    Tutorial::Terms terms;
    terms.config.keepalive = true;
    Tutorial t(terms);
    t.connect();
    t.run_to(10s);
    const Duration idle = rtt;  // since the SYN-ACK arrived nothing did
    t.cut(true);
    const std::size_t before = t.sent.size();
    t.run_to(idle + 7950s - 1ns);
    EXPECT_FALSE(t.left().find(t.client)->has_failed());
    std::vector<Duration> times;
    for (std::size_t i = before; i < t.sent.size(); ++i)
        if (t.sent[i].by_left) times.push_back(t.sent[i].at - idle);
    std::vector<Duration> wanted;
    for (int i = 0; i < 10; ++i) wanted.push_back(7200s + 75s * i);
    EXPECT_EQ(times, wanted);
    t.run_to(idle + 7950s);
    ASSERT_TRUE(t.left().find(t.client)->has_failed());
    EXPECT_EQ(t.left().find(t.client)->error(), Error::timed_out);
}

TEST(S4_18, AnAnswerBeginsTheTwoHoursAnew) {
    Tutorial::Terms terms;
    terms.config.keepalive = true;
    Tutorial t(terms);
    t.connect();
    t.run_to(10s);
    const std::size_t before = t.sent.size();
    t.run_to(30'000s);
    std::vector<Duration> times;
    for (std::size_t i = before; i < t.sent.size(); ++i)
        if (t.sent[i].by_left) times.push_back(t.sent[i].at);
    const std::vector<Duration> wanted{rtt + 7200s, 2 * rtt + 14400s, 3 * rtt + 21600s,
                                       4 * rtt + 28800s};
    EXPECT_EQ(times, wanted);
}

}  // namespace
}  // namespace estab::sim
