#include "base/memory.hpp"

#include <cstdlib>

namespace estab {

Memory::~Memory() {
    while (spares_ != nullptr) std::free(pop_spare());
}

void* Memory::take_slab() {
    if (spares_ != nullptr) {
        CHECK(has(slab_bytes));
        add(slab_bytes);
        return pop_spare();
    }
    if (!take(slab_bytes)) return nullptr;
    void* slab = std::aligned_alloc(slab_bytes, slab_bytes);
    if (slab == nullptr) give(slab_bytes);
    return slab;
}

void Memory::give_slab(void* slab) {
    give(slab_bytes);
    if (spares_count_ == spares_max_) {
        std::free(slab);
        return;
    }
    spares_ = ::new (slab) Spare{spares_};
    ++spares_count_;
}

void* Memory::pop_spare() {
    Spare* spare = spares_;
    spares_ = spare->next;
    --spares_count_;
    return spare;
}

void Memory::drop_spares() {
    while (spares_count_ * slab_bytes > limit_ - used_) std::free(pop_spare());
}

}  // namespace estab
