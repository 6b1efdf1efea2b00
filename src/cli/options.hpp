// The options of a command, declared once: how they are parsed and how --help shows them. CLI11
// does the parsing and is seen by options.cpp alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace estab::cli {

struct OptionText {
    std::string_view name;   // "--port", or "-o,--output"
    std::string_view value;  // what stands for the value in the help: "PORT"
    std::string_view help;
};

class Options {
public:
    Options();
    ~Options();
    Options(const Options&) = delete;

    // What follows is shown under this heading, and by --help but not by -h.
    void group(std::string_view heading);

    void flag(const OptionText& text, bool& into);
    void count(const OptionText& text, int& into);  // -vv
    void value(const OptionText& text, std::string& into);
    void value(const OptionText& text, std::optional<std::uint64_t>& into);
    void list(const OptionText& text, std::vector<std::string>& into);  // repeatable
    // `--trace` or `--trace=FILE`: never takes the next word. Bare, the value is "-".
    void optional_value(const OptionText& text, std::string& into);
    // Words without a name, in the order of declaration.
    void positional(const OptionText& text, std::string& into, bool required = true);
    void rest(const OptionText& text, std::vector<std::string>& into);

    enum class Outcome : std::uint8_t { parsed, short_help, long_help };
    // Throws UsageError with one line, and a suggestion where there is one.
    Outcome parse(const std::vector<std::string>& words);
    // Every option with its help, wrapped at 80 columns.
    std::string help(bool all) const;

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

// The one of `candidates` that `word` is a misspelling of; empty: none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);
// "; did you mean X?", or nothing.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace estab::cli
