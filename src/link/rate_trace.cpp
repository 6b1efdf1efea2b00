#include "link/rate_trace.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/math.hpp"

namespace estab::link {
namespace {

bool read_ms(std::string_view line, std::uint32_t& ms) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.size() > 10) return false;
    std::uint64_t value = 0;
    for (const char c : line) {
        if (c < '0' || c > '9') return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    ms = static_cast<std::uint32_t>(value);
    return value <= UINT32_MAX;
}

}  // namespace

Result<RateTrace, std::string> parse_rate_trace(std::string file, std::string_view text) {
    RateTrace trace{.file = std::move(file)};
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const auto refuse = [&](const char* what) {
            return fail(trace.file + ":" + std::to_string(number) + ": " + what);
        };
        std::uint32_t ms = 0;
        if (!read_ms(text.substr(0, end), ms)) {
            return refuse("not a whole number of milliseconds, one on each line");
        }
        if (!trace.at_ms.empty() && ms < trace.at_ms.back()) return refuse("goes back in time");
        if (trace.at_ms.size() == RateTrace::opportunities_max) {
            return refuse("no more than 4,000,000 lines");
        }
        trace.at_ms.push_back(ms);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (trace.at_ms.empty() || trace.at_ms.back() == 0) {
        return fail(trace.file + ": the last line, which is how long the trace is, is not above 0");
    }
    return trace;
}

std::uint64_t RateTrace::rate_bits() const {
    const std::uint64_t bits = std::uint64_t{at_ms.size()} * opportunity_bytes * 8;
    return std::max<std::uint64_t>(mul_div(bits, 1'000, at_ms.back()), 1);
}

Instant TraceClock::send(Instant now, std::size_t size, const RateTrace& trace) {
    CHECK(!trace.at_ms.empty());
    if (begin_ == never) begin_ = now;
    if (now != open_at_) left_ = 0;
    next_ = std::max(next_, first_from(trace, now));
    while (left_ < size) {
        size -= left_;
        open_at_ = at(trace, next_++);
        left_ = RateTrace::opportunity_bytes;
    }
    left_ -= static_cast<std::uint32_t>(size);
    return open_at_;
}

Instant TraceClock::at(const RateTrace& trace, std::uint64_t opportunity) const {
    const std::uint64_t rounds = opportunity / trace.at_ms.size();
    const auto place = static_cast<std::size_t>(opportunity % trace.at_ms.size());
    const std::uint64_t ms = rounds * trace.at_ms.back() + trace.at_ms[place];
    return after(begin_, std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
}

std::uint64_t TraceClock::first_from(const RateTrace& trace, Instant now) const {
    const auto elapsed = static_cast<std::uint64_t>(to_ns(now - begin_));
    const std::uint64_t ms = (elapsed + 999'999) / 1'000'000;
    // The end of one round is the beginning of the next; what is due then is of the first.
    const std::uint64_t rounds = ms == 0 ? 0 : (ms - 1) / trace.at_ms.back();
    const auto in_round = static_cast<std::uint32_t>(ms - rounds * trace.at_ms.back());
    const auto found = std::lower_bound(trace.at_ms.begin(), trace.at_ms.end(), in_round);
    return rounds * trace.at_ms.size() + static_cast<std::uint64_t>(found - trace.at_ms.begin());
}

}  // namespace estab::link
