// One flow over one bottleneck with a drop-tail queue, in virtual time and without a stack: what
// theory says about the share of the link that an algorithm uses.
#include <gtest/gtest.h>

#include <deque>

#include "congestion/algorithm.hpp"
#include "congestion/cubic.hpp"
#include "congestion/reno.hpp"

namespace estab::congestion {
namespace {

constexpr std::uint32_t mss = 1500;

struct Path {
    Duration serialization = 120us;   // of one segment: 100 Mbit/s
    Duration delay = 40ms;            // there and back, without the queue
    std::uint64_t queue = 333;        // segments: one bandwidth-delay product
};

// A greedy sender with perfect loss detection: a dropped segment is known, and sent again, one
// round trip after it was sent, and all losses of a window are one event.
class OneFlow {
public:
    OneFlow(const Table& table, const Path& path)
        : path_(path), control_(table, {.now = now_, .mss = mss, .cwnd = 10 * mss}) {}

    // The share of the link's time between the two that segments were on it.
    double utilisation(Duration from, Duration to) {
        run_until(Instant{from});
        const std::uint64_t before = delivered_;
        run_until(Instant{to});
        const auto carried = static_cast<double>(delivered_ - before) / mss;
        return carried * static_cast<double>(path_.serialization.count()) /
               static_cast<double>((to - from).count());
    }
    const Control& control() const { return control_; }
    std::uint64_t losses() const { return losses_; }    // events
    std::uint64_t dropped() const { return dropped_; }  // segments

private:
    struct Packet {
        std::uint64_t number;
        Instant sent, known;
        bool dropped;
    };

    void run_until(Instant end) {
        send();
        while (!packets_.empty() && packets_.front().known <= end) {
            const Packet p = packets_.front();
            packets_.pop_front();
            now_ = p.known;
            const std::uint64_t flight = in_flight_;
            in_flight_ -= mss;
            p.dropped ? lost(p, flight) : acknowledged(p, flight);
            send();
        }
    }

    void acknowledged(const Packet& p, std::uint64_t flight) {
        delivered_ += mss;
        if (recovering_ && p.number > recover_) {
            recovering_ = false;
            control_.on(Recovered{now_, in_flight_, mss});
        }
        const Duration rtt = now_ - p.sent;
        srtt_ = srtt_ == 0s ? rtt : srtt_ + (rtt - srtt_) / 8;
        control_.on(Acked{.now = now_, .bytes = mss, .in_flight = flight, .rtt = rtt, .srtt = srtt_,
                          .delivered = delivered_, .mss = mss, .in_recovery = recovering_});
    }

    void lost(const Packet& p, std::uint64_t flight) {
        ++dropped_;
        if (recovering_ && p.number <= recover_) return;
        recovering_ = true;
        recover_ = next_ - 1;
        ++losses_;
        control_.on(Congested{.now = now_, .in_flight = flight, .mss = mss});
    }

    void send() {
        while (in_flight_ + mss <= control_.cwnd()) {
            const Instant begin = std::max(now_, busy_until_);
            const auto waiting = static_cast<std::uint64_t>((begin - now_) / path_.serialization);
            const bool dropped = waiting > path_.queue;
            if (!dropped) busy_until_ = begin + path_.serialization;
            packets_.push_back({next_++, now_, busy_until_ + path_.delay, dropped});
            in_flight_ += mss;
        }
    }

    const Path path_;
    Instant now_{};
    Control control_;
    std::deque<Packet> packets_;  // outstanding, in the order in which the sender learns of them
    Instant busy_until_{};
    Duration srtt_{0};
    std::uint64_t in_flight_ = 0, delivered_ = 0, next_ = 1, recover_ = 0, losses_ = 0,
                  dropped_ = 0;
    bool recovering_ = false;
};

double utilisation(const Table& table, const Path& path, Duration from = 10s, Duration to = 60s) {
    OneFlow flow(table, path);
    const double share = flow.utilisation(from, to);
    EXPECT_GT(flow.losses(), 0U);
    return share;
}

TEST(OneFlow, AQueueOfOneBandwidthDelayProductKeepsTheLinkBusy) {
    EXPECT_GT(utilisation(table_of<Reno>, {}), 0.99);
    EXPECT_GT(utilisation(table_of<Cubic>, {}), 0.99);
}

// With hardly a queue the link is busy as the window is full: Reno's mean is 3/4 of its peak.
TEST(OneFlow, WithoutAQueueRenoUsesThreeQuarters) {
    const double share = utilisation(table_of<Reno>, {.queue = 4}, 10s, 70s);
    EXPECT_GT(share, 0.72);
    EXPECT_LT(share, 0.80);
}

// The curve's mean between 0.7 W and W, reached at K: 1 - 0.3 / 4 = 0.925.
TEST(OneFlow, WithoutAQueueCubicUsesNineTenths) {
    const double share = utilisation(table_of<Cubic>, {.queue = 4}, 10s, 70s);
    EXPECT_GT(share, 0.85);
    EXPECT_LT(share, 0.95);
}

// 100 Mbit/s and 200 ms behind a short queue, which ends slow start early. From there Reno needs a
// round trip for each segment, minutes, and CUBIC the cube root of the gap.
TEST(OneFlow, OnALongFatPathCubicIsThereFirst) {
    const Path path{.delay = 200ms, .queue = 50};
    const double cubic = utilisation(table_of<Cubic>, path, 30s, 90s);
    const double reno = utilisation(table_of<Reno>, path, 30s, 90s);
    EXPECT_GT(cubic, 0.8);
    EXPECT_LT(reno, 0.6);
}

// Slow start overshoots by a whole window, HyStart++ by a quarter of it where the queue is long
// enough to show in the round-trip times before it is full.
TEST(OneFlow, HystartLosesFarLessInTheFirstOvershoot) {
    const auto dropped = [](const Table& table) {
        OneFlow flow(table, {.queue = 999});
        (void)flow.utilisation(0s, 800ms);
        return flow.dropped();
    };
    const std::uint64_t cubic = dropped(table_of<Cubic>), reno = dropped(table_of<Reno>);
    EXPECT_GT(reno, 900U);
    EXPECT_LT(cubic, reno / 3);
}

}  // namespace
}  // namespace estab::congestion
