// Whoever reads the events knows cwnd, ssthresh and the pacing rate at any time: no algorithm moves
// them in silence, whatever happens to the path.
#include <gtest/gtest.h>

#include "congestion/algorithm.hpp"
#include "sim/dumbbell.hpp"

namespace estab::sim {
namespace {

// What the events of the first host have said last, compared with what is so before each packet.
class Told final : public Observer {
public:
    void on_event(Instant, const Host& host, const event::Event& e) override {
        if (host.number() != 1) return;
        using enum event::Kind;
        if (e.kind == congestion_window || e.kind == recovery_end) tell(e.values[0], e.values[1]);
        if (e.kind == recovery_undone) tell(e.values[1], e.values[2]);
        if (e.kind == pacing_rate) rate_ = e.values[0];
    }
    void look(Instant now, const tcp::Connection& connection) {
        const tcp::Info info = connection.info(now);
        if (info.state != tcp::State::established || !cwnd_) return;
        ++looks;
        if (info.cwnd != *cwnd_ || info.ssthresh != ssthresh_)
            complain(now, info.cwnd, *cwnd_, "cwnd or ssthresh");
        if (rate_ && info.pacing_rate != *rate_) complain(now, info.pacing_rate, *rate_, "rate");
    }
    int looks = 0, complaints = 0;

private:
    void tell(std::uint64_t cwnd, std::uint64_t ssthresh) {
        cwnd_ = cwnd;
        ssthresh_ = ssthresh;
    }
    void complain(Instant now, std::uint64_t is, std::uint64_t told, const char* what) {
        if (++complaints > 3) return;
        ADD_FAILURE() << what << " at " << to_us(now.time_since_epoch()) << " us is " << is
                      << ", told " << told;
    }
    std::optional<std::uint64_t> cwnd_, rate_;
    std::uint64_t ssthresh_ = 0;
};

class Events : public testing::TestWithParam<const congestion::Table*> {};

TEST_P(Events, TellEveryWindowAndRate) {
    DumbbellSettings s;
    s.there.rate_bits = 20'000'000;
    s.there.queue = {.unit = link::Queue::Unit::bdp_thousandths, .limit = 1000};
    s.there.ce = {.unit = link::MarkThreshold::Unit::packets, .value = 30};
    s.there.loss = s.loss_back = 8'000;
    s.there.jitter = 3ms;
    s.there.reorder = {.chance = 5'000, .packets = 3, .hold_max = 10ms};
    s.flows[0].congestion_control = GetParam();
    s.flows[0].ecn = tcp::EcnMode::accecn;
    s.duration = 10s;
    s.referee = false;
    Dumbbell d(s);
    Told told;
    event::Log& log = d.world().hosts()[0]->stack().log();
    for (const auto kind : {event::Kind::congestion_window, event::Kind::recovery_end,
                            event::Kind::recovery_undone, event::Kind::pacing_rate})
        log.store(kind, true);
    d.world().watch(&told);
    for (Instant at = d.world().now(); at < d.end(); at = after(at, 1ms)) {
        d.run_to(at);
        if (const tcp::Connection* c = d.connection(0)) told.look(d.world().now(), *c);
    }
    EXPECT_GT(told.looks, 7'000);
    EXPECT_EQ(told.complaints, 0);
}

INSTANTIATE_TEST_SUITE_P(Of, Events, testing::ValuesIn(congestion::built_in()),
                         [](const auto& i) { return std::string(i.param->name); });

}  // namespace
}  // namespace estab::sim
