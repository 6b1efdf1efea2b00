// What the user wrote and the peer has not acknowledged, in pieces: pooled chunks and foreign
// memory.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "tcp/chunk.hpp"
#include "tcp/payload.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

class SendBuffer {
public:
    SendBuffer(ChunkPool& chunks, Seq begin) : chunks_(chunks), begin_(begin), end_(begin) {}
    ~SendBuffer();
    SendBuffer(const SendBuffer&) = delete;
    SendBuffer& operator=(const SendBuffer&) = delete;

    Seq begin() const { return begin_; }  // SND.UNA, as far as data goes
    Seq end() const { return end_; }      // one past the last octet written
    std::uint64_t size() const { return distance(begin_, end_); }

    // Copies as much as the pool gives chunks for; how many octets that was.
    std::size_t append(Bytes octets);

    // Room to write into without a copy: at least one octet, or empty when the pool is dry.
    // commit() makes the first `octets` of it part of the queue, release() may come between. Any
    // append ends it.
    MutableBytes reserve();
    void commit(std::size_t octets);
    std::size_t reserved() const { return reserved_ ? room() : 0; }  // what commit() may be given

    // Queues memory that someone else owns, without a copy. `done(context)` is called once, when
    // the last octet of it has been released (or the buffer dies). False, and nothing kept, when
    // out of memory.
    using Release = void (*)(void* context);
    bool append_external(Bytes octets, Release done, void* context);

    // Adds the pieces of [from, from + length) to `out`, in order, until it is full; how many
    // octets. from >= begin(), from + length <= end(). O(1) when calls go forward through the
    // queue, otherwise O(log n). The pieces live until they are released.
    std::uint32_t gather(Seq from, std::uint32_t length, Payload& out) const;

    // Forgets everything below `to`: begin() <= to <= end().
    void release(Seq to);

private:
    // A run of octets. It ends where the next one begins, the last one at end_.
    struct Piece {
        Seq begin;
        const std::uint8_t* data;  // of the octet `begin`
        Release done;              // nullptr: `owner` is a Chunk
        void* owner;
    };
    // Pieces are numbered from the first ever on, modulo 2^32; number n lives in place n modulo the
    // capacity. One fits in here, then 128 in a chunk, more on the heap, accounted for.
    static constexpr std::uint32_t in_chunk = Chunk::size / sizeof(Piece);

    Piece& piece(std::uint32_t number) const { return pieces_[number & (capacity_ - 1)]; }
    Seq end_of(std::uint32_t number) const {
        return number + 1 == head_ + count_ ? end_ : piece(number + 1).begin;
    }
    std::uint32_t find(Seq at) const;
    std::size_t room() const;
    bool add_chunk();
    bool add_piece(const Piece& added);
    void end_reservation();
    bool grow();
    void give_ring();
    void give(const Piece& gone);

    ChunkPool& chunks_;
    Seq begin_;
    Seq end_;
    Piece* pieces_ = &only_;
    std::uint32_t head_ = 0;
    std::uint32_t count_ = 0;
    std::uint32_t capacity_ = 1;
    mutable std::uint32_t cursor_ = 0;  // the piece where the last gather ended
    Piece only_;
    bool reserved_ = false;
};
static_assert(sizeof(SendBuffer) <= 96, "one in every connection");

}  // namespace estab::tcp
