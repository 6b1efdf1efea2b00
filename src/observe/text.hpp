// A growing line of text that is appended to by hand: no streams, no formats, no locale.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/bytes.hpp"

namespace estab::observe {

// Keeps its memory from line to line. It grows as long as one keeps appending; who appends has the
// limit.
class TextBuffer {
public:
    explicit TextBuffer(std::size_t bytes = 4096)
        : data_(std::make_unique_for_overwrite<char[]>(bytes)), capacity_(bytes) {}

    std::string_view view() const { return {data_.get(), size_}; }
    std::size_t size() const { return size_; }
    void clear() { size_ = 0; }
    void truncate(std::size_t size) { size_ = size < size_ ? size : size_; }

    void add(std::string_view text) {
        if (text.empty()) return;  // its data() may be null, which memcpy() must not see
        std::memcpy(room(text.size()), text.data(), text.size());
        size_ += text.size();
    }
    void add(char c) {
        *room(1) = c;
        ++size_;
    }
    void add(const char* text) { add(std::string_view{text}); }

    void decimal(std::uint64_t value) {
        char* at = room(20);
        size_ += static_cast<std::size_t>(std::to_chars(at, at + 20, value).ptr - at);
    }
    void signed_decimal(std::int64_t value) {
        if (value < 0) add('-');
        const auto bits = static_cast<std::uint64_t>(value);
        decimal(value < 0 ? 0 - bits : bits);
    }
    void padded(std::uint64_t value, unsigned width) {  // with zeros; at most 20 digits
        char* at = room(width);
        for (unsigned i = width; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
        size_ += width;
    }
    void hex(std::uint64_t value) {  // without leading zeros
        char* at = room(16);
        size_ += static_cast<std::size_t>(std::to_chars(at, at + 16, value, 16).ptr - at);
    }
    void hex_octet(std::uint8_t value) {
        static constexpr char digits[] = "0123456789abcdef";
        char* at = room(2);
        at[0] = digits[value >> 4];
        at[1] = digits[value & 15];
        size_ += 2;
    }
    void hex_octets(Bytes bytes) {
        for (const std::uint8_t b : bytes) hex_octet(b);
    }

private:
    char* room(std::size_t bytes) {
        if (capacity_ - size_ < bytes) grow(bytes);
        return data_.get() + size_;
    }
    void grow(std::size_t bytes) {
        const std::size_t wanted = capacity_ * 2 + bytes;
        auto bigger = std::make_unique_for_overwrite<char[]>(wanted);
        std::memcpy(bigger.get(), data_.get(), size_);
        data_ = std::move(bigger);
        capacity_ = wanted;
    }

    std::unique_ptr<char[]> data_;
    std::size_t capacity_;
    std::size_t size_ = 0;
};

}  // namespace estab::observe
