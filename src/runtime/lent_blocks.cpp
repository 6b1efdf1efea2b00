#include "runtime/lent_blocks.hpp"

namespace estab::runtime {

LentBlocks::Taken LentBlocks::take() {
    std::unique_ptr<Block> block;
    if (!pool_->free.empty()) {
        block = std::move(pool_->free.back());
        pool_->free.pop_back();
    } else if (pool_->made < blocks_max) {
        block = std::make_unique<Block>();
        block->octets_ = std::make_unique_for_overwrite<std::uint8_t[]>(block_bytes);
        pool_->free.reserve(++pool_->made);  // giving back allocates nothing
    } else {
        return {};
    }
    block->owner_ = pool_;
    return Taken(block.release());
}

void LentBlocks::give_back(void* block) {
    std::unique_ptr<Block> back(static_cast<Block*>(block));
    // Of a free block nobody is the owner; else the pool would keep itself.
    const std::shared_ptr<void> owner = std::move(back->owner_);
    static_cast<Pool*>(owner.get())->free.push_back(std::move(back));
}

}  // namespace estab::runtime
