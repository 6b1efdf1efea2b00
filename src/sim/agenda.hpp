// Who has to be called next: a heap of deadlines. Where two are due at the same time, the one that
// was added first comes first, so the order of events is a function of the world alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace estab::sim {

class Agenda {
public:
    using Id = std::uint32_t;

    Id add() {
        Id id;
        if (!free_.empty()) {
            id = free_.back();
            free_.pop_back();
        } else {
            id = static_cast<Id>(at_.size());
            at_.push_back(never);
            place_.push_back(0);
        }
        at_[id] = never;
        place_[id] = static_cast<std::uint32_t>(heap_.size());
        heap_.push_back(id);
        rise(place_[id]);
        return id;
    }
    void remove(Id id) {
        set(id, Instant::min());
        while (place_[id] != 0) rise_past(place_[id]);
        const Id last = heap_.back();
        heap_.pop_back();
        free_.push_back(id);
        if (last != id) {
            put(0, last);
            sink(0);
        }
    }
    void set(Id id, Instant at) {
        if (at == at_[id]) return;
        const bool is_sooner = at < at_[id];
        at_[id] = at;
        is_sooner ? rise(place_[id]) : sink(place_[id]);
    }
    bool empty() const { return heap_.empty(); }
    Instant next() const { return heap_.empty() ? never : at_[heap_[0]]; }
    Id first() const { return heap_[0]; }

private:
    bool before(Id a, Id b) const { return at_[a] != at_[b] ? at_[a] < at_[b] : a < b; }
    void put(std::size_t place, Id id) {
        heap_[place] = id;
        place_[id] = static_cast<std::uint32_t>(place);
    }
    void rise_past(std::size_t place) {
        const std::size_t parent = (place - 1) / 2;
        const Id id = heap_[place];
        put(place, heap_[parent]);
        put(parent, id);
    }
    void rise(std::size_t place) {
        const Id id = heap_[place];
        while (place != 0) {
            const std::size_t parent = (place - 1) / 2;
            if (!before(id, heap_[parent])) break;
            put(place, heap_[parent]);
            place = parent;
        }
        put(place, id);
    }
    void sink(std::size_t place) {
        const Id id = heap_[place];
        for (;;) {
            std::size_t child = 2 * place + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
            if (!before(heap_[child], id)) break;
            put(place, heap_[child]);
            place = child;
        }
        put(place, id);
    }

    std::vector<Instant> at_;            // by id
    std::vector<std::uint32_t> place_;   // by id, in heap_
    std::vector<Id> heap_;
    std::vector<Id> free_;
};

}  // namespace estab::sim
