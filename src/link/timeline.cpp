#include "link/timeline.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace estab::link {
namespace {

constexpr std::string_view form =
    "it is `at TIME down TIME`, `at TIME rst` or `at TIME ITEM VALUE` (at 20s rate 500kbit)";

struct Entry {
    Duration at{};
    Duration outage{};  // of `down`
    bool resets = false;
    std::string item;   // of the path grammar
};

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\n");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::string_view take_word(std::string_view& text) {
    text = trim(text);
    const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    const std::string_view word = text.substr(0, end);
    text = trim(text.substr(end));
    return word;
}

// As the path grammar reads times.
std::optional<Duration> time_of(std::string_view text) {
    const auto path = parse_path("up:delay=" + std::string(text));
    if (text.empty() || !path || path->up.jitter != Duration::zero()) return {};
    return path->up.delay;
}

Result<Entry, ParseError> parse_entry(std::string_view text) {
    const auto wrong = [text](std::string_view problem) {
        return std::unexpected(ParseError{std::string(text), std::string(problem)});
    };
    std::string_view rest = text;
    if (take_word(rest) != "at") return wrong(form);
    const auto at = time_of(take_word(rest));
    if (!at) return wrong("the time is not one (example: at 5s …)");
    Entry entry{.at = *at, .outage = {}, .item = {}};
    const std::string_view item = take_word(rest);
    if (item == "rst" && rest.empty()) {
        entry.resets = true;
        return entry;
    }
    if (item == "down") {
        const auto outage = time_of(rest);
        if (!outage || *outage == Duration::zero()) return wrong("for how long? (down 3s)");
        entry.outage = *outage;
        return entry;
    }
    entry.item = item;
    if (!rest.empty()) entry.item += '=' + std::string(rest);
    if (item.empty() || item.starts_with("seed")) return wrong(form);
    if (const auto path = parse_path(entry.item); !path) return wrong(path.error().text());
    return entry;
}

PathSpec silent(PathSpec path) {
    path.up.loss = path.down.loss = ppm_all;
    return path;
}

}  // namespace

Result<std::vector<Moment>, ParseError> parse_timeline(std::string_view path,
                                                       std::string_view timeline) {
    std::vector<Entry> entries;
    while (!trim(timeline).empty()) {
        const std::size_t end = std::min(timeline.find(';'), timeline.size());
        const std::string_view text = trim(timeline.substr(0, end));
        timeline.remove_prefix(std::min(end + 1, timeline.size()));
        if (text.empty()) continue;
        if (entries.size() == timeline_entries_max)
            return std::unexpected(ParseError{std::string(text), "too many entries (1000)"});
        auto entry = parse_entry(text);
        if (!entry) return std::unexpected(entry.error());
        entries.push_back(std::move(*entry));
    }
    std::ranges::stable_sort(entries, {}, &Entry::at);

    std::vector<Moment> moments;
    std::string now(path);
    const auto add = [&](Duration at, bool resets, Duration down_until) {
        const PathSpec spec = *parse_path(now);
        moments.push_back({at, at < down_until ? silent(spec) : spec, resets});
    };
    Duration down_until{};  // the path is silent before
    const auto rise = [&](Duration until) {
        if (down_until == Duration{} || down_until > until) return;
        const Duration at = std::exchange(down_until, Duration{});
        add(at, false, Duration{});
    };
    for (const Entry& entry : entries) {
        rise(entry.at);
        if (entry.outage != Duration{}) down_until = std::max(down_until, entry.at + entry.outage);
        if (!entry.item.empty()) now += (now.empty() ? "" : ",") + entry.item;
        add(entry.at, entry.resets, down_until);
    }
    rise(Duration::max());
    return moments;
}

}  // namespace estab::link
