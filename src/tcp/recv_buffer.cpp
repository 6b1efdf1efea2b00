#include "tcp/recv_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.hpp"

namespace estab::tcp {
namespace {

const Interval* first_ending_above(std::span<const Interval> ranges, std::uint64_t at) {
    return std::lower_bound(ranges.data(), ranges.data() + ranges.size(), at,
                            [](const Interval& range, std::uint64_t v) { return range.end <= v; });
}

}  // namespace

// A reader that goes through the text once, from front to back.
struct RecvBuffer::Source {
    std::span<const Bytes> pieces;
    std::size_t offset = 0;

    void copy(std::uint8_t* to, std::size_t octets) {
        while (octets != 0) {
            const Bytes piece = pieces.front();
            const std::size_t n = std::min(piece.size() - offset, octets);
            if (to != nullptr) {
                std::memcpy(to, piece.data() + offset, n);
                to += n;
            }
            octets -= n;
            offset += n;
            if (offset == piece.size()) {
                pieces = pieces.subspan(1);
                offset = 0;
            }
        }
    }
    void skip(std::size_t octets) { copy(nullptr, octets); }
};

RecvBuffer::~RecvBuffer() {
    drop_out_of_order();
    consume(unread());
}

RecvBuffer::Inserted RecvBuffer::insert(Seq at, const Payload& text) {
    Inserted result;
    if (text.empty()) return result;
    const Seq end = at + text.size();
    Source source{text.pieces()};
    if (at < next_) {
        const Seq known = std::min(end, next_);
        result.duplicate = true;
        result.duplicate_range = {at.value(), known.value()};
        if (known == end) return result;
        source.skip(distance(at, next_));
        at = next_;
    }
    if (ranges_count_ != 0) note_duplicates(at, end, result);
    return at == next_ ? insert_in_order(end, source, result)
                       : insert_out_of_order(at, end, source, result);
}

RecvBuffer::Inserted RecvBuffer::insert_in_order(Seq end, Source text, Inserted result) {
    if (!have_chunks(next_, end)) {
        result.refused = true;
        return result;
    }
    const Seq before = next_;
    if (ranges_count_ == 0) {
        store(before, end, text);
        next_ = end;
        result.fresh = result.in_order = distance(before, end);
        return result;
    }
    const std::uint64_t held_before = held();
    end = store_missing(before, end, text);
    // Ranges that the text has reached are in order now.
    std::uint32_t reached = 0;
    while (reached != ranges_count_ && ranges_[reached].begin <= end.value()) {
        end = std::max(end, Seq(ranges_[reached].end));
        beyond_ -= static_cast<std::uint32_t>(ranges_[reached].size());
        ++reached;
    }
    std::move(ranges_ + reached, ranges_ + ranges_count_, ranges_);
    ranges_count_ -= reached;
    if (ranges_count_ == 0) free_ranges();
    next_ = end;
    result.in_order = distance(before, end);
    result.fresh = held() - held_before;
    return result;
}

RecvBuffer::Inserted RecvBuffer::insert_out_of_order(Seq at, Seq end, Source text,
                                                     Inserted result) {
    if (ranges_ == nullptr) {
        Chunk* chunk = chunks_.make();
        if (chunk == nullptr) {
            result.refused = true;
            return result;
        }
        ranges_ = reinterpret_cast<Interval*>(chunk->octets);
    }
    // With the list full, only what joins a range that is here can be kept.
    const Interval* touched = first_ending_above(out_of_order(), at.value() - 1);
    const bool joins = touched != ranges_ + ranges_count_ && touched->begin <= end.value();
    if ((!joins && ranges_count_ == ranges_max) || !have_chunks(at, end)) {
        if (ranges_count_ == 0) free_ranges();
        if (empty()) become_empty();
        result.refused = true;
        return result;
    }
    const std::uint32_t beyond_before = beyond_;
    store_missing(at, end, text);
    result.merged = merge({at.value(), end.value()});
    result.fresh = beyond_ - beyond_before;
    return result;
}

// The first run of octets in [at, end) that are here, unless an earlier one has been noted.
void RecvBuffer::note_duplicates(Seq at, Seq end, Inserted& result) const {
    if (result.duplicate) return;
    const Interval* range = first_ending_above(out_of_order(), at.value());
    if (range == ranges_ + ranges_count_ || range->begin >= end.value()) return;
    result.duplicate = true;
    result.duplicate_range = {std::max(at.value(), range->begin),
                              std::min(end.value(), range->end)};
}

// Touching ranges become one. The caller has seen to a place.
Interval RecvBuffer::merge(Interval added) {
    auto* first = const_cast<Interval*>(first_ending_above(out_of_order(), added.begin - 1));
    Interval* const end = ranges_ + ranges_count_;
    Interval* last = first;
    while (last != end && last->begin <= added.end) {
        added.begin = std::min(added.begin, last->begin);
        added.end = std::max(added.end, last->end);
        beyond_ -= static_cast<std::uint32_t>(last->size());
        ++last;
    }
    if (first == last) {
        std::move_backward(first, end, end + 1);
        ++ranges_count_;
    } else {
        std::move(last, end, first + 1);
        ranges_count_ -= static_cast<std::uint32_t>(last - first) - 1;
    }
    *first = added;
    beyond_ += static_cast<std::uint32_t>(added.size());
    return added;
}

std::size_t RecvBuffer::read(MutableBytes into) {
    const std::size_t n = peek(0, into);
    consume(n);
    return n;
}

Bytes RecvBuffer::peek() const {
    if (begin_ == next_) return {};
    const std::size_t offset = distance(origin_, begin_);
    return {place(0)->octets + offset, std::min(Chunk::size - offset, unread())};
}

std::size_t RecvBuffer::peek(std::size_t offset, MutableBytes into) const {
    if (offset >= unread()) return 0;
    const std::size_t total = std::min(unread() - offset, into.size());
    std::uint64_t from = distance(origin_, begin_) + offset;
    for (std::size_t done = 0; done != total;) {
        const std::size_t inside = from % Chunk::size;
        const std::size_t n = std::min(Chunk::size - inside, total - done);
        std::memcpy(into.data() + done, place(from / Chunk::size)->octets + inside, n);
        done += n;
        from += n;
    }
    return total;
}

void RecvBuffer::consume(std::size_t octets) {
    CHECK(octets <= unread());
    begin_ += octets;
    while (distance(origin_, begin_) >= Chunk::size) {
        free_chunk(0);
        ++first_;
        origin_ += Chunk::size;
    }
    if (empty()) become_empty();
}

std::uint64_t RecvBuffer::drop_out_of_order() {
    if (ranges_count_ == 0) return 0;
    const std::uint64_t dropped = beyond_;
    const std::uint64_t last = index(Seq(ranges_[ranges_count_ - 1].end - 1));
    free_ranges();
    ranges_count_ = 0;
    beyond_ = 0;
    if (empty()) {
        free_unused(0, last + 1);
        become_empty();
    } else {
        free_unused(index(next_ - 1) + 1, last + 1);
    }
    return dropped;
}

// Chunks for all of [at, end), or none more than before.
bool RecvBuffer::have_chunks(Seq at, Seq end) {
    const std::uint64_t last = index(end - 1);
    if (last >= capacity_ && !grow(last + 1)) return false;
    for (std::uint64_t k = index(at); k <= last; ++k) {
        if (place(k) != nullptr) continue;
        place(k) = chunks_.make();
        if (place(k) == nullptr) {
            free_unused(index(at), k);
            if (empty()) become_empty();
            return false;
        }
    }
    return true;
}

// Frees those of the chunks [from, to) in which nothing is held.
void RecvBuffer::free_unused(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t k = from; k < to; ++k) {
        const Seq begin = origin_ + k * Chunk::size;
        const Seq end = begin + Chunk::size;
        if (begin < next_ && begin_ < end && begin_ != next_) continue;
        const Interval* range = first_ending_above(out_of_order(), begin.value());
        if (range != ranges_ + ranges_count_ && range->begin < end.value()) continue;
        free_chunk(k);
    }
}

void RecvBuffer::store(Seq at, Seq end, Source& text) {
    std::uint64_t to = distance(origin_, at);
    for (std::uint64_t left = distance(at, end); left != 0;) {
        const std::size_t inside = to % Chunk::size;
        const std::size_t n = std::min(Chunk::size - inside, left);
        text.copy(place(to / Chunk::size)->octets + inside, n);
        to += n;
        left -= n;
    }
}

// Writes what is not here yet: the first copy of an octet is the one that counts. Returns `end`.
Seq RecvBuffer::store_missing(Seq at, Seq end, Source& text) {
    const Interval* range = first_ending_above(out_of_order(), at.value());
    const Interval* const ranges_end = ranges_ + ranges_count_;
    while (at < end) {
        const Seq gap_end = range == ranges_end ? end : std::min(end, Seq(range->begin));
        if (at < gap_end) store(at, gap_end, text);
        if (gap_end == end) break;
        const Seq known_end = std::min(end, Seq(range->end));
        text.skip(distance(std::max(at, gap_end), known_end));
        at = known_end;
        ++range;
    }
    return end;
}

void RecvBuffer::free_chunk(std::uint64_t k) {
    if (place(k) == nullptr) return;
    chunks_.free(place(k));
    place(k) = nullptr;
}

void RecvBuffer::free_ranges() {
    chunks_.free(reinterpret_cast<Chunk*>(ranges_));
    ranges_ = nullptr;
}

// All memory goes back, and what comes next begins at the start of a chunk.
void RecvBuffer::become_empty() {
    free_chunk(0);
    give_places();
    origin_ = begin_;
}

bool RecvBuffer::grow(std::uint64_t places) {
    std::uint32_t wanted = places_at_first;
    while (wanted < places && wanted < (1u << 30) / Chunk::size * 2) wanted *= 2;
    if (wanted < places) return false;
    const std::size_t bytes = wanted * sizeof(Chunk*);
    void* raw = nullptr;
    if (wanted <= places_in_chunk) {
        raw = chunks_.make();
    } else if (chunks_.memory().take(bytes)) {
        raw = ::operator new(bytes, std::nothrow);
        if (raw == nullptr) chunks_.memory().give(bytes);
    }
    if (raw == nullptr) return false;
    std::memset(raw, 0, bytes);
    auto** larger = static_cast<Chunk**>(raw);
    for (std::uint32_t k = 0; k != capacity_; ++k) larger[k] = place(k);
    here_.fill(nullptr);
    give_places();
    places_ = larger;
    capacity_ = wanted;
    return true;
}

// The caller has taken the chunks out of them.
void RecvBuffer::give_places() {
    if (capacity_ > places_in_chunk) {
        ::operator delete(places_);
        chunks_.memory().give(capacity_ * sizeof(Chunk*));
    } else if (capacity_ != places_here) {
        chunks_.free(reinterpret_cast<Chunk*>(places_));
    }
    places_ = here_.data();
    capacity_ = places_here;
    first_ = 0;
}

}  // namespace estab::tcp
