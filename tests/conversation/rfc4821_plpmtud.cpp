// The path MTU found by the segments themselves (RFC 4821): routers that drop what is too large and
// say nothing.
#include <gtest/gtest.h>

#include "conversation/pair.hpp"

namespace estab::conversation {
namespace {

constexpr std::uint64_t text = 600'000;

PairTerms terms(tcp::MtuProbing probing) {
    PairTerms t{.delay = 10ms, .mss = 1460, .window = 65'535, .scale = 4, .sack = true};
    t.client.mtu_probing = probing;
    return t;
}

// Everything above `mtu` octets of IP vanishes on its way to the server.
void narrow(Pair& pair, std::size_t mtu) {
    pair.drop_if(Pair::client,
                 [=](std::uint32_t, const Frame& f) { return f.octets.size() + 20 > mtu; });
}

bool transfers(Pair& pair, Duration within) {
    pair.write(Pair::client, text);
    return pair.run_for(within, [&] { return pair.received(Pair::server) == text; });
}

TEST(BlackHole, IsFoundAfterR1TimeOuts) {  // RFC 4821 7.7
    Pair pair(terms(tcp::MtuProbing::black_hole));
    narrow(pair, 1400);
    ASSERT_TRUE(transfers(pair, 60s));
    EXPECT_GE(pair.machine(Pair::client).counters.TcpExt_TCPMTUPFail, 1u);
    EXPECT_LE(pair.info(Pair::client).path_mtu, 1400);
}

TEST(BlackHole, IsForEverWhereNobodyLooksForIt) {
    Pair pair(terms(tcp::MtuProbing::off));
    narrow(pair, 1400);
    EXPECT_FALSE(transfers(pair, 60s));
    EXPECT_EQ(pair.received(Pair::server), 0u);
}

TEST(BlackHole, IsSearchedDownwardsByHalves) {
    Pair pair(terms(tcp::MtuProbing::black_hole));
    narrow(pair, 600);
    ASSERT_TRUE(transfers(pair, 120s));
    EXPECT_LE(pair.info(Pair::client).path_mtu, 600);
}

TEST(BlackHole, AnOutageIsNone) {  // what was a pause costs small segments for a while only
    Pair pair(terms(tcp::MtuProbing::black_hole));
    pair.cut(Pair::client, true);
    pair.write(Pair::client, 4 * text);
    pair.run_for(20s);
    EXPECT_LT(pair.info(Pair::client).path_mtu, 1500);
    pair.cut(Pair::client, false);
    ASSERT_TRUE(
        pair.run_for(60s, [&] { return pair.received(Pair::server) == 4 * text; }));
    EXPECT_GE(pair.info(Pair::client).path_mtu, 1490) << "and then the search goes up again";
}

TEST(MtuSearch, GoesUpToWhatThePathCarries) {  // RFC 4821 7.5
    Pair pair(terms(tcp::MtuProbing::always));
    narrow(pair, 1400);
    ASSERT_TRUE(transfers(pair, 60s));
    const std::uint16_t found = pair.info(Pair::client).path_mtu;
    EXPECT_LE(found, 1400);
    EXPECT_GT(found, 1400 - 2 * 8) << "within tcp_probe_threshold";
    EXPECT_EQ(pair.info(Pair::client).statistics.timeouts, 0u);
}

TEST(MtuSearch, ALostProbeIsNoCongestion) {  // RFC 4821 7.6
    Pair pair(terms(tcp::MtuProbing::always));
    narrow(pair, 1400);
    ASSERT_TRUE(transfers(pair, 60s));
    EXPECT_GE(pair.machine(Pair::client).counters.TcpExt_TCPMTUPFail, 1u);
    EXPECT_GE(pair.machine(Pair::client).counters.TcpExt_TCPMTUPSuccess, 1u);
    EXPECT_EQ(pair.machine(Pair::client).counters.TcpExt_TCPFastRetrans, 0u);
    EXPECT_EQ(pair.info(Pair::client).ssthresh, congestion::infinite);
}

TEST(MtuSearch, StopsAtTheInterface) {
    Pair pair(terms(tcp::MtuProbing::always));
    ASSERT_TRUE(transfers(pair, 60s));
    EXPECT_GE(pair.info(Pair::client).path_mtu, 1500 - 2 * 8);
    EXPECT_LE(pair.info(Pair::client).path_mtu, 1500);
}

TEST(BlackHole, WhereSmallerSegmentsArrivedTheNextStepTakesTwiceAsLong) {  // more likely an outage
    Pair pair(terms(tcp::MtuProbing::black_hole));
    narrow(pair, 1100);
    pair.write(Pair::client, text);
    ASSERT_TRUE(pair.run_for(20s, [&] { return pair.received(Pair::server) == text; }));
    const std::uint16_t found = pair.info(Pair::client).path_mtu;
    EXPECT_LE(found, 1100);
    pair.cut(Pair::client, true);
    pair.write(Pair::client, text);
    ASSERT_TRUE(pair.run_for(60s, [&] { return pair.info(Pair::client).retries == 5; }));
    EXPECT_EQ(pair.info(Pair::client).path_mtu, found);
    ASSERT_TRUE(pair.run_for(60s, [&] { return pair.info(Pair::client).retries == 6; }));
    EXPECT_LT(pair.info(Pair::client).path_mtu, found);
}

// RFC 8899 5.1.2: a probe may be lost as any other segment.
TEST(MtuSearch, OneLostProbeIsNoAnswer) {
    Pair pair(terms(tcp::MtuProbing::always));
    int dropped = 0;
    pair.drop_if(Pair::client, [&](std::uint32_t, const Frame& f) {
        return f.octets.size() + 20 > 1250 && ++dropped <= 2;
    });
    pair.write(Pair::client, 4 * text);
    ASSERT_TRUE(
        pair.run_for(60s, [&] { return pair.received(Pair::server) == 4 * text; }));
    EXPECT_GT(dropped, 2);
    EXPECT_GE(pair.info(Pair::client).path_mtu, 1484);
}

TEST(MtuSearch, ThreeLostProbesAre) {
    Pair pair(terms(tcp::MtuProbing::always));
    narrow(pair, 1400);
    ASSERT_TRUE(transfers(pair, 60s));
    EXPECT_LE(pair.info(Pair::client).path_mtu, 1400);
    EXPECT_GE(pair.info(Pair::client).path_mtu, 1390);
    EXPECT_GE(pair.machine(Pair::client).counters.TcpExt_TCPMTUPFail, 3u);
    EXPECT_EQ(pair.info(Pair::client).statistics.timeouts, 0u);
}

}  // namespace
}  // namespace estab::conversation
