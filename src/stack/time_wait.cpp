// TIME-WAIT as a packed record: RFC 9293 3.6.1, RFC 6191, RFC 1337.
#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

using wire::Flags;

namespace {

// MAY-2: past everything that we sent before, whatever window the peer had.
tcp::Seq reopened_iss(const TimeWait& tw) { return tcp::Seq::initial({tw.snd_nxt + 65'537}); }

}  // namespace

// The connection becomes a record of 64 octets. Policy at the limit: it is forgotten at once,
// counted.
bool Stack::pack_time_wait(Record& r) {
    if (r.owned || r.queued) return false;
    const tcp::Connection& c = r.connection;
    // A packed record's timestamps tick as the stack's do; a clock of its own would seem to jump.
    const bool ticks_alike = c.config().timestamp_tick == config_.timestamp_tick;
    if (c.has_timestamps() && !ticks_alike) return false;
    std::uint32_t packed = none;
    if (time_waits_.in_use() < config_.time_wait_max) packed = time_waits_.make();
    if (packed == none) {
        ++counters_.TcpExt_TCPTimeWaitOverflow;
        free_record(r);
        return true;
    }
    TimeWait& tw = time_waits_[packed];
    tw.tuple = c.tuple();
    tw.snd_nxt = c.tcb().snd.nxt.wire().raw;
    tw.rcv_nxt = c.tcb().rcv.nxt.wire().raw;
    tw.rcv_shift = c.tcb().rcv.shift;
    tw.window = static_cast<std::uint16_t>(
        std::min<std::uint64_t>(c.tcb().rcv.wnd() >> tw.rcv_shift, 65'535));
    tw.timestamps = c.has_timestamps() && c.has_ts_recent();
    tw.ts_recent = c.ts_recent();
    const std::uint32_t ref = Ref::make(Kind::time_wait, packed);
    hand_over_flow(tw.tuple, ref_of(r), ref);
    r.linked = false;
    wheel_.arm(ref, tw.timer, c.time_wait_end());
    free_record(r);
    ++counters_.TcpExt_TW;
    return true;
}

void Stack::forget_time_wait(std::uint32_t index) {
    const std::uint32_t ref = Ref::make(Kind::time_wait, index);
    wheel_.disarm(ref);
    unlink_flow(time_waits_[index].tuple, ref);
    time_waits_.free(index);
}

// A SYN that proves to be of a new incarnation: by its timestamp where both have one, else by a
// sequence number past the old ones (RFC 6191 2, RFC 9293 3.10.7.4 fourth).
bool Stack::may_reuse(const TimeWait& tw, const tcp::Segment& syn) const {
    if (!syn.has(Flags::syn) || syn.has(Flags::rst | Flags::ack) || !config_.time_wait_reuse)
        return false;
    if (tw.timestamps && syn.options.timestamps) {
        const auto newer = static_cast<std::int32_t>(syn.options.timestamps->val - tw.ts_recent);
        if (newer != 0) return newer > 0;
    }
    return static_cast<std::int32_t>(syn.seq.wire().raw - tw.rcv_nxt) > 0;
}

// The same where the owner has not let go yet: its connection ends, and the name is free.
bool Stack::reopens_owned(Instant now, std::uint32_t index, tcp::Segment& syn,
                          const wire::IpPacket& packet) {
    Record& r = records_[index];
    tcp::Connection& c = r.connection;
    const wire::FourTuple tuple = c.tuple();
    TimeWait tw;
    tw.snd_nxt = c.tcb().snd.nxt.wire().raw;
    tw.rcv_nxt = c.tcb().rcv.nxt.wire().raw;
    tw.timestamps = c.has_timestamps() && c.has_ts_recent();
    tw.ts_recent = c.ts_recent();
    const std::uint32_t listener = may_reuse(tw, syn) ? listener_index(tuple.local) : none;
    if (listener == none || is_full(listeners_[listener])) return false;
    c.end_time_wait(environment_, now);
    unlink_flow(tuple, Ref::make(Kind::connection, index));
    r.linked = false;
    touch_record(r);
    ++counters_.TcpExt_TWRecycled;
    on_syn(now, listener, tuple, syn, packet, reopened_iss(tw));
    return true;
}

// May connect() take the name that this one has? It is in TIME-WAIT, and timestamps tell the two
// apart.
bool Stack::may_reopen(Instant now, std::uint32_t ref) const {
    if (Ref::kind(ref) != Kind::time_wait || !config_.time_wait_reuse) return false;
    const TimeWait& tw = time_waits_[Ref::index(ref)];
    const Duration age = config_.time_wait - wheel_.time_left(now, tw.timer);
    return tw.timestamps && age >= config_.time_wait_reuse_delay;
}

// The same steps as for any connection, on one unpacked for the moment.
void Stack::on_time_wait(Instant now, std::uint32_t index, tcp::Segment& seg,
                         const wire::FourTuple& tuple, const wire::IpPacket& packet) {
    TimeWait& tw = time_waits_[index];
    const std::uint32_t listener = may_reuse(tw, seg) ? listener_index(tuple.local) : none;
    if (listener != none && !is_full(listeners_[listener])) {
        const tcp::Seq iss = reopened_iss(tw);
        forget_time_wait(index);
        ++counters_.TcpExt_TWRecycled;
        on_syn(now, listener, tuple, seg, packet, iss);
        return;
    }
    tcp::Connection c(tuple, config_, 0,
                      static_cast<std::uint16_t>(std::min<std::uint32_t>(caps_.mtu, 65'535)));
    const std::uint32_t ref = Ref::make(Kind::time_wait, index);
    const Instant ends = now + std::max<Duration>(wheel_.time_left(now, tw.timer), 0s);
    c.resume_time_wait(now, tcp::Seq::initial({tw.snd_nxt}), tcp::Seq::initial({tw.rcv_nxt}),
                       std::uint32_t{tw.window} << tw.rcv_shift,
                       tw.timestamps ? std::optional(tw.ts_recent) : std::nullopt,
                       secrets_.timestamp_offset(tuple), ends);
    c.tcb().adopt(seg);
    if (c.on_segment(environment_, now, now, seg) == tcp::Connection::Verdict::reset)
        answer_reset(tuple, seg);
    tcp::Segment out;
    while (c.next_segment(environment_, now, {}, out)) answer(tuple, out);
    c.give_back(environment_);
    if (c.state() == tcp::State::closed) {
        forget_time_wait(index);
    } else if (c.time_wait_end() > ends) {
        wheel_.disarm(ref);
        wheel_.arm(ref, c.time_wait_end());
        tw.ts_recent = c.ts_recent();
    }
}

}  // namespace estab::stack
