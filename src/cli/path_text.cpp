#include "cli/path_text.hpp"

#include "cli/text_file.hpp"

namespace estab::cli {
namespace {

std::optional<link::ParseError> follow_file(link::Direction& direction,
                                            const std::filesystem::path& folder) {
    const std::string name = direction.rate_trace.file;
    if (name.empty()) return {};
    const auto refuse = [&name](std::string problem) {
        return link::ParseError{.item = "rate-trace=" + name, .problem = std::move(problem)};
    };
    const auto text = read_file(folder / name);
    if (!text) return refuse(name + " cannot be read");
    auto trace = link::parse_rate_trace(name, *text);
    if (!trace) return refuse(trace.error());
    link::follow(direction, std::move(*trace));
    return {};
}

}  // namespace

Result<link::PathSpec, link::ParseError> read_path(std::string_view text,
                                                   const std::filesystem::path& folder) {
    auto spec = link::parse_path(text);
    if (!spec) return spec;
    if (auto problem = follow_files(*spec, folder)) return fail(std::move(*problem));
    return spec;
}

std::optional<link::ParseError> follow_files(link::PathSpec& spec,
                                             const std::filesystem::path& folder) {
    for (link::Direction* direction : {&spec.up, &spec.down})
        if (auto problem = follow_file(*direction, folder)) return problem;
    return {};
}

}  // namespace estab::cli
