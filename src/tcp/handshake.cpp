// Opening: RFC 9293 3.5, 3.10.7.3 (SYN-SENT), and what the two SYNs agree on (3.7.1, RFC 7323,
// 2018, 3168).
#include <algorithm>

#include "congestion/reno.hpp"
#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

using wire::Flags;

namespace {

bool never_moves(const congestion::Table& table) {
    return &table == &congestion::table_of<congestion::Fixed>;
}

}  // namespace

void Connection::open(Environment& env, Instant now, wire::SeqNum iss, std::uint32_t ts_offset) {
    CHECK(state_ == State::closed);
    active_open_ = true;
    ts_offset_ = ts_offset;
    tcb_.snd.iss = tcb_.snd.una = tcb_.snd.nxt = tcb_.snd.up = Seq::initial(iss);
    tcb_.rcv.shift = wanted_shift(*config_);
    owed_.syn = true;
    ++env.counters.Tcp_ActiveOpens;
    enter(env, now, State::syn_sent);
}

void Connection::resume(Environment& env, Instant now, const Handshake& agreed) {
    CHECK(state_ == State::closed);
    ts_offset_ = agreed.ts_offset;
    tcb_.snd.iss = tcb_.snd.una = tcb_.snd.up = agreed.iss;
    tcb_.snd.nxt = agreed.iss + 1;
    tcb_.snd.shift = agreed.snd_shift;
    tcb_.snd.wnd = tcb_.snd.wnd_max = agreed.syn_window;
    tcb_.snd.wl1 = agreed.irs;
    tcb_.snd.wl2 = agreed.iss;
    tcb_.rcv.irs = tcb_.rcv.up = agreed.irs;
    tcb_.rcv.nxt = agreed.irs + 1;
    tcb_.rcv.shift = agreed.rcv_shift;
    tcb_.rcv.edge = tcb_.rcv.nxt + agreed.rcv_window;
    recv_window_ = agreed.rcv_window;
    scaling_ = agreed.scaling;
    sack_ = agreed.sack;
    timestamps_ = agreed.timestamps;
    ecn_ = agreed.ecn;
    if (agreed.accecn && begin_accecn(env, agreed.syn_ecn)) {
        // The last SYN-ACK said nothing of it, or a SYN did not (RFC 9768 3.1.5).
        extras_->accecn->marks = agreed.retransmits < 2 && !agreed.plain_syn;
    }
    peer_mss_ = std::max(agreed.peer_mss, config_->mss_min);
    if (agreed.timestamps) {
        ts_recent_ = agreed.ts_recent;
        ts_recent_valid_ = true;
        ts_recent_at_ = now;
    }
    last_ack_sent_ = tcb_.rcv.nxt;
    last_sent_ = agreed.syn_ack_sent;
    retries_ = agreed.retransmits;
    stats_.segments_in = stats_.segments_out = 1;
    enter(env, now, State::syn_received);
}

void Connection::resume_time_wait(Instant now, Seq snd_nxt, Seq rcv_nxt, std::uint32_t rcv_wnd,
                                  std::optional<std::uint32_t> ts_recent, std::uint32_t ts_offset,
                                  Instant ends_at) {
    CHECK(state_ == State::closed);
    tcb_.snd.iss = tcb_.snd.up = snd_nxt - 1;
    tcb_.snd.una = tcb_.snd.nxt = snd_nxt;
    tcb_.rcv.irs = tcb_.rcv.up = rcv_nxt - 1;
    tcb_.rcv.nxt = rcv_nxt;
    tcb_.rcv.edge = rcv_nxt + rcv_wnd;
    fin_queued_ = fin_sent_ = fin_received_ = orphan_ = true;
    fin_seq_ = snd_nxt - 1;
    timestamps_ = ts_recent.has_value();
    ts_recent_valid_ = timestamps_;
    ts_recent_ = ts_recent.value_or(0);
    ts_recent_at_ = now;
    ts_offset_ = ts_offset;
    last_ack_sent_ = rcv_nxt;
    misc_at_ = ends_at;
    state_ = State::time_wait;  // not an entry: it has been there all along
}

std::uint16_t Connection::advertised_mss() const {
    const std::uint32_t mtu = config_->mss_of_path ? path_mtu_ : interface_mtu_;
    return tcp::advertised_mss(*config_, mtu, tuple_.remote.address.is_v4());
}

std::uint32_t Connection::initial_window_bytes() const {
    const std::uint32_t segments =
        never_moves(table()) ? config_->fixed_window : config_->initial_window;
    return std::max<std::uint32_t>(segments, 1) * send_mss();
}

// What a SYN or SYN-ACK says about the peer.
void Connection::negotiate(const Segment& seg) {
    const wire::TcpOptions& o = seg.options;
    if (!config_->syn_options) {
        sack_ = timestamps_ = scaling_ = false;
        tcb_.rcv.shift = 0;
        return;
    }
    if (!o.mss && planted(Bug::mss_default)) peer_mss_ = 1460;
    if (o.mss) peer_mss_ = std::max(*o.mss, config_->mss_min);  // MUST-14
    learn_window_scale(seg);
    sack_ = config_->sack && o.sack_permitted;
    timestamps_ = config_->timestamps && o.timestamps.has_value();
    if (timestamps_) {
        ts_recent_ = o.timestamps->val;
        ts_recent_valid_ = true;
    }
}

void Connection::learn_window_scale(const Segment& syn) {
    scaling_ = config_->window_scaling && syn.options.window_scale.has_value();
    // More than 14 is used as 14 (RFC 7323 2.3).
    tcb_.snd.shift = scaling_ ? std::min<std::uint8_t>(*syn.options.window_scale, 14) : 0;
    if (!scaling_) tcb_.rcv.shift = 0;
}

void Connection::round_recv_buffer() {
    if (!config_->recv_buffer_whole) return;
    const std::uint32_t mss = max_payload();
    recv_buffer_ = recv_window_ = (recv_buffer_ + mss - 1) / mss * mss;
}

void Connection::become_established(Environment& env, Instant now) {
    limits_.begin(now);
    idle_cwnd_ = initial_window_bytes();
    syn_lost_ = retries_ != 0;
    // RFC 5681 3.1; but one that never moves would stay there.
    if (syn_lost_ && !never_moves(table()))
        idle_cwnd_ = std::min<std::uint32_t>(idle_cwnd_, send_mss());
    idle_ssthresh_ = config_->initial_ssthresh;
    if (active_ != nullptr) {
        active_->control = congestion::Control(table(), start_of_control(now));
        active_->paced = is_paced();
    }
    // A careful guess: what really comes raises it. One too high would keep ACKs back (SHLD-19).
    rcv_mss_ = std::min<std::uint16_t>({advertised_mss(), peer_mss_, 536});
    if (!active_open_) round_recv_buffer();
    retries_ = backoff_ = 0;
    retransmit_at_ = never;
    trouble_since_ = never;
    last_received_ = now;
    notice_.connected = notice_.writable = true;
    enter(env, now, State::established);
    if (config_->mtu_probing == MtuProbing::always) search_black_hole(env, now);
    rearm_keepalive(now);  // only a synchronized connection has one
    note(env, now, event::Kind::connected, static_cast<std::uint64_t>(rtt_.srtt().count()));
    note_window(env, now, event::Cause::open);
    if (fin_queued_)
        enter(env, now, State::fin_wait_1);  // shutdown() came before the handshake's end
    if (fast_open_ && !active_open_) {
        fast_open_ = false;
        if (extras_->fast_open) extras_->fast_open->settled = true;
    }
}

// RFC 9293 3.10.7.3. Returns the segment to the common steps when text or a FIN came with the SYN.
Connection::Verdict Connection::on_syn_sent(Environment& env, Instant now, Segment& seg) {
    // First: an ACK must be for our SYN. "=<", not "==": a SYN may carry data (RFC 7413).
    const bool ack = seg.has(Flags::ack);
    if (ack && (seg.ack <= tcb_.snd.iss || seg.ack > tcb_.snd.nxt)) return Verdict::reset;
    // An echo of what we never sent belongs to someone else, as Linux sees it.
    if (ack && config_->timestamps && seg.options.timestamps && seg.options.timestamps->ecr != 0) {
        const std::uint32_t age = ts_now(now) - seg.options.timestamps->ecr;
        const std::uint32_t most = ts_now(now) - ts_now(last_sent_);
        if (age > most) return Verdict::reset;
    }
    if (seg.has(Flags::rst)) {  // second; without an ACK it proves nothing
        if (ack) {
            note(env, now, event::Kind::reset_received, seg.seq.wire().raw,
                 static_cast<std::uint64_t>(state_));
            ++env.counters.Tcp_AttemptFails;
            finish(env, now, Error::refused);
        }
        return Verdict::done;
    }
    if (!seg.has(Flags::syn)) return Verdict::done;  // fifth: neither SYN nor RST
    // Fourth.
    tcb_.rcv.irs = tcb_.rcv.up = seg.seq;
    tcb_.rcv.nxt = seg.seq + 1;
    tcb_.snd.wl1 = seg.seq;
    tcb_.snd.wl2 = ack ? seg.ack : tcb_.snd.iss;
    tcb_.snd.wnd = tcb_.snd.wnd_max =
        seg.wnd << (planted(Bug::window_scale) ? 7 : 0);  // a SYN's window is never scaled
    negotiate(seg);
    ts_recent_at_ = now;
    agree_on_ecn(env, now, seg);
    last_ack_sent_ = tcb_.rcv.nxt;
    if (active_ != nullptr) active_->recv.begin_at(tcb_.rcv.nxt);
    last_received_ = now;
    round_recv_buffer();
    if (tcb_.rcv.edge < tcb_.rcv.nxt) tcb_.rcv.edge = tcb_.rcv.nxt + recv_window_;
    if (ack) {
        tcb_.snd.una = seg.ack;
        const bool once = stats_.retransmits == 0;
        if (once || (timestamps_ && seg.options.timestamps->ecr != 0)) {
            const Duration rtt =
                once ? now - last_sent_
                     : (ts_now(now) - seg.options.timestamps->ecr) * config_->timestamp_tick;
            if (rtt >= 0s && rtt < 1h) rtt_.add(now, rtt);
        }
        become_established(env, now);
        if (fast_open_) settle_fast_open(env, now, seg);
        owed_.ack = true;  // it may carry data (U-4)
        owed_.syn = false;
    } else {  // simultaneous open (MUST-10)
        enter(env, now, State::syn_received);
        owed_.syn = true;
        retransmit_at_ = never;
        retries_ = backoff_ = 0;
    }
    // "Continue processing at the sixth step": text and FIN that came along.
    seg.seq += 1;
    seg.flags.bits &= static_cast<std::uint16_t>(~Flags::syn);
    if (state_ == State::established && seg.length() != 0) {
        trim(seg);
        sixth_check_urg(env, now, seg);
        seventh_text(env, now, seg);
        eighth_check_fin(env, now);
    } else if (state_ == State::syn_received && !seg.payload.empty()) {
        // It waits for ESTABLISHED, and so does its acknowledgment; a FIN comes again.
        seg.flags.bits &= static_cast<std::uint16_t>(~Flags::fin);
        trim(seg);
        store(env, now, seg);
        owed_.ack = owed_.dsack = false;
        ack_at_ = never;
        ack_pending_ = 0;
    }
    return Verdict::done;
}

// SYN, or SYN-ACK of those who are no mere half-open record, with everything that it offers.
bool Connection::make_syn(Environment& env, Instant now, Segment& out) {
    const bool reply = state_ == State::syn_received;
    start_segment(now, tcb_.snd.iss, reply ? Flags::syn | Flags::ack : Flags::syn, out);
    if (reply && active_open_) out.ack = tcb_.rcv.irs + 1;  // text that came along waits
    wire::TcpOptions& o = out.options;
    // MUST-14, MUST-65, SHLD-5, MAY-3
    if (!planted(Bug::mss_silent) && config_->syn_options) o.mss = advertised_mss();
    // As FreeBSD: what swallows SYNs with options may let one without pass.
    const bool plain =
        !config_->syn_options ||
        (!reply && config_->syn_plain_after != 0 && retries_ >= config_->syn_plain_after);
    if (reply ? sack_ : config_->sack && !plain) o.sack_permitted = true;
    if (reply ? scaling_ : config_->window_scaling && !plain) o.window_scale = tcb_.rcv.shift;
    if (reply ? timestamps_ : config_->timestamps && !plain) {
        o.timestamps = wire::Timestamps{ts_now(now), reply ? ts_recent_ : 0};
    }
    offer_ecn(reply, out);
    if (recv_window_ == 0) {
        recv_window_ = first_window(*config_, advertised_mss() - (reply && timestamps_ ? 12u : 0u));
    }
    if (reply) {
        tcb_.rcv.edge = std::max(tcb_.rcv.edge, tcb_.rcv.nxt + recv_window_);
        out.wnd = static_cast<std::uint32_t>(tcb_.rcv.wnd());
    } else {
        out.wnd = recv_window_;
    }
    out.window_field = static_cast<std::uint16_t>(std::min<std::uint32_t>(out.wnd, 65'535));
    const bool first = tcb_.snd.nxt == tcb_.snd.iss;
    if (first) {
        tcb_.snd.nxt = tcb_.snd.iss + 1;  // S0-7: the SYN is one number
    } else if (retries_ != 0) {
        ++stats_.retransmits;
        ++env.counters.Tcp_RetransSegs;
        ++env.counters.TcpExt_TCPSynRetrans;
        note(env, now, event::Kind::retransmit, out.seq.wire().raw, out.seq.wire().raw + 1,
             static_cast<std::uint64_t>(event::Cause::timeout), retries_);
    }
    if (retries_ == 0) last_sent_ = now;
    if (fast_open_ && (first || reply) && retries_ == 0) put_fast_open(env, now, out);
    owed_.syn = owed_.ack = false;
    arm_retransmit(now);
    ++stats_.segments_out;
    return true;
}

}  // namespace estab::tcp
