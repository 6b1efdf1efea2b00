// Two real ends and a link between them: what shows only over many round trips.
#include <gtest/gtest.h>

#include <algorithm>

#include "conversation/pair.hpp"

namespace estab::conversation {
namespace {

// The textbook's sender: one segment at first, ssthresh 16 segments of 1000 octets, Reno.
PairTerms textbook() {
    PairTerms t{.window = 60'000};
    t.client.congestion_control = congestion::find("reno");
    t.client.initial_window = 1;
    t.client.initial_ssthresh = 16'000;
    t.client.send_buffer = 200'000;
    t.client.slow_start_after_idle = false;
    t.client.frto = false;  // the textbook goes back to one segment and sends all of it again
    t.server.quick_acks = 255;  // one ACK for each segment
    return t;
}

// Segments sent in each round trip: the link is fast, so a round is what goes out before the next
// ACK.
std::vector<std::size_t> rounds(const Pair& pair, Duration rtt) {
    std::vector<std::size_t> result;
    Instant begin = Instant::min();
    for (const Pair::Heard& h : pair.heard()) {
        if (h.from != Pair::client || h.octets == 0) continue;
        if (begin == Instant::min() || h.at >= begin + rtt) {
            result.push_back(0);
            begin = h.at;
        }
        ++result.back();
    }
    return result;
}

TEST(S2_23, SlowStartStopsAtSsthreshNumberForNumber) {  // RFC 5681 3.1
    Pair pair(textbook());
    std::set<std::uint32_t> round_of_24;  // 1 + 2 + 4 + 8 + 16 + 17 + ... + 23 = 171 came before
    for (std::uint32_t n = 171; n < 171 + 24; ++n) round_of_24.insert(n);
    pair.drop(Pair::client, round_of_24);
    pair.write(Pair::client, 400'000);
    ASSERT_TRUE(pair.run_for(60s, [&] { return rounds(pair, 100ms).size() > 20; }));
    const std::vector<std::size_t> wanted{1,  2,  4,  8,  16, 17, 18, 19, 20, 21, 22,
                                          23, 24, 1,  2,  4,  8,  12, 13, 14};
    std::vector<std::size_t> came = rounds(pair, 100ms);
    came.resize(wanted.size());
    EXPECT_EQ(came, wanted);
    EXPECT_EQ(pair.info(Pair::client).ssthresh, 12'000u);
}

// Ten megabytes are more than 7100 packets of 1400 octets; ten mebibytes are 347 more. Nothing but
// full segments and what is left at the end.
TEST(S2_2, ABulkTransferIsAsFewSegmentsAsItCanBe) {
    const auto segments = [](std::uint64_t octets, std::uint16_t mss) {
        PairTerms t{.mss = mss};
        t.client.send_buffer = t.server.recv_buffer = 1 << 20;
        Pair pair(t);
        pair.write(Pair::client, octets);
        EXPECT_TRUE(pair.run_for(600s, [&] { return pair.received(Pair::server) == octets; }));
        return std::ranges::count_if(pair.heard(), [](const Pair::Heard& h) {
            return h.from == Pair::client && h.octets != 0;
        });
    };
    EXPECT_EQ(segments(10'000'000, 1400), 7143);
    EXPECT_EQ(segments(10'000'000, 1448), 6907);
    EXPECT_EQ(segments(10 << 20, 1400), 7490);
}

TEST(S2_24, LossesMakeASawtooth) {  // RFC 5681: halve, then add one a round trip
    PairTerms t = textbook();
    Pair pair(t);
    pair.drop(Pair::client, {200, 500, 900});
    pair.write(Pair::client, 1'500'000);
    std::vector<std::uint64_t> ssthresh;
    ASSERT_TRUE(pair.run_for(100s, [&] {
        const std::uint64_t s = pair.info(Pair::client).ssthresh;
        if (ssthresh.empty() || ssthresh.back() != s) ssthresh.push_back(s);
        return pair.received(Pair::server) == 1'500'000;
    }));
    ASSERT_EQ(ssthresh.size(), 4u);
    EXPECT_EQ(pair.info(Pair::client).statistics.fast_retransmits, 3u);
    EXPECT_EQ(pair.info(Pair::client).statistics.timeouts, 0u);
    for (std::size_t i = 1; i < 4; ++i) EXPECT_GE(ssthresh[i], 9'000u);
}

TEST(S2_17, ALostWindowUpdateDoesNotStopTheTransferForEver) {
    PairTerms t{.window = 8000};
    t.server.recv_buffer = 8000;
    t.server.recv_autotune = false;
    Pair pair(t);
    pair.keep_reading(Pair::server, false);
    pair.write(Pair::client, 20'000);
    pair.run_for(1s);
    EXPECT_EQ(pair.connection(Pair::server).unread(), 8000u);
    EXPECT_EQ(pair.info(Pair::client).timer, tcp::Info::Timer::persist);
    pair.cut(Pair::server, true);  // the update is lost
    pair.keep_reading(Pair::server, true);
    pair.run_for(100ms);
    pair.cut(Pair::server, false);
    EXPECT_TRUE(pair.run_for(10s, [&] { return pair.received(Pair::server) == 20'000; }));
}

TEST(S2_16, ASlowReaderIsNeverOverrun) {
    PairTerms t{.window = 8000};
    t.server.recv_buffer = 8000;
    t.server.recv_autotune = false;
    Pair pair(t);
    pair.keep_reading(Pair::server, false);
    pair.write(Pair::client, 50'000);
    while (pair.received(Pair::server) < 50'000 && pair.elapsed() < 1000s) {
        pair.run_for(100ms);
        (void)pair.machine(Pair::server).read(pair.now(), 777);
        pair.speak(Pair::server);
        ASSERT_LE(pair.connection(Pair::server).unread(), 8000u);
    }
    EXPECT_EQ(pair.received(Pair::server), 50'000u);
    EXPECT_EQ(pair.machine(Pair::server).counters.TcpExt_TCPRcvQDrop, 0u);
}

TEST(S1_10, ALostLastAckIsMadeUpFor) {
    Pair pair({});
    pair.drop_if(Pair::client, [lost = false](std::uint32_t n, const Frame&) mutable {
        return n == 1 && !std::exchange(lost, true);  // the ACK of the server's FIN
    });
    pair.connection(Pair::client).close(pair.machine(Pair::client).env(), pair.now());
    pair.speak(Pair::client);
    pair.run_for(60ms);
    pair.connection(Pair::server).close(pair.machine(Pair::server).env(), pair.now());
    pair.speak(Pair::server);
    pair.run_for(500ms);
    EXPECT_EQ(pair.connection(Pair::client).state(), tcp::State::time_wait);
    EXPECT_EQ(pair.connection(Pair::server).state(), tcp::State::last_ack);
    pair.run_for(3s);
    EXPECT_EQ(pair.connection(Pair::server).state(), tcp::State::closed);
    EXPECT_FALSE(pair.connection(Pair::server).has_failed());
    pair.run_for(61s);
    EXPECT_EQ(pair.connection(Pair::client).state(), tcp::State::closed);
}

TEST(S2_4, SimultaneousOpenOfTwoRealEnds) {
    Pair pair({.simultaneous_open = true});
    pair.write(Pair::client, 5000);
    pair.write(Pair::server, 5000);
    pair.run_for(5s);
    EXPECT_EQ(pair.connection(Pair::client).state(), tcp::State::established);
    EXPECT_EQ(pair.connection(Pair::server).state(), tcp::State::established);
    EXPECT_EQ(pair.received(Pair::client), 5000u);
    EXPECT_EQ(pair.received(Pair::server), 5000u);
}

TEST(S2_4, SimultaneousOpenSurvivesTheLossOfAnySegment) {
    for (const Pair::Side side : {Pair::client, Pair::server}) {
        for (std::uint32_t lost = 0; lost < 4; ++lost) {
            Pair pair({.simultaneous_open = true});
            pair.drop(side, {lost});
            pair.write(Pair::client, 5000);
            pair.write(Pair::server, 5000);
            pair.run_for(20s);
            EXPECT_EQ(pair.received(Pair::client), 5000u)
                << "side " << side << ", segment " << lost;
            EXPECT_EQ(pair.received(Pair::server), 5000u)
                << "side " << side << ", segment " << lost;
        }
    }
}

TEST(S2_4, SimultaneousCloseSurvivesTheLossOfAnySegment) {
    for (const Pair::Side side : {Pair::client, Pair::server}) {
        for (std::uint32_t lost = 0; lost < 4; ++lost) {
            Pair pair({});
            pair.drop(side, {lost});
            for (const Pair::Side s : {Pair::client, Pair::server}) {
                pair.connection(s).close(pair.machine(s).env(), pair.now());
                pair.speak(s);
            }
            pair.run_for(100s);
            for (const Pair::Side s : {Pair::client, Pair::server}) {
                EXPECT_EQ(pair.connection(s).state(), tcp::State::closed) << lost;
                EXPECT_FALSE(pair.connection(s).has_failed()) << lost;
            }
        }
    }
}

// Everything at once: each single loss of a short transfer with a close on both ends.
TEST(S1_3, AShortTransferSurvivesTheLossOfAnyTwoSegments) {
    for (const bool sack : {false, true}) {
        for (const Pair::Side side : {Pair::client, Pair::server}) {
            for (std::uint32_t a = 0; a < 20; ++a) {
                for (std::uint32_t b = a; b < 20; b += 3) {
                    Pair pair({.sack = sack, .timestamps = (a + b) % 2 == 0});
                    pair.drop(side, {a, b});
                    pair.write(Pair::client, 12'345);
                    pair.write(Pair::server, 3'210);
                    for (const Pair::Side s : {Pair::client, Pair::server}) {
                        (void)pair.connection(s).shutdown_write(pair.machine(s).env(), pair.now());
                        pair.speak(s);
                    }
                    pair.run_for(200s);
                    ASSERT_EQ(pair.received(Pair::server), 12'345u)
                        << side << ": " << a << ", " << b;
                    ASSERT_EQ(pair.received(Pair::client), 3'210u)
                        << side << ": " << a << ", " << b;
                    for (const Pair::Side s : {Pair::client, Pair::server}) {
                        ASSERT_EQ(pair.connection(s).state(), tcp::State::closed) << a << ", " << b;
                        ASSERT_FALSE(pair.connection(s).has_failed()) << a << ", " << b;
                    }
                }
            }
        }
    }
}

TEST(S2_3, ALossyLinkDeliversEverythingOnceAndInOrder) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        PairTerms t{
            .delay = 10ms, .window = 60'000, .sack = seed % 2 == 0, .timestamps = seed % 3 == 0};
        Pair pair(t);
        Rng rng(seed);
        for (const Pair::Side s : {Pair::client, Pair::server}) {
            pair.drop_if(s, [&rng](std::uint32_t, const Frame&) { return rng.below(20) == 0; });
            for (int i = 0; i < 40; ++i)
                pair.hold_up(s, static_cast<std::uint32_t>(rng.below(400)), 7ms);
        }
        pair.write(Pair::client, 300'000);
        pair.write(Pair::server, 100'000);
        EXPECT_TRUE(pair.run_for(600s,
                                 [&] {
                                     return pair.received(Pair::server) == 300'000 &&
                                            pair.received(Pair::client) == 100'000;
                                 }))
            << "--seed=" << seed << " " << pair.received(Pair::server) << " "
            << pair.received(Pair::client);
    }
}

}  // namespace
}  // namespace estab::conversation
