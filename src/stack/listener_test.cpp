// Listening: the half-open queue, the accept queue, what happens when they are full, who gets a
// SYN.
#include "stack/stack_testing.hpp"

namespace estab::stack {
namespace {

using tcp::State;

std::string number(std::uint32_t n) { return std::to_string(n); }

TEST(Listen, S0_9_ASynMakesAHalfOpenRecordAndTheListenerStays) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    b.in("S 4065008942 mss 1460 sack ts 3875254422:0 ws 7 win 64240");
    const Spoken s = b.only();
    EXPECT_EQ(s.flags(), "SA");
    EXPECT_EQ(s.ack(), 4065008943u);
    const auto o = s.tcp().options();
    EXPECT_EQ(o.mss, 1460);
    EXPECT_TRUE(o.sack_permitted);
    EXPECT_TRUE(o.window_scale.has_value());
    EXPECT_EQ(o.timestamps->ecr, 3875254422u);
    EXPECT_EQ(b.rows(State::listen), 1u);
    EXPECT_EQ(b.stack.half_open(), 1u);
    EXPECT_EQ(b.stack.accept_queue(l), 0u);
    EXPECT_EQ(b.stack.accept(l).error(), Error::would_block);
}

TEST(Listen, S0_12_TheFinalAckMovesItToTheAcceptQueue) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    b.handshake(them);
    EXPECT_EQ(b.stack.half_open(), 0u);
    EXPECT_EQ(b.stack.accept_queue(l), 1u);
    EXPECT_EQ(b.stack.next_notification()->listener, l);
    EXPECT_FALSE(b.stack.next_notification());
    const auto c = b.stack.accept(l);
    ASSERT_TRUE(c);
    EXPECT_EQ(b.stack.find(*c)->state(), State::established);
    EXPECT_EQ(b.stack.accept_queue(l), 0u);
}

TEST(Listen, S1_1_NobodySpeaksToGroups) {  // MUST-46, MUST-57, MUST-63
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    for (const char* to :
         {"255.255.255.255", "224.0.0.1", "10.0.0.255", "0.0.0.0", "ff02::1", "::"}) {
        const wire::Endpoint group{*wire::Address::parse(to), 80};
        EXPECT_EQ(b.stack.connect(b.now, group, {}).error(), Error::invalid_argument) << to;
        wire::Endpoint from = them;
        if (!group.address.is_v4()) from.address = *wire::Address::parse("fd00::1");
        b.from(from, "S 1000", group);
        b.from(group, "S 1000",
               group.address.is_v4() ? us : wire::Endpoint{*wire::Address::parse("fd00::2"), 80});
    }
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.stack.half_open(), 0u);
}

TEST(Listen, FromOurselvesOrLoopbackIsAMartian) {  // RFC 1122 3.2.1.3
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.from(us, "S 1000");
    b.from({wire::Address::v4(127, 0, 0, 1), 99}, "S 1000");
    b.from(them, "S 1000", {wire::Address::v4(127, 0, 0, 1), 80});
    EXPECT_TRUE(b.quiet());
}

TEST(Listen, S1_2_AConnectionIsItsFourEnds) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80, .backlog = 10});
    wire::Endpoint elsewhere = them;
    elsewhere.address = wire::Address::v4(10, 0, 0, 3);
    b.handshake(them);
    b.handshake(elsewhere);
    b.from(elsewhere, "PA 1001 ack 1 len 5");  // not its ACK
    EXPECT_EQ(b.stack.accept_queue(l), 2u);
    const auto first = *b.stack.accept(l);
    EXPECT_EQ(b.stack.find(first)->tuple().remote, them);
    EXPECT_EQ(b.stack.find(*b.stack.accept(l))->tuple().remote, elsewhere);
    EXPECT_EQ(b.stack.find(first)->unread(), 0u);
}

TEST(Listen, S1_8_AnOldDuplicateSynLeavesNothing) {  // also S2-5
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.in("S 1000");
    const std::uint32_t iss = b.only().seq();
    b.in("R 1001");                                      // <SEQ=SEG.ACK>, as CLOSED answers
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.stack.half_open(), 0u);
    // What CLOSED says to a SYN-ACK: S1-8a.
    Bench client;
    client.from({them.address, 80}, "SA " + number(iss) + " ack 1001", {us.address, 999});
    EXPECT_EQ(client.only().text(), "R 1001");
}

TEST(Listen, S2_7_TheSynAckComesAfter1_2_4_8_16Seconds) {
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    const Instant start = b.now;
    b.in("S 1000");
    const std::string first = b.only().text();
    for (const int at : {1, 3, 7, 15, 31}) {
        b.wait(start + at * 1s - 1ms - b.now);
        EXPECT_TRUE(b.quiet()) << at;
        b.wait(2ms);
        EXPECT_EQ(b.only().text(), first) << at;
    }
    b.wait(start + 63s - 1ms - b.now);
    EXPECT_EQ(b.stack.half_open(), 1u);
    b.wait(2ms);
    EXPECT_EQ(b.stack.half_open(), 0u);
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Tcp_RetransSegs, 5u);
}

TEST(Listen, ASynAgainIsAnsweredAgain) {
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.in("S 1000");
    const std::string first = b.only().text();
    b.in("S 1000");
    EXPECT_EQ(b.only().text(), first);
    EXPECT_EQ(b.stack.half_open(), 1u);
}

TEST(Listen, S2_9_TextOnTheThirdSegmentIsDelivered) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    b.in("S 1000");
    b.in("PA 1001 ack " + number(b.only().seq() + 1) + " len 5");
    const auto c = *b.stack.accept(l);
    EXPECT_EQ(b.stack.find(c)->unread(), 5u);
}

TEST(Listen, S2_9a_TextOnTheSynIsNotAcknowledged) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    b.in("S 1000 len 100");
    const Spoken s = b.only();
    EXPECT_EQ(s.ack(), 1001u);
    b.in("PA 1001 ack " + number(s.seq() + 1) + " len 100");
    EXPECT_EQ(b.stack.find(*b.stack.accept(l))->unread(), 100u);
}

TEST(Listen, RowsOfListen) {  // RFC 9293 3.10.7.2
    Bench b;
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.in("R 1000");
    b.in("RA 1000 ack 5");
    b.in("F 1000");
    b.in("P 1000 len 3");
    b.in("SF 1000");
    EXPECT_TRUE(b.quiet());
    b.in("A 1000 ack 77");
    EXPECT_EQ(b.only().text(), "R 77");
    b.in("SA 1000 ack 77");
    EXPECT_EQ(b.only().text(), "R 77");
    EXPECT_EQ(b.stack.half_open(), 0u);
}

TEST(Listen, RowsOfClosed) {  // RFC 9293 3.10.7.1
    Bench b;
    b.in("S 1000");
    EXPECT_EQ(b.only().text(), "RA 0 ack 1001");
    b.in("SF 1000 len 10");
    EXPECT_EQ(b.only().text(), "RA 0 ack 1012");
    b.in("A 1000 ack 77 len 5");
    EXPECT_EQ(b.only().text(), "R 77");
    b.in("R 1000");
    b.in("RA 1000 ack 3");
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Tcp_OutRsts, 3u);
}

TEST(Listen, RowsOfSynReceived) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    b.in("S 1000");
    const std::uint32_t iss = b.only().seq();
    b.in("A 1001 ack " + number(iss + 2));              // of what we never sent
    EXPECT_EQ(b.only().text(), "R " + number(iss + 2));
    b.in("A 1001 ack " + number(iss));
    EXPECT_EQ(b.only().text(), "R " + number(iss));
    b.in("R 500");                                       // outside the window: nothing
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.stack.half_open(), 1u);
    b.in("R 1001");
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.stack.half_open(), 0u);
    EXPECT_EQ(b.stack.accept_queue(l), 0u);
}

TEST(Listen, S2_6_AFullAcceptQueueDropsTheFinalAckAndTheClientSucceedsLater) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80, .backlog = 2});
    std::array<std::uint32_t, 5> iss{};
    for (std::uint32_t i = 0; i != 5; ++i) {
        b.from(peer(i), "S 1000");
        iss[i] = b.only().seq();
    }
    for (std::uint32_t i = 0; i != 5; ++i) b.from(peer(i), "A 1001 ack " + number(iss[i] + 1));
    EXPECT_EQ(b.stack.accept_queue(l), 3u);              // backlog and one more, as Linux
    EXPECT_EQ(b.stack.half_open(), 2u);
    EXPECT_EQ(b.counters().TcpExt_ListenOverflows, 2u);
    b.from(peer(9), "S 1000");                           // and no SYN is taken
    EXPECT_TRUE(b.quiet());
    ASSERT_TRUE(b.stack.accept(l));
    b.wait(1100ms);                                      // our SYN-ACK again, and its answer
    for (const Spoken& s : b.take()) {
        const std::uint32_t i = s.tcp().destination_port() - 1024u;
        b.from(peer(i), "A 1001 ack " + number(s.seq() + 1));
    }
    EXPECT_EQ(b.stack.accept_queue(l), 3u);
    EXPECT_EQ(b.stack.half_open(), 1u);
}

TEST(Listen, AbortOnOverflowResets) {
    tcp::Config config;
    config.abort_on_overflow = true;
    Bench b(config);
    ASSERT_TRUE(b.stack.listen({.port = 80, .backlog = 1}));
    std::array<std::uint32_t, 3> iss{};
    for (std::uint32_t i = 0; i != 3; ++i) {
        b.from(peer(i), "S 1000");
        iss[i] = b.only().seq();
    }
    for (std::uint32_t i = 0; i != 3; ++i) b.from(peer(i), "A 1001 ack " + number(iss[i] + 1));
    EXPECT_EQ(b.only().text(), "R " + number(iss[2] + 1));
    EXPECT_EQ(b.stack.half_open(), 0u);
}

TEST(Listen, WithoutCookiesAFullSynQueueDrops) {  // S2-12 (b)
    tcp::Config config;
    config.syn_cookies = false;
    config.syn_queue_max = 3;
    Bench b(config);
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    for (std::uint32_t i = 0; i != 5; ++i) b.from(peer(i), "S 1000");
    EXPECT_EQ(b.take().size(), 3u);
    EXPECT_EQ(b.counters().TcpExt_TCPReqQFullDrop, 2u);
    b.wait(64s);
    b.take();
    b.from(peer(9), "S 1000");
    EXPECT_EQ(b.take().size(), 1u);  // a hundred that time out, then a legal one
}

TEST(Listen, TheMostParticularListenerGetsIt) {
    Bench b;
    ASSERT_TRUE(b.stack.routes().accept(*wire::Prefix::parse("192.168.0.0/16")));
    const auto any = *b.stack.listen({.any_port = true});
    const auto net = *b.stack.listen({.address = *wire::Prefix::parse("192.168.0.0/16"),
                                      .any_address = false,
                                      .any_port = true});
    const auto port = *b.stack.listen({.port = 80});
    const auto exact = *b.stack.listen(
        {.address = *wire::Prefix::parse("192.168.1.1"), .any_address = false, .port = 80});
    const auto at = [&](const char* address, std::uint16_t p) {
        static std::uint32_t n = 0;
        b.handshake(peer(++n), "", {*wire::Address::parse(address), p});
    };
    at("192.168.1.1", 80);
    EXPECT_EQ(b.stack.accept_queue(exact), 1u);
    at("192.168.1.2", 80);
    EXPECT_EQ(b.stack.accept_queue(port), 1u);
    at("192.168.1.2", 81);
    EXPECT_EQ(b.stack.accept_queue(net), 1u);
    at("10.0.0.2", 81);
    EXPECT_EQ(b.stack.accept_queue(any), 1u);
}

TEST(Listen, MUST_41_AnotherListenNeverDisturbs) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    EXPECT_EQ(b.stack.listen({.port = 80}).error(), Error::address_in_use);
    EXPECT_EQ(b.stack.listen({.port = 0}).error(), Error::invalid_argument);
    b.handshake(them);
    const auto c = *b.stack.accept(l);
    for (std::uint16_t p = 81; p != 200; ++p) {  // the configuration of the first must not move
        tcp::Config other;
        other.hop_limit = static_cast<std::uint8_t>(p);
        ASSERT_TRUE(b.stack.listen({.port = p, .config = &other}));
    }
    EXPECT_EQ(b.stack.find(c)->config().hop_limit, 64);
    ASSERT_TRUE(b.stack.write(b.now, c, Octets(10)));
    b.flush();
    EXPECT_EQ(b.only().ip().hop_limit, 64);
}

TEST(Listen, MUST_42_WhileAnotherOpensThere) {
    Bench b;
    ASSERT_TRUE(b.stack.connect(b.now, them, {.local_port = 80}));
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.flush();
    b.take();
    b.handshake(peer(1));
    EXPECT_EQ(b.rows(State::syn_sent), 1u);
    EXPECT_EQ(b.rows(State::established), 1u);
}

TEST(Listen, CloseListenerResetsWhatNobodyAccepted) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80});
    b.handshake(them);
    const auto mine = *b.stack.accept(l);
    b.handshake(peer(1));
    b.from(peer(2), "S 1000");
    b.take();
    ASSERT_TRUE(b.stack.close_listener(b.now, l));
    b.flush();
    EXPECT_EQ(b.only().flags(), "RA");
    EXPECT_EQ(b.stack.half_open(), 0u);
    EXPECT_EQ(b.stack.connections(), 1u);
    EXPECT_EQ(b.stack.find(mine)->state(), State::established);
    EXPECT_FALSE(b.stack.close_listener(b.now, l));
    EXPECT_FALSE(b.stack.accept(l));
    b.from(peer(3), "S 1000");
    EXPECT_EQ(b.only().flags(), "RA");
    const auto again = *b.stack.listen({.port = 80});    // the old name stays dead
    EXPECT_FALSE(again == l);
    EXPECT_FALSE(b.stack.accept(l));
}

TEST(Listen, HalfOpenCountsFollowTheListeners) {
    tcp::Config config;
    config.syn_cookies = false;
    config.syn_queue_max = 2;
    Bench b(config);
    ASSERT_TRUE(b.stack.listen({.port = 80}));
    b.from(peer(0), "S 1000");
    b.from(peer(1), "S 1000");
    const auto exact =
        *b.stack.listen({.address = {us.address, 32}, .any_address = false, .port = 80});
    b.wait(64s);
    ASSERT_TRUE(b.stack.close_listener(b.now, exact));
    b.take();
    b.from(peer(2), "S 1000");
    b.from(peer(3), "S 1000");
    EXPECT_EQ(b.take().size(), 2u);
}

// --- Held SYNs

TEST(Hold, NothingIsSaidUntilTheOwnerDoes) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80, .hold = true});
    for (int i = 0; i != 3; ++i) b.in("S 1000");         // repeats are absorbed
    EXPECT_TRUE(b.quiet());
    EXPECT_EQ(b.counters().Estab_TCPHoldQueued, 1u);
    EXPECT_EQ(b.stack.next_notification()->listener, l);
    const auto held = b.stack.next_held(l);
    ASSERT_TRUE(held);
    EXPECT_EQ(held->tuple.remote, them);
    EXPECT_FALSE(b.stack.next_held(l));
    ASSERT_TRUE(b.stack.accept_held(b.now, held->id));
    b.flush();
    const Spoken s = b.only();
    EXPECT_EQ(s.flags(), "SA");
    b.in("A 1001 ack " + number(s.seq() + 1));
    EXPECT_TRUE(b.stack.accept(l));
    EXPECT_EQ(b.stack.accept_held(b.now, held->id).error(), Error::not_found);
}

TEST(Hold, RefuseDropUnreachable) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80, .hold = true});
    b.from(peer(0), "S 1000");
    ASSERT_TRUE(b.stack.refuse_held(b.now, b.stack.next_held(l)->id));
    b.flush();
    EXPECT_EQ(b.only().text(), "RA 0 ack 1001");
    b.from(peer(1), "S 1000");
    ASSERT_TRUE(b.stack.drop_held(b.stack.next_held(l)->id));
    b.flush();
    EXPECT_TRUE(b.quiet());
    b.from(peer(2), "S 1000");
    ASSERT_TRUE(b.stack.unreachable_held(b.now, b.stack.next_held(l)->id,
                                         wire::IcmpReason::host_unreachable));
    b.flush();
    const Spoken s = b.only();
    const wire::IpPacket packet = s.ip();
    const auto message = wire::parse_icmp(packet);
    ASSERT_TRUE(message);
    const auto* error = std::get_if<wire::IcmpError>(&*message);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->ports->source, peer(2).port);
    EXPECT_EQ(error->seq->raw, 1000u);
}

TEST(Hold, TheStackWakesWhenTheOldestHasWaitedLongEnough) {
    Bench b;
    const auto l = *b.stack.listen({.port = 80, .hold = true});
    b.from(peer(0), "S 1000");
    const Instant ends = b.stack.deadline();
    EXPECT_EQ(ends, b.now + tcp::Config{}.held_syn_timeout);
    b.wait(10s);
    b.from(peer(1), "S 1000");
    b.from(peer(2), "S 1000");
    EXPECT_EQ(b.stack.deadline(), ends);
    const auto oldest = b.stack.next_held(l), middle = b.stack.next_held(l);
    ASSERT_TRUE(b.stack.drop_held(middle->id));
    EXPECT_EQ(b.stack.deadline(), ends);
    ASSERT_TRUE(b.stack.drop_held(oldest->id));
    EXPECT_EQ(b.stack.deadline(), b.now + tcp::Config{}.held_syn_timeout);
    ASSERT_TRUE(b.stack.drop_held(b.stack.next_held(l)->id));
    EXPECT_EQ(b.stack.deadline(), never);
}

TEST(Hold, TimesOutAndHasALimit) {
    tcp::Config config;
    config.held_syns_max = 2;
    Bench b(config);
    const auto l = *b.stack.listen({.port = 80, .hold = true});
    for (std::uint32_t i = 0; i != 3; ++i) b.from(peer(i), "S 1000");
    EXPECT_EQ(b.counters().Estab_TCPHoldDropped, 1u);
    const auto held = b.stack.next_held(l);
    b.wait(29s);
    b.from(peer(4), "S 1000");
    EXPECT_EQ(b.counters().Estab_TCPHoldDropped, 2u);
    b.wait(2s);
    EXPECT_EQ(b.stack.accept_held(b.now, held->id).error(), Error::not_found);
    EXPECT_FALSE(b.stack.next_held(l));
    b.from(peer(5), "S 1000");
    EXPECT_TRUE(b.stack.next_held(l));
    EXPECT_TRUE(b.quiet());
}

}  // namespace
}  // namespace estab::stack
