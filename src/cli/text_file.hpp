// Files that are read whole, whatever their size.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace estab::cli {

// nullopt: it cannot be read.
std::optional<std::string> read_file(const std::filesystem::path& path);

}  // namespace estab::cli
