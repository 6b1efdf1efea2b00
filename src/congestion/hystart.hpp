// HyStart++ (RFC 9406): leaves the first slow start when the round-trip time rises, before the
// queue overflows. A rise may be an accident, so the window first grows at a quarter of the pace
// for five rounds (conservative slow start) and goes back to full pace if the rise turns out to
// have been one.
#pragma once

#include <cstdint>

#include "congestion/algorithm.hpp"

namespace estab::congestion {

// Round trips, told apart by what was delivered: a round is over when all that was outstanding at
// its beginning has been acknowledged. Needs no sequence numbers.
class Rounds {
public:
    // True if `e` is the first acknowledgment of a round.
    bool begin_with(const Acked& e) {
        const bool over = delivered_ >= end_;
        delivered_ += e.bytes;
        if (!over) return false;
        end_ = delivered_ + (e.in_flight > e.bytes ? e.in_flight - e.bytes : 0);
        return true;
    }

private:
    std::uint64_t delivered_ = 0;
    std::uint64_t end_ = 0;
};

// HyStart as Linux has it: one look at a round trip that is longer, or at a train of ACKs that
// lasts half of one, ends slow start at once.
class HystartTrain {
public:
    // Whether this acknowledgment is where slow start ends.
    bool ends_with(const Acked& e, std::uint64_t cwnd);

private:
    Rounds rounds_;
    Duration least_ = Duration::max();     // RTT of all rounds
    Duration current_ = Duration::max();   // and of this one
    Instant round_start_{}, last_ack_{};
    std::uint8_t samples_ = 0;             // in this round, saturating
};

class Hystart {
public:
    // By how many octets this acknowledgment lets the window grow; only for slow start without an
    // ssthresh.
    std::uint64_t grow(const Acked& e);

    bool is_conservative() const { return phase_ == Phase::conservative; }
    // Time for congestion avoidance: ssthresh becomes cwnd.
    bool is_over() const { return phase_ == Phase::over; }

private:
    enum class Phase : std::uint8_t { slow_start, conservative, over };

    void begin_round();
    void judge();

    Rounds rounds_;
    Duration last_ = Duration::max();      // the least RTT of the last round
    Duration current_ = Duration::max();   // and of this one
    Duration baseline_ = Duration::max();  // and of the one that began conservative slow start
    std::uint8_t samples_ = 0;             // in this round, saturating
    std::uint8_t conservative_rounds_ = 0;
    Phase phase_ = Phase::slow_start;
};

}  // namespace estab::congestion
