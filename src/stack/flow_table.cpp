#include "stack/flow_table.hpp"

#include <bit>
#include <cstring>
#include <new>

#include "base/check.hpp"

namespace estab::stack {
namespace {

constexpr std::uint32_t capacity_max = std::uint32_t{1} << 30;

}  // namespace

FlowTable::FlowTable(Memory& memory, SipKey key, std::uint32_t cells_min)
    : memory_(memory), key_(key), cells_min_(cells_min) {
    CHECK(std::has_single_bit(cells_min) && cells_min >= 16 && cells_min <= capacity_max);
}

FlowTable::~FlowTable() {
    ::operator delete(cells_);
    memory_.give(capacity_ * sizeof(Cell));
}

bool FlowTable::insert(const wire::FourTuple& added, std::uint32_t ref) {
    CHECK(ref != none);
    if (capacity_ == 0 && !resize(cells_min_)) return false;
    if (size_ >= capacity_ / 4 * 3 && (capacity_ == capacity_max || !resize(capacity_ * 2))) {
        if (size_ >= std::uint64_t{capacity_} * 9 / 10) return false;
    }
    put({hash_of(added), ref});
    ++size_;
    return true;
}

void FlowTable::replace(const wire::FourTuple& tuple, std::uint32_t before, std::uint32_t after) {
    CHECK(after != none);
    cells_[place_of(tuple, before)].ref = after;
}

// The hole is filled with the next entry that may move there, and so on: no search passes over a
// hole.
void FlowTable::erase(const wire::FourTuple& tuple, std::uint32_t ref) {
    std::uint32_t hole = place_of(tuple, ref);
    for (std::uint32_t i = (hole + 1) & mask_; cells_[i].ref != none; i = (i + 1) & mask_) {
        const std::uint32_t strayed = (i - home(cells_[i].hash)) & mask_;
        if (strayed < ((i - hole) & mask_)) continue;
        cells_[hole] = cells_[i];
        hole = i;
    }
    cells_[hole].ref = none;
    --size_;
    // Failing to shrink is no harm.
    if (capacity_ > cells_min_ && size_ < capacity_ / 8) resize(capacity_ / 2);
}

std::uint32_t FlowTable::place_of(const wire::FourTuple& tuple, std::uint32_t ref) const {
    CHECK(size_ != 0);
    std::uint32_t i = home(hash_of(tuple));
    while (cells_[i].ref != ref) {
        CHECK(cells_[i].ref != none);
        i = (i + 1) & mask_;
    }
    return i;
}

void FlowTable::put(Cell cell) {
    std::uint32_t i = home(cell.hash);
    while (cells_[i].ref != none) i = (i + 1) & mask_;
    cells_[i] = cell;
}

// Not done step by step: entries keep their order, so this is one pass forward through both tables.
bool FlowTable::resize(std::uint32_t cells) {
    const std::size_t bytes = cells * sizeof(Cell);
    if (!memory_.take(bytes)) return false;
    auto* fresh = static_cast<Cell*>(::operator new(bytes, std::nothrow));
    if (fresh == nullptr) {
        memory_.give(bytes);
        return false;
    }
    std::memset(fresh, 0xff, bytes);
    Cell* const before = cells_;
    const std::uint32_t capacity_before = capacity_;
    cells_ = fresh;
    capacity_ = cells;
    mask_ = cells - 1;
    for (std::uint32_t i = 0; i != capacity_before; ++i) {
        if (before[i].ref != none) put(before[i]);
    }
    ::operator delete(before);
    memory_.give(capacity_before * sizeof(Cell));
    return true;
}

}  // namespace estab::stack
