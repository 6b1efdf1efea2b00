// The MUSTs of RFC 9293 about the header and its options, as far as one connection shows them.
#include <gtest/gtest.h>

#include <array>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

using wire::Flags;

// A segment from the peer with these octets as its options, which our own writer would never make.
Frame frame_with_options(Conversation& c, std::uint16_t flags, std::vector<std::uint8_t> options,
                         std::size_t octets) {
    const tcp::Tcb& tcb = c.connection().tcb();
    while (options.size() % 4 != 0) options.push_back(0);
    std::vector<std::uint8_t> f(20 + options.size() + octets);
    const wire::FourTuple& t = c.connection().tuple();
    store_be16(f.data(), t.remote.port);
    store_be16(f.data() + 2, t.local.port);
    store_be32(f.data() + 4, tcb.rcv.nxt.wire().raw);
    store_be32(f.data() + 8, tcb.snd.nxt.wire().raw);
    store_be16(f.data() + 12, static_cast<std::uint16_t>((f.size() - octets) / 4 << 12 | flags));
    store_be16(f.data() + 14, 65'535);
    std::copy(options.begin(), options.end(), f.begin() + 20);
    const auto text = pattern_run(c.machine().has_read(), octets);
    std::copy(text.begin(), text.end(), f.end() - static_cast<std::ptrdiff_t>(octets));
    return {.at = c.now(), .octets = std::move(f), .ecn = {}};
}

// Ten octets arrive with these options; the connection takes them.
void expect_text_is_taken(std::vector<std::uint8_t> options) {
    Conversation c{established({.mss = 1000})};
    std::vector<Frame> out;
    c.machine().receive(c.now(), frame_with_options(c, Flags::ack, std::move(options), 10), out);
    EXPECT_TRUE(out.empty());
    c.run(R"(
        +0 app nodelay
        +0 -> . 1 ack 11
        +0 app read 10
    )");
}

// Twenty octets, then options in words of four, up to sixty (S4-3): whatever the length, the text
// begins behind it. RFC 9293 3.1.
TEST(S1_6, TextBeginsBehindAHeaderOfAnyLength) {
    for (std::size_t options = 0; options <= 40; options += 4) {
        SCOPED_TRACE(options);
        expect_text_is_taken(std::vector<std::uint8_t>(options, 1));  // No-Operations
    }
}

TEST(S1_6, AHeaderThatEndsElsewhereIsNone) {
    Conversation c{established({.mss = 1000})};
    const Frame good = frame_with_options(c, Flags::ack, std::vector<std::uint8_t>(12, 1), 0);
    for (std::uint8_t words = 0; words <= 15; ++words) {
        std::vector<std::uint8_t> octets = good.octets;  // of 32: eight words
        octets[12] = static_cast<std::uint8_t>(words << 4 | (octets[12] & 15));
        EXPECT_EQ(wire::TcpView::parse(octets).has_value(), words >= 5 && words <= 8) << +words;
    }
}

TEST(Rfc9293, Must1_TheLargestWindowIsNotNegative) {  // 3.1, REC-1
    Conversation c{
        established({.mss = 1000, .cwnd = 100'000, .window = 65'535, .window_scale = 14})};
    c.run("+0 <- . ack 1 win 65535");
    EXPECT_EQ(c.info().snd_wnd, 65'535u << 14);
    c.run("+0 app write 50000\n+0 drain\n");
    EXPECT_EQ(c.info().in_flight, 50'000u);
}

TEST(Rfc9293,
     Must2_EverySegmentCarriesAChecksum) {  // 3.1; segments of this harness are real octets
    Conversation c{established({.mss = 1000})};
    (void)c.machine().write(c.now(), 100);
    std::vector<Frame> out;
    c.machine().pull(c.now(), out);
    ASSERT_EQ(out.size(), 1u);
    const wire::FourTuple& t = c.connection().tuple();
    EXPECT_TRUE(out[0].view().checksum_is_valid(t.local.address, t.remote.address));
}

TEST(Rfc9293, Must3_AFlippedBitFailsTheChecksum) {  // 3.1; the stack drops what fails it
    Conversation c{established({.mss = 1000})};
    (void)c.machine().write(c.now(), 100);
    std::vector<Frame> out;
    c.machine().pull(c.now(), out);
    const wire::FourTuple& t = c.connection().tuple();
    for (std::size_t i = 0; i < out[0].octets.size(); ++i) {
        out[0].octets[i] ^= 0x10;
        const auto view = wire::TcpView::parse(out[0].octets);
        EXPECT_FALSE(view && view->checksum_is_valid(t.local.address, t.remote.address))
            << "octet " << i;
        out[0].octets[i] ^= 0x10;
    }
}

TEST(Rfc9293, Must4_EndNoOperationAndMssAreUnderstood) {  // 3.1
    const std::array<std::uint8_t, 8> list{1, 1, 2, 4, 0x05, 0xb4, 0, 0};
    EXPECT_EQ(wire::parse_tcp_options(list).mss, 1460);
}

TEST(Rfc9293, Must5_OptionsMayBeOnAnySegment) {  // 3.1
    expect_text_is_taken({2, 4, 0x05, 0xb4});  // an MSS without a SYN changes nothing
    Conversation c{established({.mss = 1000})};
    std::vector<Frame> out;
    c.machine().receive(c.now(), frame_with_options(c, Flags::ack, {2, 4, 0, 100}, 0), out);
    EXPECT_EQ(c.info().snd_mss, 1000);
}

TEST(Rfc9293, Must6_UnknownOptionsAreSkipped) {  // 3.1
    expect_text_is_taken({253, 6, 1, 2, 3, 4, 99, 2});
}

TEST(Rfc9293, Must7_IllegalOptionLengthsDoNoHarm) {  // 3.1
    for (const unsigned wire : {0u, 1u, 39u, 41u, 255u}) {
        SCOPED_TRACE(wire);
        const auto length = static_cast<std::uint8_t>(wire);
        expect_text_is_taken({99, length, 0, 0});
        expect_text_is_taken({2, length, 0, 0});
        expect_text_is_taken({1, 1, 1, 8});  // a kind, and no room for its length
    }
}

TEST(Rfc9293, Must14_MssIsSentAndHeeded) {  // 3.7.1, 3.1; MAY-3, SHLD-5
    Conversation{syn_sent({.mtu = 1400})}.run(R"(
        +0 app open
        +0 -> S 0 mss 1360
        +5 <- S. 0 ack 1 mss 700
        +0 -> . 1 ack 1
        +0 app write 1400
        +0 -> . 1:701
        +0 -> P. 701:1401
    )");
}

TEST(Rfc9293, Must15_WithoutAnMssOptionItIs536) {  // 3.7.1
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +5 <- S. 0 ack 1
        +0 -> . 1 ack 1
        +0 mss 536
        +0 app write 1072
        +0 -> . 1:537
        +0 -> P. 537:1073
    )");
    Conversation{syn_sent({.v6 = true})}.run(R"(
        +0 app open
        +0 -> S 0 mss 1440
        +5 <- S. 0 ack 1
        +0 -> . 1 ack 1
        +0 mss 1220
    )");
}

TEST(Rfc9293, Must16_TheSendMssIsThePeersOrThePathsLessOptions) {  // 3.7.1
    Conversation{syn_sent({.mtu = 1000})}.run(R"(
        +0 app open
        +0 -> S 0
        +5 <- S. 0 ack 1 mss 1460 ts 1 1000
        +0 -> . 1 ack 1
        +0 mss 948       // 1000 less 40, less 12 for timestamps
    )");
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +5 <- S. 0 ack 1 mss 800 ts 1 1000
        +0 -> . 1 ack 1
        +0 mss 788
    )");
}

TEST(Rfc9293, Must16_ATinyMssStillLeavesRoom) {  // an MSS of 0 is an attack, not a wish
    Conversation{syn_sent()}.run(R"(
        +0 app open
        +0 -> S 0
        +5 <- S. 0 ack 1 mss 0
        +0 -> . 1 ack 1
        +0 mss 48
    )");
}

TEST(Rfc9293, Must48_TheDiffservFieldIsTheOwners) {  // 3.9.1.9, SHLD-21, SHLD-22
    Conversation c{established({.mss = 1000})};
    c.connection().own_config(c.machine().env())->dscp = 46;
    (void)c.machine().write(c.now(), 10);
    tcp::Segment s;
    ASSERT_TRUE(c.connection().next_segment(c.machine().env(), c.now(), {}, s));
    EXPECT_EQ(s.dscp, 46);
}

TEST(Rfc9293, Must49_TheHopLimitIsConfigurable) {  // 3.9.2
    Conversation c{established({.mss = 1000})};
    c.connection().own_config(c.machine().env())->hop_limit = 7;
    (void)c.machine().write(c.now(), 10);
    tcp::Segment s;
    ASSERT_TRUE(c.connection().next_segment(c.machine().env(), c.now(), {}, s));
    EXPECT_EQ(s.hop_limit, 7);
}

TEST(Rfc9293, Must64_OptionsNeedNoWordBoundary) {  // 3.2
    const std::array<std::uint8_t, 20> list{1, 8, 10, 0, 0, 0, 7, 0,    0, 0,
                                            9, 1, 1,  1, 2, 4, 5, 0xb4, 0, 0};
    const wire::TcpOptions o = wire::parse_tcp_options(list);
    EXPECT_EQ(o.timestamps, (wire::Timestamps{7, 9}));
    EXPECT_EQ(o.mss, 1460);
}

TEST(Rfc9293, Must65_MssGoesOnSynsOnly) {  // 3.2
    Conversation c{syn_sent()};
    c.run(R"(
        +0  app open
        +0  -> S 0 mss 1460
        +5  <- S. 0 ack 1 mss 1460
        +0  -> Flags [.], seq 1, ack 1, options [], length 0
        +0  app write 10
        +0  -> Flags [P.], seq 1:11, ack 1, options [], length 10
        +0  app abort
        +0  -> Flags [R.], seq 11, ack 1, options [], length 0
    )");
}

TEST(Rfc9293, Must67_TheAdvertisedMssIsWhatTheInterfaceReceives) {  // 3.7.1: MMS_R - 20
    EXPECT_EQ(tcp::advertised_mss(tcp::Config{}, 1500, true), 1460);
    EXPECT_EQ(tcp::advertised_mss(tcp::Config{}, 1500, false), 1440);
    EXPECT_EQ(tcp::advertised_mss(tcp::Config{.mss = 9000}, 1500, true), 1460);
    EXPECT_EQ(tcp::advertised_mss(tcp::Config{.mss = 500}, 1500, true), 500);
}

TEST(Rfc9293, Must68_EveryOtherOptionHasALength) {  // 3.1
    for (int kind = 2; kind < 256; ++kind) {
        const std::array<std::uint8_t, 8> list{
            static_cast<std::uint8_t>(kind), 4, 0xff, 0xff, 3, 3, 7, 0};
        EXPECT_EQ(wire::parse_tcp_options(list).window_scale, 7) << "behind kind " << kind;
    }
}

TEST(Rfc9293, Must69_BehindEndOfListIsNothing) {  // 3.1
    const std::array<std::uint8_t, 8> list{0, 2, 4, 5, 0xb4, 1, 1, 1};
    const wire::TcpOptions o = wire::parse_tcp_options(list);
    EXPECT_FALSE(o.mss);
    EXPECT_FALSE(o.malformed);
}

TEST(Rfc9293, Must69_OurPaddingIsZeroOrNoOperation) {
    wire::TcpHeader header;
    header.options.window_scale = 7;
    std::array<std::uint8_t, 64> room{};
    room.fill(0xee);
    const std::size_t size = wire::write_tcp(room, header, {});
    ASSERT_EQ(size, 24u);
    EXPECT_EQ(wire::TcpView::parse(Bytes(room).first(size))->options().window_scale, 7);
    for (std::size_t i = 20; i < size; ++i) EXPECT_NE(room[i], 0xee);
}

}  // namespace
}  // namespace estab::conversation
