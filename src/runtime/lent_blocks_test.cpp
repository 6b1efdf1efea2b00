#include "runtime/lent_blocks.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace estab::runtime {
namespace {

TEST(LentBlocks, AreAllDifferentAndThenNoMore) {
    LentBlocks blocks;
    std::vector<LentBlocks::Taken> lent;
    std::set<LentBlocks::Block*> different;
    for (std::size_t i = 0; i < LentBlocks::blocks_max; ++i) {
        lent.push_back(blocks.take());
        different.insert(lent.back().get());
    }
    EXPECT_EQ(different.size(), LentBlocks::blocks_max);
    EXPECT_EQ(different.count(nullptr), 0u);
    EXPECT_EQ(blocks.take(), nullptr);
    LentBlocks::Block* const last = lent.back().get();
    lent.pop_back();
    EXPECT_EQ(blocks.take().get(), last);
}

TEST(LentBlocks, MayBeGivenBackWhenNobodyLendsAnyMore) {
    auto blocks = std::make_unique<LentBlocks>();
    const LentBlocks::Taken block = blocks->take();
    blocks.reset();
    block->room()[LentBlocks::block_bytes - 1] = 1;
}

}  // namespace
}  // namespace estab::runtime
