// TCP Fast Open (RFC 7413): text in the SYN, and a connection that serves before its handshake is
// over. Cookies are made, checked and remembered by the stack.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"

namespace estab::tcp {

using wire::Flags;

const FastOpen* Connection::fast_open() const {
    return extras_ != nullptr && extras_->fast_open ? &*extras_->fast_open : nullptr;
}

void Connection::forget_fast_open(Environment& env) {
    fast_open_ = false;
    if (extras_ == nullptr) return;
    extras_->fast_open.reset();
    if (extras_->accecn || extras_->mtu.on || has_records_) return;
    env.extras.free(extras_);
    extras_ = nullptr;
}

// --- The client: RFC 7413 4.1.3, 4.2.1

bool Connection::offer_fast_open(Environment& env, const FastOpenOffer& offer) {
    CHECK(state_ == State::syn_sent && owed_.syn && tcb_.snd.nxt == tcb_.snd.iss);
    if (!have_extras(env)) return false;
    FastOpen& f = extras_->fast_open.emplace();
    f.cookie = offer.cookie;
    f.has_option = !offer.without_cookie;
    f.may_send = offer.cookie.size != 0 || offer.without_cookie;
    if (offer.mss != 0) peer_mss_ = std::max(offer.mss, config_->mss_min);
    // Whoever goes without cookies knows nothing about the other side but that it agrees to that.
    else if (offer.without_cookie) peer_mss_ = advertised_mss();
    fast_open_ = true;
    return true;
}

// Octets of text that the SYN can take: none once it has gone. All the place that options may need
// is left to them, since there are boxes on the way that add some (4.1.3.2, as Linux).
std::uint64_t Connection::syn_text_room() const {
    return tcb_.snd.nxt == tcb_.snd.iss ? syn_text_max() : 0;
}

std::uint64_t Connection::syn_text_max() const {
    if (!fast_open_ || !extras_->fast_open->may_send) return 0;
    const std::uint32_t mss = max_payload();
    return mss > 40 ? mss - 40 : 0;
}

// What a SYN or SYN-ACK carries when it goes for the first time. A SYN that goes again is a plain
// one: what was new about the first may be why it was lost (4.1.3.1).
void Connection::put_fast_open(Environment& env, Instant now, Segment& out) {
    FastOpen& f = *extras_->fast_open;
    if (!active_open_) {
        if (f.cookie.size == 0) return;
        out.options.fast_open = f.cookie.bytes();
        out.options.fast_open_experimental = f.cookie.experimental;
        note(env, now, event::Kind::fast_open, static_cast<std::uint64_t>(event::Step::given), 0);
        return;
    }
    if (state_ != State::syn_sent) return;
    if (f.has_option) {
        out.options.fast_open = f.cookie.bytes();
        out.options.fast_open_experimental = f.cookie.experimental;
    }
    const Seq begin = tcb_.snd.iss + 1;
    const auto octets = active_ != nullptr ? static_cast<std::uint32_t>(std::min(
                                                 active_->send.size(), syn_text_max()))
                                           : 0u;
    const bool has_text = octets != 0 && active_->sent.append(begin, begin + octets,
                                                              max_payload(), now);
    if (has_text) {
        CHECK(active_->send.gather(begin, octets, out.payload) == octets);
        tcb_.snd.nxt = begin + octets;
        active_->sent.last()->rate = active_->rate.on_sent(now, delivered_, octets, true);
        f.text = static_cast<std::uint16_t>(octets);
        active_->syn_text_end = begin + octets;
        ++stats_.data_out;
        stats_.octets_sent += octets;
    }
    const event::Step step =
        f.text == 0 && f.cookie.size == 0 ? event::Step::asked : event::Step::sent;
    note(env, now, event::Kind::fast_open, static_cast<std::uint64_t>(step), f.text);
}

// The SYN-ACK says whether the other side took the text; what it did not take goes again at once,
// and that is no sign of congestion (4.2.1).
void Connection::settle_fast_open(Environment& env, Instant now, const Segment& syn_ack) {
    FastOpen& f = *extras_->fast_open;
    fast_open_ = active_ != nullptr && tcb_.snd.una < tcb_.snd.nxt;
    f.settled = true;
    f.text_taken = f.text != 0 && syn_ack.ack > tcb_.snd.iss + 1;
    syn_text_ = f.text_taken && syn_ack.ack > tcb_.snd.iss + f.text;
    if (f.has_option && syn_ack.options.fast_open && !syn_ack.options.fast_open->empty()) {
        f.learnt = FastOpenCookie::of(*syn_ack.options.fast_open,
                                      syn_ack.options.fast_open_experimental);
        note(env, now, event::Kind::fast_open, static_cast<std::uint64_t>(event::Step::learnt), 0);
    }
    if (f.text != 0) {
        const event::Step step = f.text_taken ? event::Step::accepted : event::Step::refused;
        note(env, now, event::Kind::fast_open, static_cast<std::uint64_t>(step),
             distance(tcb_.snd.iss + 1, tcb_.snd.una));
        ++(f.text_taken ? env.counters.TcpExt_TCPFastOpenActive
                        : env.counters.TcpExt_TCPFastOpenActiveFail);
    }
    if (active_ == nullptr) return;
    Active& a = *active_;
    const SentQueue::Acked acked = a.sent.acknowledge(tcb_.snd.una);
    stats_.octets_acked += acked.delivered;
    a.send.release(std::min(tcb_.snd.una, a.send.end()));
    if (!a.sent.empty()) {
        a.sent.mark_all_lost();
        a.retransmit_now = true;
        arm_retransmit(now);
    }
    deactivate_if_idle(env, now);
}

// --- The server: RFC 7413 4.2.2

bool Connection::accept_fast_open(Environment& env, Instant now, const Handshake& agreed,
                                  Segment& syn, const FastOpenCookie& fresh) {
    if (!have_extras(env)) return false;
    resume(env, now, agreed);
    FastOpen& f = extras_->fast_open.emplace();
    f.cookie = fresh;
    fast_open_ = true;
    stats_.segments_out = 0;
    limits_.begin(now);
    idle_cwnd_ = initial_window_bytes();
    tcb_.adopt(syn);
    tcb_.snd.wnd = tcb_.snd.wnd_max = syn.wnd;
    syn.seq += 1;
    syn.flags.bits &= static_cast<std::uint16_t>(~Flags::syn);
    trim(syn);
    if (!syn.payload.empty()) {
        store(env, now, syn);
        ++stats_.data_in;
    }
    f.text = static_cast<std::uint16_t>(distance(tcb_.rcv.irs + 1, tcb_.rcv.nxt));
    syn_text_ = f.text != 0;
    last_ack_sent_ = tcb_.rcv.nxt;  // the SYN-ACK says so (RFC 7323 4.3)
    owed_ = {};
    owed_.syn = true;
    ack_at_ = never;
    note(env, now, event::Kind::fast_open, static_cast<std::uint64_t>(event::Step::accepted),
         f.text);
    return true;
}

}  // namespace estab::tcp
