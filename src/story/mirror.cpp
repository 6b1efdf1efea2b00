#include "story/mirror.hpp"

#include <algorithm>

namespace estab::story {

using analysis::Label;
using analysis::Verdict;
using tcp::State;
namespace flag = analysis::flag;

const Step& Mirror::on(const Verdict& v) {
    if (!begun_) begin(v);
    step_ = {};
    step_.side = v.side;
    step_.before = ends_;
    send(v);
    // A copy that the network made changes nothing.
    if (!v.labels.has(Label::network_copy)) arrive(v);
    step_.after = ends_;
    // An answer that was on its way while more came: its sender had what it acknowledges, no more.
    End& before = step_.before[v.side];
    if (v.segment->has(flag::ack)) before.rcv_nxt = std::min(before.rcv_nxt, v.ack);
    return step_;
}

void Mirror::begin(const Verdict& v) {
    begun_ = true;
    if (!v.connection->midstream) {
        ends_[1].state = State::listen;
        ends_[1].assumed = true;
        return;
    }
    for (End& end : ends_) {
        end.state = State::established;
        end.assumed = true;
        end.snd_una = end.snd_nxt = end.rcv_nxt = 1;
    }
    private_[0].received = private_[1].received = 1;
    if (v.segment->has(flag::syn)) {  // the SYN-ACK to a SYN that is missing
        ends_[0].state = State::syn_sent;
        ends_[1].state = State::listen;
        ends_[1].snd_una = ends_[1].snd_nxt = 0;
    }
}

// What its sender must have known to send it (RFC 9293 3.3.1).
void Mirror::send(const Verdict& v) {
    const analysis::Segment& s = *v.segment;
    End& from = ends_[v.side];
    Private& mine = private_[v.side];
    const Private& other = private_[1 - v.side];
    if (s.has(flag::ack) && !s.has(flag::rst)) {
        from.rcv_nxt = v.ack;
        mine.received = std::max(mine.received, v.ack);
        if (other.fin_sent && v.ack > other.fin_at && !mine.fin_taken) take_fin(v.side);
        learn_holes(v);
    }
    if (s.has(flag::rst)) {
        from.state = State::closed;
        return;
    }
    from.rcv_wnd = v.window;
    if (s.has(flag::syn)) {
        if (from.state == State::closed || from.state == State::listen) {
            from.state = s.has(flag::ack) ? State::syn_received : State::syn_sent;
            from.assumed = false;
        }
        if (s.has(flag::ack)) from.rcv_nxt = mine.received = 1;
    }
    if (s.has(flag::fin)) send_fin(v);
    from.snd_nxt = std::max(from.snd_nxt, v.seq + s.length());
}

void Mirror::send_fin(const Verdict& v) {
    End& from = ends_[v.side];
    Private& mine = private_[v.side];
    const Private& other = private_[1 - v.side];
    if (!mine.fin_sent) {
        mine.fin_sent = true;
        mine.fin_at = v.seq + v.segment->text_bytes;
    }
    // The other's FIN passed here, but had not arrived: both close at the same time.
    if (from.state == State::close_wait && other.fin_sent && v.ack <= other.fin_at) {
        from.state = State::fin_wait_1;
        mine.fin_taken = false;
    } else if (from.state == State::close_wait) {
        from.state = State::last_ack;
    } else if (from.state == State::established || from.state == State::syn_received) {
        from.state = State::fin_wait_1;
    }
}

void Mirror::take_fin(std::size_t side) {
    private_[side].fin_taken = true;
    State& state = ends_[side].state;
    if (state == State::established || state == State::syn_received) state = State::close_wait;
    if (state == State::fin_wait_1) state = State::closing;
    if (state == State::fin_wait_2) state = State::time_wait;
}

void Mirror::arrive(const Verdict& v) {
    const analysis::Segment& s = *v.segment;
    End& to = ends_[1 - v.side];
    if (s.has(flag::rst)) {
        to.state = to.state == State::syn_received && v.side == 0 ? State::listen : State::closed;
        return;
    }
    // The FIN came before this, though its receiver had not got it when it sent last.
    const Private& other = private_[v.side];
    const Private& mine = private_[1 - v.side];
    if (other.fin_sent && mine.received > other.fin_at && !mine.fin_taken) take_fin(1U - v.side);
    if (s.has(flag::ack)) take_ack(v);
    if (s.has(flag::syn)) {
        if (to.state == State::syn_sent) {
            to.state = to.snd_una > 0 ? State::established : State::syn_received;
            step_.opened = to.state == State::established;
        }
    }
    if (s.length() > 0) take_text(v);
}

void Mirror::take_ack(const Verdict& v) {
    End& to = ends_[1 - v.side];
    Private& mine = private_[1 - v.side];
    if (to.state == State::listen || to.state == State::closed) return;
    if (v.ack >= to.snd_una) to.snd_wnd = v.window;
    if (v.ack <= to.snd_una) return;
    step_.syn_acknowledged = to.snd_una <= 0;
    to.snd_una = v.ack;
    to.snd_nxt = std::max(to.snd_nxt, v.ack);
    if (to.state == State::syn_received) {
        to.state = State::established;
        step_.opened = true;
    }
    if (!mine.fin_sent || v.ack <= mine.fin_at) return;
    step_.fin_acknowledged = true;
    if (to.state == State::fin_wait_1) to.state = State::fin_wait_2;
    if (to.state == State::closing) to.state = State::time_wait;
    if (to.state == State::last_ack) to.state = State::closed;
}

void Mirror::take_text(const Verdict& v) {
    End& to = ends_[1 - v.side];
    Private& mine = private_[1 - v.side];
    const Private& other = private_[v.side];
    const Run run{v.seq, v.seq + v.segment->length()};
    const bool again =
        v.labels.has(Label::retransmission) && !v.labels.has(Label::spurious);
    // Sent again because it had not arrived, whatever it looked like from here.
    if (again && run.begin < mine.received && run.begin >= ends_[v.side].snd_una) {
        keep_early(mine, {run.end, mine.received});
        mine.received = run.begin;
    }
    if (to.state != State::listen) to.rcv_nxt = mine.received;
    step_.before[1 - v.side].rcv_nxt = to.rcv_nxt;
    if (run.begin > mine.received) {
        keep_early(mine, run);
        return;
    }
    mine.received = std::max(mine.received, run.end);
    while (!mine.early.empty() && mine.early.front().begin <= mine.received) {
        if (mine.early.front().end > mine.received) step_.filled_hole = true;
        mine.received = std::max(mine.received, mine.early.front().end);
        mine.early.erase(mine.early.begin());
    }
    if (to.state == State::listen || to.state == State::closed) return;
    to.rcv_nxt = mine.received;
    if (other.fin_sent && mine.received > other.fin_at && !mine.fin_taken) take_fin(1U - v.side);
}

// An ACK that stands still, or brings SACK blocks, says what did not arrive.
void Mirror::learn_holes(const Verdict& v) {
    const analysis::Segment& s = *v.segment;
    Private& mine = private_[v.side];
    if (!v.labels.has(Label::duplicate_ack) && s.sack_count == 0) return;
    if (v.labels.has(Label::dsack) && s.sack_count <= 1) return;
    const std::int64_t assumed = mine.received;
    mine.received = v.ack;
    std::int64_t highest = v.ack;
    for (std::size_t i = v.labels.has(Label::dsack) ? 1 : 0; i < s.sack_count; ++i) {
        const analysis::Side& data = v.connection->sides[1 - v.side];
        const Run run{data.extend(s.sack[i].begin), data.extend(s.sack[i].end)};
        if (run.end <= run.begin || run.begin < v.ack) continue;
        keep_early(mine, run);
        highest = std::max(highest, run.end);
    }
    if (highest < assumed && highest > v.ack) keep_early(mine, {highest, assumed});
}

void Mirror::keep_early(Private& side, Run run) {
    if (run.begin >= run.end) return;
    std::erase_if(side.early, [&](const Run& known) {
        if (known.end < run.begin || known.begin > run.end) return known.end <= side.received;
        run.begin = std::min(run.begin, known.begin);
        run.end = std::max(run.end, known.end);
        return true;
    });
    const auto at = std::ranges::upper_bound(side.early, run.begin, {}, &Run::begin);
    side.early.insert(at, run);
    if (side.early.size() > early_max) side.early.pop_back();
}

}  // namespace estab::story
