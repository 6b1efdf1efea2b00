// Accurate ECN (RFC 9768), and what it shares with RFC 3168: what the handshake agrees on, what is
// fed back and what is made of the peer's feedback.
#include "tcp/accecn.hpp"

#include <algorithm>
#include <utility>

#include "tcp/connection.hpp"
#include "tcp/extras.hpp"

namespace estab::tcp {

using wire::Ecn;
using wire::Flags;

// --- The handshake: RFC 9768 3.1, RFC 3168 6.1.1

bool Connection::begin_accecn(Environment& env, Ecn heard) {
    if (!have_extras(env)) return false;
    extras_->accecn.emplace();
    extras_->accecn->heard = extras_->accecn->last = heard;
    ecn_ = accecn_ = true;
    return true;
}

// A SYN that is sent again asks once more for AccECN and then for nothing (3.1.4.1); one of RFC
// 3168 asks once.
void Connection::offer_ecn(bool reply, Segment& out) {
    if (!reply) {
        const EcnMode mode = ecn_mode(*config_);
        const bool accurate = asks_for_accecn(mode);
        const bool enough = retries_ > (accurate ? 1 : config_->ecn_retries);
        if (!asks_for_ecn(mode) || (enough && config_->ecn_fallback)) return;
        out.flags.bits |= Flags::ece | Flags::cwr | (accurate ? Flags::ae : 0);
        return;
    }
    if (!accecn_) {
        if (ecn_) out.flags.bits |= Flags::ece;
        return;
    }
    AccEcn& a = *extras_->accecn;
    if (retries_ > 1) {  // 3.2.3.2.2: neither flags nor option; from here on nothing is marked
        a.marks = false;
        return;
    }
    out.flags.bits |= ace_flags(handshake_ace(a.heard));
    if (retries_ == 0 && !a.plain_reply && config_->accecn_option != 0)
        out.options.accecn = wire::AccEcnOption{
            .fields = 3, .order1 = config_->accecn_everywhere, .e0b = 1, .e1b = 1};
}

// What the other side's SYN or SYN-ACK makes of our offer.
void Connection::agree_on_ecn(Environment& env, Instant now, const Segment& syn) {
    const EcnMode mode = ecn_mode(*config_);
    if (!asks_for_ecn(mode)) return;
    const bool answer = syn.has(Flags::ack);
    const bool asked_accurate = asks_for_accecn(mode);
    EcnRequest got = answer ? ecn_answer(syn.flags) : ecn_request(syn.flags);
    if (!asked_accurate && got == EcnRequest::accecn) {
        // To RFC 3168 the flag AE does not exist, and a SYN-ACK has ECE alone.
        got = !answer ? EcnRequest::rfc3168 : EcnRequest::none;
    }
    // RFC 3168 6.1.1: whoever has sent one SYN without ECN must not set ECT.
    if (got == EcnRequest::rfc3168) ecn_ = retries_ <= config_->ecn_retries;
    if (got == EcnRequest::accecn && begin_accecn(env, syn.ecn)) {
        AccEcn& a = *extras_->accecn;
        a.marks = retries_ < 2 || config_->accecn_everywhere;
        owed_.handshake_ack = answer;
        if (answer && syn.ecn == Ecn::ce) a.received.cep = 6;
        // Our SYN was not ECN-capable, and nobody on the way may change that (3.2.2.3); a reserved
        // answer says that nobody did (3.1.3).
        const std::uint32_t ace = ace_of(syn.flags);
        if (answer && ace != handshake_ace(Ecn::not_ect) && ace != 0b101)
            a.marks = !config_->ecn_fallback;
        if (syn.options.accecn) {
            a.saw_option = true;
            const wire::AccEcnOption& o = *syn.options.accecn;
            a.reads_options = !(o.has_ect0() && o.e0b == 0) && !(o.has_ect1() && o.e1b == 0);
        }
    }
    const event::EcnUse use = accecn_ ? event::EcnUse::accecn
                              : ecn_  ? event::EcnUse::rfc3168
                                      : event::EcnUse::none;
    const bool clean = !accecn_ || extras_->accecn->marks;
    note(env, now, event::Kind::ecn, static_cast<std::uint64_t>(use),
         static_cast<std::uint64_t>(use == event::EcnUse::none ? event::Step::refused
                                    : clean                    ? event::Step::accepted
                                                               : event::Step::mangled));
}

// The ACK of our SYN-ACK, if it is one alone, says how that arrived (3.2.2.1, table 4).
void Connection::hear_handshake_ack(Environment& env, Instant now, const Segment& seg) {
    AccEcn& a = *extras_->accecn;
    if (seg.options.accecn) {
        const wire::AccEcnOption& o = *seg.options.accecn;
        a.reads_options = !(o.has_ect0() && o.e0b == 0) && !(o.has_ect1() && o.e1b == 0);
    }
    if (!seg.payload.empty() || seg.options.sack_count != 0 || seg.has(Flags::fin)) return;
    a.first_ack = false;
    const std::uint32_t ace = ace_of(seg.flags);
    if (ace == handshake_ace(Ecn::ce)) a.delivered.cep = 6;
    if (!config_->ecn_fallback) return;
    if (ace == 0 || ace == 3 || ace == 4 || ace == 6) distrust_marks(env, now, ace == 0);
}

// A SYN or SYN-ACK of the same handshake that asks for the other kind of ECN than the first: the
// two ends could no longer know what was agreed on. 3.1.5: reset.
bool Connection::mixes_ecn(const Segment& syn) const {
    if (!accepts_accecn(ecn_mode(*config_)) || !ecn_) return false;
    const EcnRequest got = syn.has(Flags::ack) ? ecn_answer(syn.flags) : ecn_request(syn.flags);
    return got == (accecn_ ? EcnRequest::rfc3168 : EcnRequest::accecn);
}

// The peer's SYN has come again, before the handshake was over. 3.1.5: told is how the latest one
// arrived; after one without ECN nothing may go out as ECN-capable. 3.2.3.2.2: the answer goes
// without the option, which may be why the first was lost.
void Connection::hear_syn_again(const Segment& syn) {
    if (!accecn_) return;
    AccEcn& a = *extras_->accecn;
    a.heard = syn.ecn;
    a.plain_reply = true;
    if (ecn_request(syn.flags) == EcnRequest::none) a.marks = false;
}

bool Connection::may_mark() const {
    return ecn_ && (!accecn_ || extras_->accecn->marks);
}

// RFC 9331 4.1: ECT(1) is for those whose congestion control answers each mark.
Ecn Connection::mark() const {
    const bool is_l4s = active_ != nullptr ? active_->control.is_l4s() : table().is_l4s;
    return accecn_ && is_l4s ? Ecn::ect1 : Ecn::ect0;
}

// Somebody on the way changes what is marked, or what is told of it: nothing goes out as
// ECN-capable any more. `deaf`: nor is anything believed.
void Connection::distrust_marks(Environment& env, Instant now, bool deaf) {
    AccEcn& a = *extras_->accecn;
    a.marks = false;
    if (deaf) a.heeds = false;
    note(env, now, event::Kind::ecn, static_cast<std::uint64_t>(event::EcnUse::accecn),
         static_cast<std::uint64_t>(event::Step::mangled));
}

// --- The receiver of text: 3.2

// Every acceptable segment counts, and some must be acknowledged at once (3.2.2.5.1).
void Connection::count_arrival(const Segment& seg) {
    AccEcn& a = *extras_->accecn;
    const Ecn before = std::exchange(a.last, seg.ecn);
    a.saw_option = a.saw_option || seg.options.accecn.has_value();
    if (const auto& ts = seg.options.timestamps) {
        a.ts_moved = a.ts_known && static_cast<std::int32_t>(ts->val - a.ts_seen) > 0;
        if (a.ts_moved || !a.ts_known) a.ts_seen = ts->val;
        a.ts_known = true;
    }
    if (seg.ecn == Ecn::not_ect) return;
    const std::uint32_t octets = seg.payload.size();
    std::uint8_t which = AccEcn::has_ceb;
    switch (seg.ecn) {
    case Ecn::not_ect: break;
    case Ecn::ect0:
        which = AccEcn::has_e0b;
        a.received.e0b += octets;
        break;
    case Ecn::ect1:
        which = AccEcn::has_e1b;
        a.received.e1b += octets;
        break;
    case Ecn::ce:
        a.received.ceb += octets;
        a.received.cep += seg.segments;
        a.ce_since_ack = static_cast<std::uint8_t>(
            std::min<unsigned>(a.ce_since_ack + seg.segments, 255));
        break;
    }
    if (octets != 0) {
        a.ever |= which;
        a.fresh |= which;
    }
    if (seg.ecn != Ecn::ce) return;
    const bool waiting = octets != 0 || tcb_.rcv.nxt > last_ack_sent_;
    if ((octets != 0 && before != Ecn::ce) || a.ce_since_ack >= (waiting ? 2 : 3))
        owed_.ack = true;
}

void Connection::put_ecn_feedback(Segment& out) {
    if (!accecn_) {
        if (ecn_echo_) out.flags.bits |= Flags::ece;
        return;
    }
    AccEcn& a = *extras_->accecn;
    a.ce_since_ack = 0;
    if (out.options.accecn) {
        a.told_with_dsack = owed_.dsack;
        a.dsack = dsack_begin_;
        a.fresh = 0;
        a.option_at = a.option_began;
        if (!out.payload.empty()) a.first_option = false;
    }
    if (owed_.handshake_ack && out.payload.empty() && !out.has(Flags::fin)) {
        owed_.handshake_ack = false;
        out.flags.bits |= ace_flags(handshake_ace(a.heard));
        return;
    }
    // What is left of a connection in Linux's TIME-WAIT counts no marks.
    if (config_->accecn_everywhere && state_ == State::time_wait) return;
    out.flags.bits |= ace_flags(a.received.cep);
}

namespace {

// How many fields of the option, in its order, it takes to tell of those in `which`.
std::uint8_t fields_for(std::uint8_t which, bool order1) {
    const std::uint8_t last = order1 ? AccEcn::has_e0b : AccEcn::has_e1b;
    return (which & last) != 0 ? 3 : (which & AccEcn::has_ceb) != 0 ? 2 : 1;
}

// What an option of so many fields adds to a header: it stands before SACK, whose two NOPs it may
// take the place of.
std::uint32_t cost_of(unsigned fields, bool before_sack) {
    const std::uint32_t size = 2 + 3 * fields;
    return before_sack && size % 4 <= 2 ? size / 4 * 4 : (size + 3) / 4 * 4;
}

}  // namespace

// 3.2.3.3: on ACKs of what has moved a counter, on a connection's first segments, and every now and
// then, since all of those may have been lost. The fields that have ever moved, in the order that
// is shorter; where that does not fit, those with news, and two SACK blocks come before them.
void Connection::put_accecn_option(Instant now, Segment& out) {
    AccEcn& a = *extras_->accecn;
    if (!a.sends_options || config_->accecn_option == 0) return;
    if (config_->accecn_everywhere) return put_every_option(out);
    const bool news = config_->accecn_option == 1 ? (a.fresh & AccEcn::has_ceb) != 0 : a.fresh != 0;
    const bool first = a.first_option && active_open_;
    const bool due = config_->accecn_option_beacon != 0 && a.ever != 0 &&
                     (a.option_at == Instant::min() ||
                      now - a.option_at >= rtt_.srtt() / config_->accecn_option_beacon);
    if (!news && !first && !due) return;
    const bool order1 = (a.ever & AccEcn::has_e1b) != 0 && (a.ever & AccEcn::has_e0b) == 0;
    constexpr std::uint32_t low = 0xff'ffff;
    wire::AccEcnOption option{.fields = first ? std::uint8_t{3} : fields_for(a.ever, order1),
                              .order1 = order1,
                              .e0b = a.received.e0b & low,
                              .ceb = a.received.ceb & low,
                              .e1b = a.received.e1b & low};
    const auto fits = [&] {
        return wire::tcp_header_bytes(out.options, config_->option_order) +
                   cost_of(option.fields, out.options.sack_count != 0) <= 60;
    };
    const std::uint8_t least = fields_for(a.fresh, order1);
    while (!fits() && option.fields > least) --option.fields;
    while (!fits() && out.options.sack_count > 2) --out.options.sack_count;
    if (!fits()) return;
    a.option_began = now;
    out.options.accecn = option;
}

// Linux's way: on everything, once the peer has shown that options get through; all fields if they
// fit, or as many as it takes to tell what is new, for which one of three SACK blocks gives way.
void Connection::put_every_option(Segment& out) {
    AccEcn& a = *extras_->accecn;
    if (!a.saw_option) return;
    constexpr std::uint32_t low = 0xff'ffff;
    wire::AccEcnOption option{.fields = 3,
                              .order1 = true,
                              .e0b = a.received.e0b & low,
                              .ceb = a.received.ceb & low,
                              .e1b = a.received.e1b & low};
    const unsigned least = a.fresh == 0 ? 0 : fields_for(a.fresh, true);
    const std::uint8_t blocks = out.options.sack_count;
    for (;;) {
        const auto header = wire::tcp_header_bytes(out.options, config_->option_order);
        if (header + cost_of(option.fields, out.options.sack_count != 0) <= 60) break;
        if (option.fields > least) {
            --option.fields;
        } else if (least != 0 && out.options.sack_count > 2) {
            --out.options.sack_count;
            option.fields = 3;
        } else {
            out.options.sack_count = blocks;
            return;
        }
    }
    out.options.accecn = option;
}

// The peer sends again what an ACK with the option has told it twice over: boxes on the way seem to
// drop such ACKs.
void Connection::hear_needless(wire::SeqNum begin) {
    AccEcn& a = *extras_->accecn;
    if (a.told_with_dsack && a.dsack == begin) a.sends_options = false;
}

// --- The sender of text: 3.2.2.5.2, 3.2.3.1, appendix A

namespace {

// How far a field of the option has moved, 24 bits of it.
std::uint32_t moved(std::uint32_t field, std::uint32_t& counter) {
    const std::uint32_t by = (field - counter) & 0xff'ffff;
    counter += by;
    return by;
}

}  // namespace

// What an ACK that brings something new says about marks: octets of `delivered` that have met
// congestion.
std::uint64_t Connection::read_accecn(Environment& env, Instant now, const Segment& seg,
                                      std::uint64_t delivered) {
    AccEcn& a = *extras_->accecn;
    if (!a.heeds || (delivered == 0 && !a.ts_moved)) return 0;
    const std::uint32_t ace = ace_of(seg.flags);
    if (std::exchange(a.first_ack, false) && ace == 0) {  // 3.2.2.4
        distrust_marks(env, now, true);
        return 0;
    }
    const std::uint32_t mss = std::max<std::uint32_t>(send_mss(), 1);
    std::optional<std::uint32_t> octets;
    if (const auto& o = seg.options.accecn; o && a.reads_options) {
        if (o->has_ect0()) moved(o->e0b, a.delivered.e0b);
        if (o->has_ect1()) moved(o->e1b, a.delivered.e1b);
        octets = o->has_ce() ? moved(o->ceb, a.delivered.ceb) : 0;
        if (*octets > delivered + 64 * std::uint64_t{mss} + 65'536) {  // nothing like that went out
            a.reads_options = false;
            octets.reset();
        }
    }
    const auto packets = static_cast<std::uint32_t>((delivered + mss - 1) / mss);
    std::uint32_t marked = (ace - a.delivered.cep) & 7;
    if (packets != 0) {
        const std::uint32_t now_64 = std::min(packets, 1000u) * 64;
        a.acked_average = static_cast<std::uint16_t>(
            a.acked_average == 0 ? now_64 : (a.acked_average * 63u + now_64) / 64);
    }
    if (packets > 7 && marked <= packets) {
        // It may have gone round more than once, if other ACKs were lost; not where each is about
        // many packets anyway (A.2).
        const std::uint32_t most = packets - ((packets - marked) & 7);
        if (octets ? *octets > std::uint64_t{marked} * mss : a.acked_average <= 4 * 64)
            marked = most;
    }
    if (octets && *octets != 0 && marked == 0 && packets <= 7 && packets != 0) {
        distrust_marks(env, now, false);  // 3.2.3.2.5: the two contradict each other
    }
    a.delivered.cep += marked;
    env.counters.TcpExt_TCPDeliveredCE += marked;
    const std::uint64_t share = octets ? *octets : std::uint64_t{marked} * mss;
    if (is_marked_without_end(seg.ack, share >= delivered)) {
        distrust_marks(env, now, true);
        return 0;
    }
    return std::min<std::uint64_t>(std::max<std::uint64_t>(share, marked != 0), delivered);
}

// 3.2.2.3: all that ever arrived, for more than the four round trips in which a queue may be that
// long. It is somebody who writes CE over everything.
bool Connection::is_marked_without_end(Seq ack, bool all) {
    constexpr std::uint8_t enough = 5;
    AccEcn& a = *extras_->accecn;
    a.all_marked = a.all_marked && all;
    if (!a.all_marked || ack < a.marked_until) return false;
    a.marked_until = tcb_.snd.nxt;
    return ++a.marked_rounds > enough;
}

// One reaction for each window of data (SHLD-8, RFC 3168 6.1.2), whichever way it was heard of.
bool Connection::react_to_marks(Environment& env, Instant now, Seq ack) {
    if (active_ == nullptr || ack <= active_->ecn_recover) return false;
    active_->ecn_recover = tcb_.snd.nxt;
    Active& a = *active_;
    if (a.recovery != Recovery::open) return false;
    a.control.on(congestion::Congested{
        .now = now,
        .in_flight = std::max(in_flight(), a.control.cwnd()),  // RFC 3168 6.1.2: of cwnd
        .mss = send_mss(),
        .ecn = true,
        .gentle = config_->abe});
    // RFC 9937 is for every reduction, not for losses alone; but without an ACK to come it would
    // let nothing go. Those that give way a little each round trip need no help.
    if (uses_prr() && in_flight() != 0 && !a.control.is_l4s()) {
        a.reducing = a.with_prr = true;
        a.prr.begin(in_flight(), a.control.ssthresh());
    }
    note_window(env, now, event::Cause::ecn);
    if (a.paced) note_pacing(env, now);
    return true;
}

}  // namespace estab::tcp
