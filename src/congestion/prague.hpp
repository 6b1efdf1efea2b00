// Prague (draft-briscoe-iccrg-prague-congestion-control, for the requirements of RFC 9331 4.3), for
// queues that mark early and gently: a window gives way by half the share of it that was marked,
// and grows by what was not. Flows of different round trips get the same rate, data is paced, and a
// loss costs what it costs Reno. It needs a peer that reports each mark, so where Accurate ECN was
// not agreed on the connection takes another algorithm.
#pragma once

#include "congestion/algorithm.hpp"
#include "congestion/hystart.hpp"

namespace estab::congestion {

class Prague {
public:
    static constexpr std::string_view name = "prague";
    static constexpr bool is_l4s = true;
    static constexpr Duration burst = 250us;  // of line time at once: RFC 9331 4.3, item 6

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
    std::uint64_t pacing_rate() const;
    bool has_memory() const { return has_seen_marks_; }
    Phase phase() const { return is_classic() ? Phase::classic_queue : Phase::none; }

    // The moving average of the share of octets that were marked: 0 to alpha_one.
    static constexpr std::uint32_t alpha_one = 1u << 20;
    std::uint32_t alpha() const { return alpha_; }
    // The bottleneck marks, but only when its queue is long: it is none for low latency, and shared
    // with flows that a mark costs more (RFC 9331 4.3, item 2).
    bool is_classic() const { return classic_; }

private:
    void begin_round(const Acked& e);
    void judge_queue();
    void avoid(const Acked& e);
    void cut_to(std::uint64_t window, std::uint32_t mss);
    Duration reference_rtt() const;

    std::uint64_t cwnd_ = 0;
    std::uint64_t ssthresh_ = infinite;
    std::uint64_t fraction_ = 0;          // of an octet, that cwnd has grown by
    std::uint64_t before_cut_ = 0;        // cwnd before the last mark's reduction ...
    Instant cut_until_ = Instant::min();  // ... which is the only one until then
    Instant round_end_ = Instant::min();
    std::uint64_t acked_ = 0, marked_ = 0;  // octets, in this round
    Duration srtt_{0}, rtt_min_{0};
    Duration round_rtt_ = Duration::max();  // the least of this round
    std::uint32_t alpha_ = alpha_one;       // the first mark costs half
    std::uint8_t classic_score_ = 0;
    bool classic_ = false;
    bool has_seen_marks_ = false;
    Hystart hystart_;
};

}  // namespace estab::congestion
