#include "base/memory.hpp"

#include <cstdlib>

namespace estab {

Memory::~Memory() {
    while (spares_ != nullptr) {
        Spare* spare = spares_;
        spares_ = spare->next;
        std::free(spare);
    }
}

void* Memory::take_slab() {
    if (!take(slab_bytes)) return nullptr;
    if (spares_ != nullptr) {
        Spare* spare = spares_;
        spares_ = spare->next;
        --spares_count_;
        return spare;
    }
    void* slab = std::aligned_alloc(slab_bytes, slab_bytes);
    if (slab == nullptr) give(slab_bytes);
    return slab;
}

void Memory::give_slab(void* slab) {
    give(slab_bytes);
    if (spares_count_ == spares_max) {
        std::free(slab);
        return;
    }
    spares_ = ::new (slab) Spare{spares_};
    ++spares_count_;
}

}  // namespace estab
