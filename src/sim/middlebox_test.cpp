// Real stacks through each box: what it touches is touched, and what is said arrives.
#include "sim/middlebox.hpp"

#include <gtest/gtest.h>

#include "sim/talk.hpp"

namespace estab::sim {
namespace {

using Box = Middlebox::Settings;

// What the server's side of the box sees.
class Seen final : public Observer {
public:
    void on_packet(Instant, const Host& host, Way way, Bytes bytes) override {
        const auto packet = wire::IpPacket::parse(bytes);
        if (!packet || packet->protocol != wire::protocol_tcp) return;
        const auto tcp = wire::TcpView::parse(packet->payload);
        ASSERT_TRUE(tcp.has_value());
        ASSERT_TRUE(tcp->checksum_is_valid(packet->source, packet->destination));
        if (host.number() == 1 && way == Way::sent && (tcp->flags().bits & 2) != 0) {
            sent_syn = tcp->seq().raw;
        }
        if (host.number() != 2 || way != Way::received) return;
        if ((tcp->flags().bits & 2) != 0) {
            syn = tcp->options();
            syn_number = tcp->seq().raw;
        }
        text_max = std::max(text_max, tcp->payload().size());
        ect += packet->ecn != wire::Ecn::not_ect;
        ++segments;
    }
    std::uint32_t sent_syn = 0, syn_number = 0;
    wire::TcpOptions syn{};
    std::size_t text_max = 0, segments = 0, ect = 0;
};

struct Talked {
    Seen seen;
    Outcome client, server;
    Middlebox::Counters counters;
    Duration took{};
};

Talked talk(const Box& settings, const Order& order, const link::Direction& each_way,
            bool ecn = false, Duration grain = {}) {
    Talked out;
    World world({.seed = 3});
    HostSettings host;
    if (ecn) host.config.ecn = tcp::EcnMode::on;
    Host& left = world.add_host(host);
    Host& right = world.add_host(host);
    const World::Link link = world.connect(
        left, right,
        {.there = each_way, .back = each_way, .round_trip = 2 * each_way.delay, .grain = grain});
    Middlebox& box = world.put_box(link, settings);
    world.watch(&out.seen);
    Ledger ledger(1);
    Server server(ledger, right, {.port = 80});
    const std::uint32_t number = ledger.add(order);
    const Instant begin = world.now();
    Talk client(ledger, {.host = left, .server = {right.v4(), 80}, .number = number,
                         .begin = begin});
    world.run_until([&] { return ledger.is_over(); }, after(begin, 600s));
    EXPECT_TRUE(world.referee().is_content());
    for (const Violation& v : world.referee().violations()) ADD_FAILURE() << text(v);
    for (const std::string& complaint : ledger.complaints()) ADD_FAILURE() << complaint;
    out.client = ledger.entries()[0].client;
    out.server = ledger.entries()[0].server;
    out.counters = box.counters();
    out.took = world.now() - begin;
    return out;
}

const Order both_ways{.up = 200'000, .down = 200'000, .concurrent = true};
const link::Direction lossy{.loss = 20'000, .delay = 10ms, .reorder = {.chance = 10'000}};

TEST(Middlebox, StripsOptionsOfSynsAndTheEndsDoWithout) {
    const Talked t = talk({.strip_sack = true, .strip_timestamps = true, .strip_scaling = true},
                          both_ways, lossy);
    EXPECT_EQ(t.client.state, Outcome::State::done);
    EXPECT_FALSE(t.seen.syn.sack_permitted);
    EXPECT_FALSE(t.seen.syn.timestamps.has_value());
    EXPECT_FALSE(t.seen.syn.window_scale.has_value());
    EXPECT_TRUE(t.seen.syn.mss.has_value());
}

TEST(Middlebox, ClampsTheMss) {
    const Talked t = talk({.mss_max = 700}, both_ways, lossy);
    EXPECT_EQ(t.seen.syn.mss, 700);
    EXPECT_LE(t.seen.text_max, 700u);
}

TEST(Middlebox, RewritesNumbersAndSackBlocksWithThem) {
    const Talked t = talk({.rewrite_numbers = true}, both_ways, lossy);
    EXPECT_EQ(t.client.state, Outcome::State::done);
    EXPECT_NE(t.seen.sent_syn, t.seen.syn_number);
    EXPECT_GT(t.counters.rewritten, 200u);
}

TEST(Middlebox, ACappedWindowSlowsAndBreaksNothing) {
    const Order up{.up = 1'000'000};
    const link::Direction path{.delay = 10ms};
    const Duration free = talk({}, up, path).took;
    const Talked capped = talk({.strip_scaling = true, .window_max = 5000}, up, path);
    EXPECT_EQ(capped.client.state, Outcome::State::done);
    EXPECT_GT(capped.took, 3 * free);  // 5,000 octets each 20 ms
}

TEST(Middlebox, SplitsAndMerges) {
    const Talked split = talk({.split_over = 500}, both_ways, lossy);
    EXPECT_GT(split.counters.split, 100u);
    EXPECT_LE(split.seen.text_max, 730u);
    const Talked merged = talk({.mss_max = 400, .merge = true}, both_ways, {.delay = 10ms}, false,
                               2ms);
    EXPECT_GT(merged.counters.merged, 50u);
    EXPECT_GT(merged.seen.text_max, 400u);
}

TEST(Middlebox, BleachesEcn) {
    EXPECT_GT(talk({}, both_ways, {.delay = 10ms}, true).seen.ect, 0u);
    EXPECT_EQ(talk({.bleach_ecn = true}, both_ways, {.delay = 10ms}, true).seen.ect, 0u);
}

TEST(Middlebox, AForgottenFlowIsHeardAgainWhenTheInsideSpeaks) {
    // The server speaks more often than the client, which the box has forgotten meanwhile.
    const Order slow{.up = 1500,
                     .down = 10'000,
                     .concurrent = true,
                     .client_writes = {100, 5s},
                     .server_writes = {1000, 1500ms}};
    const Talked t = talk({.forget_after = 1s}, slow, {.delay = 10ms});
    EXPECT_GT(t.counters.dropped_forgotten, 0u);
}

}  // namespace
}  // namespace estab::sim
