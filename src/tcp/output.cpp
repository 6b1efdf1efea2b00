// The one place where a connection makes segments. In this order: reset, SYN, retransmission, new
// data, FIN, ACK, probes. RFC 9293 3.7 and 3.8; RFC 5681; RFC 896.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

using wire::Flags;

namespace {

// A device that cuts takes the flag CWR for RFC 3168's, and leaves it on the first piece alone.
bool may_be_cut(const AccEcn& a) { return (ace_flags(a.received.cep) & Flags::cwr) == 0; }

}  // namespace

bool Connection::next_segment(Environment& env, Instant now, const Room& room, Segment& out) {
    if (owed_.reset) return make_reset(env, now, out);
    if (owed_.handshake_ack && (owed_.ack || owed_.challenge) && is_synchronized(state_))
        return plan_ack(env, now, out);
    switch (state_) {
    case State::closed:
    case State::listen: return false;
    case State::syn_sent: return owed_.syn && make_syn(env, now, out);
    case State::syn_received:
        if (owed_.syn) return make_syn(env, now, out);
        if (!serves_early()) return plan_ack(env, now, out);
        break;
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
    case State::closing:
    case State::last_ack:
    case State::time_wait: break;
    }
    if (active_ != nullptr && active_->send.size() != 0 &&
        !(active_->paced && waits_for_its_time(now))) {
        if (active_->tail_probe_due && plan_tail_probe(env, now, room, out)) return true;
        if (plan_retransmission(env, now, room, out)) return true;
        out.segments = 1;
        if (extras_ != nullptr && extras_->mtu.on && plan_mtu_probe(env, now, room, out))
            return true;
        if (out.segments != 0 && plan_new_data(env, now, room, out, false)) return true;
    }
    if (plan_fin(env, now, out) || plan_ack(env, now, out) || plan_probe(env, now, out))
        return true;
    on_silence(env, now);
    return false;
}

void Connection::on_silence(Environment& env, Instant now) {
    const bool busy = active_ != nullptr && active_->send.size() != 0;
    const Limit limit = what_limits(now);
    if (history_ == nullptr && limit == Limit::application && !busy) return;  // as ever
    if (History* h = have_history(env)) limits_.set(now, limit, busy, h->limited);
}

// Everything that segments of one connection have in common, options included.
void Connection::start_segment(Instant now, Seq seq, std::uint16_t flags, Segment& out) {
    out.seq = seq;
    out.ack = tcb_.rcv.nxt;
    out.flags = {flags};
    out.urgent = 0;
    out.options.clear();
    out.ecn = wire::Ecn::not_ect;
    out.hop_limit = config_->hop_limit;
    out.dscp = config_->dscp;  // SHLD-21, SHLD-22
    out.dont_fragment = config_->path_mtu_discovery;
    out.gso_size = 0;
    out.segments = 1;
    out.payload.clear();
    if ((flags & Flags::syn) != 0) return;  // a SYN says what it offers by itself
    if (timestamps_) {
        out.options.timestamps = wire::Timestamps{ts_now(now), ts_recent_valid_ ? ts_recent_ : 0};
    }
    if ((flags & Flags::ack) == 0) return;
    fill_sack(out);
    if (!accecn_) return;
    put_accecn_option(now, out);
    if (config_->accecn_everywhere && extras_->accecn->marks) out.ecn = mark();
}

// The acknowledgment rides on whatever goes out.
void Connection::finish_segment(Environment& env, Segment& out) {
    out.window_field = window_to_offer();
    if ((out.window_field == 0) != offered_zero_) {
        offered_zero_ = !offered_zero_;
        ++(offered_zero_ ? env.counters.TcpExt_TCPToZeroWindowAdv
                         : env.counters.TcpExt_TCPFromZeroWindowAdv);
    }
    out.wnd = static_cast<std::uint32_t>(tcb_.rcv.wnd());
    if (ecn_) put_ecn_feedback(out);
    owed_.ack = owed_.dsack = false;
    ack_pending_ = 0;
    ack_pending_octets_ = 0;
    ack_at_ = never;
    last_ack_sent_ = tcb_.rcv.nxt;
    ++stats_.segments_out;
}

// What one call may carry behind the options that `started` has, and one wire segment of it. The
// stack writes them in its own order, and RFC 9768's option shares NOPs in one of the two only.
std::uint32_t Connection::payload_max(const Segment& started, const Room& room) const {
    std::size_t header = wire::tcp_header_bytes(started.options, config_->option_order);
    if (started.options.accecn)
        header = std::max(header,
                          wire::tcp_header_bytes(started.options, wire::OptionOrder::freebsd));
    return room.segment_max - static_cast<std::uint32_t>(header);
}

std::uint32_t Connection::segment_mss(const Segment& started, const Room& room) const {
    const std::uint32_t most = payload_max(started, room);
    return std::min(max_payload() + 20u - (room.segment_max - most), most);
}

// Fills in the text [from, from + octets) and what it means for the flags.
void Connection::send_data(Environment& env, Instant now, Seq from, std::uint32_t octets,
                           std::uint32_t mss, Segment& out) {
    const bool moved = planted(Bug::recovery_octets) && from < active_->sent.last()->begin;
    const std::uint32_t got = active_->send.gather(from + (moved ? 1 : 0), octets, out.payload);
    CHECK(got == octets);
    const Seq end = from + octets;
    if (octets > mss) {
        out.gso_size = static_cast<std::uint16_t>(mss);
        out.segments = static_cast<std::uint16_t>((octets + mss - 1) / mss);
    }
    const bool was_pushed = end == active_->syn_text_end;  // and is so when it goes again
    if ((out.segments > 1 || was_pushed) && config_->push_bursts) out.flags.bits |= Flags::psh;
    if (has_records_ && end == extras_->records.first()) out.flags.bits |= Flags::psh;
    if (end == active_->send.end()) {
        if (!unpushed_ || fin_queued_) out.flags.bits |= Flags::psh;  // MUST-61, SHLD-27: once
        const bool fits = end < tcb_.snd.una + tcb_.snd.wnd;
        if (fin_queued_ && (fin_sent_ ? owed_.fin || tcb_.snd.una <= fin_seq_ : fits)) {
            out.flags.bits |= Flags::fin;
            if (!fin_sent_) {
                fin_sent_ = true;
                fin_seq_ = end;
                tcb_.snd.nxt = end + 1;
            }
            owed_.fin = false;
        }
    }
    if (planted(Bug::push_never)) out.flags.bits &= static_cast<std::uint16_t>(~Flags::psh);
    if (tcb_.snd.up > from && !planted(Bug::urgent_unmarked)) {  // MUST-30, MUST-31, MUST-62
        out.flags.bits |= Flags::urg;
        out.urgent = static_cast<std::uint16_t>(
            std::min<std::uint64_t>(distance(from, tcb_.snd.up), 65'535));
    }
    stats_.data_out += out.segments;
    stats_.octets_sent += octets;
    if (active_->with_prr) active_->prr.on_sent(octets);
    if (active_->paced) take_time(now, octets);
    last_sent_ = now;
    if (retransmit_at_ == never || persisting_) arm_retransmit(now);  // RFC 6298 5.1
    finish_segment(env, out);
}

bool Connection::plan_retransmission(Environment& env, Instant now, const Room& room,
                                     Segment& out) {
    Active& a = *active_;
    Sent* record = a.sent.first_lost();
    if (record == nullptr) record = plan_rescue();
    if (record == nullptr || persisting_ || a.frto == Frto::new_data) return false;
    start_segment(now, record->begin, Flags::ack, out);
    const std::uint32_t mss = segment_mss(out, room);
    const std::uint32_t most = payload_max(out, room);
    std::uint64_t allowed = mss;  // the one that cwnd does not hold back
    const std::uint64_t flight = in_flight();
    const std::uint64_t open = cwnd() > flight ? cwnd() - flight : 0;
    if (!a.retransmit_now && std::min<std::uint64_t>(mss, record->size()) > open) {
        note_window_use(flight, true);
        return false;
    }
    const bool many = room.gso && !owed_.dsack && !(accecn_ && !may_be_cut(*extras_->accecn));
    if (many) allowed = std::max<std::uint64_t>(mss, open / mss * mss);
    allowed = std::min<std::uint64_t>(allowed, std::max(mss, most / mss * mss));
    const auto octets = static_cast<std::uint32_t>(std::min(allowed, record->size()));
    // Without memory to cut it, all of it counts as sent again: the rest will be found lost later.
    if (octets < record->size()) a.sent.split(*record, record->begin + octets);
    a.retransmit_now = false;
    // The first one restarts the timer: with it lost again, RACK and not the timer should see it.
    if (a.recovery == Recovery::fast && record == a.sent.first()) retransmit_at_ = never;
    retransmit(env, now, *record, octets, mss, out);
    return true;
}

// The first `octets` of `record` go out once more, in segments of `mss`.
void Connection::retransmit(Environment& env, Instant now, Sent& record, std::uint32_t octets,
                            std::uint32_t mss, Segment& out) {
    Active& a = *active_;
    start_segment(now, record.begin, Flags::ack, out);
    // What the option may have cost the first text goes again without it (RFC 9768 3.2.3.2.2).
    if (accecn_ && record.begin == tcb_.snd.iss + 1 && !config_->accecn_everywhere)
        out.options.accecn.reset();
    const bool is_rescue = a.recovery == Recovery::fast && !record.lost;
    a.sent.mark_retransmitted(record, now);
    const std::uint64_t flight = in_flight();
    record.rate = a.rate.on_sent(now, delivered_, flight, flight <= octets);
    if (a.recovery != Recovery::open) {
        a.undo.first_retransmit = std::min(a.undo.first_retransmit, now);
        a.undo.unproven += octets;
    }
    send_data(env, now, record.begin, octets, mss, out);
    stats_.retransmits += out.segments;
    if (History* h = have_history(env)) h->octets_retransmitted += octets;
    env.counters.Tcp_RetransSegs += out.segments;
    if (a.recovery == Recovery::timeout)
        env.counters.TcpExt_TCPSlowStartRetrans += out.segments;
    const event::Cause cause = is_rescue                    ? event::Cause::rescue
                               : a.recovery != Recovery::open ? loss_cause()
                               : a.tail_probe_due           ? event::Cause::tail_probe
                               : record.begin == tcb_.snd.iss + 1 && fast_open_
                                   ? event::Cause::handshake  // the SYN's text was not taken
                                   : event::Cause::none;      // path MTU
    note(env, now, event::Kind::retransmit, record.begin.wire().raw,
         (record.begin + octets).wire().raw,
         static_cast<std::uint64_t>(cause), record.retransmitted);
}

bool Connection::plan_new_data(Environment& env, Instant now, const Room& room, Segment& out,
                               bool as_probe) {
    Active& a = *active_;
    Tcb::Send& snd = tcb_.snd;
    if (fin_sent_ || snd.nxt >= a.send.end() || persisting_) return false;
    start_segment(now, snd.nxt, Flags::ack, out);
    const std::uint32_t mss = segment_mss(out, room);
    const std::uint32_t most = payload_max(out, room);
    // The urgent pointer, CWR and a DSACK belong to one wire segment.
    const bool single = !room.gso || snd.up > snd.nxt || cwr_owed_ || owed_.dsack ||
                        (accecn_ && !may_be_cut(*extras_->accecn));
    const std::uint32_t octets =
        as_probe ? static_cast<std::uint32_t>(std::min<std::uint64_t>(
                       sendable(has_records_ ? record_end() : a.send.end()), mss))
                 : new_data_allowance(now, mss, single ? mss : burst_max(mss, most));
    if (octets == 0) {
        arm_persist_if_stuck(now);
        return false;
    }
    const Seq from = snd.nxt;
    if (!a.sent.append(from, from + octets, static_cast<std::uint16_t>(mss), now)) {
        ++env.counters.TcpExt_TCPMemoryPressures;
        arm_persist_if_stuck(now);  // nothing is outstanding: the timer tries again
        return false;
    }
    snd.nxt += octets;
    const std::uint64_t flight = in_flight();
    const bool alone = flight <= octets;
    if (alone) {
        a.next_send_at = std::max(a.next_send_at, now);
        if (a.rate.app_limited()) {
            a.control.on(congestion::Resumed{now});
            if (a.paced) note_pacing(env, now);
        }
    }
    a.sent.last()->rate = a.rate.on_sent(now, delivered_, flight, alone);
    note_window_use(flight, flight + mss > cwnd());  // used up, even if nothing waits
    if (octets != mss && octets % mss != 0) a.small_end = snd.nxt;
    sws_override_ = false;
    if (ecn_ && may_mark()) {
        out.ecn = mark();
        if (cwr_owed_) out.flags.bits |= Flags::cwr;
        cwr_owed_ = false;
    }
    note_dialogue(now);
    send_data(env, now, from, octets, mss, out);
    if (sack_ && !as_probe) arm_early(now);
    return true;
}

// Text that answers text, or goes with the last ACK of the handshake: there will be more of it for
// ACKs to ride on.
void Connection::note_dialogue(Instant now) {
    if (!config_->dialogue_delays || quick_acks_left_ == 255) return;
    const auto us = static_cast<std::uint32_t>(to_us(now.time_since_epoch()));
    const bool answers = text_came_us_ != 0 && us - text_came_us_ < to_us(config_->delayed_ack);
    if (answers || (owed_.ack && stats_.data_in == 0)) quick_acks_left_ = 0;
}

// One burst is at most half the window, so that ACKs come evenly, and what goes in a millisecond at
// twice the window a round trip.
std::uint32_t Connection::burst_max(std::uint32_t mss, std::uint32_t most) const {
    const std::uint64_t half = std::max<std::uint64_t>(cwnd() / 2 / mss * mss, mss);
    std::uint64_t burst = std::min<std::uint64_t>(std::max(mss, most), half);
    if (active_->paced) {  // what goes in a millisecond (draft-ietf-ccwg-bbr 5.6.3) or less
        const auto burst_us = static_cast<std::uint64_t>(to_us(active_->control.burst()));
        const std::uint64_t quantum = pacing_rate() * burst_us / 1'000'000 / mss * mss;
        return static_cast<std::uint32_t>(
            std::min(burst, std::max<std::uint64_t>(quantum, config_->burst_min * mss)));
    }
    if (const std::int64_t srtt_us = to_us(rtt_.srtt()); srtt_us > 0) {
        const std::uint64_t in_a_ms = cwnd() * 2'000 / static_cast<std::uint64_t>(srtt_us);
        // On the shortest paths the interrupts cost more than the burst.
        const std::int64_t short_by = to_us(rtt_.rtt_min()) >> 9;
        const std::uint64_t more = short_by < 16 ? std::uint64_t{65'536} >> short_by : 0;
        burst = std::min(burst, std::max<std::uint64_t>(in_a_ms + more, config_->burst_min * mss));
    }
    return static_cast<std::uint32_t>(burst);
}

// How much of cwnd is used counts for a whole window of data, as in Linux: all ACKs of a flight
// that filled it let it grow.
void Connection::note_window_use(std::uint64_t flight, bool used_up) {
    Active& a = *active_;
    const bool more = !a.cwnd_limited && flight > a.flight_max;
    if (tcb_.snd.una < a.use_until && !used_up && !more) return;
    a.cwnd_limited = used_up;
    a.flight_max = flight;
    a.use_until = tcb_.snd.nxt;
}

// RFC 5681 4.1: a long silence makes cwnd stale, whoever kept it: the user or the peer's window.
// It says more about the path than nothing, so as in RFC 2861 it may halve for each RTO; slow start
// then has somewhere to go.
void Connection::restart_after_idle(Environment& env, Instant now) {
    if (tcb_.snd.una != tcb_.snd.nxt || last_sent_ == Instant{}) return;
    const Duration idle = now - last_sent_;
    const Duration step = config_->cwnd_validation ? WindowUse::kept : current_rto();
    if ((!config_->slow_start_after_idle && !config_->cwnd_validation) || idle <= step) return;
    const std::uint64_t cwnd = active_->control.cwnd();
    std::uint64_t left = initial_window_bytes();
    if (config_->idle_decay || config_->cwnd_validation)
        left = std::max(left, cwnd >> std::min<std::int64_t>(idle / step, 63));
    active_->control.on(congestion::Restarted{now, left, cwnd / 4 * 3});
    note_window(env, now, event::Cause::idle);
}

// Written, not sent, and inside the window. SHLD-15: nothing new beyond it, even if it moved left.
std::uint64_t Connection::sendable(Seq end) const {
    const Seq right =
        std::min(tcb_.snd.una + tcb_.snd.wnd + planted(Bug::window_exceeded), end);
    return right > tcb_.snd.nxt ? distance(tcb_.snd.nxt, right) : 0;
}

// How much new data may go now: window, cwnd, Nagle, cork and the sender's silly-window rule
// (RFC 9293 3.8.6.2.1, MUST-38). Whole segments, with the tail of the queue behind them where it
// may go.
std::uint32_t Connection::new_data_allowance(Instant now, std::uint32_t mss,
                                             std::uint32_t payload_max) {
    Active& a = *active_;
    const Tcb::Send& snd = tcb_.snd;
    const Seq end = has_records_ ? record_end() : a.send.end();
    const std::uint64_t queued = distance(snd.nxt, end);
    const std::uint64_t sendable = this->sendable(end);
    if (sendable == 0) return 0;
    const std::uint64_t flight = in_flight();
    const std::uint64_t window = cwnd();
    const std::uint64_t open = window > flight ? window - flight : 0;
    if (payload_max == mss && std::min(sendable, open) >= mss)
        return mss;  // the usual, without divisions
    const std::uint64_t tail = sendable == queued ? queued % mss : 0;
    const std::uint64_t whole = sendable / mss * mss;  // SHLD-28
    if (whole != 0) {
        const std::uint64_t take =
            std::min({whole, std::uint64_t{payload_max} / mss * mss, open / mss * mss});
        if (take == 0) {
            note_window_use(flight, true);
            return 0;
        }
        const bool with_tail = take == whole && tail != 0 && take + tail <= payload_max &&
                               take + tail <= open && !holds_small(now);
        return static_cast<std::uint32_t>(with_tail ? take + tail : take);
    }
    if (sendable < queued) {  // the window is smaller than a segment
        const bool worth = planted(Bug::silly_sender) ||
                           sendable >= std::max<std::uint32_t>(snd.wnd_max / 2, 1) ||
                           sws_override_;
        return worth && sendable <= open ? static_cast<std::uint32_t>(sendable) : 0;
    }
    if (holds_small(now)) return 0;
    if (tail > open && flight != 0) {
        note_window_use(flight, true);
        return 0;
    }
    return static_cast<std::uint32_t>(tail);
}

// RFC 896 (SHLD-7) and Minshall's refinement; cork; never what is urgent or the last before a FIN.
bool Connection::holds_small(Instant now) const {
    if (fin_queued_ || tcb_.snd.up > tcb_.snd.nxt) return false;
    if (has_records_ && extras_->records.first() < active_->send.end()) return false;
    if (cork_until_ > now) return true;
    if (planted(Bug::nagle_never)) return false;
    if (nodelay_ && !planted(Bug::nagle_always)) return false;  // MUST-17
    if (config_->nagle_minshall) return active_->small_end > tcb_.snd.una;
    return tcb_.snd.una < tcb_.snd.nxt;
}

bool Connection::plan_fin(Environment& env, Instant now, Segment& out) {
    if (!fin_queued_) return false;
    const std::uint32_t left = planted(Bug::close_fin_early) ? send_mss() : 0;
    const bool first = !fin_sent_ && tcb_.snd.nxt + left >= data_end();
    if (!first && !(owed_.fin && fin_in_flight())) return false;
    if (!first && active_ != nullptr && active_->sent.first_lost() != nullptr) return false;
    // A FIN fills no buffer but takes a number, and the peer accepts none beyond its window (RFC
    // 9293 3.4, 3.8.6): it waits for room, as in Linux. Only the question whether there is some may
    // be the FIN itself (3.8.6.1), so a peer that never opens its window again learns of the end.
    const bool asks = owed_.probe && tcb_.snd.una == tcb_.snd.nxt;
    if (first && tcb_.snd.nxt >= tcb_.snd.una + tcb_.snd.wnd && !asks) {
        arm_persist_if_stuck(now);
        return false;
    }
    const Seq at = first ? tcb_.snd.nxt : fin_seq_;
    start_segment(now, at, Flags::fin | Flags::ack, out);
    if (first) {
        owed_.probe = false;
        fin_sent_ = true;
        fin_seq_ = at;
        tcb_.snd.nxt = at + 1;  // S3-5: the FIN continues the stream and is one number
    } else {
        ++stats_.retransmits;
        ++env.counters.Tcp_RetransSegs;
        note(env, now, event::Kind::retransmit, at.wire().raw, at.wire().raw + 1,
             static_cast<std::uint64_t>(event::Cause::timeout), retries_);
    }
    owed_.fin = false;
    last_sent_ = now;
    if (retransmit_at_ == never || persisting_) arm_retransmit(now);
    finish_segment(env, out);
    return true;
}

// One for all since the last (MUST-58); the owner asks after a whole batch (MUST-59).
bool Connection::plan_ack(Environment& env, Instant now, Segment& out) {
    if (!owed_.ack && !owed_.challenge && owed_.duplicate_acks == 0) return false;
    const bool fin = config_->ack_repeats_fin && fin_in_flight() && owed_.ack;
    start_segment(now, fin ? fin_seq_ : tcb_.snd.nxt,
                  fin ? Flags::ack | Flags::fin : Flags::ack, out);
    if (owed_.challenge) {
        owed_.challenge = false;
        ++env.counters.TcpExt_TCPChallengeACK;
    }
    if (owed_.duplicate_acks != 0) --owed_.duplicate_acks;
    finish_segment(env, out);
    if (state_ == State::time_wait) deactivate_if_idle(env, now);
    return true;
}

bool Connection::plan_probe(Environment& env, Instant now, Segment& out) {
    if (!owed_.probe && !owed_.keepalive) return false;
    const bool window = owed_.probe;
    owed_.probe = owed_.keepalive = false;
    count(env, &History::probes_out);
    if (window && config_->probe_form == ProbeForm::one_octet && active_ != nullptr &&
        active_->send.size() != 0) {
        const Seq at = tcb_.snd.una;
        if (tcb_.snd.nxt == at) {
            if (!active_->sent.append(at, at + 1, 1, now)) return false;
            tcb_.snd.nxt = at + 1;
        }
        start_segment(now, at, Flags::ack, out);
        CHECK(active_->send.gather(at, 1, out.payload) == 1);
        if (at + 1 == active_->send.end()) out.flags.bits |= Flags::psh;
    } else {
        // A number that was acknowledged long ago draws an ACK from whoever is alive (SHLD-12).
        start_segment(now, tcb_.snd.una - 1, Flags::ack, out);
    }
    if (window) ++env.counters.TcpExt_TCPWinProbe;
    note(env, now, window ? event::Kind::window_probe : event::Kind::keepalive_probe,
         window ? out.seq.wire().raw : probes_, retries_);
    finish_segment(env, out);
    return true;
}

// <SEQ=SND.NXT><CTL=RST,ACK>, RFC 9293 3.10.5.
bool Connection::make_reset(Environment& env, Instant now, Segment& out) {
    owed_.reset = false;
    // Whose SYN-ACK has not even gone answers the SYN (3.10.7.1): its own number is not known.
    const Seq at = stats_.segments_out != 0 ? tcb_.snd.nxt : Seq(0);
    start_segment(now, at, Flags::rst | Flags::ack, out);
    const auto timestamps = out.options.timestamps;  // RFC 7323 3.2: SHOULD
    out.options = {};
    if (stats_.segments_out != 0) out.options.timestamps = timestamps;
    // It means nothing; but Linux says what any segment would, and FreeBSD, as we, 0.
    out.wnd = config_->window_exact ? 0 : static_cast<std::uint32_t>(tcb_.rcv.wnd());
    out.window_field = config_->window_exact ? std::uint16_t{0} : window_to_offer();
    ++stats_.segments_out;
    ++env.counters.Tcp_OutRsts;
    note(env, last_sent_, event::Kind::reset_sent, out.seq.wire().raw, out.flags.bits);
    return true;
}

// Data waits, nothing is outstanding and the window is why: nobody but a timer can break the
// silence (S2-17, MUST-36). The first probe goes after one RTO (SHLD-29).
void Connection::arm_persist_if_stuck(Instant now) {
    if (persisting_ || retransmit_at_ != never || tcb_.snd.una != tcb_.snd.nxt ||
        planted(Bug::timer_persist))
        return;
    if (holds_small(now) && tcb_.snd.wnd != 0) return;  // the cork has a timer of its own
    persisting_ = true;
    const Duration wait =
        tcb_.snd.wnd == 0 ? current_rto() : std::min(current_rto(), config_->sws_override);
    retransmit_at_ = after(now, wait);
}

}  // namespace estab::tcp
