#include "cli/stream_choice.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "cli/capture_file.hpp"
#include "cli/command.hpp"

namespace estab::cli {

StreamChoice::StreamChoice(std::vector<std::string>& words, std::uint32_t usual) : usual_(usual) {
    if (words.empty()) return;
    const std::string& word = words.front();
    const bool is_choice = !word.empty() && std::ranges::all_of(word, [](char c) {
        return (c >= '0' && c <= '9') || c == ',';
    });
    if (!is_choice) return;
    const char* at = word.data();
    const char* const end = at + word.size();
    while (at < end) {
        std::uint32_t number = 0;
        const auto [behind, error] = std::from_chars(at, end, number);
        if (error != std::errc{} || (behind < end && behind + 1 == end)) {
            throw UsageError("'" + word + "' names no connections; 0 or 0,2,5 would");
        }
        named_.insert(number);
        at = behind < end ? behind + 1 : end;
    }
    words.erase(words.begin());
}

std::string why_incomplete(const CaptureFile& capture, const StreamChoice& choice,
                           std::uint32_t connections) {
    if (capture.trouble()) return *capture.trouble();
    if (connections == 0) return capture.name() + ": no TCP segment in it";
    return fmt::format("{}: there is no connection {}, only 0 to {}", capture.name(),
                       choice.missing(connections), connections - 1);
}

}  // namespace estab::cli
