// The acknowledgment of a segment: what left the send queue, what it says about the path and about
// the peer's window. RFC 9293 3.10.7.4, fifth; RFC 6298. What is lost: recovery.cpp, newreno.cpp.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

using wire::Flags;

// SEG.ACK is SND.UNA or above it.
void Connection::on_ack(Environment& env, Instant now, Instant arrived, const Segment& seg) {
    if (seg.payload.empty()) ++env.counters.TcpExt_TCPPureAcks;
    const bool advanced = seg.ack > tcb_.snd.una;
    const bool duplicate = active_ != nullptr && is_duplicate_ack(seg);
    const std::uint64_t newly = distance(tcb_.snd.una, seg.ack);
    const std::uint64_t flight = active_ != nullptr ? in_flight() : 0;
    if (advanced) {
        tcb_.snd.una = seg.ack;
        stats_.octets_acked += newly;
        retries_ = 0;
        trouble_since_ = never;
        if (config_->cwnd_validation && active_ != nullptr)
            active_->use.on_acked(now, newly, tcb_.snd.una, tcb_.snd.nxt, rtt_.srtt());
        owed_.fin = owed_.fin && fin_in_flight();
    }
    if (active_ == nullptr) {  // only our FIN was outstanding
        if (!advanced) return;
        retransmit_at_ = never;
        backoff_ = 0;
        return;
    }
    const std::uint64_t vouched = active_->left_network;
    AckNews news{.advanced = advanced, .duplicate = duplicate};
    const bool has_blocks = sack_ && seg.options.sack_count != 0;
    if (!news.advanced && !news.duplicate && !has_blocks) return;
    Active& a = *active_;
    a.rack.begin_ack();
    if (seg.ack < tcb_.snd.nxt) note_application_limit(flight);  // else the next write() does it
    if (news.advanced) {
        news.acked = a.sent.acknowledge(seg.ack, [&](const Sent& record, std::uint64_t octets) {
            learn_delivery(arrived, seg, record, octets, news);
        });
    }
    if (has_blocks) read_sack(env, arrived, seg, news);
    if (news.acked.delivered != 0) {
        news.rtt = take_rtt(env, now, arrived, seg, news);
        delivered_ += news.acked.delivered;
        news.rate = a.rate.on_delivered(arrived, news.newest, delivered_, rtt_.rtt_min());
    }
    if (news.advanced) a.send.release(std::min(seg.ack, a.send.end()));
    if (extras_ != nullptr && extras_->mtu.probe != 0) settle_mtu_probe(env, now, tcb_.snd.una);
    const bool undone = undo_if_spurious(env, now, seg, news);
    if (sack_) {
        recover_with_sack(env, now, arrived, news);
    } else if (news.advanced) {
        recover_without_sack(env, now, newly);
    } else if (!undone) {
        on_duplicate_ack(env, now);
    }
    if (accecn_) news.marked = read_accecn(env, now, seg, news.acked.delivered);
    if (news.marked != 0) react_to_marks(env, now, seg.ack);  // before anything grows
    tell_congestion_control(env, now, {.flight = flight, .vouched = vouched}, news);
    if (news.advanced) after_progress(now);
    // What brought nothing new does not put off the question about the tail.
    const bool asks = a.early_is_probe && a.early_at != never;
    if (sack_ && (news.advanced || news.acked.delivered != 0 || !asks)) arm_early(now);
    if (cork_is_more_) set_cork(false, now);
}

// SEG.ACK is below SND.UNA: it was overtaken, and only its SACK blocks may be news.
void Connection::on_old_ack(Environment& env, Instant now, Instant arrived, const Segment& seg) {
    if (!sack_ || active_ == nullptr || active_->sent.empty() || seg.options.sack_count == 0)
        return;
    AckNews news;
    const std::uint64_t flight = in_flight();
    active_->rack.begin_ack();
    read_sack(env, arrived, seg, news);
    if (news.acked.delivered == 0) return;
    delivered_ += news.acked.delivered;
    news.rate = active_->rate.on_delivered(arrived, news.newest, delivered_, rtt_.rtt_min());
    recover_with_sack(env, now, arrived, news);
    tell_congestion_control(env, now, {.flight = flight, .vouched = 0}, news);
    arm_early(now);
}

void Connection::tell_congestion_control(Environment& env, Instant now, const Before& before,
                                         const AckNews& news) {
    Active& a = *active_;
    if (news.acked.delivered == 0) return;
    // What arrives behind a hole may mean a loss: no reason to grow, but where paths reorder.
    const bool in_doubt = !news.advanced && !a.rack.has_seen_reordering();
    // In slow start a window that is half used may go on growing (RFC 5681 4.1, as Linux).
    // RFC 7661 4.4.2 has another measure: a window that is validated grows.
    const bool is_limited =
        config_->cwnd_validation
            ? a.use.is_validated(a.control.cwnd())
            : a.cwnd_limited || (cwnd() < ssthresh() && cwnd() < 2 * a.flight_max);
    // Without SACK, what duplicate ACKs have vouched for has grown no window and does not now.
    const std::uint64_t fresh = std::max<std::uint64_t>(
        news.acked.delivered - std::min(news.acked.delivered, before.vouched), 1);
    a.control.on(congestion::Acked{.now = now,
                                   .bytes = fresh,
                                   .in_flight = before.flight,
                                   .rtt = news.rtt,
                                   .srtt = rtt_.srtt(),
                                   .rtt_min = rtt_.rtt_min(),
                                   .delivered = delivered_,
                                   .ce_bytes = news.marked,
                                   .pipe = a.control.rules_recovery() ? in_flight() : 0,
                                   .rate = news.rate,
                                   .mss = send_mss(),
                                   .cwnd_limited = is_limited,
                                   .in_recovery = a.recovery == Recovery::fast || a.reducing ||
                                                  in_doubt});
    if (config_->cwnd_validation && a.use.has_expired(now, a.control.cwnd())) {  // RFC 7661 4.4.3
        const std::uint64_t cwnd = a.control.cwnd();
        const auto left = std::max<std::uint64_t>(cwnd / 2, initial_window_bytes());
        a.control.on(congestion::Restarted{now, left, cwnd / 4 * 3});
        note_window(env, now, event::Cause::validation);
    } else if (env.log.wants(event::Kind::congestion_window)) {
        note_window(env, now, growth_cause());
    } else {
        env.log.count(event::Kind::congestion_window);
    }
    if (a.paced) note_pacing(env, now);
}

// What an acknowledgment makes of the window and the rate, and why.
event::Cause Connection::growth_cause() const {
    switch (active_->control.phase()) {
    case congestion::Phase::none: break;
    case congestion::Phase::startup: return event::Cause::startup;
    case congestion::Phase::drain: return event::Cause::drain;
    case congestion::Phase::probe_down: return event::Cause::probe_down;
    case congestion::Phase::probe_cruise: return event::Cause::probe_cruise;
    case congestion::Phase::probe_refill: return event::Cause::probe_refill;
    case congestion::Phase::probe_up: return event::Cause::probe_up;
    case congestion::Phase::probe_rtt: return event::Cause::probe_rtt;
    case congestion::Phase::classic_queue: return event::Cause::classic_queue;
    }
    return cwnd() < ssthresh() ? event::Cause::slow_start : event::Cause::avoidance;
}

// Everything written is on the way and cwnd would let more go: what the network delivers from now
// on says how fast the application is (draft-ietf-ccwg-bbr 4.1.2.4).
void Connection::note_application_limit(std::uint64_t flight) {
    Active& a = *active_;
    if (a.send.end() >= tcb_.snd.nxt + send_mss() || a.sent.lost_bytes() != 0) return;
    if (flight < cwnd()) a.rate.on_application_limit(delivered_, flight);
}

// SND.UNA has moved on.
void Connection::after_progress(Instant now) {
    // RFC 6298 5.2, 5.3.
    retransmit_at_ = never;
    persisting_ = false;
    if (tcb_.snd.una < tcb_.snd.nxt && !planted(Bug::timer_rto)) arm_retransmit(now);
    // Room for as much as a window of data behind the one in flight.
    if (config_->send_autotune && cwnd() * 2 > send_buffer_) {
        send_buffer_ = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(std::max<std::uint64_t>(cwnd() * 2, send_buffer_),
                                    std::max(config_->send_buffer_max, send_buffer_)));
    }
    if (write_blocked_ && write_room() >= send_buffer_ / 3) {
        write_blocked_ = false;
        notice_.writable = true;
    }
}

// One sample for each acknowledgment: from the record of what was sent once (Karn: MUST-18), or
// from the echoed timestamp (RFC 7323 4.1) when something was sent again. An echo from before that
// does not say which copy is answered: the first may be late, or its ACK was lost, and then the
// sample would be the time-out, and make the next one longer without end. Only where the answer is
// faster than the path is it one to the first copy.
Duration Connection::take_rtt(Environment& env, Instant now, Instant arrived,
                              const Segment& seg, const AckNews& news) {
    const SentQueue::Acked& acked = news.acked;
    Duration rtt{-1};
    const bool twice = planted(Bug::karn) && acked.any_retransmitted;
    if (twice) {
        rtt = arrived - last_sent_;
    } else if (acked.has_sample && !acked.any_retransmitted) {
        rtt = arrived - acked.sent_at;
    } else if (news.advanced && timestamps_ && seg.options.timestamps &&
               seg.options.timestamps->ecr != 0 &&
               (!echoes_before(seg, news.resent_at) ||
                arrived - news.resent_at < rtt_.rtt_min())) {
        const std::uint32_t ticks = ts_now(arrived) - seg.options.timestamps->ecr;
        if (ticks < 0x8000'0000) rtt = ticks * config_->timestamp_tick;
    }
    if (rtt < 0s) return rtt;
    const auto samples =
        static_cast<std::uint32_t>(distance(tcb_.snd.una, tcb_.snd.nxt) / (2u * send_mss()) + 1);
    rtt_.add(now, rtt, samples);
    backoff_ = 0;  // RFC 6298 5.7: a valid sample ends the backing off
    if (env.log.wants(event::Kind::rtt_sample)) {
        note(env, now, event::Kind::rtt_sample, static_cast<std::uint64_t>(rtt.count()),
             static_cast<std::uint64_t>(rtt_.srtt().count()),
             static_cast<std::uint64_t>(rtt_.rttvar().count()),
             static_cast<std::uint64_t>(current_rto().count()));
    } else {
        env.log.count(event::Kind::rtt_sample);
    }
    return rtt;
}

// The peer's window, unless an older segment says it (SND.WL1, SND.WL2). It may shrink (MUST-34);
// what is then outside is simply not sent.
void Connection::take_window(Environment& env, Instant now, const Segment& seg) {
    Tcb::Send& snd = tcb_.snd;
    // An ACK that acknowledges more was sent later, whatever its SEQ: a retransmission may carry
    // it. With the window of an older segment, SND.UNA + SND.WND would lie beyond what was ever
    // offered.
    const bool newer =
        snd.wl2 < seg.ack || snd.wl1 < seg.seq || (snd.wl1 == seg.seq && snd.wl2 == seg.ack);
    if (!newer) return;
    const bool was_closed = snd.wnd == 0;
    snd.wnd = seg.wnd;
    snd.wnd_max = std::max(snd.wnd_max, seg.wnd);
    snd.wl1 = seg.seq;
    snd.wl2 = seg.ack;
    if (snd.wnd == 0 && !was_closed) note(env, now, event::Kind::zero_window, snd.una.wire().raw);
    if (snd.wnd != 0 && persisting_) {
        persisting_ = false;
        retransmit_at_ = never;
        backoff_ = 0;
        retries_ = 0;
        owed_.probe = false;
        if (active_ != nullptr) restart_after_idle(env, now);
        if (active_ != nullptr && !active_->sent.empty()) {  // a probe's octet that nobody took
            active_->sent.mark_all_lost();
            active_->retransmit_now = true;
        }
    } else if (persisting_) {
        if (!planted(Bug::probe_counts)) retries_ = 0;  // MUST-37: it answers, so it lives
    }
}

// The mark of a segment is owed to the peer; of RFC 3168's echo is made what there is to be made.
void Connection::take_ecn_echo(Environment& env, Instant now, const Segment& seg) {
    if (accecn_) return count_arrival(seg);  // what ACKs say is read with what they acknowledge
    if (seg.has(Flags::cwr)) ecn_echo_ = false;
    if (seg.ecn == wire::Ecn::ce && !planted(Bug::ce_unechoed))
        ecn_echo_ = true;  // until the peer's CWR: 6.1.3
    if (seg.has(Flags::ece) && !planted(Bug::ece_ignored) && react_to_marks(env, now, seg.ack))
        cwr_owed_ = true;
}

}  // namespace estab::tcp
