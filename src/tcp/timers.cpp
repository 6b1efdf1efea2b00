// Time passes: RFC 9293 3.10.8, RFC 6298, 3.8.3 (R1 and R2), 3.8.4, 3.8.6.1.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

Instant Connection::deadline() const {
    Instant at = std::min({retransmit_at_, ack_at_, keepalive_at_, misc_at_});
    if (active_ != nullptr) at = std::min({at, active_->early_at, active_->pacing_at});
    const bool corked = cork_until_ != Instant::min() && active_ != nullptr &&
                        active_->send.end() > tcb_.snd.nxt && !fin_sent_;
    return corked ? std::min(at, cork_until_) : at;
}

void Connection::on_deadline(Environment& env, Instant now) {
    if (ack_at_ <= now) {
        ack_at_ = never;
        owed_.ack = true;
        ++env.counters.TcpExt_DelayedACKs;
    }
    if (cork_until_ != Instant::min() && cork_until_ <= now) {
        cork_until_ = Instant::min();
        unpushed_ = false;  // nothing more has come
    }
    if (active_ != nullptr && active_->early_at <= now) on_early_timer(env, now);
    if (active_ != nullptr && active_->pacing_at <= now) active_->pacing_at = never;
    if (retransmit_at_ <= now) {
        retransmit_at_ = never;
        persisting_ ? on_persist_timer(env, now) : on_retransmit_timer(env, now);
    }
    if (keepalive_at_ <= now) on_keepalive_timer(env, now);
    if (misc_at_ <= now) on_misc_timer(env, now);
}

Duration Connection::current_rto() const {
    Duration rto = rtt_.rto(*config_);
    // RFC 6298 5.7: a SYN that had to be repeated makes the first guess for data 3 s.
    if (syn_lost_ && !rtt_.has_sample()) rto = std::max<Duration>(rto, 3s);
    const Duration limit = persisting_ ? config_->persist_max : config_->rto_max;
    const int doublings = planted(Bug::backoff_none) ? 0 : backoff_;
    for (int i = 0; i < doublings && rto < limit; ++i) rto *= 2;
    if (backoff_ != 0 || rtt_.has_sample()) rto += config_->rto_slop;
    return std::min(rto, limit);
}

void Connection::arm_retransmit(Instant now) {
    persisting_ = false;
    Duration rto = current_rto();
    if (state_ == State::syn_sent && retries_ < config_->syn_linear_timeouts)
        rto = config_->rto_initial;
    retransmit_at_ = after(now, rto);
    if (state_ == State::syn_sent && config_->syn_timeout != 0s)
        retransmit_at_ = std::min(retransmit_at_, after(last_sent_, config_->syn_timeout));
}

// R2: how long to go on (MUST-20, MUST-21, MUST-22, MUST-23).
bool Connection::gives_up(Instant now) const {
    if (config_->user_timeout == Duration::max() || planted(Bug::r2_never)) return false;
    if (config_->user_timeout != 0s) {
        return trouble_since_ != never && now - trouble_since_ >= config_->user_timeout;
    }
    if (state_ == State::syn_sent) {
        return retries_ >= config_->syn_retries + config_->syn_linear_timeouts ||
               (config_->syn_timeout != 0s && now - last_sent_ >= config_->syn_timeout);
    }
    if (state_ == State::syn_received) return retries_ >= config_->synack_retries;
    return retries_ >= (orphan_ ? config_->orphan_retries : config_->retries2);
}

void Connection::give_up(Environment& env, Instant now) {
    ++env.counters.TcpExt_TCPAbortOnTimeout;
    if (state_ == State::syn_sent || state_ == State::syn_received) ++env.counters.Tcp_AttemptFails;
    finish(env, now, has_soft_error_ ? soft_error_ : Error::timed_out);
}

void Connection::on_retransmit_timer(Environment& env, Instant now) {
    if (trouble_since_ == never) trouble_since_ = now - current_rto();
    if (gives_up(now)) return give_up(env, now);
    if (retries_ != 255) ++retries_;
    if (retries_ == config_->retries1) notice_.trouble = true;  // SHLD-9
    count(env, &History::timeouts);
    ++env.counters.TcpExt_TCPTimeouts;
    note(env, now, event::Kind::retransmit_timeout,
         static_cast<std::uint64_t>(current_rto().count()), backoff_, tcb_.snd.una.wire().raw);
    if (state_ == State::syn_sent || state_ == State::syn_received) {
        owed_.syn = true;
        if (fast_open_ && extras_->fast_open) extras_->fast_open->syns_lost = retries_;
        if (retries_ > config_->syn_linear_timeouts && backoff_ < 32) ++backoff_;
        return;
    }
    if (tcb_.snd.wnd == 0 && active_ != nullptr && !active_->sent.empty()) {
        // What is outstanding fell behind a closed window (MUST-35): probe for it (SHLD-17).
        persisting_ = true;
        owed_.probe = true;
        if (backoff_ < 32) ++backoff_;
        retransmit_at_ = after(now, current_rto());
        return;
    }
    if (History* h = have_history(env)) limits_.was(now, Limit::timeout, h->limited);
    if (extras_ != nullptr && extras_->mtu.probe != 0) settle_mtu_probe(env, now, Seq());
    if (config_->mtu_probing != MtuProbing::off && seems_black_hole()) search_black_hole(env, now);
    time_out_data(env, now);
    if (backoff_ < 32) ++backoff_;  // RFC 6298 5.5, MUST-19
    arm_retransmit(now);
}

// RFC 5681 3.1, RFC 6298 5.4: what is outstanding is taken for lost, the earliest goes out now.
void Connection::time_out_data(Environment& env, Instant now) {
    owed_.fin = fin_in_flight();
    if (active_ == nullptr || active_->sent.empty()) return;
    Active& a = *active_;
    const bool repeated = a.recovery == Recovery::timeout && a.sent.first()->retransmitted != 0;
    const bool fresh = a.recovery == Recovery::open;
    arm_undo();
    if (a.undo.srtt == 0ns) {
        a.undo.srtt = rtt_.srtt();
        a.undo.rttvar = rtt_.rttvar();
    }
    a.control.on(congestion::TimedOut{.now = now,
                                      .in_flight =
                                          reduces_from(distance(tcb_.snd.una, tcb_.snd.nxt)),
                                      .mss = send_mss(),
                                      .repeated = repeated});
    leave_recovery();
    a.recovery = Recovery::timeout;
    a.recover = tcb_.snd.nxt;
    if (fresh && config_->frto) a.frto = Frto::first_ack;
    a.tail.outstanding = a.tail_probe_due = false;
    a.doubt_until = a.early_at = never;
    if (a.sent.first()->sacked) {  // RFC 2018 8: the peer has dropped what it had
        a.sent.forget_sacks();
        ++env.counters.TcpExt_TCPSACKReneging;
    }
    const std::uint64_t lost_before = a.sent.lost_bytes();
    if (sack_ && config_->rack) {  // RFC 8985 6.3
        a.sent.mark_lost_until(now - a.rack.rtt() - a.rack.window(rack_path(), true));
    } else {
        a.sent.mark_all_lost();
        a.judged_below = a.sent.last()->end;
    }
    a.rate.on_lost(a.sent.lost_bytes() - lost_before);
    a.retransmit_now = true;
    note(env, now, event::Kind::recovery_start, static_cast<std::uint64_t>(event::Cause::timeout),
         a.recover.wire().raw, cwnd(), ssthresh());
    note_window(env, now, event::Cause::timeout);
    if (a.paced) note_pacing(env, now);
}

void Connection::on_persist_timer(Environment& env, Instant now) {
    const Seq right = tcb_.snd.una + tcb_.snd.wnd;
    if (right > tcb_.snd.nxt) {  // too small a window for too long: take it (RFC 9293 3.8.6.2.1)
        persisting_ = false;
        sws_override_ = true;
        return;
    }
    if (trouble_since_ == never) trouble_since_ = now;
    // MUST-37: an answering peer may keep its window closed; an orphan need not wait for it for
    // ever.
    const bool over = orphan_ ? backoff_ >= config_->orphan_retries : gives_up(now);
    if (over) {
        owed_.reset = true;
        return give_up(env, now);
    }
    if (retries_ != 255) ++retries_;
    if (retries_ == config_->retries1) notice_.trouble = true;
    owed_.probe = true;
    if (backoff_ < 32) ++backoff_;  // SHLD-30
    retransmit_at_ = after(now, current_rto());
}

// Asked when everything that could be said has been said.
Limit Connection::what_limits(Instant now) const {
    if (active_ == nullptr || active_->send.size() == 0) return Limit::application;
    const Active& a = *active_;
    const bool unsent = a.send.end() > tcb_.snd.nxt && !fin_sent_;
    if (!unsent && a.sent.lost_bytes() == 0)
        return write_blocked_ ? Limit::send_buffer : Limit::application;
    if (persisting_ || tcb_.snd.wnd == 0) return Limit::zero_window;
    if (a.recovery == Recovery::timeout) return Limit::timeout;
    if (a.recovery == Recovery::fast && !a.control.rules_recovery()) return Limit::recovery;
    if (sendable() == 0) return Limit::receive_window;
    if (in_flight() + send_mss() > cwnd()) return Limit::cwnd;
    if (a.pacing_at != never) return Limit::pacing;
    if (holds_small(now)) return Limit::small_segment;
    return sendable() < send_mss() ? Limit::receive_window : Limit::memory;
}

void Connection::rearm_keepalive(Instant now) {
    keepalive_at_ = config_->keepalive && is_synchronized(state_) && state_ != State::time_wait
                        ? after(std::max(last_received_, now), config_->keepalive_idle)
                        : never;
}

void Connection::apply_config(Instant now) {
    nodelay_ = !config_->nagle;
    if (active_ != nullptr) active_->paced = is_paced();
    if (!config_->send_autotune) send_buffer_ = config_->send_buffer;
    if (!config_->recv_autotune) recv_buffer_ = config_->recv_buffer;
    rearm_keepalive(now);
}

// MUST-24 to MUST-29, SHLD-12; S4-18.
void Connection::on_keepalive_timer(Environment& env, Instant now) {
    keepalive_at_ = never;
    if (!config_->keepalive || !is_synchronized(state_)) return;
    if ((tcb_.snd.una != tcb_.snd.nxt && !planted(Bug::keepalive_busy)) ||
        persisting_) {  // something else is asking already (MUST-26)
        keepalive_at_ = after(now, config_->keepalive_idle);
        return;
    }
    const bool too_long = config_->user_timeout > 0s && config_->user_timeout != Duration::max() &&
                          probes_ > 0 && now - last_received_ >= config_->user_timeout;
    const bool impatient = planted(Bug::keepalive_impatient) && probes_ > 0;
    if (probes_ >= config_->keepalive_probes || too_long || impatient) {
        owed_.reset = true;
        ++env.counters.TcpExt_TCPAbortOnTimeout;
        finish(env, now, has_soft_error_ ? soft_error_ : Error::timed_out);
        return;
    }
    ++probes_;
    ++env.counters.TcpExt_TCPKeepAlive;
    owed_.keepalive = true;
    keepalive_at_ = after(now, config_->keepalive_interval);
}

void Connection::on_misc_timer(Environment& env, Instant now) {
    misc_at_ = never;
    if (state_ == State::time_wait || state_ == State::fin_wait_2)
        return finish(env, now, std::nullopt);
    if (state_ != State::closed) deactivate_if_idle(env, now, true);
}

}  // namespace estab::tcp
