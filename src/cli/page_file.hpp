// A file that is whole or not there: written beside its place and moved there at the end.
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
    [[noreturn]] void fail() const;
    std::string name_, part_;
    std::FILE* file_;
};

}  // namespace estab::cli
