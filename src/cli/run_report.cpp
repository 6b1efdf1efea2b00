#include "cli/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace estab::cli {
namespace {

constexpr Duration slow = 1s;

double seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }

std::string size_text(std::uint64_t octets) {
    const auto n = static_cast<double>(octets);
    if (octets < 1000) return fmt::format("{} B", octets);
    if (octets < 1'000'000) return fmt::format("{:.1f} kB", n / 1e3);
    if (octets < 1'000'000'000) return fmt::format("{:.1f} MB", n / 1e6);
    return fmt::format("{:.2f} GB", n / 1e9);
}

std::string rate_text(double bits) {
    if (bits < 1e6) return fmt::format("{:.0f} kbit/s", bits / 1e3);
    return bits < 1e9 ? fmt::format("{:.1f} Mbit/s", bits / 1e6)
                      : fmt::format("{:.2f} Gbit/s", bits / 1e9);
}

// What held a connection back, and for how long.
struct Share {
    std::string what;
    Duration time{};
};

double rate_of(std::uint64_t octets, const Forwarded& c) {
    const double time = seconds(c.ended - c.began - c.host_connect);
    return time > 0 ? static_cast<double>(octets) * 8 / time : 0;
}

// The link is full: that is the reason, and cwnd is how TCP found out.
bool fills(std::uint64_t octets, std::uint64_t rate_bits, const Forwarded& c) {
    return rate_bits != 0 && rate_of(octets, c) > 0.8 * static_cast<double>(rate_bits);
}

std::string losses(const tcp::Statistics& s) {
    if (s.retransmits == 0) return "nothing lost";
    const double percent = 100.0 * s.retransmits / std::max<std::uint32_t>(s.data_out, 1);
    std::string text = fmt::format("{} of {} segments sent again ({:.1f} %)", s.retransmits,
                                   s.data_out, percent);
    if (s.timeouts != 0)
        text += fmt::format(", {} time-out{}", s.timeouts, s.timeouts == 1 ? "" : "s");
    return text;
}

std::vector<Share> shares(const Forwarded& c, const LinkRates& link) {
    const auto spent = [&c](tcp::Limit l) { return c.info.limited[static_cast<std::size_t>(l)]; };
    std::vector<Share> all;
    all.push_back({"the host took that long to connect", c.host_connect});
    all.push_back({"the host's side did not take what CMD sent", c.host_is_slow});
    const Duration window = spent(tcp::Limit::cwnd) + spent(tcp::Limit::recovery);
    if (fills(c.down, link.down, c)) {
        all.push_back({fmt::format("the link was full: {} of {} down",
                                   rate_text(rate_of(c.down, c)),
                                   rate_text(static_cast<double>(link.down))),
                       c.ended - c.began - c.host_connect});
    } else {
        all.push_back({fmt::format("congestion window ({})", losses(c.info.statistics)), window});
    }
    if (c.near && !fills(c.up, link.up, c)) {
        const auto& up = c.near->limited;
        const auto near_spent = [&up](tcp::Limit l) { return up[static_cast<std::size_t>(l)]; };
        const std::string lost = losses(c.near->statistics);
        all.push_back({fmt::format("congestion window on the way up ({})", lost),
                       near_spent(tcp::Limit::cwnd) + near_spent(tcp::Limit::recovery)});
        all.push_back({fmt::format("retransmission time-outs on the way up ({})", lost),
                       near_spent(tcp::Limit::timeout)});
    }
    if (fills(c.up, link.up, c))
        all.push_back(
            {fmt::format("the link was full: {} of {} up", rate_text(rate_of(c.up, c)),
                         rate_text(static_cast<double>(link.up))),
             c.ended - c.began - c.host_connect});
    all.push_back({fmt::format("waiting for retransmission time-outs ({})",
                               losses(c.info.statistics)),
                   spent(tcp::Limit::timeout)});
    all.push_back({"CMD did not read: its receive window was shut",
                   spent(tcp::Limit::zero_window)});
    all.push_back({"the receive window of CMD's side", spent(tcp::Limit::receive_window)});
    std::ranges::stable_sort(all, std::ranges::greater{}, &Share::time);
    return all;
}

std::string sentence(const Forwarded& c, const LinkRates& link) {
    const Duration total = c.ended - c.began;
    if (c.refused != 0)
        return fmt::format("{}: {} after {:.1f} s", c.wanted.text(), std::strerror(c.refused),
                           seconds(total));
    return fmt::format("{}: {:.1f} s, {} down, {} up: {}", c.wanted.text(), seconds(total),
                       size_text(c.down), size_text(c.up), reason(c, link));
}

}  // namespace

std::string reason(const Forwarded& c, const LinkRates& link) {
    const Duration total = std::max(c.ended - c.began, Duration{1});
    std::string text;
    const std::vector<Share> all = shares(c, link);
    bool any = false;
    for (const Share& share : all) {
        const double percent = 100 * seconds(share.time) / seconds(total);
        if (percent < 10) break;
        text += fmt::format("{}{}, {:.0f} % of the time", any ? "; " : "", share.what,
                            std::min(percent, 100.0));
        any = true;
    }
    if (any) return text;
    // The path's losses on the way up are CMD's kernel's to repair; here they are holes.
    if (c.up > c.down && c.info.statistics.out_of_order_in != 0)
        return text + fmt::format("segments from CMD were lost or late: {} came out of order",
                                  c.info.statistics.out_of_order_in);
    return text + "neither side had more to say";
}

std::vector<std::string> reasons(std::vector<Forwarded> connections, const LinkRates& link,
                                 std::size_t most) {
    const auto time = [](const Forwarded& f) { return f.ended - f.began; };
    std::erase_if(connections, [&](const Forwarded& f) { return time(f) < slow; });
    std::ranges::sort(connections, std::ranges::greater{}, time);
    std::vector<std::string> lines;
    for (const Forwarded& f : connections) {
        if (lines.size() == most) {
            lines.push_back(fmt::format("and {} more that took longer than 1 s",
                                        connections.size() - most));
            break;
        }
        lines.push_back(sentence(f, link));
    }
    return lines;
}

}  // namespace estab::cli
