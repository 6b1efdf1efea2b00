// The few pieces of JSON that are written by hand.
#pragma once

#include <cstdint>
#include <string_view>

#include "observe/text.hpp"

namespace estab::observe {

// The length of the UTF-8 sequence at the front (RFC 3629 4), or 0 where there is none. Not of
// nothing.
std::size_t utf8_length(std::string_view text);

// A string with its quotes. What is not UTF-8 becomes U+FFFD, so that the result is always valid
// JSON.
void add_json_string(TextBuffer& out, std::string_view text);

// Nanoseconds as a number of seconds, exact and without trailing zeros: 1500000 is 0.0015.
void add_seconds(TextBuffer& out, std::int64_t nanoseconds);

}  // namespace estab::observe
