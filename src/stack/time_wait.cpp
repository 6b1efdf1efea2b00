// TIME-WAIT as a packed record: RFC 9293 3.6.1, RFC 6191, RFC 1337.
#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

using wire::Flags;

// The connection becomes a record of 64 octets. Policy at the limit: it is forgotten at once, counted.
bool Stack::pack_time_wait(std::uint32_t index) {
    Record& r = records_[index];
    if (r.owned || r.queued) return false;
    const tcp::Connection& c = r.connection;
    const wire::FourTuple tuple = c.tuple();
    const std::uint32_t ref = Ref::make(Kind::connection, index);
    std::uint32_t packed = none;
    if (time_waits_.in_use() < config_.time_wait_max) packed = time_waits_.make();
    if (packed == none) {
        ++counters_.TcpExt_TCPTimeWaitOverflow;
        free_record(index);
        return true;
    }
    TimeWait& tw = time_waits_[packed];
    tw.tuple = tuple;
    tw.snd_nxt = c.tcb().snd.nxt.wire().raw;
    tw.rcv_nxt = c.tcb().rcv.nxt.wire().raw;
    tw.rcv_shift = c.tcb().rcv.shift;
    tw.window = static_cast<std::uint16_t>(std::min<std::uint64_t>(c.tcb().rcv.wnd() >> tw.rcv_shift, 65'535));
    tw.timestamps = c.has_timestamps() && c.has_ts_recent();
    tw.ts_recent = c.ts_recent();
    const Instant ends = c.time_wait_end();
    hand_over_flow(tuple, ref, Ref::make(Kind::time_wait, packed));
    r.linked = false;
    free_record(index);
    wheel_.arm(Ref::make(Kind::time_wait, packed), ends);
    ++counters_.TcpExt_TW;
    return true;
}

void Stack::forget_time_wait(std::uint32_t index) {
    const std::uint32_t ref = Ref::make(Kind::time_wait, index);
    wheel_.disarm(ref);
    unlink_flow(time_waits_[index].tuple, ref);
    time_waits_.free(index);
}

// A SYN that proves to be of a new incarnation: a newer timestamp, or a sequence number past the old ones.
bool Stack::may_reuse(const TimeWait& tw, const tcp::Segment& syn) const {
    if (!syn.has(Flags::syn) || syn.has(Flags::rst | Flags::ack) || !config_.time_wait_reuse) return false;
    if (tw.timestamps && syn.options.timestamps) {
        return static_cast<std::int32_t>(syn.options.timestamps->val - tw.ts_recent) > 0;
    }
    return static_cast<std::int32_t>(syn.seq.wire().raw - tw.rcv_nxt) > 0;
}

// The same steps as for any connection, on one unpacked for the moment.
void Stack::on_time_wait(Instant now, std::uint32_t index, tcp::Segment& seg, const wire::FourTuple& tuple,
                         const wire::IpPacket& packet) {
    TimeWait& tw = time_waits_[index];
    if (may_reuse(tw, seg)) {
        const std::uint32_t listener = listener_index(tuple.local);
        if (listener != none) {
            // MAY-2: our new ISN is past everything that we sent before.
            const tcp::Seq iss = tcp::Seq::initial({tw.snd_nxt + 65'537});
            forget_time_wait(index);
            ++counters_.TcpExt_TWRecycled;
            on_syn(now, listener, tuple, seg, packet, iss);
            return;
        }
    }
    const std::uint32_t scratch = make_record(tuple, config_);
    if (scratch == none) return;
    Record& r = records_[scratch];
    r.linked = false;
    tcp::Connection& c = r.connection;
    const std::uint32_t ref = Ref::make(Kind::time_wait, index);
    const Instant ends = now + std::max<Duration>(wheel_.time_left(now, tw.timer), 0s);
    c.resume_time_wait(now, tcp::Seq::initial({tw.snd_nxt}), tcp::Seq::initial({tw.rcv_nxt}),
                       std::uint32_t{tw.window} << tw.rcv_shift,
                       tw.timestamps ? std::optional(tw.ts_recent) : std::nullopt,
                       secrets_.timestamp_offset(tuple), ends);
    tcp::Segment arrived = seg;
    c.tcb().adopt(arrived);
    c.on_segment(environment_, now, now, arrived);
    tcp::Segment out;
    if (c.next_segment(environment_, now, {}, out)) answer(tuple, out);
    if (c.state() == tcp::State::closed) {
        forget_time_wait(index);
    } else if (c.time_wait_end() > ends) {
        wheel_.disarm(ref);
        wheel_.arm(ref, c.time_wait_end());
        tw.ts_recent = c.ts_recent();
    }
    free_record(scratch);
}

}  // namespace estab::stack
