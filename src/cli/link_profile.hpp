// Networks that people know by name, as texts of the path grammar (docs/formats/path.md). `up:` is
// what CMD sends.
#pragma once

#include <span>
#include <string_view>

namespace estab::cli {

struct LinkProfile {
    const char* name;
    const char* path;
    const char* source;   // where the numbers are from
};
std::span<const LinkProfile> link_profiles();
const LinkProfile* find_link_profile(std::string_view name);

}  // namespace estab::cli
