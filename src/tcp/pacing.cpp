// Pacing: data goes out at a rate and not in one burst a round trip. A burst, which may stand for
// many segments on the wire, takes the time that it would need at the rate; the next one waits for
// its end, by the timer that the owner runs anyway. draft-ietf-ccwg-bbr 5.6.2.
#include <algorithm>

#include "base/math.hpp"
#include "tcp/connection.hpp"

namespace estab::tcp {

bool Connection::is_paced() const {
    return active_->control.pacing_rate() != 0 || config_->pacing || config_->pacing_rate_max != 0;
}

// Octets per second; 0: not known yet, as fast as it goes. For algorithms that say none: twice
// what cwnd gives in slow start, so that it can double, and a fifth more afterwards, as in Linux.
std::uint64_t Connection::pacing_rate() const {
    std::uint64_t rate = active_->control.pacing_rate();
    const Duration srtt = rtt_.srtt();
    if (rate == 0 && srtt > 0s) {
        const std::uint64_t percent = cwnd() < ssthresh() / 2 ? 200 : 120;
        rate = mul_div(cwnd() * percent / 100, 1'000'000'000,
                       static_cast<std::uint64_t>(srtt.count()));
    }
    if (config_->pacing_rate_max != 0 && (rate == 0 || rate > config_->pacing_rate_max))
        return config_->pacing_rate_max;
    return rate;
}

// True: not now; the deadline says when.
bool Connection::waits_for_its_time(Instant now) {
    Active& a = *active_;
    if (a.next_send_at <= now) {
        a.pacing_at = never;
        return false;
    }
    const bool has_more = (a.send.end() > tcb_.snd.nxt && !fin_sent_) ||
                          a.sent.first_lost() != nullptr || a.tail_probe_due;
    a.pacing_at = has_more ? a.next_send_at : never;
    return true;
}

// Time that was not used because the timer or its owner came late is made up for, at most half a
// round trip of it: a clock of 16 ms, or a process that had to wait for its turn, must not make
// the path look slow. Not what a pause left unused: plan_new_data().
void Connection::take_time(Instant now, std::uint32_t octets) {
    Active& a = *active_;
    const std::uint64_t rate = pacing_rate();
    if (rate == 0) return;
    const Duration time{static_cast<std::int64_t>(
        std::min<std::uint64_t>(mul_div(octets, 1'000'000'000, rate), 1'000'000'000'000))};
    const Duration slack = std::max<Duration>(rtt_.srtt() / 2, 1ms);
    a.next_send_at = after(std::max(a.next_send_at, now - slack), time);
}

void Connection::note_pacing(Environment& env, Instant now) {
    Active& a = *active_;
    const std::uint64_t rate = pacing_rate();
    if (rate == a.pacing_noted) return;
    a.pacing_noted = rate;
    note(env, now, event::Kind::pacing_rate, rate, static_cast<std::uint64_t>(growth_cause()),
         a.rate.latest().rate());
}

}  // namespace estab::tcp
