// Objects of one type that are named by a 32-bit index, in slabs from a Memory. Like a Pool, for
// what is kept in tables and lists by the million: an index is half a pointer and can carry a tag.
// Its lower bits are a place in a slab, its upper bits the slab's number, so that the way to the
// object is a shift and a load; where a slab's places are no power of two, numbers are left out.
#pragma once

#include <bit>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/check.hpp"
#include "base/memory.hpp"

namespace estab {

template <class T>
class Arena {
public:
    static constexpr std::uint32_t none = 0xffffffff;

    explicit Arena(Memory& memory) : memory_(memory) {}
    ~Arena() {
        CHECK(in_use_ == 0);
        give_directory();
    }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    static constexpr std::uint32_t per_slab() { return slots; }
    std::uint32_t in_use() const { return in_use_; }

    // The index of a new object, one that was freed lately where there is room in its slab. `none`
    // when the budget is used up: the caller has the policy.
    template <class... Args>
    std::uint32_t make(Args&&... args) {
        if (partial_ == none && !add_slab()) return none;
        const std::uint32_t number = partial_;
        Slab& slab = directory_[number];
        std::uint32_t slot = slab.free;
        if (slot != no_slot) {
            slab.free = next_free(number, slot);
        } else {
            slot = slab.fresh++;
        }
        ++in_use_;
        slab.live[slot] = true;
        if (++slab.used == slots) unlink(number);
        ::new (address(number, slot)) T(std::forward<Args>(args)...);
        return index_of(number, slot);
    }

    T& operator[](std::uint32_t index) {
        return *std::launder(reinterpret_cast<T*>(address(number_of(index), slot_of(index))));
    }
    const T& operator[](std::uint32_t index) const { return const_cast<Arena&>(*this)[index]; }

    void free(std::uint32_t index) {
        const std::uint32_t number = number_of(index);
        const std::uint32_t slot = slot_of(index);
        CHECK(number < numbers_ && directory_[number].used != 0);
        (*this)[index].~T();
        Slab& slab = directory_[number];
        if (slab.used == slots) link(number);
        ::new (address(number, slot)) std::uint16_t(slab.free);
        slab.free = static_cast<std::uint16_t>(slot);
        slab.live[slot] = false;
        --in_use_;
        if (--slab.used == 0) give_slab(number);
    }

    // One past the largest index that there ever was.
    std::uint32_t index_end() const { return numbers_ << slot_bits; }

    // Is there an object of this index? Any number may be asked for.
    bool is_used(std::uint32_t index) const {
        const std::uint32_t number = number_of(index), slot = slot_of(index);
        return number < numbers_ && slot < slots && directory_[number].live[slot];
    }

    // Like for_each, over one slab only: fn may free all that it is given, and so give the slab
    // back.
    template <class Fn>
    void for_each_in_one_slab(Fn&& fn) {
        std::uint32_t number = 0;
        while (number < numbers_ && slabs_[number] == nullptr) ++number;
        if (number < numbers_) visit(number, fn);
    }

    // fn(index, object), by ascending index. It may free the object that it is given and make
    // others (which are visited or not), but free no other.
    template <class Fn>
    void for_each(Fn&& fn) {
        for (std::uint32_t number = 0; number < numbers_; ++number) {
            if (slabs_[number] == nullptr) continue;
            visit(number, fn);
        }
    }

private:
    static constexpr std::size_t align = alignof(T) > 4 ? alignof(T) : 4;
    static constexpr std::size_t slot_bytes = (sizeof(T) + align - 1) / align * align;
    static_assert(slot_bytes <= Memory::slab_bytes);

    static constexpr std::uint32_t slots = Memory::slab_bytes / slot_bytes;
    static constexpr int slot_bits = std::bit_width(slots - 1);
    static constexpr std::uint32_t slot_of(std::uint32_t index) {
        return index & ((std::uint32_t{1} << slot_bits) - 1);
    }
    static constexpr std::uint32_t number_of(std::uint32_t index) { return index >> slot_bits; }
    static constexpr std::uint32_t index_of(std::uint32_t number, std::uint32_t slot) {
        return number << slot_bits | slot;
    }

    struct Slab {
        std::uint32_t prev, next;  // among those with room; of a hole: `next` is another
        std::uint16_t free;        // the slot freed last; in it is the number of the one before
        std::uint16_t fresh;       // slots never used yet begin here
        std::uint16_t used;
        std::bitset<slots> live;
    };
    static constexpr std::uint16_t no_slot = 0xffff;
    static constexpr std::uint32_t numbers_max = number_of(none);  // `none` is never an index
    static constexpr std::uint32_t numbers_first = 16;

    std::byte* address(std::uint32_t number, std::uint32_t slot) const {
        return slabs_[number] + slot * slot_bytes;
    }
    std::uint16_t next_free(std::uint32_t number, std::uint32_t slot) const {
        return *std::launder(reinterpret_cast<std::uint16_t*>(address(number, slot)));
    }
    template <class Fn>
    void visit(std::uint32_t number, Fn&& fn) {
        const std::bitset<slots> live = directory_[number].live;
        for (std::uint32_t slot = 0; slot != slots; ++slot) {
            const std::uint32_t index = index_of(number, slot);
            if (live[slot]) fn(index, (*this)[index]);
        }
    }

    bool add_slab() {
        if (hole_ == none && numbers_ == capacity_ && !grow()) return false;
        auto* octets = static_cast<std::byte*>(memory_.take_slab());
        if (octets == nullptr) return false;
        std::uint32_t number = hole_;
        if (number != none) {
            hole_ = directory_[number].next;
        } else {
            number = numbers_++;
        }
        slabs_[number] = octets;
        directory_[number] = {none, none, no_slot, 0, 0, {}};
        link(number);
        return true;
    }
    void give_slab(std::uint32_t number) {
        unlink(number);
        memory_.give_slab(slabs_[number]);
        slabs_[number] = nullptr;
        directory_[number].next = hole_;
        hole_ = number;
    }
    bool grow() {
        const std::uint32_t wanted = capacity_ == 0 ? numbers_first : capacity_ * 2;
        if (wanted > numbers_max || !memory_.take(wanted * number_bytes)) return false;
        auto* larger = static_cast<Slab*>(::operator new(wanted * number_bytes, std::nothrow));
        if (larger == nullptr) {
            memory_.give(wanted * number_bytes);
            return false;
        }
        auto** slabs = reinterpret_cast<std::byte**>(larger + wanted);
        for (std::uint32_t i = 0; i != numbers_; ++i) {
            ::new (&larger[i]) Slab(directory_[i]);
            ::new (&slabs[i]) std::byte*(slabs_[i]);
        }
        give_directory();
        directory_ = larger;
        slabs_ = slabs;
        capacity_ = wanted;
        return true;
    }
    void give_directory() {
        ::operator delete(directory_);
        memory_.give(capacity_ * number_bytes);
    }
    void link(std::uint32_t number) {
        directory_[number].prev = none;
        directory_[number].next = partial_;
        if (partial_ != none) directory_[partial_].prev = number;
        partial_ = number;
    }
    void unlink(std::uint32_t number) {
        const Slab& slab = directory_[number];
        (slab.prev != none ? directory_[slab.prev].next : partial_) = slab.next;
        if (slab.next != none) directory_[slab.next].prev = slab.prev;
    }

    Memory& memory_;
    // One block that grows by doubling and stays until the end: what is asked of a slab, and then,
    // close together because every access goes there, where each is (nullptr: a hole).
    static_assert(sizeof(Slab) % alignof(std::byte*) == 0);
    static constexpr std::size_t number_bytes = sizeof(Slab) + sizeof(std::byte*);
    Slab* directory_ = nullptr;
    std::byte** slabs_ = nullptr;
    std::uint32_t numbers_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint32_t partial_ = none;  // slabs with room
    std::uint32_t hole_ = none;
    std::uint32_t in_use_ = 0;
};

}  // namespace estab
