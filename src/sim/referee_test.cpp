// For every rule: a flow that keeps it, and one planted violation that is found.
#include "sim/referee.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace estab::sim {
namespace {

using wire::Flags;

struct Options {
    std::optional<std::uint16_t> mss{};
    std::optional<std::uint8_t> window_scale{};
    bool sack_permitted = false;
    std::optional<wire::Timestamps> timestamps{};
    operator wire::TcpOptions() const {
        wire::TcpOptions o;
        o.mss = mss;
        o.window_scale = window_scale;
        o.sack_permitted = sack_permitted;
        o.timestamps = timestamps;
        return o;
    }
};

struct Say {
    bool server = false;
    std::uint32_t seq = 0;              // relative: 0 is the SYN's
    std::uint32_t ack = 0;
    std::uint16_t flags = Flags::ack;
    std::uint16_t window = 1000;
    std::string_view payload{};
    wire::TcpOptions options{};
    wire::Ecn ecn = wire::Ecn::not_ect;
    bool break_checksum = false;
    bool is_lost = false;
    std::uint32_t seq_offset = 0;       // added to the number as it is
};

// Two ends and the packets between them; each packet arrives at once unless it is lost.
class Play {
public:
    static constexpr std::uint32_t client_iss = 0xffff'ff00, server_iss = 5000;
    Referee referee;

    void say(const Say& what) {
        const auto bytes = packet(what);
        show(bytes, Referee::Point::leaves);
        if (!what.is_lost) show(bytes, Referee::Point::arrives);
    }
    void show(const std::vector<std::uint8_t>& bytes, Referee::Point point) {
        now_ += 1ms;
        referee.observe({.at = now_, .point = point, .packet = bytes});
    }
    std::vector<std::uint8_t> packet(const Say& what) {
        const std::uint32_t mine = what.server ? server_iss : client_iss;
        const std::uint32_t theirs = what.server ? client_iss : server_iss;
        const auto client = wire::Address::v4(10, 0, 0, 1), server = wire::Address::v4(10, 0, 0, 2);
        const bool has_ack = (what.flags & Flags::ack) != 0;
        const wire::TcpHeader header{
            .source_port = static_cast<std::uint16_t>(what.server ? 80 : 4000),
            .destination_port = static_cast<std::uint16_t>(what.server ? 4000 : 80),
            .seq = {mine + what.seq + what.seq_offset},
            .ack = {has_ack ? theirs + what.ack : 0},
            .flags = {what.flags},
            .window = what.window,
            .urgent = 0,
            .options = what.options};
        const auto& source = what.server ? server : client;
        const auto& destination = what.server ? client : server;
        std::vector<std::uint8_t> bytes(1500);
        const Bytes payload{reinterpret_cast<const std::uint8_t*>(what.payload.data()),
                            what.payload.size()};
        const std::size_t size = wire::write_tcp(
            MutableBytes(bytes).subspan(20), header,
            {.source = source, .destination = destination, .payload = {&payload, 1}});
        wire::write_ip(bytes, {.source = source,
                               .destination = destination,
                               .protocol = wire::protocol_tcp,
                               .ecn = what.ecn,
                               .payload_bytes = static_cast<std::uint32_t>(size)});
        bytes.resize(20 + size);
        if (what.break_checksum) bytes[36] = static_cast<std::uint8_t>(bytes[36] ^ 1);
        return bytes;
    }
    struct Offer {
        wire::TcpOptions client = Options{.mss = 1460}, server = Options{.mss = 1460};
        std::uint16_t client_flags = Flags::syn, server_flags = Flags::syn | Flags::ack;
    };
    void open(const Offer& offer) {
        say({.flags = offer.client_flags, .options = offer.client});
        say({.server = true, .ack = 1, .flags = offer.server_flags, .options = offer.server});
        wire::TcpOptions third;
        if (offer.client.timestamps && offer.server.timestamps) third.timestamps = {{101, 201}};
        say({.seq = 1, .ack = 1, .options = third});
    }
    void open() { open({}); }
    void wait(Duration time) { now_ += time; }
    std::string verdict() const {
        std::string all;
        for (const Violation& v : referee.violations())
            all += std::string(v.clause) + ": " + v.sentence + "\n";
        return all;
    }

private:
    Instant now_{};
};

#define EXPECT_CONTENT(play) EXPECT_EQ((play).verdict(), "")
#define EXPECT_BLAMED(play, words)                                  \
    EXPECT_EQ((play).referee.counters().violations, 1u) << (play).verdict(); \
    EXPECT_NE((play).verdict().find(words), std::string::npos) << (play).verdict()

TEST(Referee, AWholeConversationIsInOrder) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 6, .payload = "welcome"});
    p.say({.seq = 6, .ack = 8, .flags = Flags::ack | Flags::fin});
    p.say({.server = true, .seq = 8, .ack = 7, .flags = Flags::ack | Flags::fin});
    p.say({.seq = 7, .ack = 9});
    EXPECT_CONTENT(p);
    EXPECT_EQ(p.referee.counters().packets, 16u);
}

TEST(Referee, FindsAWrongChecksum) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "x", .break_checksum = true});
    EXPECT_BLAMED(p, "RFC 9293 3.1: sends a wrong checksum");
    EXPECT_EQ(p.referee.counters().ignored, 1u);  // and it has not arrived
}

TEST(Referee, FindsTextBeyondTheWindow) {
    Play p;
    p.open();
    const std::string exact(1000, 'x');
    p.say({.seq = 1, .ack = 1, .payload = exact});
    EXPECT_CONTENT(p);
    p.say({.seq = 1001, .ack = 1, .payload = "xy"});
    EXPECT_BLAMED(p, "beyond the window");
}

TEST(Referee, AllowsAProbeOfOneOctet) {
    Play p;
    p.open();
    const std::string exact(1000, 'x');
    p.say({.seq = 1, .ack = 1, .payload = exact});
    p.say({.server = true, .seq = 1, .ack = 1001, .window = 0});
    p.say({.seq = 1001, .ack = 1, .payload = "x", .is_lost = true});
    p.say({.seq = 1001, .ack = 1, .payload = "x", .is_lost = true});
    EXPECT_CONTENT(p);
}

TEST(Referee, KnowsOnlyWindowsThatArrived) {
    Play p;
    p.open();
    p.say({.server = true, .seq = 1, .ack = 1, .window = 2000, .is_lost = true});
    p.say({.seq = 1, .ack = 1, .payload = std::string(1001, 'x')});
    EXPECT_BLAMED(p, "beyond the window");
}

TEST(Referee, FindsAWindowThatRetreats) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .window = 1000});
    EXPECT_CONTENT(p);
    p.say({.seq = 1, .ack = 1, .window = 999});
    EXPECT_BLAMED(p, "right edge of its window back from 1001 to 1000");
}

TEST(Referee, ScalesWindowsOnlyWhenBothDo) {
    Play p;
    p.open({.client = Options{.mss = 1460, .window_scale = 2},
            .server = Options{.mss = 1460, .window_scale = 3}});
    p.say({.server = true, .seq = 1, .ack = 1, .window = 1000});  // 8,000
    std::uint32_t at = 1;
    for (; at < 8001; at += 1000) p.say({.seq = at, .ack = 1, .payload = std::string(1000, 'x')});
    EXPECT_CONTENT(p);
    p.say({.seq = at, .ack = 1, .payload = "xy"});
    EXPECT_BLAMED(p, "beyond the window");
}

TEST(Referee, FindsAnAckThatGoesBack) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 6});
    p.say({.server = true, .seq = 1, .ack = 5, .window = 1100});
    EXPECT_BLAMED(p, "takes back its acknowledgment 6: now 5");
}

TEST(Referee, FindsAnAckOfWhatHasNotArrived) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "hello", .is_lost = true});
    p.say({.seq = 6, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 11});
    EXPECT_BLAMED(p, "acknowledges 11 but only 1 has arrived");
}

TEST(Referee, FindsAHole) {
    Play p;
    p.open();
    p.say({.seq = 2, .ack = 1, .payload = "hello"});
    EXPECT_BLAMED(p, "sends number 2 but had come only to 1");
}

TEST(Referee, FindsTextAfterTheFin) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .flags = Flags::ack | Flags::fin});
    p.say({.seq = 2, .ack = 1, .payload = "more"});
    EXPECT_BLAMED(p, "past its FIN at 1");
}

TEST(Referee, FindsAFinThatMoves) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .flags = Flags::ack | Flags::fin, .payload = "abc"});
    p.say({.seq = 1, .ack = 1, .flags = Flags::ack | Flags::fin, .payload = "ab"});
    EXPECT_BLAMED(p, "moves its FIN from 4 to 3");
}

TEST(Referee, FindsChangedOctetsInARetransmission) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.seq = 3, .ack = 1, .payload = "llo, and"});
    EXPECT_CONTENT(p);
    EXPECT_EQ(p.referee.counters().compared, 3u);
    p.say({.seq = 1, .ack = 1, .payload = "heLlo"});
    EXPECT_BLAMED(p, "changes octet 3 when it sends it again");
}

TEST(Referee, FindsOptionsThatBelongOnASyn) {
    Play mss, scale, sack;
    mss.open();
    mss.say({.seq = 1, .ack = 1, .options = Options{.mss = 1460}});
    EXPECT_BLAMED(mss, "RFC 9293 3.2");
    scale.open();
    scale.say({.seq = 1, .ack = 1, .options = Options{.window_scale = 1}});
    EXPECT_BLAMED(scale, "RFC 7323 2.2");
    sack.open();
    sack.say({.seq = 1, .ack = 1, .options = Options{.sack_permitted = true}});
    EXPECT_BLAMED(sack, "RFC 2018 2");
}

TEST(Referee, FindsAScaleAboveFourteen) {
    Play p;
    p.say({.flags = Flags::syn, .options = Options{.window_scale = 14}});
    EXPECT_CONTENT(p);
    Play q;
    q.say({.flags = Flags::syn, .options = Options{.window_scale = 15}});
    EXPECT_BLAMED(q, "offers a window scale of 15");
}

TEST(Referee, FindsAnAnswerThatOffersMoreThanItWasAsked) {
    Play scale, ts;
    scale.open({.server = Options{.mss = 1460, .window_scale = 1}});
    EXPECT_BLAMED(scale, "RFC 7323 2.2");
    ts.open({.server = Options{.mss = 1460, .timestamps = {{200, 0}}}});
    EXPECT_BLAMED(ts, "RFC 7323 3.2");
}

const Play::Offer with_timestamps{.client = Options{.mss = 1460, .timestamps = {{100, 0}}},
                                  .server = Options{.mss = 1460, .timestamps = {{201, 100}}}};

TEST(Referee, FindsMissingTimestamps) {
    Play p;
    p.open(with_timestamps);
    EXPECT_CONTENT(p);
    p.say({.seq = 1, .ack = 1});
    EXPECT_BLAMED(p, "without the timestamps that were agreed on");
}

TEST(Referee, FindsATimestampClockThatGoesBack) {
    Play p;
    p.open(with_timestamps);
    p.say({.seq = 1, .ack = 1, .options = Options{.timestamps = {{100, 201}}}});
    EXPECT_BLAMED(p, "go back from 101 to 100");
}

TEST(Referee, FindsAnEchoOfNothing) {
    Play p;
    p.open(with_timestamps);
    p.say({.seq = 1, .ack = 1, .options = Options{.timestamps = {{102, 202}}}});
    EXPECT_BLAMED(p, "echoes timestamp 202");
}

wire::TcpOptions sack(std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> blocks) {
    wire::TcpOptions o;
    for (const auto& [begin, end] : blocks) {
        o.sack[o.sack_count++] = {{Play::client_iss + begin}, {Play::client_iss + end}};
    }
    return o;
}
const Play::Offer with_sack{.client = Options{.mss = 1460, .sack_permitted = true},
                            .server = Options{.mss = 1460, .sack_permitted = true}};

TEST(Referee, FindsSackOfWhatHasNotArrived) {
    Play p;
    p.open(with_sack);
    p.say({.seq = 1, .ack = 1, .payload = "hello", .is_lost = true});
    p.say({.seq = 6, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 1, .options = sack({{6, 11}})});
    EXPECT_CONTENT(p);
    p.say({.server = true, .seq = 1, .ack = 1, .options = sack({{6, 12}})});
    EXPECT_BLAMED(p, "reports 6:12, which has not arrived");
}

TEST(Referee, AllowsSackBelowTheAckOnlyFirst) {
    Play p;
    p.open(with_sack);
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 6, .options = sack({{1, 6}})});
    EXPECT_CONTENT(p);
    p.say({.seq = 7, .ack = 1, .payload = "hello", .seq_offset = 0xffff'ffff});
    p.say({.server = true, .seq = 1, .ack = 6, .options = sack({{6, 11}, {1, 6}})});
    EXPECT_EQ(p.referee.counters().violations, 2u) << p.verdict();  // both are no DSACKs
}

TEST(Referee, FindsAReportOfADuplicateThatWasNone) {
    Play p;
    p.open(with_sack);
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.seq = 3, .ack = 1, .payload = "llo you"});
    p.say({.server = true, .seq = 1, .ack = 10, .options = sack({{3, 6}})});
    EXPECT_CONTENT(p);
    p.say({.server = true, .seq = 1, .ack = 10, .options = sack({{3, 7}})});
    EXPECT_BLAMED(p, "reports 3:7 as a duplicate, but it arrived only once");
}

TEST(Referee, FindsAnAckThatIsHalfASecondLate) {
    Play p, q;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.wait(498ms);
    p.say({.server = true, .seq = 1, .ack = 6});
    EXPECT_CONTENT(p);
    q.open();
    q.say({.server = true, .seq = 1, .ack = 1});  // more than its SYN: somebody is there
    q.say({.seq = 1, .ack = 1, .payload = "hello"});
    q.wait(499ms);
    q.say({.server = true, .seq = 1, .ack = 6});
    EXPECT_BLAMED(q, "acknowledges what arrived 500 ms ago");
}

TEST(Referee, FindsSackWithoutAgreement) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 6, .options = sack({{1, 6}})});
    EXPECT_BLAMED(p, "not agreed on");
}

TEST(Referee, FindsSegmentsLargerThanThePeersMss) {
    Play p;
    p.open({.client = Options{.mss = 1460}, .server = Options{.mss = 500}});
    p.say({.seq = 1, .ack = 1, .payload = std::string(500, 'x')});
    EXPECT_CONTENT(p);
    p.say({.seq = 1, .ack = 1, .payload = std::string(501, 'x')});
    EXPECT_BLAMED(p, "to a peer who takes 500");
}

TEST(Referee, FindsSpeechAfterAReset) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .flags = Flags::rst | Flags::ack});
    EXPECT_CONTENT(p);
    p.say({.seq = 1, .ack = 1});
    EXPECT_BLAMED(p, "after its own reset");
}

TEST(Referee, FindsAResetWithAStrangeNumber) {
    Play p;
    p.open();
    p.say({.seq = 700, .ack = 1, .flags = Flags::rst});
    EXPECT_BLAMED(p, "RFC 9293 3.5.2");
}

TEST(Referee, AllowsTheAnswerToASynForNobody) {
    Play p;
    p.say({.flags = Flags::syn});
    p.say({.server = true,
           .ack = 1,
           .flags = Flags::rst | Flags::ack,
           .seq_offset = 0u - Play::server_iss});
    EXPECT_CONTENT(p);
}

TEST(Referee, FindsAnAnswerToASynThatNeverArrived) {
    Play p;
    p.say({.flags = Flags::syn, .is_lost = true});
    p.say({.server = true, .ack = 1, .flags = Flags::syn | Flags::ack});
    EXPECT_GE(p.referee.counters().violations, 1u);
    EXPECT_NE(p.verdict().find("answers a SYN that has not arrived"), std::string::npos);
}

struct EarlyText {  // RFC 7413
    const std::array<std::uint8_t, 8> octets{1, 2, 3, 4, 5, 6, 7, 8};
    wire::TcpOptions cookie() const {
        wire::TcpOptions o;
        o.fast_open = Bytes(octets);
        return o;
    }
};

TEST(Referee, KnowsThatASynMayBringText) {
    const EarlyText early;
    Play p;
    p.say({.flags = Flags::syn, .payload = "hello", .options = early.cookie()});
    p.say({.server = true, .ack = 6, .flags = Flags::syn | Flags::ack});
    p.say({.server = true, .seq = 1, .ack = 6, .payload = "early"});
    p.say({.seq = 6, .ack = 6});
    EXPECT_CONTENT(p);
}

TEST(Referee, KnowsThatASynsTextMayBeRefused) {
    const EarlyText early;
    Play p;
    p.say({.flags = Flags::syn, .payload = "hello", .options = early.cookie()});
    p.say({.server = true, .ack = 1, .flags = Flags::syn | Flags::ack});
    p.say({.seq = 1, .ack = 1, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 6});
    EXPECT_CONTENT(p);
}

TEST(Referee, FindsAnAcknowledgmentOfMoreThanASynsText) {
    const EarlyText early;
    Play p;
    p.say({.flags = Flags::syn, .payload = "hello", .options = early.cookie()});
    p.say({.server = true, .ack = 7, .flags = Flags::syn | Flags::ack});
    EXPECT_GE(p.referee.counters().violations, 1u);
    EXPECT_NE(p.verdict().find("answers a SYN that has not arrived"), std::string::npos);
}

TEST(Referee, FindsTheTextOfASynThatWasLostAcknowledged) {
    const EarlyText early;
    Play p;
    p.say({.flags = Flags::syn, .payload = "hello", .options = early.cookie(), .is_lost = true});
    p.say({.flags = Flags::syn});
    p.say({.server = true, .ack = 6, .flags = Flags::syn | Flags::ack});
    EXPECT_GE(p.referee.counters().violations, 1u);
}

// The server gave up after its SYN-ACKs; the client's SYN, now without text, opens another end.
TEST(Referee, KnowsThatAnEndWithASynsTextMayBeGivenUp) {
    const EarlyText early;
    Play p;
    p.say({.flags = Flags::syn, .payload = "hello", .options = early.cookie()});
    p.say({.server = true, .ack = 6, .flags = Flags::syn | Flags::ack, .is_lost = true});
    p.say({.flags = Flags::syn});
    p.say({.server = true, .ack = 1, .flags = Flags::syn | Flags::ack, .seq_offset = 77});
    p.say({.seq = 1, .ack = 1 + 77, .payload = "hello"});
    p.say({.server = true, .seq = 1, .ack = 6, .seq_offset = 77});
    EXPECT_CONTENT(p);
}

TEST(Referee, FindsTheTextOfASynTakenBack) {
    const EarlyText early;
    Play p;
    p.say({.flags = Flags::syn, .payload = "hello", .options = early.cookie()});
    p.say({.server = true, .ack = 6, .flags = Flags::syn | Flags::ack});
    p.say({.server = true, .ack = 1, .flags = Flags::syn | Flags::ack, .window = 1005});
    EXPECT_BLAMED(p, "takes back its acknowledgment 6: now 1");
}

TEST(Referee, FindsASegmentWithoutAck) {
    Play p;
    p.open();
    p.say({.seq = 1, .flags = Flags::psh, .payload = "x"});
    EXPECT_BLAMED(p, "without ACK");
}

TEST(Referee, FindsMarksThatWereNotAgreedOn) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .payload = "x", .ecn = wire::Ecn::ect0});
    EXPECT_BLAMED(p, "RFC 3168 6.1:");
    Play q;
    q.open({.client_flags = Flags::syn | Flags::ece | Flags::cwr,
            .server_flags = Flags::syn | Flags::ack | Flags::ece});
    q.say({.seq = 1, .ack = 1, .payload = "x", .ecn = wire::Ecn::ect0});
    EXPECT_CONTENT(q);
    q.say({.seq = 1, .ack = 1, .payload = "x", .ecn = wire::Ecn::ect0});
    EXPECT_BLAMED(q, "RFC 3168 6.1.5");
}

TEST(Referee, FollowsANewConnectionOfTheSamePair) {
    Play p;
    p.open();
    p.say({.seq = 1, .ack = 1, .flags = Flags::rst | Flags::ack});
    p.say({.flags = Flags::syn, .seq_offset = 7000});
    p.say({.server = true, .ack = 7001, .flags = Flags::syn | Flags::ack, .seq_offset = 9000});
    p.say({.seq = 1, .ack = 9001, .seq_offset = 7000});
    p.say({.seq = 1, .ack = 9001, .payload = "x", .seq_offset = 7000});
    EXPECT_CONTENT(p);
}

TEST(Referee, ForgetsTheOldestEnd) {
    Referee::Settings settings{.flows_max = 2};
    Play p;
    p.referee = Referee(settings);
    p.open();
    EXPECT_EQ(p.referee.counters().forgotten, 0u);
    Play q;
    std::vector<std::uint8_t> other = q.packet({.flags = Flags::syn});
    other[15] = 9;  // from 10.0.0.9
    other[10] = other[11] = 0;
    const std::uint16_t sum = wire::checksum(Bytes(other).first(20));
    store_be16(other.data() + 10, sum);
    p.show(other, Referee::Point::leaves);
    EXPECT_EQ(p.referee.counters().forgotten, 1u);
}

TEST(KeptBytes, KeepsTheLastOnes) {
    constexpr std::size_t page = KeptBytes::page_bytes;
    KeptBytes kept(2 * page);
    std::vector<std::uint8_t> octets(5 * page);
    for (std::size_t i = 0; i < octets.size(); ++i)
        octets[i] = static_cast<std::uint8_t>(i * 7 >> 3);
    for (std::size_t i = 0; i < octets.size(); i += 128)
        kept.append(1000 + i, Bytes(octets).subspan(i, 128), true);
    // The last page is not full yet: the stream began in the middle of one.
    const auto found = kept.compare(1000, octets);
    EXPECT_EQ(found.equal, page + 1000);
    EXPECT_EQ(found.unknown, octets.size() - page - 1000);
    EXPECT_FALSE(found.differs_at);
    octets.back() ^= 1;
    EXPECT_EQ(kept.compare(1000, octets).differs_at, 1000 + octets.size() - 1);
    kept.forget_below(1000 + octets.size() - 10);
    EXPECT_EQ(kept.compare(1000, octets).unknown, octets.size() - 10);
    EXPECT_EQ(kept.capacity(), page);
    kept.forget_below(1000 + octets.size());
    EXPECT_EQ(kept.compare(1000, octets).unknown, octets.size());
}

TEST(KeptBytes, MayNotGrow) {
    constexpr std::size_t page = KeptBytes::page_bytes;
    KeptBytes kept(4 * page);
    const std::vector<std::uint8_t> octets(3 * page, 7);
    kept.append(0, octets, false);
    EXPECT_EQ(kept.compare(0, octets).unknown, octets.size());
    kept.append(octets.size(), Bytes(octets).first(page), true);
    kept.append(octets.size() + page, Bytes(octets).first(page / 2), false);
    EXPECT_EQ(kept.compare(octets.size(), octets).equal, page / 2);
    EXPECT_EQ(kept.capacity(), page);
}

}  // namespace
}  // namespace estab::sim
