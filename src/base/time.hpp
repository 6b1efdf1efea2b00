// Time as an argument. `Instant` and `Duration` are ordinary std::chrono types on a clock that
// deliberately has no now(): whoever calls in says what time it is, so virtual and real time are
// the same thing to the code that uses them.
#pragma once

#include <chrono>
#include <cstdint>

namespace estab {

struct Clock {
    using rep = std::int64_t;  // nanoseconds since an origin that the caller chooses
    using period = std::nano;
    using duration = std::chrono::nanoseconds;
    using time_point = std::chrono::time_point<Clock>;
    static constexpr bool is_steady = true;
};

using Duration = Clock::duration;
using Instant = Clock::time_point;

// Later than anything that happens: "no deadline".
inline constexpr Instant never = Instant::max();

using namespace std::chrono_literals;

constexpr std::int64_t to_ns(Duration d) { return d.count(); }
constexpr std::int64_t to_us(Duration d) { return d.count() / 1'000; }
constexpr std::int64_t to_ms(Duration d) { return d.count() / 1'000'000; }

// now + d, for any d, without wrapping past the first and last instant.
constexpr Instant after(Instant now, Duration d) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(now.time_since_epoch().count(), d.count(), &sum))
        return Instant{Duration{sum}};
    return d.count() > 0 ? never : Instant::min();
}

}  // namespace estab
