#include "base/arena.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/rng.hpp"

namespace estab {
namespace {

struct Record {
    explicit Record(std::uint64_t v) : value(v) { ++alive; }
    ~Record() { --alive; }
    std::uint64_t value;
    std::array<std::uint64_t, 63> rest{};
    static inline int alive = 0;
};

struct Odd {
    std::array<std::uint8_t, 1001> octets{};
};

TEST(Arena, SlabsAreFull) {
    EXPECT_EQ(Arena<Record>::per_slab(), 128u);
    EXPECT_EQ(Arena<Odd>::per_slab(), 65u);
    EXPECT_EQ(Arena<std::uint8_t>::per_slab(), 16'384u);
    EXPECT_EQ((Arena<std::array<std::uint8_t, 700>>::per_slab()), 93u);
}

TEST(Arena, NumbersBehindTheLastPlaceOfASlabAreLeftOut) {
    Memory memory{1 << 20};
    Arena<Odd> arena{memory};
    for (std::uint32_t i = 0; i != 65; ++i) EXPECT_EQ(arena.make(), i);
    EXPECT_EQ(arena.make(), 128u);
    EXPECT_TRUE(arena.is_used(64));
    EXPECT_FALSE(arena.is_used(65));
    EXPECT_FALSE(arena.is_used(127));
    EXPECT_TRUE(arena.is_used(128));
    EXPECT_EQ(arena.index_end(), 256u);
    arena.for_each([&](std::uint32_t index, Odd&) { arena.free(index); });
}

TEST(Arena, AFreedIndexIsUsedNext) {
    Memory memory{1 << 20};
    Arena<Record> arena{memory};
    EXPECT_EQ(arena.make(1u), 0u);
    EXPECT_EQ(arena.make(2u), 1u);
    EXPECT_EQ(arena.make(3u), 2u);
    arena.free(0);
    arena.free(1);
    EXPECT_EQ(arena.make(4u), 1u);
    EXPECT_EQ(arena.make(5u), 0u);
    EXPECT_EQ(arena[1].value, 4u);
    for (std::uint32_t i = 0; i != 3; ++i) arena.free(i);
    EXPECT_EQ(Record::alive, 0);
}

TEST(Arena, SaysNoneAtTheLimitAndGivesEmptySlabsBack) {
    Memory memory{2 * Memory::slab_bytes + 4096};
    {
        Arena<Record> arena{memory};
        for (std::uint32_t i = 0; i != 256; ++i) ASSERT_EQ(arena.make(i), i);
        EXPECT_EQ(arena.make(0u), Arena<Record>::none);
        for (std::uint32_t i = 0; i != 128; ++i) arena.free(i);  // the first slab becomes a hole
        EXPECT_TRUE(memory.has(Memory::slab_bytes));
        std::uint32_t visited = 0;
        arena.for_each([&](std::uint32_t index, Record& record) {
            EXPECT_EQ(index, 128 + visited++);
            EXPECT_EQ(record.value, index);
        });
        EXPECT_EQ(visited, 128u);
        EXPECT_EQ(arena.make(7u), 0u);
        arena.for_each([&](std::uint32_t index, Record&) { arena.free(index); });
        EXPECT_EQ(arena.in_use(), 0u);
    }
    EXPECT_EQ(memory.used(), 0u);
    EXPECT_EQ(Record::alive, 0);
}

TEST(Arena, IsAMapFromIndexToObject) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        SCOPED_TRACE("--seed=" + std::to_string(seed));
        Rng rng{seed};
        Memory memory{(seed % 4 * 8 + 1) * Memory::slab_bytes + 2048};
        {
            Arena<Record> arena{memory};
            std::map<std::uint32_t, std::uint64_t> model;
            std::uint64_t growing = 1;
            for (int i = 0; i != 20'000; ++i) {
                if (i % 2'000 == 0) growing = 1 - growing;
                if (model.empty() || rng.below(10) < 3 + 4 * growing) {
                    const std::uint64_t value = rng.next();
                    const std::uint32_t index = arena.make(value);
                    if (index == Arena<Record>::none) {
                        ASSERT_FALSE(memory.has(Memory::slab_bytes));
                        continue;
                    }
                    ASSERT_TRUE(model.emplace(index, value).second);
                } else {
                    auto it = model.lower_bound(static_cast<std::uint32_t>(rng.below(8'192)));
                    if (it == model.end()) it = model.begin();
                    ASSERT_EQ(arena[it->first].value, it->second);
                    arena.free(it->first);
                    model.erase(it);
                }
                ASSERT_EQ(arena.in_use(), model.size());
            }
            auto expected = model.begin();
            arena.for_each([&](std::uint32_t index, Record& record) {
                ASSERT_EQ(index, expected->first);
                ASSERT_EQ(record.value, expected++->second);
                arena.free(index);
            });
            EXPECT_EQ(expected, model.end());
        }
        EXPECT_EQ(memory.used(), 0u);
    }
}

}  // namespace
}  // namespace estab
