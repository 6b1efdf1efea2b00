// Slow start, congestion avoidance and multiplicative decrease (RFC 5681), counted in octets, so
// that an acknowledgment for many segments opens the window as many would have (RFC 3465 without
// its limit, as Linux does; a burst is bounded elsewhere).
#pragma once

#include "congestion/algorithm.hpp"
#include "congestion/hystart.hpp"

namespace estab::congestion {

struct RenoOptions {
    bool hystart = false;  // RFC 9406
};

class Reno {
public:
    static constexpr std::string_view name = "reno";

    Reno() = default;
    explicit Reno(RenoOptions options) : options_(options) {}

    void on(const Start& e);
    void on(const Acked& e);
    void on(const Congested& e);
    void on(const TimedOut& e);
    void on(const Recovered& e);
    void on(const Undone& e);
    void on(const Restarted& e);
    void on(const MssChanged& e);

    std::uint64_t cwnd() const { return cwnd_; }
    std::uint64_t ssthresh() const { return ssthresh_; }
    std::uint64_t pacing_rate() const { return 0; }

private:
    std::uint64_t cwnd_ = 0;
    std::uint64_t ssthresh_ = infinite;
    std::uint64_t acked_ = 0;  // octets acknowledged since the window last grew by one MSS
    Hystart hystart_;
    RenoOptions options_;
};

// A window that never moves: for tests, and to see what a path does by itself.
class Fixed {
public:
    static constexpr std::string_view name = "fixed";

    void on(const Start& e) { cwnd_ = e.cwnd; }
    void on(const Acked&) {}
    void on(const Congested&) {}
    void on(const TimedOut&) {}
    void on(const Recovered&) {}
    void on(const Undone&) {}
    void on(const Restarted&) {}
    void on(const MssChanged& e) { cwnd_ = cwnd_ < e.to ? e.to : cwnd_; }

    std::uint64_t cwnd() const { return cwnd_; }
    std::uint64_t ssthresh() const { return infinite; }
    std::uint64_t pacing_rate() const { return 0; }

private:
    std::uint64_t cwnd_ = 0;
};

}  // namespace estab::congestion
