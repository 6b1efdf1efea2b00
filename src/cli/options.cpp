#include "cli/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>

#include "cli/command.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t columns = 80;
constexpr std::size_t help_column = 26;

struct Shown {
    std::string left;
    std::string help;
    std::string group;  // empty: the command's own
};

// Of UTF-8 in the terminal: an octet that goes on with a character takes no room.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

// Words of `text` behind `left`, in lines of at most 80 columns.
std::string paragraph(const std::string& left, std::string_view text) {
    std::string out = "  " + left;
    std::size_t column = width(out);
    const auto next_line = [&] {
        out += '\n';
        out.append(help_column, ' ');
        column = help_column;
    };
    if (column + 2 > help_column) {
        next_line();
    } else {
        out.append(help_column - column, ' ');
        column = help_column;
    }
    while (!text.empty()) {
        const std::size_t end = text.find(' ');
        const std::string_view word = text.substr(0, end);
        if (column > help_column && column + 1 + width(word) > columns) next_line();
        if (column > help_column) {
            out += ' ';
            ++column;
        }
        out += word;
        column += width(word);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return out + '\n';
}

}  // namespace

struct Options::Parser {
    CLI::App app;
    std::vector<Shown> shown;
    std::vector<std::string> names;           // "--port", "-v": for suggestions
    std::vector<std::string> valueless;       // those that are "-" without "=..."
    std::vector<CLI::Option*> required;
    std::string group;
    bool short_help = false, long_help = false;

    void show(const OptionText& text, std::string_view joint) {
        std::string left(text.name);
        if (const std::size_t comma = left.find(','); comma != std::string::npos)
            left.insert(comma + 1, " ");
        if (!text.value.empty()) left += std::string(joint) + std::string(text.value);
        shown.push_back({left, std::string(text.help), group});
        std::string_view rest = text.name;
        while (!rest.empty()) {
            const std::size_t end = rest.find(',');
            if (rest.starts_with("-")) names.emplace_back(rest.substr(0, end));
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
    }
    template <class T>
    CLI::Option* add(const OptionText& text, T& into, std::string_view joint = " ") {
        show(text, joint);
        return app.add_option(std::string(text.name), into)->take_last();
    }
};

Options::Options() : parser_(std::make_unique<Parser>()) {
    parser_->app.set_help_flag();
    parser_->app.allow_extras();
    parser_->app.add_flag("-h", parser_->short_help);
    parser_->app.add_flag("--help", parser_->long_help);
    parser_->names = {"--help", "-h"};
}

Options::~Options() = default;

void Options::group(std::string_view heading) { parser_->group = heading; }

void Options::flag(const OptionText& text, bool& into) {
    parser_->show(text, " ");
    parser_->app.add_flag(std::string(text.name), into);
}

void Options::count(const OptionText& text, int& into) {
    parser_->show(text, " ");
    parser_->app.add_flag(std::string(text.name), into);
}

void Options::value(const OptionText& text, std::string& into) { parser_->add(text, into); }

void Options::value(const OptionText& text, std::optional<std::uint64_t>& into) {
    parser_->show(text, " ");
    const std::string name(text.name);
    parser_->app.add_option_function<std::string>(name, [&into, name](const std::string& word) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
        if (error != std::errc{} || end != word.data() + word.size() || word.empty())
            throw UsageError(fmt::format("{}: '{}' is not a whole number", name, word));
        into = number;
    })->take_last();
}

void Options::list(const OptionText& text, std::vector<std::string>& into) {
    parser_->show(text, " ");
    parser_->app.add_option(std::string(text.name), into)
        ->expected(1)
        ->allow_extra_args(false)  // the next word is not its own
        ->take_all();
}

void Options::optional_value(const OptionText& text, std::string& into) {
    parser_->add(text, into, "");
    parser_->valueless.emplace_back(text.name);
}

void Options::positional(const OptionText& text, std::string& into, bool required) {
    parser_->shown.push_back({std::string(text.name), std::string(text.help), parser_->group});
    CLI::Option* option = parser_->app.add_option(std::string(text.name), into);
    if (required) parser_->required.push_back(option);
}

void Options::rest(const OptionText& text, std::vector<std::string>& into) {
    parser_->shown.push_back({std::string(text.name), std::string(text.help), parser_->group});
    parser_->app.add_option(std::string(text.name), into);
}

Options::Outcome Options::parse(const std::vector<std::string>& words) {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    for (std::string& word : reversed)
        if (std::ranges::find(parser_->valueless, word) != parser_->valueless.end()) word += "=-";
    try {
        parser_->app.parse(reversed);
    } catch (const CLI::ParseError& e) {
        throw UsageError(e.what());
    }
    if (parser_->long_help) return Outcome::long_help;
    if (parser_->short_help) return Outcome::short_help;
    for (const std::string& word : parser_->app.remaining()) {
        if (!word.starts_with("-")) throw UsageError(fmt::format("unexpected argument '{}'", word));
        throw UsageError(fmt::format("unknown option {}{}", word,
                                     suggestion(word.substr(0, word.find('=')), parser_->names)));
    }
    for (const CLI::Option* option : parser_->required)
        if (option->count() == 0)
            throw UsageError(fmt::format("{} is missing", option->get_name(true)));
    return Outcome::parsed;
}

std::string Options::help(bool all) const {
    std::string out;
    std::string group = "\n";
    for (const Shown& option : parser_->shown) {
        if (!all && !option.group.empty()) continue;
        if (option.group != group) {
            group = option.group;
            out += fmt::format("\n{}:\n", group.empty() ? "Options" : group);
        }
        out += paragraph(option.left, option.help);
    }
    return out;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(1, (word.size() + 1) / 3) + 1;
    for (const std::string& candidate : candidates) {
        // Levenshtein's distance, a row at a time.
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i);
            for (std::size_t j = 1; j <= candidate.size(); ++j) {
                const std::size_t change = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
                diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
            }
        }
        const bool begins = word.size() > 3 && candidate.starts_with(word);
        const std::size_t distance = begins ? 1 : row.back();
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string near = nearest(word, candidates);
    return near.empty() ? near : fmt::format("; did you mean {}?", near);
}

}  // namespace estab::cli
