#include "base/memory.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "base/rng.hpp"

namespace estab {
namespace {

constexpr std::size_t slab = Memory::slab_bytes;

struct Thing {
    explicit Thing(int n) : number(n) {}
    int number;
    std::array<char, 1000> rest{};
};

TEST(Memory, TheLimitIsHard) {
    Memory memory(1000);
    EXPECT_TRUE(memory.take(999));
    EXPECT_TRUE(memory.take(1));
    EXPECT_FALSE(memory.take(1));
    EXPECT_EQ(memory.used(), 1000U);
    memory.give(500);
    EXPECT_FALSE(memory.take(501));
    EXPECT_TRUE(memory.take(500));
    memory.give(1000);
    EXPECT_EQ(memory.used(), 0U);
    EXPECT_EQ(memory.peak(), 1000U);
}

TEST(Memory, AHugeRequestDoesNotWrap) {
    Memory memory(1000);
    ASSERT_TRUE(memory.take(10));
    EXPECT_FALSE(memory.take(~std::size_t{0}));
    EXPECT_EQ(memory.used(), 10U);
    memory.give(10);
}

TEST(Memory, SlabsAreAlignedToTheirSizeAndCounted) {
    Memory memory(2 * slab + slab / 2);
    void* a = memory.take_slab();
    void* b = memory.take_slab();
    ASSERT_TRUE(a != nullptr && b != nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % slab, 0U);
    EXPECT_EQ(memory.take_slab(), nullptr);
    EXPECT_EQ(memory.used(), 2 * slab);
    memory.give_slab(a);
    EXPECT_EQ(memory.used(), slab);
    EXPECT_EQ(memory.take_slab(), a);  // kept at hand
    memory.give_slab(a);
    memory.give_slab(b);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Memory, MoreEmptySlabsThanAreKeptAreGivenBack) {
    Memory memory(40 * slab);
    std::vector<void*> slabs;
    for (int i = 0; i < 40; ++i) slabs.push_back(memory.take_slab());
    for (void* s : slabs) memory.give_slab(s);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Memory, AnEighthOfTheBudgetIsKeptAtHand) {
    Memory memory(160 * slab);
    std::vector<void*> slabs;
    for (int i = 0; i < 20; ++i) slabs.push_back(memory.take_slab());
    for (void* s : slabs) memory.give_slab(s);
    const std::set<void*> kept(slabs.begin(), slabs.end());
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(kept.contains(memory.take_slab()));
    for (void* s : slabs) memory.give_slab(s);
}

TEST(Memory, SpareSlabsYieldToWhatIsTaken) {
    Memory memory(3 * slab);
    void* slabs[] = {memory.take_slab(), memory.take_slab(), memory.take_slab()};
    for (void* s : slabs) memory.give_slab(s);
    ASSERT_TRUE(memory.take(slab + 1));  // one spare has to go, and one more for the last byte
    void* last = memory.take_slab();
    EXPECT_NE(last, nullptr);
    EXPECT_EQ(memory.take_slab(), nullptr);
    memory.give_slab(last);
    memory.give(slab + 1);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Pool, MakesAndFreesObjects) {
    Memory memory(slab);
    Pool<Thing> pool(memory);
    Thing* a = pool.make(7);
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->number, 7);
    EXPECT_EQ(pool.in_use(), 1U);
    pool.free(a);
    EXPECT_EQ(pool.in_use(), 0U);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Pool, IsFullAtTheLimitAndUsableAgainAfterOneFree) {
    Memory memory(2 * slab);
    Pool<Thing> pool(memory);
    std::vector<Thing*> things;
    while (Thing* t = pool.make(static_cast<int>(things.size()))) things.push_back(t);
    EXPECT_EQ(things.size(), 2 * pool.per_slab());
    EXPECT_EQ(std::set<Thing*>(things.begin(), things.end()).size(), things.size());
    for (std::size_t i = 0; i < things.size(); ++i)
        ASSERT_EQ(things[i]->number, static_cast<int>(i));
    pool.free(things[3]);
    EXPECT_EQ(pool.make(3), things[3]);
    EXPECT_EQ(pool.make(3), nullptr);
    for (Thing* t : things) pool.free(t);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Pool, AnEmptySlabIsForWhoeverNeedsItNext) {
    Memory memory(slab);
    Pool<Thing> things(memory);
    Pool<long> numbers(memory);
    Thing* t = things.make(1);
    EXPECT_EQ(numbers.make(1), nullptr);
    things.free(t);
    long* n = numbers.make(5);
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(*n, 5);
    numbers.free(n);
}

TEST(Pool, SmallAndWideAlignmentsHold) {
    struct alignas(64) Wide {
        char c = 1;
    };
    Memory memory(2 * slab);
    Pool<Wide> wide(memory);
    Pool<char> narrow(memory);
    Wide* w[] = {wide.make(), wide.make()};
    char* c[] = {narrow.make('a'), narrow.make('b')};
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(w[0]) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(w[1]) % 64, 0U);
    EXPECT_EQ(*c[0], 'a');
    EXPECT_EQ(*c[1], 'b');
    wide.free(w[0]);
    wide.free(w[1]);
    narrow.free(c[0]);
    narrow.free(c[1]);
}

// Any order of making and freeing against a plain set of what must be alive.
TEST(Pool, AgreesWithAModel) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Rng rng(seed);
        Memory memory(4 * slab);
        Pool<Thing> pool(memory);
        std::vector<Thing*> alive;
        std::vector<int> numbers;
        int next = 0;
        for (int step = 0; step < 5000; ++step) {
            const bool grow = rng.below(100) < (step / 1000 % 2 == 0 ? 70U : 30U);
            if (grow) {
                Thing* t = pool.make(next);
                ASSERT_EQ(t == nullptr, alive.size() == 4 * pool.per_slab()) << "--seed=" << seed;
                if (t == nullptr) continue;
                alive.push_back(t);
                numbers.push_back(next++);
            } else if (!alive.empty()) {
                const std::size_t i = rng.below(alive.size());
                ASSERT_EQ(alive[i]->number, numbers[i]) << "--seed=" << seed;
                pool.free(alive[i]);
                alive[i] = alive.back();
                numbers[i] = numbers.back();
                alive.pop_back();
                numbers.pop_back();
            }
            ASSERT_EQ(pool.in_use(), alive.size());
        }
        for (Thing* t : alive) pool.free(t);
        EXPECT_EQ(memory.used(), 0U);
    }
}

}  // namespace
}  // namespace estab
