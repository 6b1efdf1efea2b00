// Where the time goes: what held sending back (tcp/limits.hpp).
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

Terms terms(std::uint64_t cwnd) {
    Terms s{.mss = 1000, .cwnd = cwnd, .sack = true, .rtt = 100ms};
    s.config.tail_loss_probe = false;
    return s;
}

// In whole milliseconds: a tick is 65.536 us, and what is left of one counts later.
std::int64_t ms_of(const Conversation& c, tcp::Limit limit) {
    return (c.info().limited[static_cast<std::size_t>(limit)] + 500us) / 1ms;
}

TEST(Limits, NothingToSayIsTheApplication) {
    Conversation c{established(terms(4000))};
    c.run("+70 quiet\n+0 app write 1000\n+0 drain\n+100 <- . ack 1001\n+30 quiet");
    EXPECT_EQ(ms_of(c, tcp::Limit::application), 200);
    EXPECT_EQ(ms_of(c, tcp::Limit::cwnd), 0);
}

TEST(Limits, TheCongestionWindow) {
    Conversation c{established(terms(2000))};
    c.run("+0 app write 8000\n+0 drain\n+100 <- . ack 2001\n+0 drain\n+50 quiet");
    EXPECT_EQ(ms_of(c, tcp::Limit::cwnd), 150);
}

TEST(Limits, ThePeersWindow) {
    Terms s = terms(20'000);
    s.window = 3000;
    Conversation c{established(s)};
    c.run("+0 app write 8000\n+0 drain\n+100 <- . ack 3001 win 0\n+40 quiet");
    EXPECT_EQ(ms_of(c, tcp::Limit::receive_window), 100);
    EXPECT_EQ(ms_of(c, tcp::Limit::zero_window), 40);
}

TEST(Limits, WaitingForTheTimerIsKnownWhenItRunsOut) {
    Conversation c{established(terms(2000))};
    c.run("+0 app write 8000\n+0 drain\n+300 drain\n+0 event retransmit_timeout");
    EXPECT_EQ(ms_of(c, tcp::Limit::timeout), 300);
    EXPECT_EQ(ms_of(c, tcp::Limit::cwnd), 0);
}

TEST(Limits, RepairingALoss) {
    Conversation c{established(terms(10'000))};
    c.run("+0 app write 40000\n+0 drain\n+100 <- . ack 1 sack 1001:4001\n+0 drain\n+60 quiet");
    EXPECT_EQ(ms_of(c, tcp::Limit::recovery), 60);
}

TEST(Limits, NagleAndTheSendBuffer) {
    Terms s = terms(10'000);
    s.config.send_buffer = 2500;
    s.config.send_autotune = false;
    Conversation c{established(s)};
    c.run("+0 app write 500\n+0 drain\n+0 app write 300\n+20 quiet");
    EXPECT_EQ(ms_of(c, tcp::Limit::small_segment), 20);
    c.run("+0 <- . ack 501\n+0 drain\n+10 <- . ack 801\n+0 app write 4000 takes 2500\n+0 drain");
    c.run("+30 drain");
    EXPECT_EQ(ms_of(c, tcp::Limit::send_buffer), 30);
}

}  // namespace
}  // namespace estab::conversation
