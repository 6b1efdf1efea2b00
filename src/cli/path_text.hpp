// The text of a network path, with the files that it names.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "link/path_spec.hpp"

namespace estab::cli {

// Names of files are relative to `folder`; empty: to where we are.
Result<link::PathSpec, link::ParseError> read_path(std::string_view text,
                                                   const std::filesystem::path& folder = {});

// Of a path that was parsed elsewhere; what is wrong with a file.
std::optional<link::ParseError> follow_files(link::PathSpec& spec,
                                             const std::filesystem::path& folder = {});

}  // namespace estab::cli
