// The byte queues of a connection, addressed by sequence number and made of pooled chunks. An empty one
// holds no memory. Neither knows about windows: the connection says how much may go in.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/interval_set.hpp"
#include "base/memory.hpp"
#include "tcp/payload.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

struct Chunk {
    static constexpr std::size_t size = 4096;
    std::uint8_t octets[size];  // left unset
};
using ChunkPool = Pool<Chunk>;

// What the user wrote and the peer has not acknowledged: [begin(), end()).
class SendBuffer {
public:
    SendBuffer(ChunkPool& chunks, Seq begin);
    ~SendBuffer();

    Seq begin() const;  // SND.UNA, as far as data goes
    Seq end() const;    // one past the last octet written
    std::uint64_t size() const;

    // Copies as much as the pool gives chunks for; how many octets that was.
    std::size_t append(Bytes octets);

    // Room to write into without a copy: at least one octet or empty when the pool is dry. commit() makes
    // the first `octets` of it part of the queue.
    MutableBytes reserve();
    void commit(std::size_t octets);

    // Queues memory that someone else owns, without a copy. `done(context)` is called once, when the last
    // octet of it has been released (or the buffer dies). False, and nothing kept, when out of memory.
    using Release = void (*)(void* context);
    bool append_external(Bytes octets, Release done, void* context);

    // Adds the pieces of [from, from + length) to `out`, in order, until it is full; how many octets.
    // from >= begin(), from + length <= end(). Cheap when calls go forward through the queue.
    std::uint32_t gather(Seq from, std::uint32_t length, Payload& out) const;

    // Forgets everything below `to`: begin() <= to <= end().
    void release(Seq to);

private:
    struct Piece;  // a run of octets in a chunk or in foreign memory
    ChunkPool& chunks_;
    Seq begin_;
    Seq end_;
    Piece* pieces_ = nullptr;  // a ring that grows by doubling, in pooled chunks or the heap: see .cpp
    std::uint32_t head_ = 0;
    std::uint32_t count_ = 0;
    std::uint32_t capacity_ = 0;
    mutable std::uint32_t cursor_ = 0;
};

// What has arrived: octets in order that the user has not read, and beyond RCV.NXT those out of order
// (RFC 9293 SHLD-31), each stored once at its own place.
class RecvBuffer {
public:
    RecvBuffer(ChunkPool& chunks, Seq begin);
    ~RecvBuffer();

    Seq begin() const;  // the next octet the user will read
    Seq next() const;   // RCV.NXT as far as data goes: one past the last in-order octet
    std::uint64_t unread() const;  // in order
    std::uint64_t held() const;    // all octets, with those out of order

    struct Inserted {
        std::uint64_t in_order = 0;  // how far next() moved
        std::uint64_t fresh = 0;     // octets that were not here before
        bool duplicate = false;      // some octet was here before
        Interval duplicate_range{};  // the first run of such octets (for DSACK, RFC 2883)
        Interval merged{};           // out of order: the range that the segment is part of now
        bool refused = false;        // no chunk or no place in the list of ranges: nothing was kept
    };
    // Stores a segment's text. at + text.size() - begin() must be at most octets_max (a window that the
    // connection has checked). Octets below next() count as duplicates and are not written again.
    Inserted insert(Seq at, const Payload& text);

    std::size_t read(MutableBytes into);            // copies and consumes; how many octets
    Bytes peek() const;                             // the first contiguous run of unread octets
    std::size_t peek(std::size_t offset, MutableBytes into) const;  // MSG_PEEK
    void consume(std::size_t octets);               // octets <= unread()

    // Ranges beyond next(), ascending; at most ranges_max.
    std::span<const Interval> out_of_order() const;
    // Gives up what is out of order (memory pressure); how many octets. The peer will send them again.
    std::uint64_t drop_out_of_order();
    // Where begin() moves when a FIN or an urgent octet taken out of band is stepped over: nothing unread.
    bool empty() const { return unread() == 0 && out_of_order().empty(); }

    static constexpr std::size_t ranges_max = 256;

private:
    ChunkPool& chunks_;
    Seq begin_;
    Seq next_;
    Chunk** places_ = nullptr;  // chunk k holds [origin + k * size, ...), absent ones are null
    std::uint32_t first_ = 0;
    std::uint32_t capacity_ = 0;
    Chunk* ranges_ = nullptr;   // Interval[ranges_max], borrowed while something is out of order
    std::uint32_t ranges_count_ = 0;
};

}  // namespace estab::tcp
