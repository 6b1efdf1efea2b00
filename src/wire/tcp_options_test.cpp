#include "wire/tcp_options.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.hpp"

namespace estab::wire {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets laid_out(const TcpOptions& options, OptionOrder order = OptionOrder::linux_) {
    Octets room(100);
    const Address a = Address::v4(10, 0, 0, 1), b = Address::v4(10, 0, 0, 2);
    TcpHeader header;
    header.options = options;
    const std::size_t size =
        write_tcp(room, header, {.source = a, .destination = b, .payload = {}, .order = order});
    EXPECT_EQ(size, tcp_header_bytes(options, order));
    const auto view = TcpView::parse(Bytes(room).first(size));
    EXPECT_TRUE(view && view->checksum_is_valid(a, b));
    return {room.begin() + 20, room.begin() + static_cast<std::ptrdiff_t>(size)};
}

TcpOptions syn_options() {
    TcpOptions o;
    o.mss = 1460;
    o.window_scale = 7;
    o.sack_permitted = true;
    o.timestamps = Timestamps{0x01020304, 0x05060708};
    return o;
}

TEST(OptionsOut, LinuxSyn) {
    EXPECT_EQ(laid_out(syn_options()),
              (Octets{2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7}));
}

TEST(OptionsOut, LinuxSynWithoutSack) {
    TcpOptions o = syn_options();
    o.sack_permitted = false;
    EXPECT_EQ(laid_out(o),
              (Octets{2, 4, 5, 0xb4, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7}));
}

TEST(OptionsOut, LinuxSynWithoutTimestamps) {
    TcpOptions o = syn_options();
    o.timestamps.reset();
    EXPECT_EQ(laid_out(o), (Octets{2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7}));
}

TEST(OptionsOut, FreebsdSyn) {
    EXPECT_EQ(laid_out(syn_options(), OptionOrder::freebsd),
              (Octets{2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}));
    TcpOptions o = syn_options();
    o.timestamps.reset();
    EXPECT_EQ(laid_out(o, OptionOrder::freebsd), (Octets{2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 0, 0}));
}

TEST(OptionsOut, DataCarriesTimestampsThenSack) {
    TcpOptions o;
    EXPECT_EQ(laid_out(o), Octets{});
    o.timestamps = Timestamps{1, 2};
    EXPECT_EQ(laid_out(o), (Octets{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}));
    o.sack_count = 1;
    o.sack[0] = {{3}, {4}};
    EXPECT_EQ(laid_out(o),
              (Octets{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4}));
}

TEST(OptionsOut, AsManySackBlocksAsFit) {  // RFC 2018 3
    TcpOptions o;
    o.sack_count = 4;
    EXPECT_EQ(laid_out(o).size(), 36U);
    EXPECT_EQ(parse_tcp_options(laid_out(o)).sack_count, 4);
    o.timestamps = Timestamps{};
    EXPECT_EQ(laid_out(o).size(), 40U);
    EXPECT_EQ(parse_tcp_options(laid_out(o)).sack_count, 3);
}

TEST(OptionsOut, FastOpenInBothForms) {  // RFC 7413 4.1.1, RFC 6994
    const Octets cookie = {1, 2, 3, 4, 5, 6, 7, 8};
    TcpOptions o;
    o.fast_open = Bytes{};
    EXPECT_EQ(laid_out(o), (Octets{34, 2, 1, 1}));
    o.fast_open = Bytes(cookie);
    EXPECT_EQ(laid_out(o), (Octets{34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1}));
    o.fast_open_experimental = true;
    EXPECT_EQ(laid_out(o), (Octets{254, 12, 0xf9, 0x89, 1, 2, 3, 4, 5, 6, 7, 8}));
    const Octets longest(16, 9);
    o = syn_options();
    o.fast_open = Bytes(longest);
    o.fast_open_experimental = true;
    EXPECT_EQ(laid_out(o).size(), 40U);
    const Octets odd(5, 9);
    o.fast_open = Bytes(odd);
    EXPECT_EQ(laid_out(o).size(), 20U);
}

TEST(OptionsOut, EveryCombinationFitsAndIsReadBack) {
    const Octets cookie = {1, 2, 3, 4, 5, 6};
    for (unsigned bits = 0; bits < 5 * 64; ++bits) {
        TcpOptions o;
        if ((bits & 1) != 0) o.mss = 536;
        if ((bits & 2) != 0) o.window_scale = 14;
        if ((bits & 4) != 0) o.sack_permitted = true;
        if ((bits & 8) != 0) o.timestamps = Timestamps{5, 6};
        if ((bits & 16) != 0) o.fast_open = Bytes(cookie);
        o.fast_open_experimental = o.fast_open && (bits & 32) != 0;
        o.sack_count = static_cast<std::uint8_t>(bits / 64);
        for (const auto order : {OptionOrder::linux_, OptionOrder::freebsd}) {
            const Octets bytes = laid_out(o, order);
            ASSERT_EQ(bytes.size() % 4, 0U);
            ASSERT_LE(bytes.size(), 40U);
            const TcpOptions back = parse_tcp_options(bytes);
            ASSERT_FALSE(back.malformed);
            ASSERT_EQ(back.unknown_count, 0);
            ASSERT_EQ(back.mss, o.mss);
            ASSERT_EQ(back.window_scale, o.window_scale);
            ASSERT_EQ(back.sack_permitted, o.sack_permitted);
            ASSERT_EQ(back.timestamps, o.timestamps);
            ASSERT_TRUE(o.sack_count != 0 || back.fast_open.has_value() == o.fast_open.has_value());
            ASSERT_TRUE(back.sack_count == o.sack_count || bytes.size() >= 36);
        }
    }
}

TEST(OptionsIn, AllOfThem) {
    const Octets bytes = {2, 4, 5, 0xb4, 3,  3, 14, 4, 2, 8, 10, 0, 0, 0,  1, 0,
                          0, 0, 2, 5,    10, 0, 0,  0, 3, 0, 0,  0, 4, 34, 2};
    const TcpOptions o = parse_tcp_options(bytes);
    EXPECT_EQ(o.mss, 1460);
    EXPECT_EQ(o.window_scale, 14);
    EXPECT_TRUE(o.sack_permitted);
    EXPECT_EQ(o.timestamps, (Timestamps{1, 2}));
    ASSERT_EQ(o.sack_blocks().size(), 1U);
    EXPECT_EQ(o.sack_blocks()[0], (SackBlock{{3}, {4}}));
    EXPECT_TRUE(o.fast_open && o.fast_open->empty());
    EXPECT_FALSE(o.malformed);
    EXPECT_EQ(o.unknown_count, 0);
}

TEST(OptionsIn, UnknownOnesAreSkippedByTheirLength) {  // RFC 9293 MUST-6, MUST-68
    const TcpOptions o =
        parse_tcp_options(Octets{30, 2, 253, 5, 1, 2, 3, 254, 4, 0, 1, 19, 3, 0, 2, 4, 2, 24});
    EXPECT_EQ(o.mss, 536);
    EXPECT_EQ(o.unknown_count, 4);
    EXPECT_FALSE(o.malformed);
}

TEST(OptionsIn, AnyAlignment) {  // RFC 9293 MUST-64
    for (std::size_t nops = 0; nops < 9; ++nops) {
        Octets bytes(nops, 1);
        bytes.insert(bytes.end(), {8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 5});
        const TcpOptions o = parse_tcp_options(bytes);
        EXPECT_EQ(o.timestamps, (Timestamps{1, 2}));
        EXPECT_EQ(o.window_scale, 5);
    }
}

TEST(OptionsIn, NothingCountsBehindTheEnd) {  // RFC 9293 MUST-69
    const TcpOptions o = parse_tcp_options(Octets{1, 0, 2, 4, 2, 24, 30, 0});
    EXPECT_FALSE(o.mss);
    EXPECT_FALSE(o.malformed);
}

TEST(OptionsIn, AnImpossibleLengthEndsTheList) {  // RFC 9293 MUST-7
    for (const Octets& tail :
         {Octets{30, 0}, Octets{30, 1}, Octets{30}, Octets{2, 0, 5, 0xb4}, Octets{2, 1, 5, 0xb4},
          Octets{30, 3}, Octets{8, 10, 0, 0}, Octets{5, 255, 1, 1}, Octets{2, 4, 5}}) {
        Octets bytes = {3, 3, 6};
        bytes.insert(bytes.end(), tail.begin(), tail.end());
        const TcpOptions o = parse_tcp_options(bytes);
        EXPECT_TRUE(o.malformed);
        EXPECT_EQ(o.window_scale, 6);  // what came before stands
        EXPECT_FALSE(o.mss);
    }
}

TEST(OptionsIn, AKnownOneOfAWrongLengthIsIgnored) {
    for (const Octets& wrong :
         {Octets{2, 3, 5}, Octets{2, 5, 5, 0xb4, 0}, Octets{2, 2}, Octets{3, 2}, Octets{3, 4, 7, 7},
          Octets{4, 3, 0}, Octets{8, 9, 0, 0, 0, 0, 0, 0, 0}, Octets{8, 2}, Octets{5, 2},
          Octets{5, 6, 0, 0, 0, 0}, Octets{34, 3, 0}, Octets{34, 4, 0, 0}, Octets{254, 3, 0xf9},
          Octets{254, 6, 0xf9, 0x89, 1, 2}}) {
        Octets bytes = wrong;
        bytes.insert(bytes.end(), {8, 10, 0, 0, 0, 1, 0, 0, 0, 2});
        const TcpOptions o = parse_tcp_options(bytes);
        EXPECT_EQ(o.unknown_count, 1) << int{wrong[0]} << ' ' << int{wrong[1]};
        EXPECT_FALSE(o.malformed || o.mss || o.window_scale || o.sack_permitted ||
                     o.sack_count != 0 || o.fast_open);
        EXPECT_EQ(o.timestamps, (Timestamps{1, 2}));
    }
}

TEST(OptionsIn, OutlandishValuesAreHandedOn) {
    EXPECT_EQ(parse_tcp_options(Octets{2, 4, 0, 0}).mss, 0);
    EXPECT_EQ(parse_tcp_options(Octets{2, 4, 0, 1}).mss, 1);
    EXPECT_EQ(parse_tcp_options(Octets{3, 3, 15}).window_scale, 15);
    EXPECT_EQ(parse_tcp_options(Octets{3, 3, 255}).window_scale, 255);
}

TEST(OptionsIn, TheFirstOfTwoCounts) {
    const TcpOptions o = parse_tcp_options(Octets{2, 4, 1, 0, 2, 4, 2, 0, 3, 3, 1, 3, 3, 2});
    EXPECT_EQ(o.mss, 256);
    EXPECT_EQ(o.window_scale, 1);
}

TEST(OptionsIn, ExperimentalFastOpenNeedsItsMagic) {
    const Octets bytes = {254, 8, 0xf9, 0x89, 1, 2, 3, 4};
    const TcpOptions o = parse_tcp_options(bytes);
    ASSERT_TRUE(o.fast_open && o.fast_open_experimental);
    EXPECT_EQ(o.fast_open->size(), 4U);
    EXPECT_FALSE(parse_tcp_options(Octets{254, 8, 0xf9, 0x88, 1, 2, 3, 4}).fast_open);
}

TEST(OptionsIn, TheFastPathAgreesWithTheLoop) {
    Octets segment(32, 0);
    segment[12] = 0x80;
    const Octets options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    std::copy(options.begin(), options.end(), segment.begin() + 20);
    EXPECT_EQ(TcpView::parse(segment)->options().timestamps, parse_tcp_options(options).timestamps);
}

TEST(OptionsIn, RandomBytesNeverReadOutside) {
    Rng rng(21);
    for (int round = 0; round < 20'000; ++round) {
        Octets bytes(rng.below(41));
        for (auto& b : bytes)
            b = static_cast<std::uint8_t>(rng.below(rng.chance(500'000) ? 12 : 256));
        const TcpOptions o = parse_tcp_options(bytes);
        ASSERT_LE(o.sack_count, 4);
    }
}

TEST(Options, ClearedTheySayNothing) {
    const Octets cookie(8);
    TcpOptions o = syn_options();
    o.sack_count = 1;
    o.fast_open = Bytes(cookie);
    o.fast_open_experimental = true;
    o.accecn = AccEcnOption{.fields = 3};
    o.unknown_count = 2;
    o.malformed = true;
    o.clear();
    EXPECT_EQ(laid_out(o), Octets{});
    EXPECT_FALSE(o.timestamps || o.fast_open_experimental || o.malformed);
    EXPECT_EQ(o.unknown_count, 0);
}

TEST(AccEcn, BothOrders) {  // RFC 9768 3.2.3, figure 4
    TcpOptions o;
    o.accecn = AccEcnOption{.fields = 3, .e0b = 0x010203, .ceb = 0x040506, .e1b = 0x070809};
    EXPECT_EQ(laid_out(o), (Octets{172, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1}));
    o.accecn->order1 = true;
    EXPECT_EQ(laid_out(o), (Octets{174, 11, 7, 8, 9, 4, 5, 6, 1, 2, 3, 1}));
    EXPECT_EQ(parse_tcp_options(laid_out(o)).accecn, o.accecn);
}

TEST(AccEcn, StandsBetweenTimestampsAndSack) {  // as in Linux, whose NOPs it shares
    TcpOptions o;
    o.accecn = AccEcnOption{.fields = 2, .order1 = true, .ceb = 7, .e1b = 8};
    o.sack_count = 1;
    o.sack[0] = {{3}, {4}};
    EXPECT_EQ(laid_out(o), (Octets{174, 8, 0, 0, 8, 0, 0, 7, 1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4}));
    TcpOptions syn = syn_options();
    syn.accecn = AccEcnOption{.fields = 3};
    const Octets bytes = laid_out(syn);
    EXPECT_LE(bytes.size(), 40U);
    EXPECT_EQ(bytes[16], 172);
    EXPECT_EQ(parse_tcp_options(bytes).window_scale, syn.window_scale);
}

TEST(AccEcn, FieldsAtTheEndMayBeMissing) {  // table 5
    const auto parsed = [](Octets octets) { return *parse_tcp_options(octets).accecn; };
    EXPECT_EQ(parsed({172, 2}).fields, 0);
    EXPECT_EQ(parsed({172, 5, 0, 0, 9}), (AccEcnOption{.fields = 1, .e0b = 9}));
    EXPECT_EQ(parsed({174, 5, 0, 0, 9}), (AccEcnOption{.fields = 1, .order1 = true, .e1b = 9}));
    EXPECT_EQ(parsed({174, 8, 0, 0, 9, 0, 1, 0}),
              (AccEcnOption{.fields = 2, .order1 = true, .ceb = 256, .e1b = 9}));
    const AccEcnOption two = parsed({172, 8, 0, 0, 9, 0, 1, 0});
    EXPECT_TRUE(two.has_ect0() && two.has_ce() && !two.has_ect1());
}

TEST(AccEcn, WhatIsLongerIsPadding) {
    EXPECT_EQ(parse_tcp_options(Octets{172, 6, 0, 0, 9, 7}).accecn->fields, 1);
    EXPECT_EQ(parse_tcp_options(Octets{172, 13, 0, 0, 1, 0, 0, 2, 0, 0, 3, 8, 8}).accecn,
              (AccEcnOption{.fields = 3, .e0b = 1, .ceb = 2, .e1b = 3}));
}

}  // namespace
}  // namespace estab::wire
