#include "tcp/delivery_rate.hpp"

#include <gtest/gtest.h>

namespace estab::tcp {
namespace {

// Records of 1000 octets, sent and acknowledged by number. draft-ietf-ccwg-bbr 4.1.
class Delivery : public testing::Test {
protected:
    Seq seq(std::uint64_t n) const { return Seq((std::uint64_t{1} << 32) + n * 1000); }
    Instant at(Duration t) const { return Instant{1000s} + t; }
    void send(Duration when) {
        const bool alone = in_flight_ == 0;
        in_flight_ += 1000;
        ASSERT_TRUE(sent_.append(seq(next_), seq(next_ + 1), 1000, at(when),
                                 rate_.on_sent(at(when), delivered_, in_flight_, alone)));
        ++next_;
    }
    congestion::RateSample ack(std::uint64_t to, Duration when, Duration rtt_min = 0ms) {
        DeliveryRate::Newest newest;
        const auto acked = sent_.acknowledge(
            seq(to), [&](const Sent& record, std::uint64_t) { newest.take(record); });
        delivered_ += acked.delivered;
        in_flight_ -= acked.delivered;
        return rate_.on_delivered(at(when), newest, delivered_, rtt_min);
    }

    Memory memory_{1 << 20};
    SentPool pool_{memory_};
    SentQueue sent_{pool_};
    DeliveryRate rate_;
    std::uint64_t next_ = 0, delivered_ = 0, in_flight_ = 0;
};

// Ten in one burst come back at 1 ms each behind 40 ms: ten in 49 ms.
TEST_F(Delivery, AFlightIsCountedFromWhenItBeganUntilItsAcknowledgment) {
    for (int i = 0; i < 10; ++i) send(0ms);
    EXPECT_EQ(ack(1, 40ms).rate(), 1000u * 1000 / 40);
    for (std::uint64_t i = 2; i < 10; ++i) ack(i, 39ms + 1ms * i);
    const congestion::RateSample s = ack(10, 49ms);
    EXPECT_EQ(s.delivered, 10'000u);
    EXPECT_EQ(s.interval, 49ms);
    EXPECT_EQ(s.prior_delivered, 0u);
    EXPECT_EQ(s.sent_in_flight, 10'000u);
}

// Sent over 20 ms and acknowledged all at once: no path is faster than its sender.
TEST_F(Delivery, WhatIsAcknowledgedAtOnceIsNotFasterThanItWasSent) {
    send(0ms);
    ack(1, 10ms);
    for (int i = 0; i < 5; ++i) send(10ms + 5ms * i);
    const congestion::RateSample s = ack(6, 31ms);
    EXPECT_EQ(s.interval, 21ms);
    send(31ms);                      // alone on the way: a new flight begins
    EXPECT_EQ(ack(7, 41ms).interval, 10ms);
}

TEST_F(Delivery, AnAnswerFasterThanThePathIsNoSample) {
    send(0ms);
    EXPECT_EQ(ack(1, 10ms, 11ms).rate(), 0u);
    send(20ms);
    EXPECT_EQ(ack(2, 31ms, 11ms).rate(), 1000u * 1000 / 11);
}

TEST_F(Delivery, ABubbleMarksARoundTrip) {
    send(0ms);
    rate_.on_application_limit(delivered_, in_flight_);  // nothing else to send
    EXPECT_FALSE(ack(1, 10ms).app_limited);              // was sent before
    send(20ms);
    send(21ms);
    EXPECT_TRUE(ack(2, 30ms).app_limited);
    EXPECT_FALSE(rate_.app_limited());                   // the bubble has arrived
    send(31ms);
    EXPECT_TRUE(ack(3, 32ms).app_limited);
    EXPECT_FALSE(ack(4, 41ms).app_limited);
}

TEST_F(Delivery, ASlowApplicationDoesNotHideWhatThePathCanDo) {
    for (int i = 0; i < 4; ++i) send(0ms);
    ack(4, 10ms);
    EXPECT_EQ(rate_.latest().rate(), 400'000u);
    rate_.on_application_limit(delivered_, in_flight_);
    send(20ms);
    ack(5, 30ms);
    EXPECT_EQ(rate_.latest().rate(), 400'000u);          // 100,000 of the application's
    for (int i = 0; i < 2; ++i) send(40ms);
    ack(7, 50ms);
    EXPECT_EQ(rate_.latest().rate(), 200'000u);
}

TEST_F(Delivery, WhatWasLostSinceTheSendingIsCounted) {
    send(0ms);
    rate_.on_lost(3000);
    send(1ms);
    rate_.on_lost(2000);
    EXPECT_EQ(ack(1, 40ms).lost, 5000u);
    EXPECT_EQ(ack(2, 41ms).lost, 2000u);
}

}  // namespace
}  // namespace estab::tcp
