// A file that is whole or not there: it has no name before the end, so that whoever kills us finds
// nothing of it; where the file system has no such files it is written beside its place and moved.
// What is no regular file, as /dev/stdout, is written as it comes.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace estab::cli {

class PageFile {
public:
    explicit PageFile(std::string name);  // throws when it cannot be written
    ~PageFile();
    PageFile(const PageFile&) = delete;

    void write(std::string_view text);
    void finish();

private:
    enum class Kind { nameless, part, direct };
    bool settle();  // under its name
    [[noreturn]] void fail() const;

    std::string name_, part_;
    Kind kind_ = Kind::nameless;
    std::FILE* file_ = nullptr;
};

}  // namespace estab::cli
