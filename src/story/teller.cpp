#include "story/teller.hpp"

#include <algorithm>

#include "analysis/summary.hpp"

namespace estab::story {

using analysis::Label;
using analysis::Verdict;
namespace flag = analysis::flag;

std::string octets_text(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " octet" : " octets");
}

// What fits into a segment beside the timestamps, if both have them (RFC 9293 3.7.1, RFC 6691).
std::uint32_t Teller::payload_max() const {
    const std::uint16_t mine = my_side().mss, other = peer_side().mss;
    if (mine == 0 || other == 0) return 0;
    constexpr std::uint32_t timestamps = 12;
    const std::uint32_t least = std::min(mine, other);
    const bool both = segment().has_timestamps || (past_[0].timestamps && past_[1].timestamps);
    return both && least > timestamps ? least - timestamps : least;
}

const Told& Teller::tell(const Verdict& v, const Step& step) {
    v_ = &v;
    step_ = &step;
    now_ = to_ns(v.segment->time.time_since_epoch());
    told_ = {};
    const analysis::Segment& s = segment();
    if (has(Label::network_copy)) {
        told_.headline = "the same packet once more: the network, or the capture, made a copy";
        say("nothing changes at either end; a host that sends again uses a new IP identification",
            "RFC 6864 4");
        return told_;
    }
    if (s.has(flag::rst)) {
        tell_reset();
    } else if (s.has(flag::syn)) {
        s.has(flag::ack) ? tell_syn_ack() : tell_syn();
    } else if (has(Label::keepalive) || has(Label::zero_window_probe)) {
        tell_probe();
    } else if (s.has(flag::fin)) {
        tell_fin();
    } else if (s.text_bytes > 0) {
        tell_data();
    } else {
        tell_ack();
    }
    tell_marks();
    tell_states();
    remember();
    return told_;
}

// What congestion marks and URG say, whatever else the segment is.
void Teller::tell_marks() {
    const analysis::Segment& s = segment();
    if (has(Label::ce)) {
        say("a router marked the packet: its queue grows, and it would rather tell than drop",
            "RFC 3168 5");
    }
    if (has(Label::ece)) {
        say("ECE: the " + me() + " has received a packet with that mark and says so until it sees"
            " CWR", "RFC 3168 6.1.3");
    }
    if (has(Label::cwr)) say("CWR: the " + me() + " has reduced its window", "RFC 3168 6.1.2");
    if (s.has(flag::urg)) {
        say("URG only marks a place in the stream; the octets before it come in order as ever",
            "RFC 6093 3");
    }
}

void Teller::tell_states() {
    for (const std::size_t side : {step_->side, 1 - step_->side}) {
        const End& before = step_->before[side];
        const End& after = step_->after[side];
        if (before.state == after.state) continue;
        const bool receives = side != step_->side;
        const bool listens = before.state == tcp::State::listen;
        say(std::string(side == 0 ? "client" : "server") + ": " +
                (listens && before.assumed ? "LISTEN (it must have been)"
                                           : tcp::to_string(before.state)) +
                " -> " + tcp::to_string(after.state) + (receives ? ", when this arrives" : ""),
            "RFC 9293 3.3.2");
    }
}

void Teller::remember() {
    const analysis::Segment& s = segment();
    Past& me = mine();
    Past& other = theirs();
    const bool moved = step_->after[1 - v_->side].snd_una > step_->before[1 - v_->side].snd_una;
    if (s.has(flag::ack)) {
        other.unanswered = 0;
        other.unanswered_octets = 0;
        other.asked_ns = 0;
        if (moved) {
            me.ack_ns = now_;
            me.ack_frame = s.frame;
            other.timeouts = 0;
            if (v_->ack > 1) other.flight_over = true;
        }
        me.window = v_->window;
        me.window_known = true;
    }
    if (s.length() == 0) return;
    if (me.asked_ns == 0) {
        me.asked_ns = now_;
        me.asked_frame = s.frame;
    }
    ++me.unanswered;
    me.unanswered_octets += s.text_bytes;
    if (s.text_bytes > 0) {
        me.text_ns = now_;
        me.text_frame = s.frame;
        if (!me.flight_over) me.flight += s.text_bytes;
    }
    me.last_seq = v_->seq;
    me.last_octets = s.text_bytes;
    if (s.has(flag::syn)) me.timestamps = s.has_timestamps;
    if (s.has(flag::syn) && me.syn_ns == 0) me.syn_ns = now_;
    if (s.has(flag::fin) && me.fin_ns == 0) {
        me.fin_ns = now_;
        me.fin_frame = s.frame;
    }
}

std::vector<Fact> Teller::conclusion(const analysis::Connection& c, const Step& last,
                                     std::span<const analysis::Note> more) {
    const analysis::Summary s = analysis::summarize(c, more);
    std::vector<Fact> facts;
    facts.push_back({"the client sent " + octets_text(s.sides[0].text_bytes) + ", the server " +
                     octets_text(s.sides[1].text_bytes) + ", in " +
                     analysis::duration_text(s.duration_ns())});
    // Where the handshake took longer than a round trip did later, the rest was no path.
    const std::int64_t least = s.sides[0].rtt_min_ns + s.sides[1].rtt_min_ns;
    if (s.handshake_rtt_ns > 0 && least > 0 &&
        s.sides[0].rtt_samples + s.sides[1].rtt_samples > 2 && s.handshake_rtt_ns > 2 * least) {
        facts.push_back(
            {"the handshake took " + analysis::duration_text(s.handshake_rtt_ns) +
             ", though the quickest answers of both ends together took " +
             analysis::duration_text(least) +
             ": do not take the former for the round-trip time; something else waited"});
    }
    for (const std::size_t side : {0U, 1U}) {
        const tcp::State state = last.after[side].state;
        const std::string who = side == 0 ? "client" : "server";
        if (state == tcp::State::time_wait) {
            facts.push_back({"the " + who + " stays in TIME-WAIT for 2 MSL, so that it can"
                             " acknowledge the other's FIN again and no old segment meets a new"
                             " connection; 4 minutes by the RFC, 60 s in Linux",
                             "RFC 9293 3.6.1"});
        } else if (state != tcp::State::closed && state != tcp::State::listen) {
            facts.push_back({"when the capture ends the " + who + " is in " +
                             tcp::to_string(state)});
        }
    }
    for (const analysis::Note& note : s.notes) {
        facts.push_back({analysis::sentence(s, note)});
    }
    return facts;
}

}  // namespace estab::story
