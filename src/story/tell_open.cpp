// How a connection begins.
#include <algorithm>

#include "analysis/summary.hpp"
#include "story/teller.hpp"

namespace estab::story {

using analysis::duration_text;
using analysis::Label;
namespace flag = analysis::flag;

void Teller::tell_syn() {
    const analysis::Segment& s = segment();
    if (has(Label::retransmission)) {
        Past& me = mine();
        const std::int64_t waited =
            now_ - std::max(me.timeout_ns, me.text_ns == 0 ? me.syn_ns : me.text_ns);
        ++me.timeouts;
        me.timeout_ns = now_;
        told_.headline = "SYN again, the same numbers: no answer for " + duration_text(waited);
        say("the first wait is 1 s and doubles each time; the RFC wants at least 3 minutes before"
            " giving up, systems differ", "RFC 9293 3.8.3, RFC 6298 2.1, 5.5");
        return;
    }
    told_.headline = "SYN: the " + me() + " asks to open a connection";
    say("its sequence numbers begin at " + std::to_string(s.seq) + ", from here on counted as 0;"
        " the SYN itself takes that number, so the first octet will be 1", "RFC 9293 3.4");
    say("such a first number is a clock of about 4 us a tick plus a keyed hash of addresses and"
        " ports, by the RFC: hard to guess, but not just random", "RFC 9293 3.4.1, RFC 6528");
    say("there is nothing to acknowledge yet: ACK is not set, and the field is not looked at",
        "RFC 9293 3.5");
    if (has(Label::port_reuse)) {
        say("the same addresses and ports were in use before; a number above the old ones keeps"
            " old segments apart", "RFC 9293 3.6.1, RFC 6191");
    }
    if (s.text_bytes > 0) {
        say(octets_text(s.text_bytes) +
                " ride on the SYN: the server may use them at once only with"
                " a valid cookie, else after the handshake or not at all",
            "RFC 7413 2, RFC 9293 3.10.7.2");
    }
    tell_syn_options();
}

void Teller::tell_syn_options() {
    const analysis::Segment& s = segment();
    if (s.mss != 0) {
        say("MSS " + std::to_string(s.mss) + ": the " + me() +
                " takes no more payload than that in"
                " a segment without options",
            "RFC 9293 3.7.1, RFC 6691");
    }
    const bool both =
        s.scale && (!s.has(flag::ack) || peer_side().scale != analysis::Side::unknown_scale);
    if (both) {
        say("window scale " + std::to_string(*s.scale) + ": its windows count in units of " +
            std::to_string(1U << *s.scale) + " octets, once both SYNs had the option; in a SYN the"
            " window is never scaled, so it is " + std::to_string(s.window), "RFC 7323 2.2");
    }
    if (s.sack_permitted) {
        say("selective acknowledgments are welcome (SACK, not to be mixed up with SYN+ACK)",
            "RFC 2018 2");
    }
    if (s.has_timestamps) {
        say("timestamps: value " + std::to_string(s.tsval) +
                (s.has(flag::ack) ? ", and it echoes " + std::to_string(s.tsecr)
                                  : ", nothing to echo yet"),
            "RFC 7323 3.2");
    }
}

void Teller::tell_syn_ack() {
    const analysis::Segment& s = segment();
    if (has(Label::retransmission)) {
        ++mine().timeouts;
        told_.headline = "SYN+ACK again: it, or the ACK of it, was lost";
        say("waits double from time to time; after too many the half-open connection is given up",
            "RFC 6298 5.5, RFC 9293 3.8.3");
        return;
    }
    const tcp::State before = step_->before[v_->side].state;
    if (before == tcp::State::syn_sent) {
        told_.headline = "SYN+ACK: both ends have opened at the same time";
        say("each had sent its SYN before the other's came: SYN-SENT to SYN-RECEIVED, on both "
            "sides",
            "RFC 9293 3.5, MUST-10");
    } else {
        told_.headline = "SYN+ACK: the " + me() + " accepts and opens its own direction; ack " +
                         std::to_string(v_->ack) +
                         (v_->ack == 1 ? " = 0 + 1, the SYN counts one" : "");
    }
    say("its own numbers begin at " + std::to_string(s.seq) + ", counted as 0 too: each direction"
        " has its own", "RFC 9293 3.4.1");
    if (v_->ack > 1) {
        say("it acknowledges " + octets_text(static_cast<std::uint64_t>(v_->ack - 1)) +
            " that came with the SYN", "RFC 7413 4.2");
    }
    say("who listens stays in LISTEN: a new entry waits half open for the third segment",
        "RFC 9293 3.10.7.2");
    if (theirs().syn_ns != 0) {
        const std::int64_t took = now_ - theirs().syn_ns;
        say(duration_text(took) + " after the SYN: near the " + peer() + " that is a round trip and"
            " what the " + me() + " took, near the " + me() + " the latter alone");
    }
    tell_syn_options();
}

// The third segment, which is an ACK whatever else it carries.
void Teller::tell_handshake_end() {
    say("the handshake is done: the " + peer() + " moves the connection to where accept() finds it;"
        " when the program calls it does not show on the wire", "RFC 9293 3.5");
    const std::int64_t took = v_->connection->handshake_rtt_ns;
    if (took > 0) {
        say("from the SYN to this ACK: " + duration_text(took) + ", of which the last " +
            duration_text(now_ - theirs().syn_ns) + " between SYN+ACK and ACK");
    }
    tell_window();
}

}  // namespace estab::story
