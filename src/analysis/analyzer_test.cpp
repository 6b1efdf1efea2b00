// The rules, each in a conversation as short as can be; captures are judged in tests/cli.
#include "analysis/analyzer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "analysis/both_ends.hpp"
#include "analysis/frame_text.hpp"
#include "analysis/rules.hpp"
#include "analysis/summary.hpp"

namespace estab::analysis {
namespace {

constexpr std::int64_t ms = 1'000'000;

struct Line {
    std::int64_t at_ms;
    char from;  // 'c' or 's'
    std::uint16_t flags;
    std::uint32_t seq, ack;
    std::uint32_t length = 0;
    std::uint16_t window = 0xffff;
    std::vector<SackBlock> sack{};
    std::uint32_t id = 0;  // 0: the next of its side
    std::uint16_t mss = 0;  // 0: without the option
};

// Feeds IPv4 packets made of lines; numbers are relative to 1000 (client) and 5000 (server).
class Talk {
public:
    static constexpr std::uint32_t no_id = 0x10000;
    Talk() : analyzer_({}, [this](const Connection& c) { ended_.push_back(summarize(c)); }) {}

    std::string say(const Line& line) {
        const bool client = line.from == 'c';
        std::uint16_t& next = client ? client_id_ : server_id_;
        const auto id = static_cast<std::uint16_t>(line.id != 0 ? line.id : ++next);
        std::vector<std::uint8_t> p(20);
        const auto be16 = [&p](std::uint32_t v) {
            p.push_back(static_cast<std::uint8_t>(v >> 8));
            p.push_back(static_cast<std::uint8_t>(v));
        };
        const auto be32 = [&](std::uint32_t v) {
            be16(v >> 16);
            be16(v & 0xffff);
        };
        be16(client ? 40'000U : 80U);
        be16(client ? 80U : 40'000U);
        be32(line.seq + (client ? 1000U : 5000U));
        be32(line.ack + (client ? 5000U : 1000U));
        const std::size_t options =
            line.mss != 0 ? 4 : line.sack.empty() ? 0 : 4 + line.sack.size() * 8;
        be16(static_cast<std::uint32_t>((5 + options / 4) << 12 | line.flags));
        be16(line.window);
        be32(0);
        if (line.mss != 0) {
            be16(0x0204);
            be16(line.mss);
        } else if (options != 0) {
            be16(0x0101);
            be16(static_cast<std::uint32_t>(5U << 8 | (2 + line.sack.size() * 8)));
            for (const SackBlock& block : line.sack) {
                be32(block.begin + (client ? 5000U : 1000U));
                be32(block.end + (client ? 5000U : 1000U));
            }
        }
        const auto total = static_cast<std::uint32_t>(p.size() + line.length);
        p[0] = 0x45;
        store_be16(p.data() + 2, static_cast<std::uint16_t>(total));
        store_be16(p.data() + 4, id);
        p[8] = 64;
        p[9] = 6;
        store_be32(p.data() + 12, client ? 0x0a000001 : 0x0a000002);
        store_be32(p.data() + 16, client ? 0x0a000002 : 0x0a000001);
        observe::NetworkPacket packet;
        packet.ethertype = observe::ethertype_ipv4;
        packet.bytes = p;
        packet.original_bytes = total;
        const Verdict* v =
            analyzer_.on_packet(++frame_, Instant{Duration{(1000 + line.at_ms) * ms}}, packet);
        if (v == nullptr) return "?";
        observe::TextBuffer out(64);
        add_labels(out, v->labels, ' ');
        return std::string(out.view());
    }
    void open() {  // seen close to the server
        say({0, 'c', flag::syn, 0, 0});
        say({0, 's', flag::syn | flag::ack, 0, 1});
        say({20, 'c', flag::ack, 1, 1});
    }
    void open_near_client() {
        say({0, 'c', flag::syn, 0, 0});
        say({20, 's', flag::syn | flag::ack, 0, 1});
        say({20, 'c', flag::ack, 1, 1});
    }
    Summary end() {
        analyzer_.finish();
        return ended_.empty() ? Summary{} : ended_.back();
    }
    Analyzer& analyzer() { return analyzer_; }
    const std::vector<Summary>& ended() const { return ended_; }

private:
    std::vector<Summary> ended_;
    Analyzer analyzer_;
    std::uint64_t frame_ = 0;
    std::uint16_t client_id_ = 100, server_id_ = 200;
};

const Note* note_of(const Summary& s, Finding finding) {
    for (const Note& note : s.notes) {
        if (note.finding == finding) return &note;
    }
    return nullptr;
}

TEST(Analyzer, PlainSegmentsHaveNoLabels) {
    Talk t;
    t.open();
    EXPECT_EQ(t.say({30, 'c', flag::ack | flag::psh, 1, 1, 100}), "");
    EXPECT_EQ(t.say({50, 's', flag::ack, 1, 101}), "");
    const Summary s = t.end();
    EXPECT_TRUE(s.notes.empty());
    EXPECT_EQ(s.handshake_rtt_ns, 20 * ms);
    EXPECT_EQ(s.sides[0].text_bytes, 100U);
}

TEST(Analyzer, ASegmentThatFillsAHoleTellsByItsIdWhetherItWasSentAgain) {
    Talk t;
    t.open();
    t.say({30, 's', flag::ack, 1, 1, 1000});
    EXPECT_EQ(t.say({31, 's', flag::ack, 2001, 1, 1000, 0xffff, {}, 205}), "gap");
    EXPECT_EQ(t.say({32, 's', flag::ack, 1001, 1, 1000, 0xffff, {}, 204}), "out-of-order");
    EXPECT_EQ(t.say({33, 's', flag::ack, 4001, 1, 1000, 0xffff, {}, 207}), "gap");
    EXPECT_EQ(t.say({34, 's', flag::ack, 3001, 1, 1000, 0xffff, {}, 208}).substr(0, 14),
              "retransmission");
}

TEST(Analyzer, WithoutIdsLessThanARoundTripIsReordering) {
    Talk t;
    t.open_near_client();  // the server is 20 ms away
    t.say({40, 's', flag::ack, 1, 1, 1000, 0xffff, {}, 40'000});
    t.say({40, 's', flag::ack, 1001, 1, 1000, 0xffff, {}, 9000});
    t.say({40, 's', flag::ack, 2001, 1, 1000, 0xffff, {}, 31'000});
    t.say({41, 's', flag::ack, 4001, 1, 1000, 0xffff, {}, 777});
    EXPECT_EQ(t.say({45, 's', flag::ack, 3001, 1, 1000, 0xffff, {}, 20'000}), "out-of-order");
    t.say({46, 's', flag::ack, 6001, 1, 1000, 0xffff, {}, 50'001});
    EXPECT_EQ(t.say({70, 's', flag::ack, 5001, 1, 1000, 0xffff, {}, 3}).substr(0, 14),
              "retransmission");
}

TEST(Analyzer, ThreeDuplicatesMakeAFastRetransmission) {  // RFC 5681 3.2
    Talk t;
    t.open();
    for (std::uint32_t i = 0; i < 5; ++i) t.say({30, 's', flag::ack, 1 + i * 1000, 1, 1000});
    EXPECT_EQ(t.say({50, 'c', flag::ack, 1, 1, 0, 0xffff, {{1001, 2001}}}), "duplicate-ack");
    EXPECT_EQ(t.say({51, 'c', flag::ack, 1, 1, 0, 0xffff, {{1001, 3001}}}), "duplicate-ack");
    EXPECT_EQ(t.say({52, 'c', flag::ack, 1, 1, 0, 0xffff, {{1001, 4001}}}), "duplicate-ack");
    EXPECT_EQ(t.say({53, 's', flag::ack, 1, 1, 1000}), "retransmission fast");
}

// What people know from Wireshark's screens as "TCP Dup ACK" and "TCP Retransmission".
TEST(S4_20, DuplicateAcksAndRetransmissionsHaveLabels) {
    Talk t;
    t.open();
    EXPECT_EQ(t.say({30, 's', flag::ack, 1, 1, 1000}), "");
    EXPECT_EQ(t.say({30, 's', flag::ack, 1001, 1, 1000}), "");
    EXPECT_EQ(t.say({50, 'c', flag::ack, 1, 1, 0, 0xffff, {{1001, 2001}}}), "duplicate-ack");
    EXPECT_EQ(t.say({55, 's', flag::ack, 1, 1, 1000}), "retransmission fast");
    EXPECT_EQ(t.say({75, 'c', flag::ack, 1, 2001}), "");
    const Summary s = t.end();
    EXPECT_EQ(s.sides[1].retransmitted, 1U);
}

TEST(Analyzer, SilenceMakesATimeoutAndItsCost) {  // RFC 6298 5
    Talk t;
    t.open();
    t.say({30, 's', flag::ack, 1, 1, 1000});
    t.say({50, 'c', flag::ack, 1, 1001});
    t.say({60, 's', flag::ack, 1001, 1, 1000});
    t.say({60, 's', flag::ack, 2001, 1, 1000});
    EXPECT_EQ(t.say({360, 's', flag::ack, 1001, 1, 1000}), "retransmission timeout");
    const Summary s = t.end();
    ASSERT_NE(note_of(s, Finding::timeout), nullptr);
    EXPECT_EQ(note_of(s, Finding::timeout)->cost_ns, 300 * ms);
    EXPECT_EQ(s.time_ns[static_cast<std::size_t>(Time::timeout)], 300 * ms);
}

TEST(Analyzer, TheLastSegmentSentAgainSoonIsAProbe) {  // RFC 8985 7
    Talk t;
    t.open();
    t.say({30, 's', flag::ack, 1, 1, 1000});
    t.say({50, 'c', flag::ack, 1, 1001});
    t.say({60, 's', flag::ack, 1001, 1, 1000});
    t.say({60, 's', flag::ack, 2001, 1, 1000});
    EXPECT_EQ(t.say({110, 's', flag::ack, 2001, 1, 1000}), "retransmission tail-probe");
}

TEST(Analyzer, WhatWasAcknowledgedIsSentAgainInVain) {
    Talk t;
    t.open();
    t.say({30, 's', flag::ack, 1, 1, 1000});
    t.say({50, 'c', flag::ack, 1, 1001});
    EXPECT_NE(t.say({300, 's', flag::ack, 1, 1, 1000}).find("spurious"), std::string::npos);
}

TEST(Analyzer, CloseToTheReceiverWhatWasSeenHasArrived) {
    Talk t;
    t.open_near_client();
    t.say({30, 's', flag::ack, 1, 1, 1000});
    EXPECT_NE(t.say({300, 's', flag::ack, 1, 1, 1000}).find("spurious"), std::string::npos);
    Talk other;
    other.open();
    other.say({30, 's', flag::ack, 1, 1, 1000});
    EXPECT_EQ(other.say({300, 's', flag::ack, 1, 1, 1000}), "retransmission timeout");
}

TEST(Analyzer, TheSamePacketTwiceIsACopy) {  // RFC 6864 4: an ID is not used again so soon
    Talk t;
    t.open();
    t.say({30, 's', flag::ack, 1, 1, 1000, 0xffff, {}, 300});
    EXPECT_EQ(t.say({31, 's', flag::ack, 1, 1, 1000, 0xffff, {}, 300}), "network-copy");
    t.say({32, 'c', flag::ack, 1, 1001, 0, 0xffff, {}, 150});
    EXPECT_EQ(t.say({33, 'c', flag::ack, 1, 1001, 0, 0xffff, {}, 150}), "network-copy");
}

TEST(Analyzer, WithoutIdsACopyIsWhatCameTooSoonToBeSentAgain) {
    Talk t;
    t.open_near_client();
    t.say({30, 's', flag::ack, 1, 1, 1000, 0xffff, {}, Talk::no_id});
    EXPECT_EQ(t.say({45, 's', flag::ack, 1, 1, 1000, 0xffff, {}, Talk::no_id}), "network-copy");
    EXPECT_EQ(t.say({65, 's', flag::ack, 1, 1, 1000, 0xffff, {}, Talk::no_id}).substr(0, 14),
              "retransmission");
}

TEST(Analyzer, KeepalivesAndWindowProbesDifferByTheWindow) {
    Talk t;
    t.open();
    t.say({30, 'c', flag::ack, 1, 1, 100});
    t.say({50, 's', flag::ack, 1, 101});
    EXPECT_EQ(t.say({5000, 'c', flag::ack, 100, 1}), "keepalive");
    EXPECT_EQ(t.say({5020, 's', flag::ack, 1, 101}), "keepalive-ack");
    t.say({5100, 'c', flag::ack, 101, 1, 100});
    EXPECT_EQ(t.say({5120, 's', flag::ack, 1, 201, 0, 0}), "zero-window");
    EXPECT_EQ(t.say({5400, 'c', flag::ack, 200, 1}), "zero-window-probe");
    EXPECT_EQ(t.say({5420, 's', flag::ack, 1, 201, 0, 0}), "zero-window zero-window-probe-ack");
    EXPECT_EQ(t.say({6000, 's', flag::ack, 1, 201, 0, 1000}), "window-update");
    const Summary s = t.end();
    ASSERT_NE(note_of(s, Finding::zero_window), nullptr);
    EXPECT_EQ(note_of(s, Finding::zero_window)->cost_ns, 880 * ms);
    EXPECT_EQ(note_of(s, Finding::zero_window)->side, 1);
}

TEST(Analyzer, ACopyOfAPartOfAJoinedFrameIsACopy) {
    Talk t;
    constexpr std::uint16_t both = flag::syn | flag::ack;
    t.say({.at_ms = 0, .from = 'c', .flags = flag::syn, .seq = 0, .ack = 0, .mss = 1000});
    t.say({.at_ms = 0, .from = 's', .flags = both, .seq = 0, .ack = 1, .mss = 1000});
    t.say({20, 'c', flag::ack, 1, 1});
    const auto say = [&t](std::uint32_t seq, std::uint32_t length, std::uint32_t id) {
        return t.say({30, 'c', flag::ack, seq, 1, length, 0xffff, {}, id});
    };
    say(1, 4000, 500);  // four segments, as a card joins them
    const auto part = [&say](std::uint32_t seq, std::uint32_t id) { return say(seq, 1000, id); };
    EXPECT_EQ(part(2001, 502), "network-copy");
    EXPECT_NE(part(2001, 503).find("retransmission"), std::string::npos);
    EXPECT_NE(part(1001, 504).find("retransmission"), std::string::npos);
}

TEST(Analyzer, AnOctetSentAgainIsNoKeepalive) {
    Talk t;
    t.open();
    t.say({30, 'c', flag::ack | flag::psh, 1, 1, 1});
    t.say({30, 's', flag::ack, 1, 2});  // is lost behind us
    EXPECT_EQ(t.say({250, 'c', flag::ack | flag::psh, 1, 1, 1}), "retransmission timeout spurious");
    t.say({250, 's', flag::ack, 1, 2});
    EXPECT_EQ(t.say({1260, 'c', flag::ack, 1, 1, 1}), "keepalive");
    t.say({1261, 's', flag::ack, 1, 2});
    EXPECT_EQ(t.say({9000, 'c', flag::ack, 1, 1, 1}), "keepalive");
}

TEST(Analyzer, TheWindowsLastOctetIsFullTheNextIsBeyond) {  // RFC 9293 3.8.6
    Talk t;
    t.open();
    t.say({25, 's', flag::ack, 1, 1, 0, 1000});
    const std::string before = t.say({30, 'c', flag::ack, 1, 1, 999});
    EXPECT_EQ(before, "");
    Talk other;
    other.say({0, 'c', flag::syn, 0, 0});
    other.say({20, 's', flag::syn | flag::ack, 0, 1, 0, 1000});
    other.say({20, 'c', flag::ack, 1, 1});
    EXPECT_EQ(other.say({30, 'c', flag::ack, 1, 1, 1000}), "window-full");
    EXPECT_EQ(other.say({31, 'c', flag::ack, 1001, 1, 1}), "beyond-window");
}

TEST(Analyzer, SynsTimeOutAndResetsHaveReasons) {
    Talk refused;
    refused.say({0, 'c', flag::syn, 0, 0});
    EXPECT_EQ(refused.say({1000, 'c', flag::syn, 0, 0}), "retransmission timeout");
    EXPECT_EQ(refused.say({1001, 's', flag::rst | flag::ack, 0, 1}), "refused");
    EXPECT_STREQ(refused.end().state, "refused");
    Talk stray;
    EXPECT_EQ(stray.say({0, 's', flag::rst, 1, 1}), "reset-stray");
    Talk late;
    late.open();
    late.say({30, 's', flag::fin | flag::ack, 1, 1});
    late.say({40, 'c', flag::ack, 1, 2, 100});
    EXPECT_EQ(late.say({50, 's', flag::rst, 2, 0}), "reset-unread");
}

TEST(Analyzer, APairOfPortsUsedAgainIsAnotherConnection) {
    Talk t;
    t.open();
    t.say({30, 'c', flag::rst | flag::ack, 1, 1});
    EXPECT_EQ(t.say({100, 'c', flag::syn, 77'777, 0}), "port-reuse");
    t.end();
    EXPECT_EQ(t.ended().size(), 2U);
}

TEST(Analyzer, AnAckOfNothingSeenShowsThatTheCaptureLacksPackets) {
    Talk t;
    t.open();
    t.say({30, 's', flag::ack, 1, 1, 1000});
    EXPECT_EQ(t.say({50, 'c', flag::ack, 1, 3001}), "ack-of-unseen");
    ASSERT_NE(note_of(t.end(), Finding::capture_incomplete), nullptr);
}

TEST(Analyzer, NagleAndDelayedAckWaitForEachOther) {  // RFC 1122 4.2.3.2, 4.2.3.4
    Talk t;
    t.open();
    t.say({30, 'c', flag::ack, 1, 1, 100});
    t.say({90, 's', flag::ack, 1, 101});
    t.say({90, 'c', flag::ack, 101, 1, 100});
    t.say({150, 's', flag::ack, 1, 201});
    t.say({150, 'c', flag::ack, 201, 1, 100});
    const Summary s = t.end();
    ASSERT_NE(note_of(s, Finding::delayed_ack_and_nagle), nullptr);
    EXPECT_EQ(note_of(s, Finding::delayed_ack_and_nagle)->count, 2U);
}

TEST(Analyzer, ThereIsALimitToLiveConnections) {
    std::size_t ended = 0;
    Analyzer analyzer({.live_max = 10, .closed_max = 2}, [&](const Connection&) { ++ended; });
    std::vector<std::uint8_t> p(40);
    p[0] = 0x45;
    p[3] = 40;
    p[9] = 6;
    p[32] = 5 << 4;
    p[33] = 2;
    for (std::uint16_t i = 1; i <= 100; ++i) {
        store_be16(p.data() + 20, i);
        observe::NetworkPacket packet;
        packet.ethertype = observe::ethertype_ipv4;
        packet.bytes = p;
        packet.original_bytes = 40;
        ASSERT_NE(analyzer.on_packet(i, Instant{Duration{i}}, packet), nullptr);
        EXPECT_LE(analyzer.live(), 10U);
    }
    EXPECT_EQ(ended, 90U);
    EXPECT_EQ(analyzer.forgotten(), 90U);
    analyzer.finish();
    EXPECT_EQ(ended, 100U);
}

// A card cuts what is larger than the peer's MSS, and merges what came: both stand for many.
TEST(Analyzer, AFrameLargerThanTheMssCountsAsManySegments) {
    Talk talk;
    talk.say({.at_ms = 0, .from = 'c', .flags = flag::syn, .seq = 0, .ack = 0, .mss = 1000});
    talk.say({.at_ms = 0, .from = 's', .flags = flag::syn | flag::ack, .seq = 0, .ack = 1, .mss = 1200});
    talk.say({20, 'c', flag::ack, 1, 1});
    talk.say({20, 's', flag::ack, 1, 1, 10'000});
    talk.say({20, 's', flag::ack, 10'001, 1, 1'000});
    talk.say({20, 's', flag::ack, 11'001, 1, 1'001});
    talk.say({700, 's', flag::ack, 1, 1, 2'500});  // sent again: three of them
    talk.say({20, 'c', flag::ack, 1, 12'002, 900});
    const Summary s = talk.end();
    EXPECT_EQ(s.sides[1].segments, 1 + 10 + 1 + 2 + 3);  // the SYN-ACK is one
    EXPECT_EQ(s.sides[1].retransmitted, 3);
    EXPECT_EQ(s.sides[1].retransmitted_bytes, 2'500);
    EXPECT_EQ(s.sides[1].packets, 5);
    EXPECT_EQ(s.sides[0].segments, 2);
}

// What the SYN would have said is not known: a frame is one segment then.
TEST(Analyzer, WithoutTheSynALargeFrameIsOneSegment) {
    Talk talk;
    talk.say({0, 's', flag::ack, 1, 1, 10'000});
    talk.say({20, 'c', flag::ack, 1, 10'001});
    EXPECT_EQ(talk.end().sides[0].segments + talk.end().sides[1].segments, 1);
}

TEST(RttHistogram, QuantilesAreWithinASixteenth) {
    RttHistogram h;
    for (int i = 1; i <= 1000; ++i) h.add(i * ms);
    EXPECT_EQ(h.least(), ms);
    EXPECT_NEAR(static_cast<double>(h.quantile(0.5)), 500e6, 500e6 / 14);
    EXPECT_NEAR(static_cast<double>(h.quantile(0.99)), 990e6, 990e6 / 14);
}

TEST(SentList, KeepsOrderAndForgetsWhatWasAcknowledged) {
    SentList list;
    for (std::int64_t i = 0; i < 200; ++i) list.insert({.begin = i * 10, .length = 10});
    EXPECT_EQ(list.find(55), 5U);
    EXPECT_EQ(list.find(2000), list.size());
    list.acknowledge(1995);
    EXPECT_EQ(list.size(), SentList::kept_below_una + 1);
    EXPECT_EQ(list.acknowledged(), SentList::kept_below_una);
    SentList holes;
    holes.insert({.begin = 0, .length = 10});
    holes.insert({.begin = 20, .length = 10});
    holes.insert({.begin = 10, .length = 10});
    EXPECT_EQ(holes[1].begin, 10);
    EXPECT_EQ(holes.size(), 3U);
}

Segment piece(std::uint64_t frame, std::int64_t at_ms, std::uint32_t seq, std::uint16_t id) {
    Segment s;
    s.frame = frame;
    s.time = Instant{Duration{at_ms * ms}};
    s.source = {{0, 1}, 80};
    s.destination = {{0, 2}, 40'000};
    s.seq = seq;
    s.text_bytes = 100;
    s.flags = flag::ack;
    s.ip_id = id;
    return s;
}

TEST(BothEnds, SeesWhatBecameOfEachPacket) {
    BothEnds ends;  // the sender is at the client's end
    for (std::uint16_t i = 0; i < 4; ++i) ends.add_client(piece(i + 1U, i, i * 100U, i + 1));
    ends.add_client(piece(5, 50, 100, 5));  // again
    ends.add_server(piece(1, 10, 0, 1));
    ends.add_server(piece(2, 13, 300, 4));
    ends.add_server(piece(3, 14, 200, 3));  // overtaken; the second was lost
    ends.add_server(piece(4, 15, 200, 3));  // and copied
    ends.add_server(piece(5, 60, 100, 5));
    ends.match();
    ASSERT_EQ(ends.flows().size(), 1U);
    EXPECT_EQ(ends.flows()[0].lost, 1U);
    EXPECT_EQ(ends.client()[1].fate, Fate::lost);
    EXPECT_EQ(ends.client()[4].fate, Fate::retransmission);
    EXPECT_EQ(ends.server()[2].fate, Fate::reordered);
    EXPECT_EQ(ends.server()[3].fate, Fate::copy);
    EXPECT_EQ(ends.server()[4].fate, Fate::retransmission);
    EXPECT_EQ(ends.server()[4].other_frame, 5U);
}

}  // namespace
}  // namespace estab::analysis
