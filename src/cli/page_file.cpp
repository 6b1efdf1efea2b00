#include "cli/page_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace estab::cli {

PageFile::PageFile(std::string name) : name_(std::move(name)), part_(name_ + ".part") {
    file_ = std::fopen(part_.c_str(), "wb");
    if (file_ == nullptr) fail();
}

PageFile::~PageFile() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    std::remove(part_.c_str());
}

void PageFile::write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
}

void PageFile::finish() {
    std::FILE* file = std::exchange(file_, nullptr);
    if (std::fclose(file) != 0 || std::rename(part_.c_str(), name_.c_str()) != 0) {
        const int error = errno;
        std::remove(part_.c_str());
        errno = error;
        fail();
    }
}

void PageFile::fail() const {
    throw std::runtime_error(fmt::format("cannot write {}: {}", name_, std::strerror(errno)));
}

}  // namespace estab::cli
