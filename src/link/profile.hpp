// Networks that people know by name, as texts of the path grammar (docs/formats/path.md). `up:` is
// what CMD sends.
#pragma once

#include <span>
#include <string_view>

namespace estab::link {

struct Profile {
    const char* name;
    const char* path;
    const char* source;   // where the numbers are from
};
std::span<const Profile> all_profiles();
const Profile* find_profile(std::string_view name);

}  // namespace estab::link
