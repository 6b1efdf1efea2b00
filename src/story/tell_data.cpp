// Octets: how many, under which numbers, and why now.
#include <algorithm>

#include "analysis/rules.hpp"
#include "analysis/summary.hpp"
#include "story/teller.hpp"

namespace estab::story {

using analysis::duration_text;
using analysis::Label;
namespace flag = analysis::flag;

namespace {

constexpr std::int64_t ms = 1'000'000;

std::string range(std::int64_t begin, std::uint32_t octets) {
    if (octets == 1) return "octet " + std::to_string(begin);
    return octets_text(octets) + ", " + std::to_string(begin) + " to " +
           std::to_string(begin + octets - 1);
}

}  // namespace

void Teller::tell_data() {
    const analysis::Segment& s = segment();
    const std::int64_t next = v_->seq + s.text_bytes;
    const bool again = has(Label::retransmission);
    told_.headline = "the " + me() + " sends " + range(v_->seq, s.text_bytes) +
                     (again ? ", again" : "") + "; next is " + std::to_string(next);
    if (step_->opened) tell_handshake_end();
    if (again) {
        tell_sent_again();
    } else {
        say("each octet has a number: " + std::to_string(v_->seq) + " + " +
            std::to_string(s.text_bytes) + " = " + std::to_string(next), "RFC 9293 3.4");
        tell_order();
        tell_size();
        tell_why_now();
        tell_flight();
    }
    if (s.has(flag::psh)) {
        say("PSH: deliver this without waiting for more; probably the end of what the program wrote"
            " (segments without it carry octets just as well)", "RFC 9293 3.9.1.2");
    }
    if (has(Label::window_full)) {
        say("this uses the last octet of the " + peer() + "'s window: nothing more may be sent"
            " before it opens", "RFC 9293 3.8.6");
    }
    if (has(Label::beyond_window)) {
        say("this goes beyond the " + peer() + "'s window, which the RFC forbids",
            "RFC 9293 3.8.6");
    }
    if (step_->fin_acknowledged) {
        tell_fin_acknowledged();
    } else if (theirs().unanswered > 0 && v_->ack > step_->before[1 - v_->side].snd_una &&
               !step_->opened) {
        say("the ACK rides along: everything below " + std::to_string(v_->ack) + " has arrived",
            "RFC 9293 3.8.6.3");
    }
    if (step_->to().state == tcp::State::fin_wait_2 ||
        step_->to().state == tcp::State::fin_wait_1) {
        say("the " + peer() + " has closed its direction and must go on receiving this one:"
            " half-closed", "RFC 9293 3.6");
    }
}

void Teller::tell_size() {
    const std::uint32_t full = payload_max();
    const std::uint32_t octets = segment().text_bytes;
    if (full == 0) return;
    const std::uint32_t count = octets / full, rest = octets % full;
    if (octets > full) {
        say("larger than a segment may be: " + std::to_string(count) + " x " +
                std::to_string(full) + (rest != 0 ? " + " + std::to_string(rest) : "") +
                ", joined or not yet cut by the machine"
                " that captured (GRO, TSO); on the wire each is at most " +
                std::to_string(full),
            "RFC 9293 3.7.1");
    } else if (octets == full) {
        const std::uint32_t mss = std::min(my_side().mss, peer_side().mss);
        say("a full segment: the MSS of " + std::to_string(mss) +
            (full < mss ? " less 12 of timestamps" : ""), "RFC 6691 2");
    }
}

void Teller::tell_order() {
    const End& before = step_->before[1 - v_->side];
    if (has(Label::out_of_order)) {
        say("it was sent before what came here before it: overtaken on the way");
    }
    if (has(Label::gap)) {
        say("octets before it are missing here: lost, still on their way, or not captured");
    }
    if (step_->filled_hole) {
        say("with it the hole is closed; if what followed arrives too, the " + peer() +
            " has everything up to " +
            std::to_string(step_->to().rcv_nxt - 1) + " in order", "RFC 9293 3.10.7.4");
    } else if (v_->seq > before.rcv_nxt && before.state != tcp::State::listen) {
        say("the " + peer() + " waits for " + std::to_string(before.rcv_nxt) + ": it keeps this and"
            " says at once what it lacks", "RFC 9293 3.10.7.4, RFC 5681 4.2");
    }
}

// What a sender may have waited for, as far as it shows: its program, an ACK, or nothing.
void Teller::tell_why_now() {
    const std::int64_t outstanding =
        step_->before[v_->side].snd_nxt - step_->before[v_->side].snd_una;
    const Past& past = mine();
    const Past& other = theirs();
    const std::int64_t since_ack = now_ - other.ack_ns;
    const std::int64_t last = std::max({past.text_ns, other.text_ns, other.ack_ns, past.ack_ns});
    if (outstanding > 0 && other.ack_frame != 0 && other.ack_ns > past.text_ns &&
        since_ack < 2 * ms) {
        say("the ACK in frame " + std::to_string(other.ack_frame) + " made room for it, probably",
            "RFC 5681 3.1");
    } else if (outstanding == 0 && other.text_ns > past.text_ns) {
        say(duration_text(now_ - other.text_ns) + " after the " + peer() + "'s octets in frame " +
            std::to_string(other.text_frame) + ": probably the answer to them");
    } else if (outstanding == 0 && last != 0 && now_ - last > 10 * ms) {
        say("nothing was outstanding for " + duration_text(now_ - last) + ": the " + me() +
            "'s program had nothing to send, probably");
    }
}

// RFC 6928: up to ten segments may leave before anything is acknowledged.
void Teller::tell_flight() {
    const Past& me = mine();
    const std::uint32_t full = payload_max();
    if (me.flight_over || full == 0) return;
    const std::uint64_t now_out = me.flight + segment().text_bytes;
    if (now_out != std::uint64_t{10} * full) return;
    say("10 x " + std::to_string(full) + " octets are out and none is acknowledged: an initial"
        " window of ten segments", "RFC 6928 2");
}

void Teller::tell_sent_again() {
    if (v_->earlier_frame != 0) {
        say("the same octets as in frame " + std::to_string(v_->earlier_frame));
    } else {
        say("these octets were sent before, though not past this place: lost before it");
    }
    if (has(Label::spurious)) {
        say("needless: the " + peer() + " had them already, as it shows", "RFC 2883, RFC 5682");
    }
    if (has(Label::fast)) {
        say("sent again without waiting for a timer: later octets had arrived, as duplicate ACKs or"
            " SACK blocks showed",
            "RFC 5681 3.2, RFC 6675, RFC 8985 6");
    } else if (has(Label::tail_probe)) {
        say("a probe: the last that was sent, once more, to make the " + peer() +
                " say what it has",
            "RFC 8985 7");
    } else if (has(Label::timeout)) {
        tell_timeout();
    } else {
        say("what made the sender repeat them does not show here");
    }
    tell_order();
}

void Teller::tell_timeout() {
    Past& past = mine();
    const std::int64_t since =
        now_ - std::max({past.timeout_ns, past.text_ns, theirs().ack_ns});
    if (since < analysis::retransmission_timeout_ns(my_side()) / 2) {
        say("it follows the same timeout: all that was outstanding then may be lost",
            "RFC 5681 3.1");
        return;
    }
    ++past.timeouts;
    past.timeout_ns = now_;
    const bool again = past.timeouts > 1;
    say("nothing had moved for " + duration_text(since) + ": the retransmission timer fired,"
        " probably" + (again ? "; it doubles each time" : ""),
        again ? "RFC 6298 5.4 to 5.6" : "RFC 6298 5.4");
    say("congestion control starts again with one segment; ssthresh becomes half of what was in"
        " flight, by the RFC", "RFC 5681 3.1");
}

void Teller::tell_probe() {
    const analysis::Segment& s = segment();
    if (has(Label::keepalive)) {
        told_.headline =
            "keepalive: the " + me() + " asks whether the " + peer() + " is still there";
        say("its number " + std::to_string(v_->seq) + " lies below what was acknowledged, so the " +
                peer() +
                " must answer with an ACK; off unless a program asks for it, and after two hours"
                " of silence by default",
            "RFC 9293 3.8.4");
        return;
    }
    told_.headline =
        "window probe: the " + me() + " asks whether the " + peer() + " has room again";
    say("a window update may be lost and is not repeated, so who waits must ask: at first after one"
        " RTO, then in longer and longer intervals", "RFC 9293 3.8.6.1");
    say(s.text_bytes > 0 ? "it carries one octet, which is acknowledged if there is room"
                         : "it carries nothing, with a number below what was acknowledged, as Linux"
                           " does");
}

}  // namespace estab::story
