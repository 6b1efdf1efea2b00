// A rate that changes all the time, as it was recorded: the form of Mahimahi's traces. Each line
// of the file is a number of milliseconds since its beginning, at which one packet of 1500 octets
// can leave; the last line is the length of the trace, which then begins anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace estab::link {

struct RateTrace {
    static constexpr std::uint32_t opportunity_bytes = 1500;
    static constexpr std::size_t opportunities_max = 4'000'000;  // of a file; more are refused

    std::string file{};                   // empty: there is no trace
    std::vector<std::uint32_t> at_ms{};   // in order; the last one is above 0
    friend bool operator==(const RateTrace&, const RateTrace&) = default;

    std::uint64_t rate_bits() const;      // on average
};

// The text of a file. The error says which line is wrong, and what is wanted.
Result<RateTrace, std::string> parse_rate_trace(std::string file, std::string_view text);

// When what is sent by a trace has left. Of an opportunity that nobody waits for nothing is kept.
class TraceClock {
public:
    // `now` never goes back; the trace begins at the first call.
    Instant send(Instant now, std::size_t size, const RateTrace& trace);

private:
    Instant at(const RateTrace& trace, std::uint64_t opportunity) const;
    std::uint64_t first_from(const RateTrace& trace, Instant now) const;

    Instant begin_ = never;
    std::uint64_t next_ = 0;   // the opportunity that was not used yet, counted on in each round
    Instant open_at_ = never;  // that of which `left_` octets were not used
    std::uint32_t left_ = 0;
};

}  // namespace estab::link
