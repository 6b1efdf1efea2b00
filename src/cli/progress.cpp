#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "cli/console.hpp"

namespace estab::cli {
namespace {

constexpr Duration silence = 1s;
constexpr Duration pace = 200ms;

std::string size_text(double octets) {
    static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    for (; octets >= 1000 && unit + 1 < std::size(units); ++unit) octets /= 1000;
    return unit == 0 ? fmt::format("{:.0f} B", octets)
                     : fmt::format("{:.1f} {}", octets, units[unit]);
}

void show_line(std::string_view line) {
    write_all(STDERR_FILENO, {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()});
}

}  // namespace

Progress::Progress(Instant begin, bool wanted)
    : begin_(begin), next_(begin + silence), wanted_(wanted && ::isatty(STDERR_FILENO) == 1) {}

void Progress::show(Instant now, const Count& count) {
    if (!wanted_ || now < next_) return;
    next_ = now + pace;
    shown_ = true;
    const double seconds = static_cast<double>(to_ns(now - begin_)) / 1e9;
    const double speed = static_cast<double>(count.done - count.before) / seconds;
    std::string line = "\r\033[K";
    if (count.total && *count.total != 0) {
        const double part = static_cast<double>(count.done) / static_cast<double>(*count.total);
        const auto filled = static_cast<std::size_t>(part * 24);
        line += fmt::format("{:3.0f}% [{}{}] ", part * 100, std::string(filled, '='),
                            std::string(24 - filled, ' '));
    }
    line += fmt::format("{}  {}/s", size_text(static_cast<double>(count.done)), size_text(speed));
    if (count.total && speed > 0) {
        const auto left =
            static_cast<std::uint64_t>(static_cast<double>(*count.total - count.done) / speed);
        line += fmt::format("  {}:{:02} left", left / 60, left % 60);
    }
    show_line(line);
}

void Progress::clear() {
    if (shown_) show_line("\r\033[K");
    shown_ = false;
}

}  // namespace estab::cli
