#include "cli/text_file.hpp"

#include <fstream>
#include <sstream>

namespace estab::cli {

std::optional<std::string> read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path)) return {};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace estab::cli
