#include "stack/flow_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/rng.hpp"

namespace estab::stack {
namespace {

using wire::FourTuple;

constexpr SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

FourTuple tuple_of(std::uint32_t n) {
    const auto octet = [n](int i) { return static_cast<std::uint8_t>(n >> (8 * i)); };
    return {{wire::Address::v4(10, 77, 0, 2), 80},
            {wire::Address::v4(10, octet(2), octet(1), octet(0)), octet(3)}};
}

// Refs that are the number of the tuple.
struct ByNumber {
    mutable FourTuple last;
    const FourTuple& operator()(std::uint32_t ref) const { return last = tuple_of(ref); }
};

std::uint32_t find(const FlowTable& table, std::uint32_t n) {
    return table.find(tuple_of(n), ByNumber{});
}

TEST(FlowTable, FindsWhatIsThereAndNothingElse) {
    Memory memory{1 << 20};
    FlowTable table{memory, key};
    EXPECT_EQ(find(table, 1), FlowTable::none);
    ASSERT_TRUE(table.insert(tuple_of(1), 1));
    ASSERT_TRUE(table.insert(tuple_of(2), 2));
    EXPECT_EQ(find(table, 1), 1u);
    EXPECT_EQ(find(table, 2), 2u);
    EXPECT_EQ(find(table, 3), FlowTable::none);
    FourTuple reversed{tuple_of(1).remote, tuple_of(1).local};
    EXPECT_EQ(table.find(reversed, ByNumber{}), FlowTable::none);
    table.erase(tuple_of(1), 1);
    EXPECT_EQ(find(table, 1), FlowTable::none);
    EXPECT_EQ(find(table, 2), 2u);
}

TEST(FlowTable, AnotherRecordTakesATupleOver) {
    Memory memory{1 << 20};
    FlowTable table{memory, key};
    const std::vector<FourTuple> records{tuple_of(9), tuple_of(5), tuple_of(5)};
    const auto tuple = [&](std::uint32_t ref) -> const FourTuple& { return records[ref]; };
    ASSERT_TRUE(table.insert(records[0], 0));
    ASSERT_TRUE(table.insert(records[1], 1));
    table.replace(records[1], 1, 2);
    EXPECT_EQ(table.find(tuple_of(5), tuple), 2u);
    EXPECT_EQ(table.size(), 2u);
}

TEST(FlowTable, RefusedGrowthFillsItUpToNineTenths) {
    Memory memory{64 * 8};
    FlowTable table{memory, key};
    std::uint32_t n = 0;
    while (table.insert(tuple_of(n), n)) ++n;
    EXPECT_EQ(n, 57u);
    for (std::uint32_t i = 0; i != n; ++i) EXPECT_EQ(find(table, i), i);
    EXPECT_EQ(find(table, n), FlowTable::none);
    table.erase(tuple_of(3), 3);
    EXPECT_TRUE(table.insert(tuple_of(n), n));
    EXPECT_EQ(table.capacity(), 64u);
}

TEST(FlowTable, NoMemoryAtAllIsARefusal) {
    Memory memory{100};
    FlowTable table{memory, key};
    EXPECT_FALSE(table.insert(tuple_of(1), 1));
    EXPECT_EQ(find(table, 1), FlowTable::none);
    EXPECT_EQ(memory.used(), 0u);
}

// The key is known here, so a crowd can be picked that wants to be in one place, at the very end.
TEST(FlowTable, ACrowdInOnePlaceIsStillRight) {
    std::vector<std::uint32_t> crowd;
    for (std::uint32_t n = 0; crowd.size() != 48; ++n) {
        if (FlowTable::hash(key, tuple_of(n)) >> 22 >= 1022) crowd.push_back(n);
    }
    Memory memory{1 << 20};
    FlowTable table{memory, key};
    for (std::uint32_t n : crowd) ASSERT_TRUE(table.insert(tuple_of(n), n));
    for (std::size_t gone = 0; gone < crowd.size(); gone += 3) {
        table.erase(tuple_of(crowd[gone]), crowd[gone]);
    }
    for (std::size_t i = 0; i != crowd.size(); ++i) {
        EXPECT_EQ(find(table, crowd[i]), i % 3 == 0 ? FlowTable::none : crowd[i]);
    }
}

// One host that counts its ports up, many that use the same, and both families: under any key each
// place of a table gets about what chance would give it.
TEST(FlowTable, HashesAreSpreadWhateverCounts) {
    constexpr std::uint32_t places = 1024, many = 16'384;
    const wire::Address server = *wire::Address::parse("2001:db8::1");
    std::array<std::vector<FourTuple>, 4> crowds;
    for (std::uint32_t n = 0; n != many; ++n) {
        const auto port = static_cast<std::uint16_t>(n);
        const auto client = *wire::Address::parse("2001:db8:" + std::to_string(n % 5'000) + "::7");
        crowds[0].push_back({tuple_of(0).local, {wire::Address::v4(10, 0, 0, 9), port}});
        crowds[1].push_back({{wire::Address::v4(10, 0, 0, 9), port}, tuple_of(0).remote});
        crowds[2].push_back(tuple_of(n));
        crowds[3].push_back({{server, static_cast<std::uint16_t>(n / 5'000)}, {client, 443}});
    }
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        Rng rng{seed};
        const SipKey secret{rng.next(), rng.next()};
        for (const auto& crowd : crowds) {
            std::array<std::uint32_t, places> count{};
            for (const FourTuple& tuple : crowd) ++count[FlowTable::hash(secret, tuple) >> 22];
            double chi_square = 0;
            for (const std::uint32_t c : count) {
                const double off = static_cast<double>(c) - double{many} / places;
                chi_square += off * off / (double{many} / places);
            }
            EXPECT_LT(chi_square, 1400) << "seed " << seed << ", like " << crowd[1].remote.text();
        }
    }
}

TEST(FlowTable, AMillionAndBack) {
    Memory memory{64 << 20};
    constexpr std::uint32_t many = 1'000'000;
    {
        FlowTable table{memory, key};
        for (std::uint32_t n = 0; n != many; ++n) ASSERT_TRUE(table.insert(tuple_of(n), n));
        for (std::uint32_t n = 0; n < many; n += 97) ASSERT_EQ(find(table, n), n);
        EXPECT_EQ(table.capacity(), 1u << 21);
        for (std::uint32_t n = 0; n != many; ++n) table.erase(tuple_of(n), n);
        EXPECT_EQ(table.size(), 0u);
        EXPECT_EQ(table.capacity(), 64u);
    }
    EXPECT_EQ(memory.used(), 0u);
}

TEST(FlowTable, IsAMap) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        SCOPED_TRACE("--seed=" + std::to_string(seed));
        Rng rng{seed};
        Memory memory{seed % 3 == 0 ? 16 << 20 : std::size_t{3} << (7 + seed)};
        FlowTable table{memory, {rng.next(), rng.next()}, 16};
        std::vector<bool> model(4096);
        std::uint32_t size = 0;
        std::uint64_t bias = 50;
        for (int i = 0; i != 30'000; ++i) {
            if (i % 3'000 == 0) bias = 20 + rng.below(60);
            const auto n = static_cast<std::uint32_t>(rng.below(model.size()));
            ASSERT_EQ(find(table, n), model[n] ? n : FlowTable::none);
            const bool wants = rng.below(100) < bias;
            if (wants && !model[n]) {
                model[n] = table.insert(tuple_of(n), n);
                if (!model[n]) {
                    ASSERT_GE(table.size() * 10 + 9, table.capacity() * 9);
                }
                size += model[n];
            } else if (!wants && model[n]) {
                table.erase(tuple_of(n), n);
                model[n] = false;
                --size;
            }
            ASSERT_EQ(table.size(), size);
        }
        for (std::uint32_t n = 0; n != model.size(); ++n) {
            ASSERT_EQ(find(table, n), model[n] ? n : FlowTable::none);
        }
    }
}

}  // namespace
}  // namespace estab::stack
