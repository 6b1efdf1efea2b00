#include "observe/json.hpp"

namespace estab::observe {
std::size_t utf8_length(std::string_view text) {
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto follows = [&](std::size_t i, std::uint8_t low, std::uint8_t high) {
        return i < text.size() && octet(i) >= low && octet(i) <= high;
    };
    const std::uint8_t first = octet(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const std::uint8_t low = first == 0xe0 ? 0xa0 : 0x80;   // no overlong forms
        const std::uint8_t high = first == 0xed ? 0x9f : 0xbf;  // no surrogates
        return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const std::uint8_t low = first == 0xf0 ? 0x90 : 0x80;
        const std::uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
        return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
    }
    return 0;
}

namespace {

void add_control(TextBuffer& out, char c) {  // RFC 8259 7
    switch (c) {
        case '\n': return out.add("\\n");
        case '\r': return out.add("\\r");
        case '\t': return out.add("\\t");
        default:
            out.add("\\u00");
            out.hex_octet(static_cast<std::uint8_t>(c));
    }
}

}  // namespace

void add_json_string(TextBuffer& out, std::string_view text) {
    out.add('"');
    while (!text.empty()) {
        const char c = text[0];
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            out.add("\\ufffd");
        } else if (c == '"' || c == '\\') {
            out.add('\\');
            out.add(c);
        } else if (length == 1 && (c < 0x20 || c == 0x7f)) {
            add_control(out, c);
        } else {
            out.add(text.substr(0, length));
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out.add('"');
}

void add_seconds(TextBuffer& out, std::int64_t nanoseconds) {
    auto magnitude = static_cast<std::uint64_t>(nanoseconds);
    if (nanoseconds < 0) {
        out.add('-');
        magnitude = 0 - magnitude;
    }
    out.decimal(magnitude / 1'000'000'000);
    std::uint64_t rest = magnitude % 1'000'000'000;
    if (rest == 0) return;
    unsigned digits = 9;
    for (; rest % 10 == 0; rest /= 10) --digits;
    out.add('.');
    out.padded(rest, digits);
}

}  // namespace estab::observe
