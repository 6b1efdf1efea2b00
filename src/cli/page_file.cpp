#include "cli/page_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "cli/console.hpp"

namespace estab::cli {
namespace {

std::string folder_of(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == name.npos ? "." : name.substr(0, slash + 1);
}

bool is_special(const std::string& name) {
    struct stat found {};
    return ::stat(name.c_str(), &found) == 0 && !S_ISREG(found.st_mode);
}

}  // namespace

PageFile::PageFile(std::string name) : name_(std::move(name)), part_(name_ + ".part") {
    if (is_special(name_)) {
        kind_ = Kind::direct;
        file_ = std::fopen(name_.c_str(), "wbe");
    } else if (const int fd =
                   ::open(folder_of(name_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
               fd >= 0) {
        file_ = ::fdopen(fd, "wb");
    } else {
        kind_ = Kind::part;
        file_ = std::fopen(part_.c_str(), "wbe");
    }
    if (file_ == nullptr) fail();
}

PageFile::~PageFile() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    if (kind_ == Kind::part) std::remove(part_.c_str());
}

void PageFile::write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
}

void PageFile::finish() {
    std::FILE* file = std::exchange(file_, nullptr);
    bool done = std::fflush(file) == 0;
    if (done && kind_ == Kind::nameless) {
        // A name that is taken cannot be given; one beside it can, and be moved.
        const std::string self = fmt::format("/proc/self/fd/{}", ::fileno(file));
        const auto link = [&self](const std::string& to) {
            return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0;
        };
        done = link(name_);
        if (!done && errno == EEXIST) {
            ::unlink(part_.c_str());
            done = link(part_) && settle();
        }
    }
    done = std::fclose(file) == 0 && done;
    if (done && kind_ == Kind::part) done = settle();
    if (!done) fail();
}

bool PageFile::settle() {
    if (std::rename(part_.c_str(), name_.c_str()) == 0) return true;
    const int error = errno;
    std::remove(part_.c_str());
    errno = error;
    return false;
}

void PageFile::fail() const {
    throw std::runtime_error(
        fmt::format("cannot write {}: {}", printable(name_), std::strerror(errno)));
}

}  // namespace estab::cli
