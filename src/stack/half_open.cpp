// SYN-RECEIVED after a passive OPEN: the half-open record, its timer, and what becomes of it when
// the handshake is complete.
#include <algorithm>

#include "stack/stack.hpp"

namespace estab::stack {

using wire::Flags;

bool Stack::add_half_open(Instant now, Listener& l, const wire::FourTuple& tuple,
                          const tcp::Handshake& h) {
    const std::uint32_t index = half_open_.make();
    if (index == none) return false;  // no memory: a cookie needs none
    HalfOpen& r = half_open_[index];
    r.tuple = tuple;
    r.iss = h.iss.wire().raw;
    r.irs = h.irs.wire().raw;
    r.ts_recent = h.ts_recent;
    r.peer_mss = h.peer_mss;
    r.snd_shift = (h.scaling ? h.snd_shift : HalfOpen::no_scaling) & 15u;
    r.rcv_shift = h.rcv_shift & 15;
    r.retransmits = 0;
    r.sack = h.sack;
    r.timestamps = h.timestamps;
    r.ecn = (h.accecn ? 4u | static_cast<unsigned>(h.syn_ecn) : h.ecn ? 1u : 0u) & 7u;
    const std::uint32_t ref = Ref::make(Kind::half_open, index);
    if (!link_flow(tuple, ref)) {
        half_open_.free(index);
        return false;
    }
    wheel_.arm(ref, r.timer, now + l.config->rto_initial);
    ++l.half_open;
    log_.count(event::Kind::syn_received);
    return true;
}

tcp::Handshake Stack::unpack(Instant now, const HalfOpen& half, const Listener& l) const {
    tcp::Handshake h;
    h.iss = tcp::Seq::initial({half.iss});
    h.irs = tcp::Seq::initial({half.irs});
    h.peer_mss = half.peer_mss;
    h.scaling = half.snd_shift != HalfOpen::no_scaling;
    h.snd_shift = h.scaling ? half.snd_shift : 0;
    h.rcv_shift = half.rcv_shift;
    h.sack = half.sack;
    h.timestamps = half.timestamps;
    h.ecn = half.ecn == 1;
    h.accecn = half.ecn >= 2;
    h.plain_syn = half.ecn == 2 || half.ecn == 3;
    h.syn_ecn = half.ecn >= 4    ? static_cast<wire::Ecn>(half.ecn & 3)
                : half.ecn == 3 ? wire::Ecn::ce
                                : wire::Ecn::not_ect;
    h.ts_recent = half.ts_recent;
    h.ts_offset = secrets_.timestamp_offset(half.tuple);
    h.rcv_window = offered_window(*l.config, half.tuple, half.timestamps);
    h.retransmits = half.retransmits;
    if (half.retransmits == 0) {  // Karn: else nobody knows which one is acknowledged
        h.syn_ack_sent = now + wheel_.time_left(now, half.timer) - l.config->rto_initial;
    }
    return h;
}

void Stack::on_half_open(Instant now, Instant arrived, std::uint32_t index, tcp::Segment& seg) {
    const wire::FourTuple tuple = half_open_[index].tuple;
    const std::uint32_t listener = listener_index(tuple.local);
    if (listener == none) {
        forget_half_open(index);
        return answer_reset(tuple, seg);
    }
    Listener& l = listeners_[listener];
    HalfOpen& half = half_open_[index];
    if (seg.has(Flags::syn) && !seg.has(Flags::ack | Flags::rst) &&
        seg.seq.wire().raw == half.irs) {
        return on_syn_again(now, listener, index, seg);
    }
    const bool completes = seg.has(Flags::ack) && !seg.has(Flags::rst | Flags::syn) &&
                           seg.ack.wire().raw == half.iss + 1;
    if (completes && is_full(l)) {  // the peer sends it again; by then there may be room
        ++counters_.TcpExt_ListenOverflows;
        ++counters_.TcpExt_ListenDrops;
        log_.count(event::Kind::accept_queue_full);
        if (l.config->abort_on_overflow) {
            answer_reset(tuple, seg);
            forget_half_open(index);
        }
        return;
    }
    establish(now, arrived, listener, tuple, unpack(now, half, l), seg, index);
}

// Our answer was lost, or is late. RFC 9768 3.1.5: told is how the latest SYN arrived, but what was
// agreed on stays; one that asks for the other kind of ECN than the first ends it all.
void Stack::on_syn_again(Instant now, std::uint32_t listener, std::uint32_t index,
                         const tcp::Segment& syn) {
    const Listener& l = listeners_[listener];
    HalfOpen& half = half_open_[index];
    const wire::FourTuple tuple = half.tuple;
    const tcp::EcnRequest asks = tcp::ecn_request(syn.flags);
    const bool is_accurate = half.ecn >= 2;
    const bool is_mixed = half.ecn != 0 && tcp::accepts_accecn(tcp::ecn_mode(*l.config)) &&
                          asks == (is_accurate ? tcp::EcnRequest::rfc3168
                                               : tcp::EcnRequest::accecn);
    if (is_mixed) {
        ++counters_.TcpExt_EmbryonicRsts;
        ++counters_.Tcp_OutRsts;
        tcp::Segment out;  // with our number: the peer may think that the handshake is over
        out.seq = tcp::Seq::initial({half.iss + 1});
        out.ack = tcp::Seq::initial({half.irs + 1});
        out.flags = {Flags::rst | Flags::ack};
        out.hop_limit = l.config->hop_limit;
        answer(tuple, out);
        return forget_half_open(index);
    }
    if (is_accurate) {
        const bool plain = half.ecn < 4 || asks == tcp::EcnRequest::none;
        half.ecn = (plain ? 2u + (syn.ecn == wire::Ecn::ce)
                          : 4u | static_cast<unsigned>(syn.ecn)) & 7u;
    }
    tcp::Handshake h = unpack(now, half, l);
    h.retransmits = std::max<std::uint8_t>(h.retransmits, 1);  // and without the option: 3.2.3.2.2
    send_syn_ack(now, *l.config, tuple, h, nullptr);
}

// Lets a full connection look at a segment for a half-open record (or none: a cookie); it stays if
// the handshake is complete.
bool Stack::establish(Instant now, Instant arrived, std::uint32_t listener,
                      const wire::FourTuple& tuple, const tcp::Handshake& h, tcp::Segment& seg,
                      std::uint32_t half_open) {
    Listener& l = listeners_[listener];
    const std::uint32_t index = make_record(tuple, *l.config);
    if (index == none) return false;  // dropped at input; the record waits for the next copy
    Record& r = records_[index];
    r.linked = false;
    r.connection.resume(environment_, now, h);
    r.connection.tcb().adopt(seg);
    const auto verdict = r.connection.on_segment(environment_, now, arrived, seg);
    if (verdict == tcp::Connection::Verdict::reset) answer_reset(tuple, seg);
    const tcp::State state = r.connection.state();
    if (state == tcp::State::syn_received || state == tcp::State::closed) {
        tcp::Segment out;
        while (r.connection.next_segment(environment_, now, {}, out)) answer(tuple, out);
        free_record(r);
        if (state == tcp::State::closed && half_open != none && half_open_.is_used(half_open)) {
            ++counters_.TcpExt_EmbryonicRsts;
            forget_half_open(half_open);
        }
        return false;
    }
    const std::uint32_t ref = ref_of(r);
    if (half_open != none && half_open_.is_used(half_open)) {
        const std::uint32_t before = Ref::make(Kind::half_open, half_open);
        wheel_.disarm(before, half_open_[half_open].timer);
        hand_over_flow(tuple, before, ref);
        half_open_.free(half_open);
        --l.half_open;
    } else if (!link_flow(tuple, ref)) {
        free_record(r);
        return false;
    }
    r.linked = true;
    r.connection.on_path_mtu(environment_, now, mtu_towards(now, tuple.remote.address));
    enqueue(listener, r);
    return true;
}

void Stack::enqueue(std::uint32_t listener, Record& r) {
    Listener& l = listeners_[listener];
    r.queued = true;
    push<&Record::news>(l.queue, r);
    ++l.queue_length;
    ++counters_.Tcp_PassiveOpens;
    notice_listener(listener);
    touch_record(r);
}

// S2-7: 1, 2, 4, 8, 16 s, and after the last wait the record goes.
void Stack::on_half_open_timer(Instant now, std::uint32_t index) {
    HalfOpen& half = half_open_[index];
    const std::uint32_t listener = listener_index(half.tuple.local);
    if (listener == none ||
        half.retransmits >=
            std::min<unsigned>(listeners_[listener].config->synack_retries,
                               HalfOpen::retransmits_max)) {
        forget_half_open(index);
        return;
    }
    const tcp::Config& config = *listeners_[listener].config;
    half.retransmits = (half.retransmits + 1u) & HalfOpen::retransmits_max;
    const tcp::Handshake h = unpack(now, half, listeners_[listener]);
    ++counters_.Tcp_RetransSegs;
    ++counters_.TcpExt_TCPTimeouts;
    send_syn_ack(now, config, half.tuple, h, nullptr);
    const Duration wait = std::min<Duration>(
        config.rto_initial * (std::int64_t{1} << half.retransmits), config.rto_max);
    wheel_.arm(Ref::make(Kind::half_open, index), now + wait);
}

void Stack::forget_half_open(std::uint32_t index) {
    const wire::FourTuple tuple = half_open_[index].tuple;
    const std::uint32_t ref = Ref::make(Kind::half_open, index);
    wheel_.disarm(ref);
    unlink_flow(tuple, ref);
    half_open_.free(index);
    const std::uint32_t listener = listener_index(tuple.local);
    if (listener != none && listeners_[listener].half_open != 0) --listeners_[listener].half_open;
}

}  // namespace estab::stack
