#include "cli/line_reader.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace estab::cli {

LineReader::LineReader(const std::string& name)
    : name_(name == "-" ? "standard input" : name),
      file_(name == "-" ? ::fdopen(0, "r") : std::fopen(name.c_str(), "r")) {
    if (!file_) throw std::runtime_error("cannot read " + name + ": " + std::strerror(errno));
}

std::optional<std::string_view> LineReader::next() {
    line_.clear();
    int c = 0;
    while (line_.size() < line_bytes_max && (c = std::getc(file_.get())) != EOF) {
        if (c == '\n') return line_;
        line_ += static_cast<char>(c);
    }
    if (std::ferror(file_.get()) != 0) {
        throw std::runtime_error("cannot read " + name_ + ": " + std::strerror(errno));
    }
    if (line_.empty()) return {};
    return line_;
}

}  // namespace estab::cli
