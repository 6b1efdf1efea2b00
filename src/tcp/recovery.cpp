// Loss recovery with SACK: what is lost (RACK, RFC 8985, or RFC 6675), how much may go meanwhile
// (PRR, RFC 9937), and the probe of a tail that nothing follows (RFC 8985 7). Without SACK:
// newreno.cpp. What proves to have been no loss: undo.cpp.
#include <algorithm>
#include <array>
#include <utility>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

using wire::Flags;

namespace {

// RFC 2883 4: the first block reports a duplicate if it lies below the cumulative acknowledgment or
// inside the second block.
bool is_duplicate_report(const SeqRange& first, const SeqRange* second, Seq ack) {
    if (first.end <= ack) return true;
    return second != nullptr && first.begin >= second->begin && first.end <= second->end;
}

}  // namespace

// The SACK blocks of a segment, onto the scoreboard. Blocks that name what was never sent or lie
// far in the past are not believed.
void Connection::read_sack(Environment& env, Instant arrived, const Segment& seg, AckNews& news) {
    std::array<SeqRange, 4> blocks;
    std::size_t count = 0;
    const Seq una = tcb_.snd.una;
    const std::uint64_t past = std::max<std::uint64_t>(tcb_.snd.wnd_max, 65'535);
    for (std::size_t i = 0; i < seg.options.sack_count; ++i) {
        const SeqRange b{Seq::extend(seg.options.sack[i].begin, una),
                         Seq::extend(seg.options.sack[i].end, una)};
        if (b.begin < b.end && b.end <= tcb_.snd.nxt && b.begin + past >= una) {
            blocks[count++] = b;
        } else {
            ++env.counters.TcpExt_TCPSACKDiscard;
        }
    }
    if (count == 0) return;
    std::size_t first = 0;
    if (is_duplicate_report(blocks[0], count > 1 ? &blocks[1] : nullptr, una)) {
        on_duplicate_report(env, blocks[0]);
        first = 1;
    }
    // In order of numbers, so that what several blocks say at once is not taken for reordering.
    std::sort(blocks.begin() + static_cast<std::ptrdiff_t>(first),
              blocks.begin() + static_cast<std::ptrdiff_t>(count),
              [](const SeqRange& a, const SeqRange& b) { return a.begin < b.begin; });
    const Seq end = data_end();
    for (std::size_t i = first; i < count; ++i) {
        const Seq from = std::max(blocks[i].begin, una);
        const Seq to = std::min(blocks[i].end, end);
        if (from >= to) continue;
        active_->sent.sack(from, to, news.acked, [&](const Sent& record, std::uint64_t octets) {
            learn_delivery(arrived, seg, record, octets, news);
        });
    }
}

// A record, or the front of it, has arrived.
void Connection::learn_delivery(Instant arrived, const Segment& seg, const Sent& record,
                                std::uint64_t octets, AckNews& news) {
    Active& a = *active_;
    const Seq end = record.begin + octets;
    if (record.retransmitted == 0 && end <= a.recover) news.original = true;
    if (record.retransmitted != 0) news.resent_at = std::max(news.resent_at, record.sent_at);
    news.newest.take(record);
    if (record.mss > a.arrived_mss && octets >= record.mss) a.arrived_mss = record.mss;
    if (!sack_) return;
    const bool reordered = a.rack.has_seen_reordering();
    const Seq highest = a.sent.highest_sacked();
    if (record.retransmitted == 0 && highest > record.begin) {
        const std::uint64_t wide = distance(record.begin, highest);
        a.reordering = std::max(a.reordering,
                                static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                    (wide + send_mss() - 1) / send_mss(), 300)));
    }
    a.rack.on_delivered(record, end, arrived, rtt_.rtt_min(),
                        record.retransmitted != 0 && echoes_before(seg, record.sent_at));
    if (!reordered && a.rack.has_seen_reordering()) news.reordered = end;
}

void Connection::on_duplicate_report(Environment& env, const SeqRange& range) {
    Active& a = *active_;
    count(env, &History::dsacks_in);
    ++env.counters.TcpExt_TCPDSACKRecv;
    if (a.undo.armed && range.begin >= a.undo.from && range.end <= a.undo.until) {
        a.undo.unproven -= std::min(a.undo.unproven, distance(range.begin, range.end));
        a.undo.proven = true;
    }
    if (a.tail.outstanding && a.tail.is_retransmission && range.end + 1 >= a.tail.end) {
        a.tail.outstanding = false;  // RFC 8985 7.4.2: the probe and the original both arrived,
        return;                      // which says nothing about reordering
    }
    a.rack.on_duplicate_report(tcb_.snd.una, tcb_.snd.nxt);
}

Rack::Path Connection::rack_path() const {
    const Duration g = config_->clock_granularity;
    return {.srtt = rtt_.srtt(), .rtt_min = rtt_.rtt_min(), .granularity = g > 1us ? g : 0ns};
}

// Marks what is lost; true if there is something that was not known before.
bool Connection::detect_losses(Instant now, Instant at) {
    Active& a = *active_;
    const std::uint64_t before = a.sent.lost_bytes();
    if (config_->rack) {
        const bool impatient = a.recovery != Recovery::open ||
                               a.sent.sacked_segments() >= config_->dupack_threshold;
        a.doubt_until = a.rack.detect(a.sent, at, rack_path(), impatient);
    } else {
        score_losses();
    }
    if (a.sent.lost_bytes() == before) return false;
    on_losses(now, before);
    return true;
}

// More is known to be lost than the `lost_before` octets.
void Connection::on_losses(Instant now, std::uint64_t lost_before) {
    Active& a = *active_;
    const std::uint64_t octets = a.sent.lost_bytes() - std::min(a.sent.lost_bytes(), lost_before);
    std::uint32_t lost = a.rate.lost();
    a.rate.on_lost(octets);
    if (!a.control.hears_losses() || octets == 0) return;
    Seq end;  // of the one before
    a.sent.for_newly_lost(octets, [&](const Sent& record) {
        lost += static_cast<std::uint32_t>(record.size());
        a.control.on(congestion::Lost{.now = now,
                                      .bytes = record.size(),
                                      .delivered = delivered_,
                                      .sent_in_flight = record.rate.in_flight,
                                      .lost = lost - record.rate.lost,
                                      .app_limited = record.rate.app_limited != 0,
                                      .continues = end == record.begin});
        end = record.end;
    });
}

// RFC 6675 4, IsLost(): DupThresh ranges, or more than DupThresh - 1 segments, are SACKed above it.
void Connection::score_losses() {
    Active& a = *active_;
    if (a.sent.sacked_bytes() == 0) return;
    const std::uint64_t enough = (config_->dupack_threshold - 1u) * std::uint64_t{send_mss()};
    std::uint64_t octets = 0;
    std::uint32_t ranges = 0;
    const Seq judged = std::max(a.judged_below, tcb_.snd.una);
    const Sent* r = a.sent.find(a.sent.highest_sacked() - 1);
    for (; r != nullptr && r->end > judged; r = r->prev) {
        if (!r->sacked) continue;
        octets += r->size();
        if (++ranges >= config_->dupack_threshold || octets > enough) break;
    }
    if (r == nullptr || r->begin <= judged) return;
    const Seq limit = r->begin;
    for (Sent* hole = a.sent.find(judged); hole != nullptr && hole->begin < limit;
         hole = hole->next) {
        if (hole->in_flight() && hole->retransmitted == 0) a.sent.mark_lost(*hole);
    }
    a.judged_below = limit;
}

namespace {

// What is missing is the probe for the MTU and nothing else.
bool is_probe_alone(const MtuSearch& m, const SentQueue& sent) {
    const Sent* lost = sent.first_lost();
    return m.probe != 0 && lost != nullptr && lost->begin == m.begin &&
           sent.lost_bytes() == lost->size();
}

}  // namespace

// An acknowledgment is on the scoreboard; what follows from it.
void Connection::recover_with_sack(Environment& env, Instant now, Instant arrived,
                                   const AckNews& news) {
    Active& a = *active_;
    if (news.reordered != Seq()) {
        ++env.counters.TcpExt_TCPSACKReorder;
        note(env, now, event::Kind::reordering, news.reordered.wire().raw,
             static_cast<std::uint64_t>(a.rack.window(rack_path(), false).count()));
    }
    end_tail_probe(env, now, news);
    const bool over = a.recovery != Recovery::open && tcb_.snd.una >= a.recover;
    if (a.reducing && a.recovery == Recovery::open && tcb_.snd.una >= a.ecn_recover)
        a.reducing = a.with_prr = false;
    if (over) end_recovery(env, now);
    a.doubt_until = never;
    const bool in_doubt = a.sent.sacked_bytes() != 0 || a.recovery != Recovery::open;
    const bool more_lost = in_doubt && detect_losses(now, arrived);
    const bool begins =
        a.recovery == Recovery::open && (more_lost || (over && a.sent.lost_bytes() != 0));
    if (begins && extras_ != nullptr && is_probe_alone(extras_->mtu, a.sent)) {
        settle_mtu_probe(env, now, Seq());
    } else if (begins) {
        enter_recovery(env, now, news.acked.delivered);
    }
    if (a.with_prr) {
        a.prr.on_ack(news.acked.delivered, in_flight(), news.advanced && !more_lost, send_mss());
        if (news.acked.delivered == 0) note_window(env, now, loss_cause());
    }
}

void Connection::enter_recovery(Environment& env, Instant now, std::uint64_t delivered) {
    Active& a = *active_;
    const std::uint64_t flight = distance(tcb_.snd.una, tcb_.snd.nxt);
    const event::Cause cause = loss_cause();
    if (extras_ != nullptr) extras_->mtu.probe = 0;  // what becomes of it says nothing now
    arm_undo();
    a.recovery = Recovery::fast;
    a.recover = tcb_.snd.nxt;
    const bool reduced = std::exchange(a.reducing, false);  // one window, one reduction
    a.rescued_until = Seq();
    const bool is_unused = config_->cwnd_validation && !a.use.is_validated(a.control.cwnd());
    a.unused_flight = is_unused ? std::max(a.use.pipe_ack(), flight) : 0;
    a.resent_before = octets_retransmitted();
    if (!reduced && !planted(Bug::loss_costs_nothing)) a.control.on(congestion(now, flight));
    if (sack_) {
        a.with_prr = uses_prr();
        if (!reduced)
            a.prr.begin(flight - a.sent.sacked_bytes() + delivered, a.control.ssthresh());
        a.prr.on_ack(0, in_flight(), false, send_mss());
        ++env.counters.TcpExt_TCPSackRecovery;
    } else {
        ++env.counters.TcpExt_TCPRenoRecovery;
    }
    a.retransmit_now = true;
    count(env, &History::fast_retransmits);
    ++env.counters.TcpExt_TCPFastRetrans;
    note(env, now, event::Kind::fast_retransmit, tcb_.snd.una.wire().raw, flight, cwnd(),
         ssthresh());
    note(env, now, event::Kind::recovery_start, static_cast<std::uint64_t>(cause),
         a.recover.wire().raw, cwnd(), ssthresh());
    note_window(env, now, cause);
    if (a.paced) note_pacing(env, now);
}

// Everything that was outstanding when the episode began has been acknowledged.
void Connection::end_recovery(Environment& env, Instant now) {
    Active& a = *active_;
    const bool was_fast = a.recovery == Recovery::fast;
    leave_recovery();
    a.rack.on_recovery_end();
    a.undo.expires = tcb_.snd.nxt;
    // After a time-out the window has grown anew, perhaps past ssthresh: nothing to take back.
    if (was_fast) a.control.on(congestion::Recovered{now, in_flight(), send_mss()});
    if (was_fast && a.unused_flight != 0) leave_unused_window(env, now);
    note(env, now, event::Kind::recovery_end, cwnd(), ssthresh());
    if (a.paced) note_pacing(env, now);
}

// What a loss is told of: the flight, and in a window that was hardly used the most that the path
// has carried of late (RFC 7661 4.4.1).
congestion::Congested Connection::congestion(Instant now, std::uint64_t flight) const {
    flight = reduces_from(flight);
    if (config_->cwnd_validation && active_->use.is_known())
        flight = std::max(flight, std::min(active_->use.pipe_ack(), active_->control.cwnd()));
    return {.now = now, .in_flight = flight, .mss = send_mss(), .gentle = config_->abe};
}

// RFC 7661 4.4.1: nobody knows what the unused window was worth; half of what the path carried is
// left, without what it lost.
void Connection::leave_unused_window(Environment& env, Instant now) {
    Active& a = *active_;
    const std::uint64_t resent = octets_retransmitted() - a.resent_before;
    const std::uint64_t carried = a.unused_flight - std::min(a.unused_flight, resent);
    a.unused_flight = 0;
    a.control.on(congestion::Restarted{now, std::max<std::uint64_t>(carried / 2, send_mss()), 0});
    note_window(env, now, event::Cause::validation);
}

// RFC 6675 4, NextSeg() (3) and (4): nothing is known to be lost, and there is nothing new to send.
// What is missing below the highest that has arrived goes again once; then, once in an episode, the
// last segment of all, whose loss nobody would see before the time-out; not what has just gone.
Sent* Connection::plan_rescue() {
    Active& a = *active_;
    if (config_->rack || a.recovery != Recovery::fast || a.sent.sacked_bytes() == 0) return nullptr;
    if (in_flight() + send_mss() > cwnd()) return nullptr;
    if (!fin_sent_ && a.send.end() > tcb_.snd.nxt && sendable() != 0) return nullptr;
    const Seq highest = a.sent.highest_sacked();
    Sent* hole = a.sent.find(std::max(a.judged_below, tcb_.snd.una));
    for (; hole != nullptr && hole->end <= highest; hole = hole->next) {
        if (hole->in_flight() && hole->retransmitted == 0) return hole;
    }
    if (tcb_.snd.una <= a.rescued_until) return nullptr;
    Sent* last = a.sent.last();
    while (last != nullptr && last->sacked) last = last->prev;
    if (last == nullptr || !last->in_flight() || last->retransmitted != 0) return nullptr;
    if (last->size() > send_mss() && a.sent.split(*last, last->end - send_mss()))
        last = last->next;
    a.rescued_until = a.recover;
    return last;
}

void Connection::leave_recovery() {
    Active& a = *active_;
    a.recovery = Recovery::open;
    a.frto = Frto::off;
    a.with_prr = a.reducing = false;
    a.duplicate_acks = 0;
    a.left_network = 0;
    a.retransmit_now = false;
}

event::Cause Connection::loss_cause() const {
    if (active_->recovery == Recovery::timeout) return event::Cause::timeout;
    if (!sack_) return event::Cause::duplicate_acks;
    return config_->rack ? event::Cause::rack : event::Cause::sack;
}

// --- The timer before the retransmission timer: doubt becomes loss, or the tail is probed.

void Connection::arm_early(Instant now) {
    Active& a = *active_;
    a.early_is_probe = false;
    a.early_at = a.doubt_until;
    if (a.doubt_until != never || !sack_ || !config_->tail_loss_probe) return;
    // RFC 8985 7.2: not where fast recovery, F-RTO or the doubts above do the work.
    if (a.recovery != Recovery::open || a.tail.outstanding || a.sent.empty() || persisting_ ||
        a.sent.sacked_bytes() + a.sent.lost_bytes() != 0)
        return;
    // 7.2: two round trips, and the peer's delay where one segment alone waits for its ACK. As in
    // Linux, never so short that a busy peer seems to be a lossy path.
    Duration wait = rtt_.has_sample() ? 2 * rtt_.srtt() + 2ms : Duration{1s};
    if (distance(a.sent.first()->begin, a.sent.last()->end) <= send_mss())
        wait += config_->max_ack_delay;
    a.early_is_probe = true;
    a.early_at = std::min(after(now, wait), retransmit_at_);
}

void Connection::on_early_timer(Environment& env, Instant now) {
    Active& a = *active_;
    a.early_at = never;
    if (a.sent.empty()) return;
    if (a.early_is_probe) {
        a.tail_probe_due = true;
        arm_retransmit(now);  // the probe takes the place of the time-out: RFC 8985 7.3
        return;
    }
    a.doubt_until = never;
    if (detect_losses(now, now)) {
        if (a.recovery == Recovery::open) {
            enter_recovery(env, now, 0);
        } else if (a.with_prr) {
            a.prr.on_ack(0, in_flight(), false, send_mss());
            note_window(env, now, loss_cause());
        }
    }
    arm_early(now);
}

// RFC 8985 7.3: new data if there is some, else the highest segment again.
bool Connection::plan_tail_probe(Environment& env, Instant now, const Room& room, Segment& out) {
    Active& a = *active_;
    a.tail_probe_due = false;
    if (a.recovery != Recovery::open || a.sent.empty() || tcb_.snd.wnd == 0) return false;
    const Seq before = tcb_.snd.nxt;
    a.tail.is_retransmission = !plan_new_data(env, now, {room.segment_max, false}, out, true);
    if (a.tail.is_retransmission) {
        start_segment(now, before, Flags::ack, out);  // its options decide how much fits
        const std::uint32_t mss = segment_mss(out, room);
        Sent* last = a.sent.last();
        if (last->size() > mss && a.sent.split(*last, last->end - mss)) last = a.sent.last();
        if (last->size() > mss) return false;  // no memory to cut it
        retransmit(env, now, *last, static_cast<std::uint32_t>(last->size()), mss, out);
    }
    a.tail.outstanding = true;
    a.tail.end = tcb_.snd.nxt;
    count(env, &History::tail_probes);
    ++env.counters.TcpExt_TCPLossProbes;
    note(env, now, event::Kind::tail_loss_probe, out.seq.wire().raw,
         (out.seq + out.payload.size()).wire().raw, before != tcb_.snd.nxt);
    arm_early(now);
    return true;
}

// RFC 8985 7.4.2: did the probe repair a loss that nobody saw?
void Connection::end_tail_probe(Environment& env, Instant now, const AckNews& news) {
    Active& a = *active_;
    if (!a.tail.outstanding || tcb_.snd.una < a.tail.end) return;
    if (!a.tail.is_retransmission || (news.duplicate && tcb_.snd.una == a.tail.end)) {
        a.tail.outstanding = false;
    } else if (tcb_.snd.una > a.tail.end) {
        a.tail.outstanding = false;
        ++env.counters.TcpExt_TCPLossProbeRecovery;
        if (a.recovery != Recovery::open) return;
        a.control.on(congestion(now, in_flight() + news.acked.delivered));
        a.control.on(congestion::Recovered{now, in_flight(), send_mss()});
        note_window(env, now, event::Cause::tail_probe);
    }
}

}  // namespace estab::tcp
