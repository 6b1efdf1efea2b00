// Which record has a segment's four-tuple: a hash table of 8-byte cells that name records by 32-bit
// refs. The tuples live in the records; `tuple(ref)` must be a const wire::FourTuple& of the
// record. Keyed, so that a peer cannot choose tuples that meet in one place.
#pragma once

#include <cstdint>

#include "base/memory.hpp"
#include "base/siphash.hpp"
#include "wire/address.hpp"

namespace estab::stack {

class FlowTable {
public:
    static constexpr std::uint32_t none = 0xffffffff;  // never a ref

    // `cells_min` is a power of two; the first insert() takes them. The table doubles when three
    // quarters are used and halves when an eighth is. When the budget forbids to double, it fills
    // up to nine tenths; then insert() refuses. Doubling a million entries takes some milliseconds
    // at once.
    FlowTable(Memory& memory, SipKey key, std::uint32_t cells_min = 64);
    ~FlowTable();
    FlowTable(const FlowTable&) = delete;
    FlowTable& operator=(const FlowTable&) = delete;

    template <class Tuple>
    std::uint32_t find(const wire::FourTuple& wanted, Tuple&& tuple) const {
        if (size_ == 0) return none;
        const std::uint32_t hash = hash_of(wanted);
        for (std::uint32_t i = home(hash); cells_[i].ref != none; i = (i + 1) & mask_) {
            if (cells_[i].hash == hash && tuple(cells_[i].ref) == wanted) return cells_[i].ref;
        }
        return none;
    }

    // The tuple must not be in the table. False when it is full.
    [[nodiscard]] bool insert(const wire::FourTuple& added, std::uint32_t ref);

    // Another record takes the tuple over, as when a half-open record becomes a connection.
    void replace(const wire::FourTuple& tuple, std::uint32_t before, std::uint32_t after);

    void erase(const wire::FourTuple& tuple, std::uint32_t ref);  // it must be there

    std::uint32_t size() const { return size_; }
    std::uint32_t capacity() const { return capacity_; }  // cells

private:
    struct Cell {
        std::uint32_t hash;
        std::uint32_t ref;
    };

    // A tuple is often asked for several times in a row: looked for, added, handed over.
    std::uint32_t hash_of(const wire::FourTuple& tuple) const {
        if (tuple != hashed_) {
            hashed_ = tuple;
            hash_ = make_hash(tuple);
        }
        return hash_;
    }
    std::uint32_t make_hash(const wire::FourTuple& tuple) const;
    // The upper bits say where an entry belongs, so a table of another size has the same order.
    std::uint32_t home(std::uint32_t hash) const {
        return static_cast<std::uint32_t>(std::uint64_t{hash} * capacity_ >> 32);
    }
    std::uint32_t place_of(const wire::FourTuple& tuple, std::uint32_t ref) const;
    void put(Cell cell);
    bool resize(std::uint32_t cells);

    Memory& memory_;
    SipKey key_;
    Cell* cells_ = nullptr;
    std::uint32_t capacity_ = 0;
    std::uint32_t mask_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t cells_min_;
    mutable wire::FourTuple hashed_{};  // the last one, and
    mutable std::uint32_t hash_;        // its hash
};

}  // namespace estab::stack
