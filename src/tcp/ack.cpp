// The acknowledgment of a segment: what left the send queue, what it says about the path, and loss
// recovery without SACK (RFC 5681, 6582, 6298). RFC 9293 3.10.7.4, fifth.
#include <algorithm>

#include "tcp/connection.hpp"

namespace estab::tcp {

using wire::Flags;

// RFC 5681 2: outstanding data, no text, no SYN or FIN, the same ACK and the same window. With SACK
// blocks the window may differ: they prove that something arrived.
bool Connection::is_duplicate_ack(const Segment& seg) const {
    return active_ != nullptr && !active_->sent.empty() && !persisting_ && seg.payload.empty() &&
           !seg.has(Flags::syn | Flags::fin) &&
           (seg.wnd == tcb_.snd.wnd || seg.options.sack_count != 0);
}

void Connection::on_new_ack(Environment& env, Instant now, Instant arrived, const Segment& seg) {
    Tcb::Send& snd = tcb_.snd;
    const std::uint64_t newly = distance(snd.una, seg.ack);
    const std::uint64_t flight = in_flight();
    snd.una = seg.ack;
    stats_.octets_acked += newly;
    retries_ = 0;
    trouble_since_ = never;
    owed_.fin = owed_.fin && fin_in_flight();
    if (active_ == nullptr) {  // only our FIN was outstanding
        retransmit_at_ = never;
        backoff_ = 0;
        return;
    }
    const SentQueue::Acked acked = active_->sent.acknowledge(seg.ack);
    const Duration rtt = take_rtt(env, now, arrived, seg, acked);
    active_->send.release(std::min(seg.ack, active_->send.end()));
    advance_recovery(env, now, newly);
    active_->control.on(congestion::Acked{.now = now,
                                          .bytes = newly,
                                          .in_flight = flight,
                                          .rtt = rtt,
                                          .srtt = rtt_.srtt(),
                                          .rtt_min = rtt_.rtt_min(),
                                          .delivered = stats_.octets_acked,
                                          .mss = send_mss(),
                                          .cwnd_limited = active_->cwnd_limited,
                                          .in_recovery = active_->recovery == Recovery::fast});
    active_->cwnd_limited = false;
    note_window(env, now, cwnd() < ssthresh() ? event::Cause::slow_start : event::Cause::avoidance);
    // RFC 6298 5.2, 5.3.
    retransmit_at_ = never;
    persisting_ = false;
    if (snd.una < snd.nxt) arm_retransmit(now);
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
// from the echoed timestamp (RFC 7323 4.1) when something was sent again.
Duration Connection::take_rtt(Environment& env, Instant now, Instant arrived,
                              const Segment& seg, const SentQueue::Acked& acked) {
    Duration rtt{-1};
    if (acked.has_sample && !acked.any_retransmitted) {
        rtt = arrived - acked.sent_at;
    } else if (timestamps_ && seg.options.timestamps && seg.options.timestamps->ecr != 0) {
        const std::uint32_t ticks = ts_now(arrived) - seg.options.timestamps->ecr;
        if (ticks < 0x8000'0000) rtt = ticks * config_->timestamp_tick;
    }
    if (rtt < 0s) return rtt;
    const auto samples =
        static_cast<std::uint32_t>(distance(tcb_.snd.una, tcb_.snd.nxt) / (2u * send_mss()) + 1);
    rtt_.add(rtt, samples);
    backoff_ = 0;  // RFC 6298 5.7: a valid sample ends the backing off
    note(env, now, event::Kind::rtt_sample, static_cast<std::uint64_t>(rtt.count()),
         static_cast<std::uint64_t>(rtt_.srtt().count()),
         static_cast<std::uint64_t>(rtt_.rttvar().count()),
         static_cast<std::uint64_t>(current_rto().count()));
    return rtt;
}

void Connection::advance_recovery(Environment& env, Instant now, std::uint64_t newly) {
    Active& a = *active_;
    const Seq una = tcb_.snd.una;
    switch (a.recovery) {
    case Recovery::open:
        a.duplicate_acks = 0;
        a.left_network = 0;
        return;
    case Recovery::timeout:
        a.left_network = 0;
        a.duplicate_acks = 0;
        if (una < a.recover) return;
        break;
    case Recovery::fast:
        if (una >= a.recover) break;
        // RFC 6582 3.2 step 5, partial: the next hole. What was newly acknowledged had left the
        // network, one segment of it by the retransmission itself.
        a.left_network -= std::min(a.left_network, newly > send_mss() ? newly - send_mss() : 0);
        if (Sent* hole = a.sent.first(); hole != nullptr && !hole->lost) {
            const Seq end = hole->begin + send_mss();
            if (end < hole->end) a.sent.split(*hole, end);
            a.sent.mark_lost(*hole);
            a.retransmit_now = true;
        }
        return;
    }
    // Everything that was outstanding when the episode began has been acknowledged.
    const bool was_fast = a.recovery == Recovery::fast;
    a.recovery = Recovery::open;
    a.duplicate_acks = 0;
    a.left_network = 0;
    a.retransmit_now = false;
    // After a time-out the window has grown anew, perhaps past ssthresh: nothing to take back.
    if (was_fast) a.control.on(congestion::Recovered{now, in_flight(), send_mss()});
    note(env, now, event::Kind::recovery_end, cwnd(), ssthresh());
}

void Connection::on_duplicate_ack(Environment& env, Instant now, const Segment& seg) {
    Active& a = *active_;
    // A DSACK reports a duplicate, not an arrival out of order (RFC 2883 4): count it and no more.
    if (seg.options.sack_count != 0 &&
        Seq::extend(seg.options.sack[0].begin, tcb_.snd.una) < tcb_.snd.una) {
        ++stats_.dsacks_in;
        ++env.counters.TcpExt_TCPDSACKRecv;
        return;
    }
    if (++a.duplicate_acks < config_->dupack_threshold && !config_->limited_transmit) return;
    // One more segment has left the network: RFC 3042 before the threshold, RFC 5681 3.2 (4) after
    // it.
    const std::uint64_t outstanding = distance(tcb_.snd.una, tcb_.snd.nxt);
    if (a.recovery != Recovery::timeout) {
        a.left_network = std::min<std::uint64_t>(
            a.left_network + send_mss(), outstanding > send_mss() ? outstanding - send_mss() : 0);
    }
    if (a.recovery == Recovery::open && a.duplicate_acks >= config_->dupack_threshold &&
        tcb_.snd.una >= a.recover) {
        enter_fast_recovery(env, now);
    }
}

void Connection::enter_fast_recovery(Environment& env, Instant now) {
    Active& a = *active_;
    const std::uint64_t flight = distance(tcb_.snd.una, tcb_.snd.nxt);
    a.recovery = Recovery::fast;
    a.recover = tcb_.snd.nxt;
    a.control.on(congestion::Congested{.now = now, .in_flight = flight, .mss = send_mss()});
    Sent& hole = *a.sent.first();
    const Seq end = hole.begin + send_mss();
    if (end < hole.end) a.sent.split(hole, end);
    a.sent.mark_lost(hole);
    a.retransmit_now = true;
    ++stats_.fast_retransmits;
    ++env.counters.TcpExt_TCPRenoRecovery;
    ++env.counters.TcpExt_TCPFastRetrans;
    note(env, now, event::Kind::fast_retransmit, tcb_.snd.una.wire().raw, flight, cwnd(),
         ssthresh());
    note(env, now, event::Kind::recovery_start,
         static_cast<std::uint64_t>(event::Cause::duplicate_acks), a.recover.wire().raw, cwnd(),
         ssthresh());
    note_window(env, now, event::Cause::duplicate_acks);
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
        if (active_ != nullptr && !active_->sent.empty()) {  // a probe's octet that nobody took
            active_->sent.mark_all_lost();
            active_->retransmit_now = true;
        }
    } else if (persisting_) {
        retries_ = 0;  // MUST-37: it answers, so it lives
    }
}

// SHLD-8, RFC 3168 6.1.2: one reaction for each window of data.
void Connection::take_ecn_echo(Environment& env, Instant now, const Segment& seg) {
    if (!ecn_) return;
    if (seg.has(Flags::cwr)) ecn_echo_ = false;
    if (seg.ecn == wire::Ecn::ce) ecn_echo_ = true;  // until the peer's CWR: 6.1.3
    if (!seg.has(Flags::ece) || active_ == nullptr || seg.ack <= ecn_recover_) return;
    ecn_recover_ = tcb_.snd.nxt;
    if (active_->recovery != Recovery::open) return;
    active_->control.on(congestion::Congested{
        .now = now, .in_flight = in_flight(), .mss = send_mss(), .ecn = true});
    cwr_owed_ = true;
    note_window(env, now, event::Cause::ecn);
}

}  // namespace estab::tcp
