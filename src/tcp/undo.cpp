// Was it a loss? Eifel detection (RFC 3522) by timestamps, DSACK (RFC 2883, 3708), F-RTO
// (RFC 5682); and the answer, RFC 4015: what the episode took is given back.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/history.hpp"

namespace estab::tcp {

// An episode begins. One that grows out of another, as a time-out in fast recovery, goes back to
// where that one began.
void Connection::arm_undo() {
    Active& a = *active_;
    a.undo.until = tcb_.snd.nxt;
    if (a.recovery != Recovery::open) return;
    a.undo = {.armed = config_->undo,
              .from = tcb_.snd.una,
              .until = tcb_.snd.nxt,
              .expires = tcb_.snd.nxt,
              .cwnd = a.control.cwnd(),
              .ssthresh = a.control.ssthresh()};
}

// The segment was sent before `at`, says the timestamp that it echoes.
bool Connection::echoes_before(const Segment& seg, Instant at) const {
    if (!timestamps_ || !seg.options.timestamps || seg.options.timestamps->ecr == 0) return false;
    return static_cast<std::int32_t>(seg.options.timestamps->ecr - ts_now(at)) < 0;
}

// True if the episode has been taken back.
bool Connection::undo_if_spurious(Environment& env, Instant now, const Segment& seg,
                                  const AckNews& news) {
    Active& a = *active_;
    advance_frto(news);
    Undo& u = a.undo;
    if (!u.armed) return false;
    event::Cause cause = event::Cause::none;
    if (a.recovery != Recovery::open && news.advanced && u.first_retransmit != never &&
        echoes_before(seg, u.first_retransmit)) {
        cause = event::Cause::timestamp;
    } else if (u.proven && u.unproven == 0) {
        cause = event::Cause::dsack;
    } else if (a.frto == Frto::spurious) {
        cause = event::Cause::frto;
    }
    if (cause != event::Cause::none) {
        undo_recovery(env, now, news, cause);
        return true;
    }
    if (a.recovery == Recovery::open && tcb_.snd.una > u.expires) u.armed = false;
    return false;
}

// RFC 5682 2.1 and 3.1, steps 2 and 3.
void Connection::advance_frto(const AckNews& news) {
    Active& a = *active_;
    switch (a.frto) {
    case Frto::off:
    case Frto::spurious: return;
    case Frto::first_ack: {
        const Seq right = tcb_.snd.una + tcb_.snd.wnd;
        const Seq enough = tcb_.snd.nxt + send_mss();
        const bool has_new = !fin_sent_ && a.send.end() >= enough && right >= enough;
        const bool partial = news.advanced && tcb_.snd.una < a.recover;
        a.frto = partial && has_new ? Frto::new_data : Frto::off;
        return;
    }
    case Frto::new_data:
        if (!news.advanced && !news.duplicate && news.acked.delivered == 0) return;
        a.frto = news.original ? Frto::spurious : Frto::off;
        return;
    }
}

void Connection::undo_recovery(Environment& env, Instant now, const AckNews& news,
                               event::Cause cause) {
    Active& a = *active_;
    const Undo was = a.undo;
    a.undo.armed = false;
    const bool timed_out = a.recovery == Recovery::timeout;
    if (a.recovery != Recovery::open) {
        a.sent.mark_none_lost();
        leave_recovery();
        a.recover = a.judged_below = tcb_.snd.una;
    }
    a.control.on(congestion::Undone{now, was.cwnd, was.ssthresh});
    if (was.srtt != 0ns) {  // RFC 4015 3: the path is slower than the timer believed
        if (news.rtt >= 0s) backoff_ = 0;
        rtt_.restore(was.srtt, was.rttvar, news.rtt);
    }
    count(env, &History::undos);
    if (cause == event::Cause::dsack) {
        ++env.counters.TcpExt_TCPDSACKUndo;
    } else if (timed_out) {
        ++env.counters.TcpExt_TCPLossUndo;
    } else {
        ++env.counters.TcpExt_TCPFullUndo;
    }
    if (timed_out) ++env.counters.TcpExt_TCPSpuriousRTOs;
    note(env, now, event::Kind::recovery_undone, static_cast<std::uint64_t>(cause), cwnd(),
         ssthresh(), static_cast<std::uint64_t>(current_rto().count()));
    note_window(env, now, event::Cause::undo);
    if (a.paced) note_pacing(env, now);
}

}  // namespace estab::tcp
