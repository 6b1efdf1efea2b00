// The text of a network path, with the files that it names.
#pragma once

#include <filesystem>
#include <string_view>

#include "link/path_spec.hpp"

namespace estab::cli {

// Names of files are relative to `folder`; empty: to where we are.
Result<link::PathSpec, link::ParseError> read_path(std::string_view text,
                                                   const std::filesystem::path& folder = {});

}  // namespace estab::cli
