// DCTCP (RFC 8257), for data centers whose switches mark early: a window gives way by as much of it
// as was marked. It needs a peer that reports each mark (Acked::ce_bytes). While none ever has, a
// signal is taken for what it is in RFC 3168, and the algorithm is Reno.
#pragma once

#include "congestion/reno.hpp"

namespace estab::congestion {

class Dctcp {
public:
    static constexpr std::string_view name = "dctcp";

    void on(const Start& e);
    void on(const Acked& e);
    void on(const Congested& e);
    void on(const TimedOut& e) { reno_.on(e); }
    void on(const Recovered& e) { reno_.on(e); }
    void on(const Undone& e) { reno_.on(e); }
    void on(const Restarted& e) { reno_.on(e); }
    void on(const MssChanged& e) { reno_.on(e); }

    std::uint64_t cwnd() const { return reno_.cwnd(); }
    std::uint64_t ssthresh() const { return reno_.ssthresh(); }
    std::uint64_t pacing_rate() const { return 0; }

    // DCTCP.Alpha: 0 to alpha_one.
    static constexpr std::uint32_t alpha_one = 1u << 20;
    std::uint32_t alpha() const { return alpha_; }

private:
    Reno reno_;
    Rounds rounds_;
    std::uint64_t acked_ = 0;             // in this observation window
    std::uint64_t marked_ = 0;
    std::uint32_t alpha_ = alpha_one;     // RFC 8257 4.2: the first mark costs half
    bool reports_marks_ = false;
};

}  // namespace estab::congestion
