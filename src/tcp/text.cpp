// Receiving text: where it goes, when it is acknowledged, what the ACK reports, and how far the
// window opens. RFC 9293 3.10.7.4 seventh, 3.8.6; RFC 5681 4.2; RFC 2018, 2883.
#include <algorithm>

#include "base/math.hpp"
#include "tcp/connection.hpp"
#include "tcp/history.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {
namespace {

// Microseconds in 32 bits, never 0: round trips are shorter than 71 minutes.
std::uint32_t round_clock(Instant now) {
    return static_cast<std::uint32_t>(to_us(now.time_since_epoch())) | 1u;
}

}  // namespace

void Connection::store(Environment& env, Instant now, Segment& seg) {
    if (!activate(env)) {  // the budget is used up: dropped at input, and the peer sends it again
        ++env.counters.TcpExt_TCPRcvQDrop;
        if (fin_waiting_) fin_waiting_ = false;
        return;
    }
    if (planted(Bug::out_of_order_lost) && seg.seq > tcb_.rcv.nxt) {
        owed_.ack = true;
        return;
    }
    RecvBuffer& recv = active_->recv;
    RecvBuffer::Inserted what = recv.insert(seg.seq, seg.payload);
    if (what.refused && seg.seq <= tcb_.rcv.nxt && !recv.out_of_order().empty()) {
        // What is in order counts more than what waits behind a hole.
        drop_out_of_order(env);
        what = recv.insert(seg.seq, seg.payload);
    }
    if (what.refused) {
        ++(seg.seq > tcb_.rcv.nxt ? env.counters.TcpExt_TCPOFODrop
                                  : env.counters.TcpExt_TCPRcvQDrop);
        if (fin_waiting_ && fin_wait_seq_ == seg.seq + seg.payload.size()) fin_waiting_ = false;
        owed_.ack = true;
        return;
    }
    rcv_mss_ = static_cast<std::uint16_t>(std::clamp<std::uint32_t>(
        std::max<std::uint32_t>(rcv_mss_, std::min(seg.segment_size, 65'535u)), 1, interface_mtu_));
    if (what.duplicate) {
        count(env, &History::duplicates_in, seg.segments);
        note(env, now, event::Kind::duplicate, seg.seq.wire().raw, seg.end().wire().raw);
        report_duplicate(env, Seq(what.duplicate_range.begin), Seq(what.duplicate_range.end));
    }
    if (what.in_order != 0) {
        tcb_.rcv.nxt += what.in_order;
        tcb_.rcv.edge = std::max(tcb_.rcv.edge, tcb_.rcv.nxt);
        stats_.octets_received += what.in_order;
        notice_.readable = true;
        text_came_us_ = round_clock(now);
        grow_receive_window(now, what.in_order);
    } else if (what.fresh != 0) {
        count(env, &History::out_of_order_in, seg.segments);
        ++env.counters.TcpExt_TCPOFOQueue;
        if (what.duplicate) ++env.counters.TcpExt_TCPOFOMerge;
        note(env, now, event::Kind::out_of_order, seg.seq.wire().raw, seg.end().wire().raw,
             tcb_.rcv.nxt.wire().raw);
        note_sack(what);
    } else if (what.merged.size() != 0) {
        note_sack(what);  // RFC 2883 4: the block that the duplicate is part of goes second
    }
    owe_ack_for_text(now, seg, what);
}

// RFC 5681 4.2: at once for what is out of order or fills a hole, else for every second full
// segment or when the delay runs out (MUST-40, SHLD-18, SHLD-19).
void Connection::owe_ack_for_text(Instant now, const Segment& seg,
                                  const RecvBuffer::Inserted& what) {
    if (what.in_order == 0) {
        owed_.ack = true;
        // MAY-13. Without SACK their number is the message: one for each wire segment.
        if (!sack_) {
            owed_.duplicate_acks = static_cast<std::uint8_t>(
                std::min<unsigned>(owed_.duplicate_acks + seg.segments, 255));
        }
        return;
    }
    ack_pending_octets_ += static_cast<std::uint32_t>(what.in_order);
    const bool hole = !active_->recv.out_of_order().empty() || what.in_order > seg.payload.size();
    if (hole || what.duplicate || (config_->ack_counts_all && ack_pending_ != 0) ||
        ack_pending_octets_ >= std::uint32_t{config_->ack_every} * rcv_mss_) {
        owed_.ack = true;
        return;
    }
    if (quick_acks_left_ != 0) {
        if (quick_acks_left_ != 255) --quick_acks_left_;
        owed_.ack = true;
        return;
    }
    ack_pending_ = 1;
    ack_at_ = planted(Bug::timer_delayed_ack)
                  ? never
                  : std::min(ack_at_, after(now, config_->delayed_ack));
}

// RFC 2018 4: the block with the newest segment first, then the ones reported last.
void Connection::note_sack(const RecvBuffer::Inserted& what) {
    if (!sack_) return;
    Active& a = *active_;
    std::array<Seq, 4> recent{Seq(what.merged.begin)};
    std::uint8_t count = 1;
    for (std::uint8_t i = 0; i < a.sack_recent_count && count < recent.size(); ++i) {
        const Seq s = a.sack_recent[i];
        if (s.value() >= what.merged.begin && s.value() < what.merged.end) continue;
        recent[count++] = s;
    }
    if (planted(Bug::sack_order)) std::reverse(recent.begin(), recent.begin() + count);
    a.sack_recent = recent;
    a.sack_recent_count = count;
}

void Connection::report_duplicate(Environment& env, Seq begin, Seq end) {
    if (!sack_ || !config_->dsack || begin == end || planted(Bug::dsack_silent)) return;
    dsack_begin_ = begin.wire();
    dsack_end_ = end.wire();
    owed_.dsack = owed_.ack = true;
    ++(end <= tcb_.rcv.nxt ? env.counters.TcpExt_TCPDSACKOldSent
                           : env.counters.TcpExt_TCPDSACKOfoSent);
}

void Connection::fill_sack(Segment& out) {
    if (!sack_) return;
    wire::TcpOptions& o = out.options;
    const std::uint8_t most = timestamps_ ? 3 : 4;
    if (owed_.dsack) {  // RFC 2883 4: the first block, once
        o.sack[o.sack_count++] = {dsack_begin_, dsack_end_};
    }
    if (active_ == nullptr || active_->sack_recent_count == 0) return;
    Active& a = *active_;
    const auto ranges = a.recv.out_of_order();
    std::uint8_t kept = 0;
    for (std::uint8_t i = 0; i < a.sack_recent_count; ++i) {
        const std::uint64_t at = a.sack_recent[i].value();
        const auto range =
            std::upper_bound(ranges.begin(), ranges.end(), at,
                             [](std::uint64_t v, const Interval& r) { return v < r.end; });
        if (range == ranges.end() || range->begin > at) {  // it has become part of the stream
            if (planted(Bug::recovery_sack) && o.sack_count < most)
                o.sack[o.sack_count++] = {Seq(at).wire(), tcb_.rcv.nxt.wire()};
            continue;
        }
        a.sack_recent[kept++] = a.sack_recent[i];
        if (o.sack_count < most)
            o.sack[o.sack_count++] = {Seq(range->begin).wire(), Seq(range->end).wire()};
    }
    a.sack_recent_count = kept;
}

// The window field of the next segment. The right edge never moves back (SHLD-14), opens in steps
// worth having (MUST-39), and what a scaled field cannot say is rounded up, as Linux does (S0-14).
std::uint16_t Connection::window_to_offer() {
    Tcb::Receive& rcv = tcb_.rcv;
    const std::uint64_t held = unread();
    const std::uint64_t space = recv_buffer_ > held ? recv_buffer_ - held : 0;
    const std::uint64_t wanted = std::min<std::uint64_t>(space, recv_window_);
    const std::uint64_t unit = std::uint64_t{1} << rcv.shift;
    const std::uint64_t step = std::min<std::uint64_t>(recv_buffer_ / 2, rcv_mss_);
    Seq edge = rcv.edge;
    const bool exact = config_->window_exact || planted(Bug::silly_receiver);
    const std::uint64_t least = exact ? 0 : step;
    const bool opens = can_receive(state_) || config_->window_exact;
    if (opens && rcv.nxt + wanted >= edge + least) edge = rcv.nxt + wanted;
    std::uint64_t field = (distance(rcv.nxt, edge) + unit - 1) / unit;
    field = std::min<std::uint64_t>(field, 65'535);
    rcv.edge = std::max(config_->window_exact ? edge : rcv.edge, rcv.nxt + field * unit);
    if (planted(Bug::window_retreats) && field != 0 && unread() != 0) --field;
    return static_cast<std::uint16_t>(field);
}

// The window opens by twice what was delivered (S1-16), up to the buffer.
void Connection::grow_receive_window(Instant now, std::uint64_t octets) {
    recv_window_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(recv_window_ + 2 * octets, std::max(recv_buffer_, recv_window_)));
    if (round_start_us_ == 0) round_start_us_ = round_clock(now);
}

// Dynamic right-sizing: when the application took more than half a buffer in one round trip, the
// path could have carried more. Then: wake a peer whose window we had closed.
void Connection::after_read(Environment& env, Instant now, std::size_t octets) {
    copied_in_round_ += static_cast<std::uint32_t>(octets);
    const std::uint32_t passed_us = round_clock(now) - round_start_us_;
    const bool round_over = rtt_.has_sample()
                                ? passed_us > static_cast<std::uint64_t>(to_us(rtt_.srtt()))
                                : copied_in_round_ >= recv_window_;
    if (round_over && round_start_us_ != 0) {
        const std::uint64_t wanted =
            2 * std::uint64_t{copied_in_round_} + 16 * std::uint64_t{rcv_mss_};
        const Memory& memory = env.chunks.memory();  // a budget half used up stops the growth
        if (config_->recv_autotune && wanted > recv_buffer_ && memory.used() < memory.limit() / 2) {
            recv_buffer_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(
                wanted, std::max(config_->recv_buffer_max, recv_buffer_)));
        }
        copied_in_round_ = 0;
        round_start_us_ = round_clock(now);
    }
    const std::uint64_t held = unread();
    const std::uint64_t space = recv_buffer_ > held ? recv_buffer_ - held : 0;
    const std::uint64_t could = std::min<std::uint64_t>(space, recv_window_);
    const std::uint64_t now_open = tcb_.rcv.wnd();
    const std::uint64_t step = std::min<std::uint64_t>(recv_buffer_ / 2, rcv_mss_);
    const std::uint64_t worth = config_->window_exact ? now_open + recv_buffer_ / 4 : 2 * now_open;
    if (can_receive(state_) && could >= now_open + step && could >= worth) {
        owed_.ack = true;
        note(env, now, event::Kind::window_update, could);
    }
    deactivate_if_idle(env, now);
}

}  // namespace estab::tcp
