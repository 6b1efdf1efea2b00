// How a path changes while it is used, as a value and as text:
//
//   at 5s down 3s; at 20s rate 500kbit; at 30s rst; at 40s up:loss 10%
//
// Entries are separated by semicolons. Each says when, from the start, and what: `down TIME`,
// nothing passes for so long; `rst`, every connection is reset; else an item of path_spec.hpp, its
// value behind a space or `=`, which holds from then on. docs/formats/path.md has it all.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "link/path_spec.hpp"

namespace estab::link {

// The path as it is from `at` on, up to the next one.
struct Moment {
    Duration at{};
    PathSpec path{};
    bool resets = false;  // every connection, now; the path stays as it is
    friend bool operator==(const Moment&, const Moment&) = default;
};

inline constexpr std::size_t timeline_entries_max = 1000;

// `path` is the text of the path before the first entry, which parses. Moments are in order of
// time; entries may be in any.
Result<std::vector<Moment>, ParseError> parse_timeline(std::string_view path,
                                                       std::string_view timeline);

}  // namespace estab::link
