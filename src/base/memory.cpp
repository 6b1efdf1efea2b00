#include "base/memory.hpp"

#include <cstdlib>

namespace estab {

Memory::~Memory() {
    while (partial_ != nullptr) free(partial_);
    if (carved_ != nullptr) std::free(carved_);
}

void* Memory::take_slab() {
    if (!has(slab_bytes)) return nullptr;
    if (partial_ == nullptr) return take_fresh();
    Block* const block = partial_;
    Spare* const spare = block->spares;
    block->spares = spare->next;
    if (block->spares == nullptr) unlink(block);
    ++block->used;
    --spares_;
    add(slab_bytes);
    return spare;
}

void* Memory::take_fresh() {
    if (carved_ == nullptr) {
        void* room = std::aligned_alloc(block_bytes, block_bytes);
        if (room == nullptr) return nullptr;
        carved_ = ::new (room) Block{nullptr, nullptr, nullptr, 0, 0};
    }
    Block* const block = carved_;
    ++block->used;
    void* slab = reinterpret_cast<std::byte*>(block) + ++block->fresh * slab_bytes;
    if (block->fresh == block_slabs) carved_ = nullptr;
    add(slab_bytes);
    return slab;
}

void Memory::give_slab(void* slab) {
    give(slab_bytes);
    Block* const block = block_of(slab);
    if (block->spares == nullptr) link(block);
    block->spares = ::new (slab) Spare{block->spares};
    --block->used;
    ++spares_;
    if (block->used == 0 && spares_ > spares_max_) free(block);
}

// Until `wanted` bytes have room beside what is used and what is spare.
bool Memory::drop_spares(std::size_t wanted) {
    for (Block* block = partial_; block != nullptr;) {
        Block* const next = block->next;
        if (block->used == 0) free(block);
        if (wanted + spares_ * slab_bytes <= limit_ - used_) return true;
        block = next;
    }
    return false;
}

void Memory::link(Block* block) {
    block->prev = nullptr;
    block->next = partial_;
    if (partial_ != nullptr) partial_->prev = block;
    partial_ = block;
}

void Memory::unlink(Block* block) {
    (block->prev != nullptr ? block->prev->next : partial_) = block->next;
    if (block->next != nullptr) block->next->prev = block->prev;
}

void Memory::free(Block* block) {
    unlink(block);
    spares_ -= block->fresh;
    if (block == carved_) carved_ = nullptr;
    std::free(block);
}

}  // namespace estab
