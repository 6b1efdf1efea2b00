// What held a connection's sending back, and for how long: the question behind "why was it slow?".
// At any moment one thing does; what it was is known when the connection has said all it can.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.hpp"

namespace estab::tcp {

enum class Limit : std::uint8_t {
    application,     // nothing to send
    cwnd,            // congestion control
    recovery,        // congestion control, while losses are repaired
    timeout,         // waiting for the retransmission timer, or growing anew after it
    receive_window,  // the peer's buffer
    zero_window,     // the peer's buffer is full
    send_buffer,     // all that fits into ours is on the way, and the application has more
    small_segment,   // Nagle or a cork
    memory,          // the stack's budget
    pacing,          // congestion control, or a limit of the rate, spreads it over time
};
// As in estab's own outputs.
constexpr const char* to_string(Limit limit) {
    switch (limit) {
    case Limit::application: return "application";
    case Limit::cwnd: return "cwnd";
    case Limit::recovery: return "recovery";
    case Limit::timeout: return "timeout";
    case Limit::receive_window: return "receive_window";
    case Limit::zero_window: return "zero_window";
    case Limit::send_buffer: return "send_buffer";
    case Limit::small_segment: return "small_segment";
    case Limit::memory: return "memory";
    case Limit::pacing: return "pacing";
    }
    return "?";
}
inline constexpr std::size_t limits = static_cast<std::size_t>(Limit::pacing) + 1;

// Times are counted in ticks of 65.536 us; 78 hours of each, then it stays there. What lasts longer
// than that without a change counts less the 78 hours.
struct LimitTimes {
    std::array<std::uint32_t, limits> ticks{};
    std::uint32_t busy_ticks = 0;

    static constexpr int tick_bits = 16;
    Duration spent(Limit limit) const {
        return Duration(std::int64_t{ticks[static_cast<std::size_t>(limit)]} << tick_bits);
    }
    Duration busy() const { return Duration(std::int64_t{busy_ticks} << tick_bits); }
};

// Adds to LimitTimes. It may run without any until something else than the application is the
// limit for the first time: all that passed before was the application's.
class LimitClock {
public:
    void begin(Instant now) { since_ = ticks(now); }
    // From now on it is `limit`; what passed since the last call belongs to what it was. `busy`:
    // something is written and not acknowledged.
    void set(Instant now, Limit limit, bool busy, LimitTimes& times) {
        update(now, times);
        limit_ = limit;
        busy_ = busy;
    }
    void update(Instant now, LimitTimes& times) {
        const std::uint32_t passed = ticks(now) - since_;
        if (passed == 0) return;  // and what is left of a tick counts next time
        since_ += passed;
        add(times.ticks[static_cast<std::size_t>(limit_)], passed);
        if (busy_) add(times.busy_ticks, passed);
    }
    // What has just passed was waiting for `limit`, whatever it seemed to be.
    void was(Instant now, Limit limit, LimitTimes& times) {
        const Limit next = limit_;
        limit_ = limit;
        update(now, times);
        limit_ = next;
    }
    Limit current() const { return limit_; }

private:
    static std::uint32_t ticks(Instant at) {  // wraps
        return static_cast<std::uint32_t>(to_ns(at.time_since_epoch()) >> LimitTimes::tick_bits);
    }
    static void add(std::uint32_t& spent, std::uint32_t more) {
        spent = more > UINT32_MAX - spent ? UINT32_MAX : spent + more;
    }

    std::uint32_t since_ = 0;
    Limit limit_ = Limit::application;
    bool busy_ = false;
};

}  // namespace estab::tcp
