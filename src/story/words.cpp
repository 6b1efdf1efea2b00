#include "story/words.hpp"

#include <algorithm>
#include <cstdlib>

#include "observe/json.hpp"

namespace estab::story {
namespace {

bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (first < 0x20 || first == 0x7f) return true;
    // U+0080 to U+009F, which some terminals obey.
    return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

// Each character as it may be shown. A line's end is one in markup, where it changes nothing.
template <class Each>
void for_each_character(std::string_view text, bool markup, Each each) {
    while (!text.empty()) {
        const std::size_t length = observe::utf8_length(text);
        const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
        if (length == 0) {
            each("\xef\xbf\xbd");
        } else {
            const bool shown = !is_control(character) || (markup && character == "\n");
            each(shown ? character : "?");
        }
        text.remove_prefix(character.size());
    }
}

}  // namespace

std::string seconds_text(std::int64_t ns) {
    const std::int64_t us = std::abs(ns / 1000);
    const std::string fraction = std::to_string(us % 1'000'000);
    return (ns < 0 ? "-" : "") + std::to_string(us / 1'000'000) + "." +
           std::string(6 - fraction.size(), '0') + fraction;
}

std::string plain_text(std::string_view text) {
    std::string out;
    for_each_character(text, false, [&out](std::string_view character) { out += character; });
    return out;
}

std::string markup_text(std::string_view text) {
    std::string out;
    for_each_character(text, true, [&out](std::string_view character) {
        switch (character[0]) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default: out += character;
        }
    });
    return out;
}

std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string shortened(std::string_view text, std::size_t most, std::string_view ellipsis) {
    if (columns_of(text) <= most) return std::string(text);
    std::string out;
    std::size_t used = 0;
    for (const char c : text) {
        if ((c & 0xc0) != 0x80 && ++used >= most) break;
        out += c;
    }
    out += ellipsis;
    return out;
}

}  // namespace estab::story
