// How much of cwnd is used (RFC 7661 4.2): pipeACK, the most that was acknowledged in a round
// trip of late. A window at least half used is validated; one that is not does not grow, and
// says little about the path.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"
#include "tcp/seq.hpp"

namespace estab::tcp {

class WindowUse {
public:
    static constexpr Duration kept = 300s;  // for so long an unused window stays (4.4.2)

    // SND.UNA has moved by `octets` to `una`; `nxt` is SND.NXT.
    void on_acked(Instant now, std::uint64_t octets, Seq una, Seq nxt, Duration srtt) {
        acked_ += octets;
        if (una < round_end_) return;
        const Duration period = std::max<Duration>(3 * srtt, 1s);  // 4.3
        if (now >= period_end_) {
            const bool goes_on = period_end_ != Instant::min() && now - period_end_ < period;
            before_ = goes_on ? most_ : 0;
            most_ = 0;
            period_end_ = now + period;
        }
        if (round_end_ != Seq()) {
            known_ = true;
            most_ = std::max(most_, acked_);
        }
        round_end_ = nxt;
        acked_ = 0;
    }

    // Not known yet: as much as one likes.
    bool is_known() const { return known_; }
    std::uint64_t pipe_ack() const { return std::max(most_, before_); }
    bool is_validated(std::uint64_t cwnd) const { return !known_ || pipe_ack() >= cwnd / 2; }

    // Asked with each acknowledgment: true once, when the window has not been validated for `kept`.
    bool has_expired(Instant now, std::uint64_t cwnd) {
        if (is_validated(cwnd)) {
            unused_since_ = never;
        } else if (unused_since_ == never) {
            unused_since_ = now;
        } else if (now - unused_since_ >= kept) {
            unused_since_ = now;
            return true;
        }
        return false;
    }

private:
    std::uint64_t acked_ = 0;            // in this round trip
    std::uint64_t most_ = 0, before_ = 0;  // in one of this period, of the period before it
    Seq round_end_;
    Instant period_end_ = Instant::min();
    Instant unused_since_ = never;
    bool known_ = false;
};

}  // namespace estab::tcp
