// Acknowledgments: why this number, and why now.
#include <algorithm>

#include "analysis/summary.hpp"
#include "story/teller.hpp"

namespace estab::story {

using analysis::duration_text;
using analysis::Label;
namespace flag = analysis::flag;

namespace {
constexpr std::int64_t ms = 1'000'000;
}

void Teller::tell_ack() {
    const std::string number = std::to_string(v_->ack);
    const std::int64_t before = step_->before[1 - v_->side].snd_una;
    if (step_->syn_acknowledged && v_->ack == 1) {
        told_.headline = "ACK 1 = 0 + 1: the " + peer() + "'s SYN counts one";
        tell_handshake_end();
        tell_sack();
        return;
    }
    if (has(Label::keepalive_ack)) {
        told_.headline = "ACK " + number + ": the " + me() + " is still there";
        say("the answer to a keepalive: any segment would do", "RFC 9293 3.8.4");
    } else if (has(Label::zero_window_probe_ack)) {
        told_.headline = "ACK " + number + ", window still 0: the " + me() + " has no room yet";
        say("every probe must be answered", "RFC 9293 3.8.6.1");
    } else if (has(Label::challenge_ack)) {
        told_.headline = "ACK " + number + ": a challenge to a suspicious segment";
        say("a SYN, or a RST that does not hit the next number, changes nothing: a peer that means"
            " it will answer this with the right RST", "RFC 5961 3, 4");
    } else if (has(Label::duplicate_ack)) {
        tell_duplicate();
    } else if (v_->ack > before) {
        tell_ack_number();
    } else if (has(Label::window_update)) {
        told_.headline = "window update: the " + me() + " has room for " +
                         octets_text(v_->window) + " from " + number + " on";
        say("it acknowledges nothing new; its program has read, probably", "RFC 9293 3.8.6");
    } else if (has(Label::ack_of_unseen)) {
        told_.headline = "ACK " + number + ": of octets that the capture does not have";
    } else {
        told_.headline = "ACK " + number + " once more: nothing new";
        if (v_->ack < before) {
            say("frame by frame later than an ACK of " + std::to_string(before) +
                    ": it was overtaken, and says nothing any more", "RFC 9293 3.10.7.4");
        }
    }
    tell_sack();
    tell_window();
}

void Teller::tell_ack_number() {
    const Past& other = theirs();
    const std::string number = std::to_string(v_->ack);
    const bool fin = step_->fin_acknowledged;
    if (fin) {
        told_.headline = "ACK " + number + " = " + std::to_string(v_->ack - 1) +
                         " + 1: the " + peer() + "'s FIN counts one";
        tell_fin_acknowledged();
    } else {
        told_.headline = "ACK " + number + ": the " + me() + " has everything up to " +
                         std::to_string(v_->ack - 1);
        const std::int64_t end = other.last_seq + other.last_octets;
        if (other.last_octets > 0 && v_->ack == end) {
            say("the number is the next one expected, " + std::to_string(other.last_seq) + " + " +
                    std::to_string(other.last_octets) + ": " + octets_text(other.last_octets) +
                    " came in that segment, and nothing is added for them",
                "RFC 9293 3.4, 3.10.7.4");
        } else {
            say("the number is the next one expected: an ACK covers all that lies below it",
                "RFC 9293 3.4");
        }
    }
    if (has(Label::ack_of_unseen)) say("the capture does not have all of what it acknowledges");
    tell_ack_time();
}

// RFC 9293 3.8.6.3: at least every second full segment, and within half a second.
void Teller::tell_ack_time() {
    const Past& other = theirs();
    if (other.asked_ns == 0) return;
    const std::int64_t raw = now_ - other.asked_ns;
    // What the way there and back takes at least is not the receiver's delay.
    const std::int64_t path = peer_side().rtt_min_ns;
    const std::int64_t own = raw - path;
    const std::uint32_t full = payload_max();
    const bool second = other.unanswered >= 2 ||
                        (full != 0 && other.unanswered_octets >= std::uint64_t{2} * full);
    const std::string when =
        duration_text(raw) + " after frame " + std::to_string(other.asked_frame);
    if (second) {
        say(when + ": two full segments or more had come, or something that must be answered at"
            " once", "RFC 9293 3.8.6.3, RFC 5681 4.2");
    } else if (own >= 30 * ms && own <= 550 * ms) {
        say(when + ", " + duration_text(own) + " more than the quickest answer so far: a delayed"
            " ACK, probably; it waits for a second segment or for octets to ride on, less than"
            " 500 ms", "RFC 9293 3.8.6.3");
    } else if (own > 550 * ms) {
        say(when + ": longer than an ACK may be delayed, so it or the octets were lost or late on"
            " the way", "RFC 9293 3.8.6.3");
    } else if (raw > 10 * ms && own <= 0) {
        say(when + ": the quickest answer so far, so at most the way there and back and what the " +
                me() + " waited", "RFC 9293 3.8.6.3");
    } else {
        say(when + ": at once, though it could have waited for a second segment",
            "RFC 9293 3.8.6.3");
    }
}

void Teller::tell_duplicate() {
    const std::string number = std::to_string(v_->ack);
    told_.headline = "ACK " + number + " again, duplicate " + std::to_string(v_->duplicate) +
                     ": the " + me() + " still lacks " + number;
    if (has(Label::dsack)) {
        say("its first SACK block reports octets that it had already: a copy arrived",
            "RFC 2883 4");
    } else {
        say("something behind the hole arrived, and is reported at once, not delayed",
            "RFC 5681 4.2");
    }
    if (v_->duplicate == 3) {
        say("the third: the " + peer() + " takes the segment at " + number + " for lost now, unless"
            " its own clock says that reordering is likelier", "RFC 5681 3.2, RFC 8985 6.2");
    }
}

void Teller::tell_sack() {
    const analysis::Segment& s = segment();
    std::string blocks;
    for (std::size_t i = has(Label::dsack) ? 1 : 0; i < s.sack_count; ++i) {
        if (!blocks.empty()) blocks += ", ";
        blocks += std::to_string(peer_side().extend(s.sack[i].begin)) + " to " +
                  std::to_string(peer_side().extend(s.sack[i].end) - 1);
    }
    if (blocks.empty()) return;
    say("SACK: it also has " + blocks + ", the block that grew last first", "RFC 2018 4");
}

void Teller::tell_window() {
    const analysis::Segment& s = segment();
    const Past& me = mine();
    if (has(Label::zero_window)) {
        say("its window is 0: its buffer is full, as its program does not read; the " + peer() +
            " must stop, but for probes", "RFC 9293 3.8.6");
        return;
    }
    if (me.window_known && me.window == v_->window) return;
    const bool scaled = v_->window != s.window;
    const std::uint8_t scale = my_side().scale;
    std::string text = "window " + std::to_string(s.window);
    if (scaled) {
        text += " x " + std::to_string(1U << scale) + " = " + std::to_string(v_->window);
    }
    text += ": room for that many octets from " + std::to_string(v_->ack) + " on";
    if (me.window_known && v_->window > me.window && me.window > 0) {
        text += ", more than before: the receive buffer grows, or was read";
    } else if (me.window_known && v_->window < me.window) {
        text += ", less than before: octets wait for the program to read them, probably";
    }
    say(text, scaled ? "RFC 7323 2.3" : "RFC 9293 3.8.6");
}

}  // namespace estab::story
