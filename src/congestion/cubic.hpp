// CUBIC (RFC 9438): between losses the window follows a cubic function of time, flat around the
// window at which the last loss came, and never falls behind what Reno would have. In integers
// only: octets and nanoseconds. Slow start begins with HyStart++; a congestion mark may cost less
// than a loss (RFC 8511).
#pragma once

#include "base/math.hpp"
#include "congestion/algorithm.hpp"
#include "congestion/hystart.hpp"

namespace estab::congestion {

struct CubicOptions {
    Ppm beta_ecn =
        850'000;  // what a mark that may be gentle leaves of the window (RFC 8511 4)
    bool fast_convergence = true;   // RFC 9438 4.7
    bool hystart = true;            // RFC 9406
    bool train = false;             // or else HyStart as Linux has it
};

// RFC 9438 4.2. K: how long the curve takes from `cwnd` back up to `w_max`; 0 if it is there
// already.
Duration cubic_k(std::uint64_t w_max, std::uint64_t cwnd, std::uint32_t mss);
// W_cubic(t) in octets, at least 0, `since` after the beginning of the epoch.
std::uint64_t cubic_window(Duration since, Duration k, std::uint64_t w_max, std::uint32_t mss);

class Cubic {
public:
    static constexpr std::string_view name = "cubic";

    Cubic() = default;
    explicit Cubic(CubicOptions options) : options_(options) {}

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

    bool has_memory() const { return curve_.w_max != 0; }

    std::uint64_t w_max() const { return curve_.w_max; }
    Duration k() const { return curve_.k; }

private:
    // What a spurious episode must leave as it was (RFC 9438 4.9).
    struct Curve {
        std::uint64_t w_max = 0;        // 0: none, the next epoch takes the window that it finds
        std::uint64_t cwnd_prior = 0;   // before the last reduction
        std::uint64_t w_est = 0;        // Reno's window, in fractions of an octet
        Duration k{0};
        Instant epoch{};  // when congestion avoidance began, later by all idle time since
        bool running = false;           // false: the epoch begins with the next acknowledgment
    };

    void avoid(const Acked& e, std::uint64_t bytes);
    void begin_epoch(const Acked& e);
    void leave_out_idle_time(const Acked& e);
    std::uint64_t part_of(std::uint64_t window, Ppm part, std::uint32_t mss) const;
    void grow_friendly(std::uint64_t bytes, std::uint32_t mss);
    void grow_cubic(std::uint64_t target, std::uint64_t bytes);

    std::uint64_t cwnd_ = 0;
    std::uint64_t ssthresh_ = infinite;
    std::uint64_t fraction_ = 0;        // of an octet, that cwnd has grown by
    Instant last_ack_{};                // in congestion avoidance
    Curve curve_;
    Curve before_;                      // the episode that may yet be undone
    Hystart hystart_;
    HystartTrain train_;
    CubicOptions options_;
    bool drained_ = false;              // the last acknowledgment left nothing in flight
    bool in_episode_ = false;
    bool can_undo_ = false;
};

// With what Linux does otherwise: a mark costs as much as a loss, slow start ends at once, and what
// is left after a loss is whole segments.
class LinuxCubic : public Cubic {
public:
    static constexpr std::string_view name = "cubic-linux";

    LinuxCubic() : Cubic({.beta_ecn = 700'000, .hystart = false, .train = true}) {}
};

}  // namespace estab::congestion
