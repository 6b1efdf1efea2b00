// The part of Python that scripts use between %{ and }%: assert, print, assignments and expressions
// over numbers and texts. What it does not know is an error, never ignored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "packetdrill/script.hpp"

namespace estab::packetdrill {

using PythonValue = std::variant<std::int64_t, double, std::string>;
using PythonNames = std::map<std::string, PythonValue, std::less<>>;

std::string to_text(const PythonValue& value);

// Runs statements; what they assign stays in `names`. Throws ScriptError for what it cannot read,
// with the position counted from `at`. The result is why an assertion failed, or nothing.
std::optional<std::string> run_python(std::string_view code, Position at, PythonNames& names,
                                      std::string& printed);

}  // namespace estab::packetdrill
