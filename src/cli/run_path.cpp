#include "cli/run_path.hpp"

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/path_text.hpp"
#include "link/profile.hpp"

namespace estab::cli {
namespace {

std::vector<std::string> profile_names() {
    std::vector<std::string> all;
    for (const link::Profile& profile : link::all_profiles()) all.emplace_back(profile.name);
    return all;
}

bool is_timeline(std::string_view text) { return text.starts_with("at "); }

}  // namespace

void PathOptions::setup(Options& options) {
    options.value({"-l,--link", "NAME",
                   "a network by name: 3g, lte, satellite, …; `list` shows all with their numbers"},
                  link_);
    for (Knob& knob : knobs_) options.list({knob.option, knob.value, knob.help}, knob.given);
    options.list({"--to", "HOST[:PORT] PATH",
                  "another path to that name, address or network: 'api.example.com loss=5%'; what "
                  "PATH does not say is as the link; repeatable"},
                 to_);
}

int PathOptions::list() {
    for (const link::Profile& profile : link::all_profiles())
        print(fmt::format("{:<14} {}\n{:<14}   {}\n", profile.name, profile.path, "",
                          profile.source));
    return exit_status::done;
}

void PathOptions::apply(NetworkOptions& network) {
    text_ = joined(network);
    network.impair = text_;
    network.impair_is_commands = true;
    (void)network.path();  // says what is wrong with it
    for (const std::string& option : to_) add_branch(option, network);
    const std::string events =
        is_timeline(network.events) ? std::exchange(network.events, {}) : std::string();
    network.path_may_change = !events.empty() || !branches_.empty();
    add_timeline(text_, events);
    for (const Branch& branch : branches_) add_timeline(branch.text, events);
}

void PathOptions::add_branch(const std::string& option, NetworkOptions& network) {
    const std::size_t space = option.find(' ');
    if (space == option.npos)
        throw UsageError(fmt::format(
            "--to: '{}' is not HOST[:PORT] PATH in one word (example: --to 'api.example.com:443 "
            "loss=5%,delay=100ms')",
            option));
    auto rule = egress::Rule::parse(option.substr(0, space));
    if (!rule) throw UsageError(fmt::format("--to: {}", rule.error()));
    const std::string own = option.substr(option.find_first_not_of(' ', space));
    std::string text = text_.empty() ? own : text_ + ',' + own;
    if (const auto path = read_path(own); !path)
        throw UsageError(fmt::format("--to {}: {}", rule->text(), printable(path.error().text())));
    if (branches_.size() == link::PathLanes::branches_max)
        throw UsageError(fmt::format("--to: at most {}", link::PathLanes::branches_max));
    network.branches.push_back(text);
    branches_.push_back({std::move(*rule), std::move(text)});
}

void PathOptions::add_timeline(const std::string& path, const std::string& events) {
    auto parsed = link::parse_timeline(path, events);
    if (!parsed) throw UsageError("--events: " + printable(parsed.error().text()));
    for (link::Moment& moment : *parsed)
        if (const auto problem = follow_files(moment.path))
            throw UsageError("--events: " + printable(problem->text()));
    timelines_.push_back(std::move(*parsed));
}

// The profile, then what overrides it, as one text of the path grammar.
std::string PathOptions::joined(const NetworkOptions& network) const {
    std::string text;
    const auto add = [&text](std::string_view item) {
        if (!text.empty()) text += ',';
        text += item;
    };
    if (!link_.empty()) {
        const link::Profile* profile = link::find_profile(link_);
        if (profile == nullptr)
            throw UsageError(fmt::format("--link: there is no '{}'{}; `--link list` shows all",
                                         link_, suggestion(link_, profile_names())));
        add(profile->path);
    }
    for (const Knob& knob : knobs_) {
        for (const std::string& given : knob.given) {
            std::string_view value = given;
            std::string_view way;
            for (const std::string_view prefix : {"up:", "down:"})
                if (value.starts_with(prefix)) way = prefix;
            value.remove_prefix(way.size());
            const std::string item = fmt::format("{}{}={}", way, knob.item, value);
            if (const auto one = read_path(item); !one)
                throw UsageError(fmt::format("{}: {}", knob.option, printable(one.error().text())));
            add(item);
        }
    }
    if (!network.impair.empty()) add(network.impair);
    if (network.seed && !text.empty()) add(fmt::format("seed={}", *network.seed));
    return text;
}

}  // namespace estab::cli
