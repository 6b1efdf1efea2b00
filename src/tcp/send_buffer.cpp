#include "tcp/send_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.hpp"

namespace estab::tcp {

SendBuffer::~SendBuffer() {
    reserved_ = false;
    release(end_);
}

std::size_t SendBuffer::append(Bytes octets) {
    if (octets.empty()) return 0;
    reserved_ = false;
    std::size_t done = 0;
    while (done != octets.size()) {
        if (room() == 0 && !add_chunk()) break;
        const Piece& last = piece(head_ + count_ - 1);
        const std::size_t filled = distance(last.begin, end_);
        const std::size_t n = std::min(Chunk::size - filled, octets.size() - done);
        std::memcpy(static_cast<Chunk*>(last.owner)->octets + filled, octets.data() + done, n);
        end_ += n;
        done += n;
    }
    return done;
}

MutableBytes SendBuffer::reserve() {
    if (room() == 0 && !add_chunk()) return {};
    reserved_ = true;
    const Piece& last = piece(head_ + count_ - 1);
    const std::size_t filled = distance(last.begin, end_);
    return {static_cast<Chunk*>(last.owner)->octets + filled, Chunk::size - filled};
}

void SendBuffer::commit(std::size_t octets) {
    CHECK(reserved_);
    CHECK(octets <= room());
    end_ += octets;
    end_reservation();
}

bool SendBuffer::append_external(Bytes octets, Release done, void* context) {
    if (reserved_) end_reservation();
    if (octets.empty()) {
        done(context);
        return true;
    }
    if (!add_piece({end_, octets.data(), done, context})) return false;
    end_ += octets.size();
    return true;
}

std::uint32_t SendBuffer::gather(Seq from, std::uint32_t length, Payload& out) const {
    CHECK(begin_ <= from && from + length <= end_);
    if (length == 0) return 0;
    std::uint32_t number = find(from);
    std::uint32_t left = length;
    while (left != 0 && !out.full()) {
        const Piece& source = piece(number);
        const std::uint64_t here = distance(from, end_of(number));
        const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(here, left));
        out.add({source.data + distance(source.begin, from), n});
        from += n;
        left -= n;
        cursor_ = number;
        if (n == here) ++number;
    }
    return length - left;
}

void SendBuffer::release(Seq to) {
    CHECK(begin_ <= to && to <= end_);
    begin_ = to;
    // A reserved chunk stays, even when all that is in it has been acknowledged: someone writes
    // there.
    const std::uint32_t kept = reserved_ ? 1 : 0;
    while (count_ > kept && end_of(head_) <= to) {
        const Piece gone = piece(head_);
        ++head_;
        --count_;
        give(gone);
    }
    if (count_ == 0) give_ring();
}

// Sending goes forward, so the octet is nearly always in the piece of the last gather or the next
// one.
std::uint32_t SendBuffer::find(Seq at) const {
    if (cursor_ - head_ < count_ && piece(cursor_).begin <= at) {
        if (at < end_of(cursor_)) return cursor_;
        if (at < end_of(cursor_ + 1)) return cursor_ + 1;
    }
    std::uint32_t low = 0;
    std::uint32_t high = count_;  // the first piece that begins above `at` is in (low, high]
    while (high - low > 1) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (piece(head_ + middle).begin <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return head_ + low;
}

std::size_t SendBuffer::room() const {
    if (count_ == 0) return 0;
    const Piece& last = piece(head_ + count_ - 1);
    return last.done == nullptr ? Chunk::size - distance(last.begin, end_) : 0;
}

bool SendBuffer::add_chunk() {
    Chunk* chunk = chunks_.make();
    if (chunk == nullptr) return false;
    if (add_piece({end_, chunk->octets, nullptr, chunk})) return true;
    chunks_.free(chunk);
    return false;
}

bool SendBuffer::add_piece(const Piece& added) {
    if (count_ == capacity_ && !grow()) return false;
    piece(head_ + count_++) = added;
    return true;
}

// The last chunk may have been kept only for the reservation.
void SendBuffer::end_reservation() {
    reserved_ = false;
    const Piece last = piece(head_ + count_ - 1);
    if (last.begin != end_ && begin_ != end_) return;
    --count_;
    give(last);
    if (count_ == 0) give_ring();
}

bool SendBuffer::grow() {
    const std::uint32_t wanted = std::max(capacity_ * 2, in_chunk);
    const std::size_t bytes = wanted * sizeof(Piece);
    void* raw = nullptr;
    if (wanted == in_chunk) {
        raw = chunks_.make();
    } else if (chunks_.memory().take(bytes)) {
        raw = ::operator new(bytes, std::nothrow);
        if (raw == nullptr) chunks_.memory().give(bytes);
    }
    if (raw == nullptr) return false;
    auto* pieces = static_cast<Piece*>(raw);
    for (std::uint32_t n = head_; n != head_ + count_; ++n) {
        ::new (&pieces[n & (wanted - 1)]) Piece(piece(n));
    }
    give_ring();
    pieces_ = pieces;
    capacity_ = wanted;
    return true;
}

void SendBuffer::give_ring() {
    if (capacity_ == in_chunk) {
        chunks_.free(reinterpret_cast<Chunk*>(pieces_));
    } else if (capacity_ > in_chunk) {
        ::operator delete(pieces_);
        chunks_.memory().give(capacity_ * sizeof(Piece));
    }
    pieces_ = &only_;
    capacity_ = 1;
}

void SendBuffer::give(const Piece& gone) {
    if (gone.done != nullptr) {
        gone.done(gone.owner);
    } else {
        chunks_.free(static_cast<Chunk*>(gone.owner));
    }
}

}  // namespace estab::tcp
