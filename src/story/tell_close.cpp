// How a connection ends.
#include <algorithm>

#include "analysis/summary.hpp"
#include "story/teller.hpp"

namespace estab::story {

using analysis::duration_text;
using analysis::Label;
namespace flag = analysis::flag;

void Teller::tell_fin() {
    const analysis::Segment& s = segment();
    const std::int64_t number = v_->seq + s.text_bytes;
    const std::string own = std::to_string(number);
    if (step_->opened) tell_handshake_end();
    if (has(Label::retransmission)) {
        told_.headline = "FIN " + own + " again: it was not acknowledged";
        tell_sent_again();
        return;
    }
    told_.headline = "FIN: the " + me() + " has no more to send; the FIN takes number " + own;
    if (s.text_bytes > 0) {
        told_.headline += ", behind its last " + octets_text(s.text_bytes);
    }
    say("its number is simply the next of the " + me() +
            "'s stream, nothing drawn at random: only a"
            " SYN's is new",
        "RFC 9293 3.4, 3.6");
    say("ACK is set beside FIN, as in every segment behind the handshake", "RFC 9293 3.10.7.4");
    const bool answers = theirs().fin_ns != 0;
    if (answers && step_->fin_acknowledged) {
        say("it acknowledges the " + peer() + "'s FIN as well: FIN and ACK in one, since the " +
                me() +
                "'s program had closed before the ACK was sent; so three segments do where four are"
                " usual",
            "RFC 9293 3.6");
    } else if (answers && step_->before[v_->side].state == tcp::State::close_wait &&
               step_->from().state == tcp::State::last_ack) {
        say("the " + me() + "'s program took " + duration_text(now_ - theirs().fin_ns) +
            " in CLOSE-WAIT to close; that is its own affair. Its ACK number is the one it had"
            " already sent", "RFC 9293 3.6");
    } else if (answers) {
        say("the " + peer() + "'s FIN had not arrived yet: both close at the same time",
            "RFC 9293 3.6");
    } else {
        say("the other direction stays open: the " + peer() + " may send as long as it likes",
            "RFC 9293 3.6");
    }
    if (step_->from().state == tcp::State::last_ack) {
        say("LAST-ACK: its own FIN is sent, and what it waits for is the ACK of that",
            "RFC 9293 3.3.2");
    }
    if (step_->to().state == tcp::State::time_wait) {
        say("the " + peer() + " closed first, so it is the one that waits in TIME-WAIT",
            "RFC 9293 3.6.1");
    }
}

void Teller::tell_fin_acknowledged() {
    say("the FIN was number " + std::to_string(v_->ack - 1) + " and carries no octet, but counts:"
        " that is why its ACK is one more", "RFC 9293 3.4");
    switch (step_->to().state) {
        case tcp::State::fin_wait_2:
            if (segment().has(flag::fin)) break;
            say("that direction is closed; the " + peer() + " now waits for the " + me() +
                "'s FIN, for as long as the " + me() + "'s program likes", "RFC 9293 3.6");
            break;
        case tcp::State::closed:
            say("that was the last segment: for the " + peer() + " the connection is gone",
                "RFC 9293 3.6");
            break;
        case tcp::State::listen:
        case tcp::State::syn_sent:
        case tcp::State::syn_received:
        case tcp::State::established:
        case tcp::State::fin_wait_1:
        case tcp::State::close_wait:
        case tcp::State::closing:
        case tcp::State::last_ack:
        case tcp::State::time_wait: break;
    }
}

void Teller::tell_reset() {
    const analysis::Segment& s = segment();
    if (has(Label::refused)) {
        told_.headline = "RST: refused, nothing listens on the " + me() + "'s port " +
                         std::to_string(s.source.port);
        say("who has no such connection answers a SYN with RST; as the SYN had no ACK, its number "
            "is"
            " 0 and it acknowledges the SYN",
            "RFC 9293 3.10.7.1, 3.5.2");
        return;
    }
    told_.headline = "RST: the " + me() + " ends the connection at once";
    if (has(Label::reset_unread)) {
        say("it had closed, or its program left octets unread: whatever comes then is answered by"
            " RST, so that the " + peer() + " learns that they were lost",
            "RFC 9293 3.6.1, SHLD-3");
    } else if (has(Label::reset_stray)) {
        say("of what it answers the capture has nothing");
    } else {
        say("its program aborted, or it does not know the connection any more",
            "RFC 9293 3.5.2, 3.10.5");
    }
    say(s.has(flag::ack)
            ? "ACK is set too, so it answers something that had none, or the program aborted"
            : "without ACK: it answers a segment that had one, and takes its number from there",
        "RFC 9293 3.10.7.1");
    say("there is no answer to a RST, and it must hit the next expected number exactly to count;"
        " otherwise it is challenged", "RFC 5961 3.2");
}

}  // namespace estab::story
