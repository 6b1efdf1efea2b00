// Where the core's memory comes from. A `Memory` is one hard budget, given at construction. Pools
// take it in slabs of 64 KiB and give a slab back as soon as nothing in it is used, so that what
// one kind of object no longer needs another can have. Tables take and give their bytes directly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/check.hpp"

namespace estab {

class Memory {
public:
    static constexpr std::size_t slab_bytes = 64 * 1024;

    explicit Memory(std::size_t limit_bytes)
        : limit_(limit_bytes), spares_max_(spares_of(limit_bytes)) {}
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    std::size_t limit() const { return limit_; }
    std::size_t used() const {
        return used_;
    }  // slabs handed out and bytes taken; never above limit()
    std::size_t peak() const { return peak_; }
    bool has(std::size_t bytes) const { return bytes <= limit_ - used_; }

    // Accounts for bytes that the caller allocates itself. False, and nothing taken, over the
    // limit; spare slabs that share a block with one in use count towards that.
    [[nodiscard]] bool take(std::size_t bytes) {
        if (!has(bytes)) return false;
        if (bytes + spares_ * slab_bytes > limit_ - used_ && !drop_spares(bytes)) return false;
        add(bytes);
        return true;
    }
    void give(std::size_t bytes) {
        CHECK(bytes <= used_);
        used_ -= bytes;
    }

    // A slab aligned to its size, or nullptr over the limit. Empty ones are kept at hand, up to an
    // eighth of the budget, as long as they and what is used are together within the limit: a
    // buffer that fills and drains with every batch must not have the system clear its pages anew.
    void* take_slab();
    void give_slab(void* slab);

private:
    // Slabs come from the system in blocks: one by one, each would take two pages more for the
    // allocator's own notes. A block goes back when none of its slabs is used.
    static constexpr std::size_t block_bytes = 16 * slab_bytes;
    static constexpr std::uint32_t block_slabs = 15;  // behind the place of the Block itself
    struct Spare {
        Spare* next;
    };
    struct Block {
        Block *prev, *next;   // among those with spare slabs
        Spare* spares;
        std::uint32_t fresh;  // slabs that were never handed out begin here
        std::uint32_t used;
    };
    static constexpr std::size_t spares_of(std::size_t limit) {
        return limit / 8 / slab_bytes > 16 ? limit / 8 / slab_bytes : 16;
    }

    void add(std::size_t bytes) {
        used_ += bytes;
        if (used_ > peak_) peak_ = used_;
    }
    static Block* block_of(void* slab) {
        return reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(slab) &
                                        ~(std::uintptr_t{block_bytes} - 1));
    }
    void* take_fresh();
    bool drop_spares(std::size_t wanted);
    void link(Block* block);
    void unlink(Block* block);
    void free(Block* block);

    std::size_t limit_;
    std::size_t spares_max_;
    std::size_t used_ = 0;
    std::size_t peak_ = 0;
    std::size_t spares_ = 0;     // slabs that were given back
    Block* partial_ = nullptr;   // blocks that have some
    Block* carved_ = nullptr;    // the newest, which still has fresh ones
};

// Objects of one size, in slabs. make() returns nullptr when the budget is used up; the caller has
// the policy. O(1) both ways, and no call into the allocator while slabs are at hand.
template <class T>
class Pool {
public:
    explicit Pool(Memory& memory) : memory_(memory) {}
    ~Pool() { CHECK(in_use_ == 0); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    static constexpr std::size_t per_slab() {
        return (Memory::slab_bytes - first_offset) / slot_bytes;
    }
    std::size_t in_use() const { return in_use_; }
    Memory& memory() const { return memory_; }

    template <class... Args>
    T* make(Args&&... args) {
        Slab* slab = partial_;
        if (slab == nullptr) {
            slab = add_slab();
            if (slab == nullptr) return nullptr;
        }
        void* slot;
        if (slab->free != nullptr) {
            slot = slab->free;
            slab->free = *static_cast<void**>(slot);
        } else {
            slot = reinterpret_cast<std::byte*>(slab) + first_offset + slab->fresh++ * slot_bytes;
        }
        ++in_use_;
        if (++slab->used == per_slab()) unlink(slab);
        return ::new (slot) T(std::forward<Args>(args)...);
    }

    void free(T* object) {
        object->~T();
        auto* slab = reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(object) &
                                             ~(std::uintptr_t{Memory::slab_bytes} - 1));
        if (slab->used == per_slab()) link(slab);
        *reinterpret_cast<void**>(object) = slab->free;
        slab->free = object;
        --in_use_;
        if (--slab->used == 0) {
            unlink(slab);
            memory_.give_slab(slab);
        }
    }

private:
    struct Slab {
        Slab* prev;
        Slab* next;
        void* free;
        std::size_t fresh;  // slots never used yet begin here
        std::size_t used;
    };
    static constexpr std::size_t align = alignof(T) > alignof(void*) ? alignof(T) : alignof(void*);
    static constexpr std::size_t raw_bytes = sizeof(T) > sizeof(void*) ? sizeof(T) : sizeof(void*);
    static constexpr std::size_t slot_bytes = (raw_bytes + align - 1) / align * align;
    static constexpr std::size_t first_offset = (sizeof(Slab) + align - 1) / align * align;
    static_assert(slot_bytes <= Memory::slab_bytes - first_offset);

    Slab* add_slab() {
        void* raw = memory_.take_slab();
        if (raw == nullptr) return nullptr;
        Slab* slab = ::new (raw) Slab{nullptr, nullptr, nullptr, 0, 0};
        link(slab);
        return slab;
    }
    void link(Slab* slab) {
        slab->prev = nullptr;
        slab->next = partial_;
        if (partial_ != nullptr) partial_->prev = slab;
        partial_ = slab;
    }
    void unlink(Slab* slab) {
        (slab->prev != nullptr ? slab->prev->next : partial_) = slab->next;
        if (slab->next != nullptr) slab->next->prev = slab->prev;
    }

    Memory& memory_;
    Slab* partial_ = nullptr;  // slabs with room
    std::size_t in_use_ = 0;
};

}  // namespace estab
