// The characters of a script, with their positions. What a token is depends on where one is in
// this language (`.` is a flag, part of a number, or three of them anything), so the parser asks.
#pragma once

#include <string>
#include <string_view>

#include "packetdrill/script.hpp"

namespace estab::packetdrill {

class Scanner {
public:
    explicit Scanner(std::string text) : text_(std::move(text)) {}

    [[noreturn]] void fail(const std::string& what) const { throw ScriptError(position(), what); }
    [[noreturn]] void expected(const std::string& what);
    Position position() const { return position(at_); }
    Position position(std::size_t offset) const;
    std::size_t offset() const { return at_; }
    void rewind(std::size_t offset) { at_ = offset; }
    std::string_view since(std::size_t offset) const {
        return std::string_view(text_).substr(offset, at_ - offset);
    }

    void space();                        // white space and comments
    bool at_end() { return space(), at_ == text_.size(); }
    char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    char next() { return at_ < text_.size() ? text_[at_++] : '\0'; }
    // After white space: takes it if it is there. A word must end where it ends.
    bool take(std::string_view literal);
    bool take_word(std::string_view word);
    void want(std::string_view literal);
    bool sees(std::string_view literal);
    bool sees_word(std::string_view word);
    std::string word();                  // [A-Za-z_][A-Za-z0-9_]*, empty if there is none
    bool sees_digit() { return space(), is_digit(peek()); }
    std::uint64_t number();              // decimal or hex; an error if there is none
    Duration seconds();                  // 1, .5, 0.25
    std::string quoted();                // "…", with escapes
    std::string until(std::string_view end);  // raw, and `end` is taken
    std::string note();                  // "(…)", balanced

    static bool is_digit(char c) { return c >= '0' && c <= '9'; }
    static bool is_hex(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    }
    static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    }

    // Held while something nests: an error where it nests too deep.
    struct Deeper {
        explicit Deeper(Scanner& of) : of_(of) {
            if (++of_.depth_ > 100) of_.fail("this goes too deep");
        }
        ~Deeper() { --of_.depth_; }
        Scanner& of_;
    };

private:
    int depth_ = 0;
    std::string text_;
    std::size_t at_ = 0;
};

}  // namespace estab::packetdrill
