// Which record has a segment's four-tuple: a hash table of 8-byte cells that name records by 32-bit
// refs. The tuples live in the records; `tuple(ref)` must be a const wire::FourTuple& of the
// record. Keyed, so that a peer cannot choose tuples that meet in one place.
//
// The hash is a chain of 64-bit products folded together, with secret factors, as in wyhash:
// nothing of it or of the table's order ever leaves the stack, so that what a peer lacks is not
// only the key but anything to solve it with. With SipHash, for what is seen on the wire, opening
// and closing would cost a twentieth more.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/math.hpp"
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

    // Among millions a cell is far away: whoever has something else to do lets it come meanwhile.
    void prefetch(const wire::FourTuple& tuple) const {
        if (capacity_ != 0) __builtin_prefetch(&cells_[home(hash_of(tuple))]);
    }

    static std::uint32_t hash(const SipKey& key, const wire::FourTuple& tuple) {
        const auto from = words(tuple.local.address), to = words(tuple.remote.address);
        const std::uint64_t ports =
            std::uint64_t{tuple.local.port} << 16 | std::uint64_t{tuple.remote.port};
        const std::uint64_t upper = fold(from[0] ^ key.k0, to[0] ^ key.k1);
        const std::uint64_t lower = fold(from[1] ^ key.k1, to[1] ^ upper);
        // Once more, or ports that count up would walk through the table in even steps.
        const std::uint64_t all = fold(lower ^ key.k0, ports ^ key.k1);
        return static_cast<std::uint32_t>(fold(all ^ key.k1, 0x9e37'79b9'7f4a'7c15) >> 32);
    }

    std::uint32_t size() const { return size_; }
    std::uint32_t capacity() const { return capacity_; }  // cells

private:
    struct Cell {
        std::uint32_t hash;
        std::uint32_t ref;
    };

    std::uint32_t hash_of(const wire::FourTuple& tuple) const { return hash(key_, tuple); }
    static std::array<std::uint64_t, 2> words(const wire::Address& address) {
        return std::bit_cast<std::array<std::uint64_t, 2>>(address.octets());
    }
    static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
        const u128 product = static_cast<u128>(a) * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }
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
};

}  // namespace estab::stack
