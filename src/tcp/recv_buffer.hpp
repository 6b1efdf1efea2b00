// What has arrived: octets in order that the user has not read, and beyond RCV.NXT those out of
// order (RFC 9293 SHLD-31), each stored once at its own place.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/interval_set.hpp"
#include "tcp/chunk.hpp"
#include "tcp/payload.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

class RecvBuffer {
public:
    RecvBuffer(ChunkPool& chunks, Seq begin)
        : chunks_(chunks), begin_(begin), next_(begin), origin_(begin) {}
    ~RecvBuffer();
    RecvBuffer(const RecvBuffer&) = delete;
    RecvBuffer& operator=(const RecvBuffer&) = delete;

    // Where the stream begins, once that is known. Nothing has been stored yet.
    void begin_at(Seq begin) {
        CHECK(empty());
        begin_ = next_ = origin_ = begin;
    }
    Seq begin() const { return begin_; }  // the next octet the user will read
    Seq next() const { return next_; }    // RCV.NXT as far as data goes: one past what is in order
    std::uint64_t unread() const { return distance(begin_, next_); }  // in order
    std::uint64_t held() const { return unread() + beyond_; }         // with those out of order
    bool empty() const { return begin_ == next_ && ranges_count_ == 0; }

    struct Inserted {
        std::uint64_t in_order = 0;  // how far next() moved
        std::uint64_t fresh = 0;     // octets that were not here before
        bool duplicate = false;      // some octet was here before
        Interval duplicate_range{};  // the first run of such octets (for DSACK, RFC 2883)
        Interval merged{};           // out of order: the range that the segment is part of now
        bool refused = false;        // no chunk or no place in the list of ranges: nothing was kept
    };
    // Stores a segment's text. at + text.size() - begin() must be at most 2^30 (a window that the
    // connection has checked). Octets below next() count as duplicates; what is here is never
    // written again. Duplicates are reported even when the rest is refused.
    Inserted insert(Seq at, const Payload& text);

    std::size_t read(MutableBytes into);  // copies and consumes; how many octets
    Bytes peek() const;                    // the first contiguous run of unread octets
    std::size_t peek(std::size_t offset, MutableBytes into) const;  // MSG_PEEK; how many octets
    void consume(std::size_t octets);                               // octets <= unread()

    // Ranges beyond next(), ascending; at most ranges_max, a range too many is refused.
    std::span<const Interval> out_of_order() const { return {ranges_, ranges_count_}; }
    // Gives up what is out of order (memory pressure); how many octets. The peer will send them
    // again.
    std::uint64_t drop_out_of_order();

    static constexpr std::size_t ranges_max = Chunk::size / sizeof(Interval);

private:
    // Chunk k holds [origin_ + k * Chunk::size, ...) in place (first_ + k) modulo the capacity, or
    // it is absent. Four places fit in here, then up to 512 in a chunk (few at first: they have to
    // be cleared), more on the heap, accounted for.
    static constexpr std::uint32_t places_here = 4;
    static constexpr std::uint32_t places_at_first = 64;
    static constexpr std::uint32_t places_in_chunk = Chunk::size / sizeof(Chunk*);

    Chunk*& place(std::uint64_t k) const { return places_[(first_ + k) & (capacity_ - 1)]; }
    std::uint64_t index(Seq at) const { return distance(origin_, at) / Chunk::size; }
    struct Source;
    Inserted insert_out_of_order(Seq at, Seq end, Source text, Inserted result);
    Inserted insert_in_order(Seq end, Source text, Inserted result);
    void note_duplicates(Seq at, Seq end, Inserted& result) const;
    Interval merge(Interval added);
    bool have_chunks(Seq at, Seq end);
    void free_unused(std::uint64_t from, std::uint64_t to);
    void store(Seq at, Seq end, Source& text);
    Seq store_missing(Seq at, Seq end, Source& text);
    void free_chunk(std::uint64_t k);
    void free_ranges();
    void become_empty();
    bool grow(std::uint64_t places);
    void give_places();

    ChunkPool& chunks_;
    Seq begin_;
    Seq next_;
    Seq origin_;
    std::array<Chunk*, places_here> here_{};
    Chunk** places_ = here_.data();
    Interval* ranges_ = nullptr;  // a borrowed chunk while something is out of order
    std::uint32_t first_ = 0;
    std::uint32_t capacity_ = places_here;
    std::uint32_t ranges_count_ = 0;
    std::uint32_t beyond_ = 0;  // octets out of order
};
static_assert(sizeof(RecvBuffer) <= 96, "one in every connection");

}  // namespace estab::tcp
