#include "packetdrill/scanner.hpp"

#include <algorithm>
#include <charconv>

namespace estab::packetdrill {

Position Scanner::position(std::size_t offset) const {
    Position p;
    for (const char c : std::string_view(text_).substr(0, offset)) {
        ++p.column;
        if (c == '\n') p = {p.line + 1, 1};
    }
    return p;
}

void Scanner::expected(const std::string& what) {
    space();
    if (at_ == text_.size()) fail(what + " expected, but the script ends");
    std::size_t end = at_;
    while (end < text_.size() && end - at_ < 20 && text_[end] > ' ') ++end;
    fail(what + " expected, not '" + text_.substr(at_, end - at_) + "'");
}

void Scanner::space() {
    for (;;) {
        while (peek() != '\0' && static_cast<unsigned char>(peek()) <= ' ') ++at_;
        if (peek() == '/' && peek(1) == '/') {
            at_ = std::min(text_.find('\n', at_), text_.size());
        } else if (peek() == '/' && peek(1) == '*') {
            const std::size_t end = text_.find("*/", at_ + 2);
            if (end == std::string::npos) fail("this comment does not end");
            at_ = end + 2;
        } else {
            return;
        }
    }
}

bool Scanner::sees(std::string_view literal) {
    space();
    return std::string_view(text_).substr(at_).starts_with(literal);
}

bool Scanner::take(std::string_view literal) {
    if (!sees(literal)) return false;
    at_ += literal.size();
    return true;
}

bool Scanner::sees_word(std::string_view word) {
    if (!sees(word)) return false;
    const char behind = peek(word.size());
    return !is_letter(behind) && !is_digit(behind);
}

bool Scanner::take_word(std::string_view word) {
    if (!sees_word(word)) return false;
    at_ += word.size();
    return true;
}

void Scanner::want(std::string_view literal) {
    if (!take(literal)) expected("'" + std::string(literal) + "'");
}

std::string Scanner::word() {
    space();
    const std::size_t from = at_;
    if (!is_letter(peek())) return {};
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    return text_.substr(from, at_ - from);
}

std::uint64_t Scanner::number() {
    space();
    const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
    const char* begin = text_.data() + at_ + (hex ? 2 : 0);
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(begin, text_.data() + text_.size(), value, hex ? 16 : 10);
    if (end == begin) expected("a number");
    if (error != std::errc{}) fail("this number is too large");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
}

// By hand: a double would round, and scripts are written in microseconds.
Duration Scanner::seconds() {
    space();
    if (!is_digit(peek()) && !(peek() == '.' && is_digit(peek(1)))) expected("a time in seconds");
    std::int64_t ns = 0;
    while (is_digit(peek())) {
        ns = ns * 10 + (next() - '0') * 1'000'000'000LL;
        if (ns > 400'000'000'000'000'000LL) fail("this time is too long");
    }
    if (peek() == '.' && peek(1) != '.') {
        next();
        std::int64_t unit = 100'000'000;
        for (; is_digit(peek()); unit /= 10) ns += (next() - '0') * unit;
    }
    return Duration(ns);
}

std::string Scanner::quoted() {
    std::string out;
    while (take("\"")) {  // strings that follow each other are one
        while (peek() != '"') {
            if (peek() == '\0' || peek() == '\n') fail("this string does not end");
            char c = next();
            if (c == '\\') {
                c = next();
                switch (c) {
                case 'n': c = '\n'; break;
                case 'r': c = '\r'; break;
                case 't': c = '\t'; break;
                case 'f': c = '\f'; break;
                case 'v': c = '\v'; break;
                case 'x': {
                    int value = 0;
                    const char* from = text_.data() + at_;
                    const char* end = text_.data() + text_.size();
                    const auto parsed = std::from_chars(from, std::min(from + 2, end), value, 16);
                    if (parsed.ptr == from) fail("\\x wants two hex digits");
                    at_ += static_cast<std::size_t>(parsed.ptr - from);
                    c = static_cast<char>(value);
                    break;
                }
                default: break;
                }
            }
            out += c;
        }
        next();
    }
    return out;
}

std::string Scanner::until(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    if (found == std::string::npos) fail("'" + std::string(end) + "' is missing");
    std::string out = text_.substr(at_, found - at_);
    at_ = found + end.size();
    return out;
}

std::string Scanner::note() {
    want("(");
    const std::size_t from = at_;
    for (int depth = 1; depth != 0;) {
        const char c = next();
        if (c == '\0') fail("')' is missing");
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    return text_.substr(from, at_ - from - 1);
}

}  // namespace estab::packetdrill
