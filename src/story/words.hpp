// Small things that all forms of a story need: times, and text that came from outside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace estab::story {

std::string seconds_text(std::int64_t ns);  // "-0.000312"

// What a comment of a capture may hold, for a terminal: neither control characters nor what is not
// UTF-8. For HTML and SVG also without their own signs.
std::string plain_text(std::string_view text);
std::string markup_text(std::string_view text);

// At most so many characters of UTF-8, the last one an ellipsis where more were there.
std::string shortened(std::string_view text, std::size_t most, std::string_view ellipsis = "…");
std::size_t columns_of(std::string_view text);  // of UTF-8 whose characters are one column wide

}  // namespace estab::story
