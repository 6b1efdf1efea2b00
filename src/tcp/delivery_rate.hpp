// How fast the network delivers (draft-ietf-ccwg-bbr 4.1): each acknowledgment gives a sample, the
// octets delivered between the sending of the latest record that it covers and now, over the longer
// of the times that their sending and their acknowledging took. A sample is marked where the sender
// had nothing to send in that time: then it says how fast the application is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "congestion/algorithm.hpp"
#include "tcp/sent.hpp"

namespace estab::tcp {

class DeliveryRate {
public:
    // The record among those that one acknowledgment covers that was sent last.
    class Newest {
    public:
        void take(const Sent& record) {
            if (record.order < order_) return;
            order_ = record.order;
            sent_at_ = record.sent_at;
            rate_ = record.rate;
        }

    private:
        friend class DeliveryRate;
        std::uint64_t order_ = 0;  // 0: nothing was delivered
        Instant sent_at_{};
        RateSnapshot rate_;
    };

    // To be kept with octets that go out now. `delivered`: on the connection so far; `in_flight`:
    // with them; `alone`: nothing else is on the way, so the network has had nothing to do until
    // now.
    RateSnapshot on_sent(Instant now, std::uint64_t delivered, std::uint64_t in_flight,
                         bool alone) {
        if (alone) first_sent_at_ = delivered_at_ = now;
        RateSnapshot s{.delivered = delivered,
                       .delivered_at = delivered_at_,
                       .first_sent_at = first_sent_at_,
                       .lost = lost_};
        s.in_flight = static_cast<std::uint32_t>(in_flight) & 0x7fff'ffff;
        s.app_limited = app_limited_ != 0;
        return s;
    }

    void on_lost(std::uint64_t octets) { lost_ += static_cast<std::uint32_t>(octets); }
    std::uint32_t lost() const { return lost_; }

    // Nothing waits to be sent though cwnd would allow it. So it is until all that is delivered or
    // in flight now has arrived: the bubble has left the pipe.
    void on_application_limit(std::uint64_t delivered, std::uint64_t in_flight) {
        app_limited_ = std::max<std::uint64_t>(delivered + in_flight, 1);
    }
    bool app_limited() const { return app_limited_ != 0; }

    // An acknowledgment has delivered something; `delivered` counts it.
    congestion::RateSample on_delivered(Instant now, const Newest& newest, std::uint64_t delivered,
                                        Duration rtt_min) {
        if (app_limited_ != 0 && delivered > app_limited_) app_limited_ = 0;
        if (newest.order_ == 0) return {};
        delivered_at_ = now;
        first_sent_at_ = newest.sent_at_;
        const RateSnapshot& then = newest.rate_;
        congestion::RateSample s{.delivered = delivered - then.delivered,
                                 .prior_delivered = then.delivered,
                                 .sent_in_flight = then.in_flight,
                                 .lost = lost_ - then.lost,
                                 .app_limited = then.app_limited != 0};
        const Duration interval =
            std::max(newest.sent_at_ - then.first_sent_at, now - then.delivered_at);
        // Faster than the path: the answer was to an earlier copy.
        if (interval <= 0s || interval < rtt_min) return s;
        s.interval = interval;
        if (!s.app_limited || s.rate() >= latest_.rate()) latest_ = s;
        return s;
    }

    // The last sample that the application did not limit, or a faster one that it did.
    const congestion::RateSample& latest() const { return latest_; }

private:
    Instant delivered_at_{};           // when something was delivered last
    Instant first_sent_at_{};          // when what was delivered last was sent
    std::uint64_t app_limited_ = 0;    // until so much is delivered; 0: not
    std::uint32_t lost_ = 0;           // octets found lost so far; wraps
    congestion::RateSample latest_;
};

}  // namespace estab::tcp
