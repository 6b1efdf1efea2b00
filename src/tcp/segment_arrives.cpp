// SEGMENT ARRIVES in a state other than CLOSED, LISTEN and SYN-SENT: RFC 9293 3.10.7.4, in its
// order, with the checks of RFC 7323 5.3 (PAWS) and RFC 5961 where they belong.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

using wire::Flags;

Connection::Verdict Connection::on_segment(Environment& env, Instant now, Instant arrived,
                                           Segment& seg) {
    stats_.segments_in += seg.segments;
    if (!seg.payload.empty()) stats_.data_in += seg.segments;
    if (state_ == State::syn_sent) return on_syn_sent(env, now, seg);
    CHECK(state_ != State::listen);
    if (state_ == State::closed) return Verdict::reset;

    Step step = first_check_sequence(env, now, seg);
    if (step == Step::next) step = second_check_rst(env, now, seg);
    // Third, security and precedence: RFC 9293 A.1 has let go of it.
    if (step == Step::next) step = fourth_check_syn(env, now, seg);
    if (step == Step::next) step = fifth_check_ack(env, now, arrived, seg);
    if (step == Step::next) {
        sixth_check_urg(env, now, seg);
        seventh_text(env, now, seg);
        eighth_check_fin(env, now);
    }
    deactivate_if_idle(env, now);
    return step == Step::reset ? Verdict::reset : Verdict::done;
}

// RFC 9293 3.10.7.4, table 6, written as an overlap. Not RFC 793: an empty segment just at the
// right edge passes, because a sender that has filled our window acknowledges from there.
bool Connection::is_acceptable(const Segment& seg) const {
    const Tcb::Receive& rcv = tcb_.rcv;
    // RFC 5961 3.2, erratum 4845: for a RST the edge is outside.
    if (config_->window_exact && seg.has(Flags::rst) && rcv.wnd() != 0 && seg.seq == rcv.edge)
        return false;
    if (seg.length() == 0) return rcv.nxt <= seg.seq && seg.seq <= rcv.edge;
    return rcv.wnd() != 0 && seg.seq < rcv.edge && rcv.nxt < seg.end();
}

// RFC 7323 5.3 R1. A RST is not subject to it (5.2).
bool Connection::fails_paws(Instant now, const Segment& seg) const {
    if (!timestamps_ || !seg.options.timestamps || !ts_recent_valid_ || seg.has(Flags::rst))
        return false;
    constexpr Duration too_old = 24 * 24h;  // the clock may have wrapped: 5.5
    if (now - ts_recent_at_ > too_old || planted(Bug::paws_off)) return false;
    return static_cast<std::int32_t>(seg.options.timestamps->val - ts_recent_) < 0;
}

Connection::Step Connection::first_check_sequence(Environment& env, Instant now, Segment& seg) {
    if (state_ == State::syn_received && seg.has(Flags::syn) && seg.seq == tcb_.rcv.irs) {
        if (!seg.has(Flags::rst) && mixes_ecn(seg)) {
            owed_.reset = true;
            finish(env, now, Error::reset);
            return Step::stop;
        }
        if (active_open_ && seg.has(Flags::ack)) {
            // The other half of a simultaneous open: the SYN that we have already counted, now
            // with its ACK.
            seg.seq += 1;
            seg.flags.bits &= static_cast<std::uint16_t>(~Flags::syn);
        } else if (serves_early() && !seg.has(Flags::ack | Flags::rst)) {
            owed_.syn = true;  // our SYN-ACK was lost
            hear_syn_again(seg);
            return Step::stop;
        }
    }
    if (state_ == State::syn_received && active_open_ && seg.end() <= tcb_.rcv.nxt &&
        seg.seq > tcb_.rcv.irs && !seg.payload.empty()) {
        // The text of the SYN that crossed ours, once more: of it only the ACK is news.
        seg.seq = tcb_.rcv.nxt;
        seg.payload.clear();
        owed_.ack = true;
    }
    if (state_ == State::time_wait && !config_->time_wait_answers_syn && seg.has(Flags::syn) &&
        !seg.has(Flags::ack))
        return Step::stop;
    if (fails_paws(now, seg)) {
        ++env.counters.TcpExt_PAWSEstab;
        note(env, now, event::Kind::paws_reject, seg.options.timestamps->val, ts_recent_);
        refuse(env, now, seg, true);
        return Step::stop;
    }
    if (timestamps_ && !seg.options.timestamps && config_->require_timestamps &&
        !seg.has(Flags::rst)) {
        return Step::stop;  // RFC 7323 3.2
    }
    if (!is_acceptable(seg)) {
        // A closed window still lets the ACK, the RST and the urgent pointer of the next segment
        // through (MUST-66); its text stays outside.
        const bool only_the_window = tcb_.rcv.wnd() == 0 && seg.seq == tcb_.rcv.nxt &&
                                     !planted(Bug::zero_window_deaf);
        if (!only_the_window) {
            refuse(env, now, seg);
            return Step::stop;
        }
        const bool ends = config_->window_overrun && seg.payload.empty();  // a FIN takes no room
        seg.payload.clear();
        if (!ends) seg.flags.bits &= static_cast<std::uint16_t>(~Flags::fin);
        owed_.ack = true;
        ++env.counters.TcpExt_TCPRcvQDrop;
    }
    // RFC 7323 4.3 (2): the timestamp of the segment that moves the left edge.
    ts_due_ = seg.seq <= last_ack_sent_ || planted(Bug::ts_recent_any);
    // "Tailored" to the window: what lies outside is cut off.
    if (!seg.has(Flags::syn)) trim(seg);
    return Step::next;
}

// Not before the acknowledgment was found good: nobody who only guesses at sequence numbers may set
// the clock that PAWS goes by.
void Connection::take_timestamp(Instant now, const Segment& seg) {
    const std::uint32_t val = seg.options.timestamps->val;
    if (ts_recent_valid_ && static_cast<std::int32_t>(val - ts_recent_) < 0 &&
        now - ts_recent_at_ <= 24 * 24h)
        return;
    ts_recent_ = val;
    ts_recent_at_ = now;
    ts_recent_valid_ = true;
}

// The answer to what cannot be accepted: an ACK that says where we are, and nothing else. `is_old`:
// by its timestamp.
void Connection::refuse(Environment& env, Instant now, const Segment& seg, bool is_old) {
    if (seg.has(Flags::rst)) return;
    if (seg.has(Flags::syn) && config_->rfc5961) {
        challenge(env, now, seg);  // RFC 5961 4.2: whatever its sequence number
        if (accecn_ && active_open_ && seg.has(Flags::ack) && seg.seq == tcb_.rcv.irs) {
            extras_->accecn->heard = seg.ecn;  // RFC 9768 3.2.2.1: of the latest SYN-ACK
            owed_.handshake_ack = owed_.challenge;
        }
        return;
    }
    if (state_ == State::time_wait && seg.has(Flags::fin)) {
        misc_at_ = after(now, config_->time_wait);  // the peer's FIN again: 2 MSL anew (S1-10)
    }
    const bool has_text = !seg.payload.empty();
    if (has_text && seg.end() <= tcb_.rcv.nxt) {
        count(env, &History::duplicates_in, seg.segments);
        ++env.counters.TcpExt_DelayedACKLost;  // or it was slow
        note(env, now, event::Kind::duplicate, seg.seq.wire().raw, seg.end().wire().raw);
        report_duplicate(env, seg.seq, seg.seq + seg.payload.size());
        if (accecn_ && config_->accecn_everywhere) {  // Linux counts these, too
            hear_needless(seg.seq.wire());
            count_arrival(seg);
        }
    } else {
        note(env, now, event::Kind::out_of_window, seg.seq.wire().raw, seg.end().wire().raw);
        // Two sides that each think the other wrong must not talk for ever.
        if (!has_text && !seg.has(Flags::fin)) {
            if (refused_lately(now)) {
                event::Counters& n = env.counters;
                ++(state_ == State::syn_received ? n.TcpExt_TCPACKSkippedSynRecv
                   : state_ == State::time_wait  ? n.TcpExt_TCPACKSkippedTimeWait
                   : is_old                      ? n.TcpExt_TCPACKSkippedPAWS
                                                 : n.TcpExt_TCPACKSkippedSeq);
                return;
            }
            if (History* h = have_history(env)) h->last_refused = now;
        }
    }
    owed_.ack = true;
}

bool Connection::refused_lately(Instant now) const {
    return history_ != nullptr && history_->last_refused != Instant::min() &&
           now - history_->last_refused < config_->invalid_ratelimit;
}

// RFC 5961 5 and 7: at most so many a second, for all connections together and for each.
void Connection::challenge(Environment& env, Instant now, const Segment& seg) {
    if (refused_lately(now)) {
        ++env.counters.TcpExt_TCPACKSkippedChallenge;
        return;
    }
    if (!env.challenges.allows(now, config_->challenge_ack_limit)) {
        ++env.counters.TcpExt_TCPACKSkippedChallenge;
        return;
    }
    if (History* h = have_history(env)) h->last_refused = now;
    if (seg.has(Flags::syn)) ++env.counters.TcpExt_TCPSYNChallenge;
    note(env, now, event::Kind::challenge_ack, seg.seq.wire().raw, seg.ack.wire().raw,
         seg.flags.bits);
    owed_.challenge = true;
}

Connection::Step Connection::second_check_rst(Environment& env, Instant now, const Segment& seg) {
    if (!seg.has(Flags::rst)) return Step::next;  // SHLD-2: text on it is of no interest
    // RFC 5961 3.2: only the exact number resets; another one inside the window is asked to prove
    // itself.
    const bool asks = config_->rfc5961 && !config_->insecure_rst && !planted(Bug::rst_in_window);
    if (asks && seg.seq != tcb_.rcv.nxt) {
        challenge(env, now, seg);
        return Step::stop;
    }
    if (state_ == State::time_wait && config_->rfc1337) return Step::stop;
    note(env, now, event::Kind::reset_received, seg.seq.wire().raw,
         static_cast<std::uint64_t>(state_));
    switch (state_) {
    case State::syn_received:
        ++env.counters.Tcp_AttemptFails;
        // A passive open goes back to LISTEN, which it never left: nobody is told.
        if (active_open_ || planted(Bug::passive_open_told)) {
            finish(env, now, Error::refused);
        } else if (fast_open_) {  // somebody may have it already
            finish(env, now, Error::reset);
        } else {
            orphan_ = true;
            finish(env, now, Error::reset);
        }
        break;
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
        ++env.counters.Tcp_EstabResets;
        finish(env, now, planted(Bug::reset_untold) ? std::nullopt : std::optional(Error::reset));
        break;
    case State::closing:
    case State::last_ack:
        finish(env, now, config_->reset_always_told ? std::optional(Error::reset) : std::nullopt);
        break;
    case State::time_wait: finish(env, now, std::nullopt); break;
    case State::closed:
    case State::listen:
    case State::syn_sent: break;
    }
    return Step::stop;
}

Connection::Step Connection::fourth_check_syn(Environment& env, Instant now, const Segment& seg) {
    if (!seg.has(Flags::syn)) return Step::next;
    if (state_ == State::syn_received && !active_open_) {
        if (!fast_open_) orphan_ = true;  // back to LISTEN
        finish(env, now, Error::reset);
        return Step::stop;
    }
    if (config_->rfc5961 && !config_->insecure_syn && !planted(Bug::syn_resets)) {
        challenge(env, now, seg);
        return Step::stop;
    }
    if (config_->insecure_syn && state_ != State::time_wait) {  // RFC 793: from where we are
        owed_.reset = true;
        finish(env, now, Error::reset);
        return Step::stop;
    }
    finish(env, now, Error::reset);
    return Step::reset;
}

Connection::Step Connection::fifth_check_ack(Environment& env, Instant now, Instant arrived,
                                             const Segment& seg) {
    if (!seg.has(Flags::ack)) return Step::stop;
    Tcb::Send& snd = tcb_.snd;
    if (state_ == State::syn_received) {
        if (seg.ack <= snd.una || seg.ack > snd.nxt) return Step::reset;
        snd.wnd = snd.wnd_max = seg.wnd;
        snd.wl1 = seg.seq;
        snd.wl2 = seg.ack;
        snd.una = snd.iss + 1;
        if (stats_.retransmits == 0 && retries_ == 0 && last_sent_ != Instant{} &&
            stats_.data_out == 0)
            rtt_.add(now, arrived - last_sent_);
        if (accecn_) hear_handshake_ack(env, now, seg);
        become_established(env, now);
        if (active_open_ && unread() != 0) {  // of the SYN that crossed ours
            notice_.readable = true;
            ack_pending_ = 1;
            ack_at_ = std::min(ack_at_, after(now, config_->delayed_ack));
        }
        if (snd.una < snd.nxt) arm_retransmit(now);  // text went ahead of this
        // It may acknowledge more than the SYN only if we had sent more: go on as ESTABLISHED.
    }
    // MAY-12, RFC 5961 5.2: one of the far past or of the future is an attempt to inject.
    if (seg.ack > snd.nxt && planted(Bug::future_ack_taken)) return Step::stop;
    if (seg.ack > snd.nxt || (config_->rfc5961 && seg.ack + snd.wnd_max < snd.una)) {
        if (config_->rfc5961 && seg.ack < snd.una) {
            challenge(env, now, seg);
        } else if (!config_->unsent_ack_silent || seg.ack <= snd.nxt) {
            owed_.ack = true;
        }
        return Step::stop;
    }
    last_received_ = now;
    if (ts_due_ && timestamps_ && seg.options.timestamps) take_timestamp(now, seg);
    probes_ = 0;
    if (keepalive_at_ != never) rearm_keepalive(now);
    if (ecn_) take_ecn_echo(env, now, seg);
    // An old ACK says nothing new, but the segment's text may still be: ignore only the ACK.
    if (seg.ack >= snd.una) {
        on_ack(env, now, arrived, seg);
        take_window(env, now, seg);
    } else {
        on_old_ack(env, now, arrived, seg);
        if (planted(Bug::old_ack_loses_text)) return Step::stop;
    }
    const bool counts = !planted(Bug::close_fin_ack) || stats_.retransmits == 0;
    if (fin_sent_ && snd.una > fin_seq_ && counts) on_fin_acked(env, now);
    return state_ == State::closed ? Step::stop : Step::next;
}

void Connection::on_fin_acked(Environment& env, Instant now) {
    switch (state_) {
    case State::fin_wait_1:
        enter(env, now, State::fin_wait_2);
        if (orphan_) misc_at_ = after(now, config_->fin_wait_2);
        break;
    case State::closing: time_wait(env, now); break;
    case State::last_ack: finish(env, now, std::nullopt); break;
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::established:
    case State::fin_wait_2:
    case State::close_wait:
    case State::time_wait: break;
    }
}

// The mark moves forward only; the data stays where it is in the stream (RFC 6093, S4-8b).
void Connection::sixth_check_urg(Environment& env, Instant now, const Segment& seg) {
    if (!seg.has(Flags::urg) || !can_receive(state_)) return;
    const Seq up = seg.seq + seg.urgent;
    if (up <= tcb_.rcv.up || up <= tcb_.rcv.nxt) return;
    tcb_.rcv.up = up;
    // MUST-32: the first time and whenever it advances.
    notice_.urgent = !planted(Bug::urgent_untold);
    note(env, now, event::Kind::urgent, up.wire().raw);
}

void Connection::seventh_text(Environment& env, Instant now, Segment& seg) {
    if (state_ == State::time_wait) {
        // RFC 9293 3.10.7.4, eighth: whoever still speaks is told where we are. FreeBSD tells it to
        // every ACK that is not the last one.
        const bool stray = seg.seq != tcb_.rcv.nxt || seg.ack != tcb_.snd.nxt;
        if (seg.length() != 0 || (config_->window_exact && stray)) owed_.ack = true;
    }
    if (!can_receive(state_)) return;  // after the peer's FIN there is no text
    if (seg.has(Flags::fin)) {
        fin_waiting_ = true;
        fin_wait_seq_ = seg.seq + seg.payload.size();
    }
    if (seg.payload.empty()) return;
    // RFC 1122 4.2.2.13 (SHLD-3): octets for an owner who has gone.
    if (orphan_ && seg.end() > tcb_.rcv.nxt) {
        ++env.counters.TcpExt_TCPAbortOnData;
        abort(env, now);
        return;
    }
    store(env, now, seg);
}

// A FIN counts when everything before it has arrived.
void Connection::eighth_check_fin(Environment& env, Instant now) {
    const bool hole = fin_wait_seq_ > tcb_.rcv.nxt && !planted(Bug::close_fin_hole);
    if (!fin_waiting_ || hole || !can_receive(state_)) {
        if (fin_waiting_ && can_receive(state_))
            owed_.ack = true;  // behind a hole: a duplicate ACK
        return;
    }
    fin_waiting_ = false;
    fin_received_ = true;
    tcb_.rcv.nxt = fin_wait_seq_ + 1;
    tcb_.rcv.edge = std::max(tcb_.rcv.edge, tcb_.rcv.nxt);
    notice_.readable = true;
    switch (state_) {
    case State::established:
        enter(env, now, State::close_wait);
        // The owner may close at once: its FIN can then carry this ACK (S1-18).
        if (config_->delay_fin_ack) owed_.dsack = false;  // the end of the stream says it all
        if (config_->delay_fin_ack && !owed_.ack &&
            (has_had_text() || !config_->dialogue_delays)) {
            ack_at_ = std::min(ack_at_, after(now, config_->delayed_ack));
            ack_pending_ = std::max<std::uint8_t>(ack_pending_, 1);
        } else {
            owed_.ack = true;
        }
        break;
    case State::fin_wait_1:  // our FIN is not acknowledged, or we would be in FIN-WAIT-2
        owed_.ack = true;
        enter(env, now, State::closing);
        break;
    case State::fin_wait_2:
        owed_.ack = true;
        time_wait(env, now);
        break;
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::close_wait:
    case State::closing:
    case State::last_ack:
    case State::time_wait: break;
    }
}

// RFC 9293 3.10.7.4: "segments ... are trimmed to the window". Octets before RCV.NXT are cut where
// the buffer is filled, so that it can see (and report) duplicates.
void Connection::trim(Segment& seg) {
    if (seg.end() <= tcb_.rcv.edge) return;
    const bool lone_fin = seg.has(Flags::fin) && seg.payload.empty();
    if (config_->window_overrun && (unread() == 0 || lone_fin) && can_receive(state_)) return;
    const bool fin = seg.has(Flags::fin);
    std::uint64_t beyond = distance(tcb_.rcv.edge, seg.end());
    if (fin) {
        seg.flags.bits &= static_cast<std::uint16_t>(~Flags::fin);
        --beyond;
    }
    const auto cut =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(beyond, seg.payload.size()));
    seg.payload.drop_back(cut);
}

}  // namespace estab::tcp
