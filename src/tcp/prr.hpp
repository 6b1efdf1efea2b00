// Proportional Rate Reduction (RFC 9937): how much may be sent in answer to each acknowledgment of
// a fast recovery, so that what is in flight comes down to ssthresh evenly and neither stalls nor
// bursts on the way.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/math.hpp"

namespace estab::tcp {

class Prr {
public:
    // `flight`: octets outstanding when the episode began, without those already known to have
    // arrived before the acknowledgment that began it (RecoverFS). `ssthresh`: the target.
    void begin(std::uint64_t flight, std::uint64_t ssthresh) {
        recover_fs_ = std::max<std::uint64_t>(flight, 1);
        ssthresh_ = ssthresh;
        delivered_ = out_ = 0;
    }

    // An acknowledgment: `delivered` octets have newly arrived, `in_flight` are now on the way.
    // `safe`: SND.UNA advanced and nothing further was found lost (SafeACK).
    void on_ack(std::uint64_t delivered, std::uint64_t in_flight, bool safe, std::uint32_t mss) {
        delivered_ += delivered;
        std::uint64_t may = 0;  // sndcnt
        if (in_flight > ssthresh_) {
            const std::uint64_t due = mul_div_up(delivered_, ssthresh_, recover_fs_);
            may = due > out_ ? due - out_ : 0;
        } else {
            std::uint64_t limit = std::max(delivered_ > out_ ? delivered_ - out_ : 0, delivered);
            if (safe) limit += mss;
            may = std::min(ssthresh_ - in_flight, limit);
        }
        if (out_ == 0 && may == 0) may = mss;  // the retransmission that the episode begins with
        window_ = in_flight + may;
    }

    void on_sent(std::uint64_t octets) { out_ += octets; }

    std::uint64_t window() const { return window_; }  // cwnd until the next acknowledgment

private:
    std::uint64_t recover_fs_ = 1;
    std::uint64_t ssthresh_ = 0;
    std::uint64_t delivered_ = 0;    // prr_delivered
    std::uint64_t out_ = 0;          // prr_out
    std::uint64_t window_ = 0;
};

}  // namespace estab::tcp
