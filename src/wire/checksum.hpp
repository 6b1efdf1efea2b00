// The internet checksum (RFC 1071) at memory speed. A `Sum` is a partial ones'-complement sum of
// big-endian words, 64 bits wide so that adding is cheap; fold() brings it to the 16 bits on the
// wire.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "wire/address.hpp"

namespace estab::wire {

class Sum {
public:
    constexpr Sum() = default;

    // Adds bytes that begin at an even (default) or odd distance from the start of the whole.
    void add(Bytes bytes, bool at_odd_offset = false);
    void add_be16(std::uint16_t value) { add_native(to_big(value)); }  // a field by its value
    void add_be32(std::uint32_t value) { add_native(to_big(value)); }
    void add_be64(std::uint64_t value) { add_native(to_big(value)); }
    // Adds what is at most some hundred bytes long, begins at an even distance and is whole words:
    // headers. Short enough to stand where it is used.
    void add_words(const std::uint8_t* p, std::size_t size) {
        for (; size >= 8; size -= 8, p += 8) {
            std::uint64_t words;
            std::memcpy(&words, p, 8);
            add_native(words);
        }
        if (size < 4) return;
        std::uint32_t word;
        std::memcpy(&word, p, 4);
        add_native(word);
    }
    void add_sum(const Sum& other) { add_native(other.native_); }

    // Copies from `from` to `to` (same size) and adds what was copied, in one pass.
    void add_copying(Bytes from, std::uint8_t* to, bool at_odd_offset = false);

    std::uint16_t folded() const { return to_big(fold(native_)); }  // the sum itself
    std::uint16_t checksum() const {  // what goes into a checksum field: ~folded()
        return static_cast<std::uint16_t>(~folded());
    }
    bool is_valid() const {
        return folded() == 0xffff;
    }  // after summing a field that was already there

    static constexpr std::uint64_t add_with_carry(std::uint64_t a, std::uint64_t b) {
        const std::uint64_t sum = a + b;
        return sum + (sum < a ? 1 : 0);
    }
    static constexpr std::uint16_t fold(std::uint64_t sum) {  // to 16 bits
        sum = (sum & 0xffffffff) + (sum >> 32);
        sum = (sum & 0xffffffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<std::uint16_t>(sum);
    }

private:
    void add_native(std::uint64_t value) { native_ = add_with_carry(native_, value); }

    static std::uint64_t at_offset(std::uint64_t sum, bool odd);

    std::uint64_t native_ =
        0;  // in the machine's byte order; ones'-complement sums do not mind (RFC 1071 2(B))
};

// RFC 9293 3.1 and RFC 8200 8.1: source, destination, protocol and upper-layer length.
inline Sum pseudo_header(const Address& source, const Address& destination, std::uint8_t protocol,
                         std::uint32_t length) {
    Sum sum;
    const std::uint8_t *from = source.octets().data(), *to = destination.octets().data();
    if (source.is_v4()) {
        sum.add_words(from + 12, 4);
        sum.add_words(to + 12, 4);
    } else {
        sum.add_words(from, 16);
        sum.add_words(to, 16);
    }
    sum.add_be16(protocol);
    sum.add_be32(length);
    return sum;
}

std::uint16_t checksum(Bytes bytes);

// RFC 1624: the checksum after one 16-bit word of what it covers has changed.
std::uint16_t updated_checksum(std::uint16_t old_checksum, std::uint16_t old_word,
                               std::uint16_t new_word);

// Completes a partial checksum: the field at packet[start + offset] holds the folded pseudo-header
// sum; everything from `start` on is summed and the result stored there. False when the field is
// outside.
bool complete_checksum(MutableBytes packet, std::size_t start, std::size_t offset);

}  // namespace estab::wire
