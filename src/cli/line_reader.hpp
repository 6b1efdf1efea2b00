// A file or standard input, line by line, without growing with it.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace estab::cli {

class LineReader {
public:
    static constexpr std::size_t line_bytes_max = 1U << 20;  // what is longer comes in pieces

    // "-" is standard input. Throws when the file cannot be opened.
    explicit LineReader(const std::string& name);

    // The next line without its end, valid until the next call; nothing: there is none. Throws when
    // reading fails.
    std::optional<std::string_view> next();
    const std::string& name() const { return name_; }

private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::string name_;
    std::unique_ptr<std::FILE, Close> file_;
    std::string line_;
};

}  // namespace estab::cli
