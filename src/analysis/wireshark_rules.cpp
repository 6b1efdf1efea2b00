#include "analysis/wireshark_rules.hpp"

namespace estab::analysis::wireshark {
namespace {

constexpr std::int64_t ms = 1'000'000;

}  // namespace

void Rules::apply() {
    if (from_.ack_frame == 0 || s_.ack != from_.ack) {
        from_.ack_frame = s_.frame;
        from_.duplicates = 0;
    }
    const bool zero_probe = s_.text_bytes == 1 && from_.has_next && s_.seq == from_.next &&
                            to_.window == 0 && to_.ack_frame != 0;
    if (zero_probe) {
        mark(Mark::zero_window_probe);
    } else {
        judge_windows_and_acks();
    }
    judge_ack_of_unseen();
    judge_repeat();
    remember();
    measure();
}

void Rules::judge_windows_and_acks() {
    if (s_.window == 0 && !is_control()) mark(Mark::zero_window);
    if (from_.has_next && below(from_.next, s_.seq) && !s_.has(flag::rst)) {
        mark(Mark::lost_segment);
        from_.bytes_in_flight_known = false;  // until the other side acknowledges again
    }
    if (from_.has_next && s_.text_bytes <= 1 && s_.seq == from_.next - 1 && !is_control()) {
        mark(Mark::keep_alive);
    }
    const bool same_place = from_.has_next && s_.seq == from_.next && s_.ack == from_.ack;
    if (is_bare() && s_.window != 0 && s_.window != from_.window && same_place) {
        mark(Mark::window_update);
    }
    judge_window_full();
    if (judge_answer_to_probe()) return;
    if (!is_bare() || s_.window == 0 || s_.window != from_.window || !same_place) return;
    r_.duplicate_ack = ++from_.duplicates;
    r_.duplicate_ack_frame = from_.ack_frame;
    mark(Mark::duplicate_ack);
}

void Rules::judge_window_full() {
    if (s_.text_bytes == 0 || to_.scale == -1 || is_control()) return;
    const unsigned shift = to_.scale > 0 && !to_.first_ack ? static_cast<unsigned>(to_.scale) : 0;
    if (s_.seq + s_.text_bytes == to_.ack + (to_.window << shift)) mark(Mark::window_full);
}

bool Rules::judge_answer_to_probe() {
    if (!is_bare() || !from_.has_next || s_.seq != from_.next || s_.window != from_.window) {
        return false;
    }
    if (s_.window != 0 && s_.ack == from_.ack && to_.last_marks.has(Mark::keep_alive)) {
        mark(Mark::keep_alive_ack);
        return true;
    }
    if (s_.window == 0 && (s_.ack == from_.ack || s_.ack == from_.ack + 1) &&
        to_.last_marks.has(Mark::zero_window_probe)) {
        mark(Mark::zero_window_probe_ack);
        return true;
    }
    return false;
}

void Rules::judge_ack_of_unseen() {
    if (!to_.has_seen_max || !s_.has(flag::ack) || !below(to_.contiguous, s_.ack)) return;
    if (s_.ack == from_.ack + 1 && s_.seq == from_.next &&
        to_.last_marks.has(Mark::zero_window_probe)) {
        mark(Mark::window_update);
    } else {
        mark(Mark::ack_lost_segment);
    }
    to_.contiguous = to_.next;
}

// Octets that do not lie above what was seen: sent again, or late.
void Rules::judge_repeat() {
    const bool takes_numbers = s_.text_bytes > 0 || s_.has(flag::syn | flag::fin);
    if (!takes_numbers || r_.marks.has(Mark::keep_alive)) return;
    const std::uint32_t end = s_.seq + s_.text_bytes;
    if (s_.text_bytes > 0 && to_.ack != 0 && !below(to_.ack, end)) {
        mark(Mark::spurious_retransmission);
        mark(Mark::retransmission);
        return;
    }
    if (!from_.has_next || !below(s_.seq, from_.next)) return;
    // What follows a keepalive may begin with its octet.
    if (from_.last_marks.has(Mark::keep_alive) && s_.seq == from_.next - 1) return;
    if (is_fast()) {
        mark(Mark::fast_retransmission);
        mark(Mark::retransmission);
        return;
    }
    const std::int64_t soon = c_.initial_rtt_ns.value_or(0) != 0 ? *c_.initial_rtt_ns : 3 * ms;
    const std::uint32_t behind = numbers(s_);
    if (now_ - from_.next_ns < soon && s_.seq + behind != from_.next) {
        mark(Mark::out_of_order);
        return;
    }
    mark(Mark::retransmission);
    find_original();
}

bool Rules::is_fast() const {
    return now_ - to_.ack_ns < 20 * ms && to_.duplicates >= 2 && to_.ack == s_.seq;
}

void Rules::find_original() {
    const Unacked* oldest = from_.unacked.oldest();
    r_.rto_frame = oldest != nullptr ? oldest->frame : from_.next_frame;
    r_.rto_ns = now_ - (oldest != nullptr ? oldest->time_ns : from_.next_ns);
}

void Rules::remember() {
    const std::uint32_t next = s_.seq + numbers(s_);
    const bool probe = r_.marks.has(Mark::zero_window_probe);
    if (numbers(s_) != 0) {
        from_.unacked.add({.frame = s_.frame, .time_ns = now_, .seq = s_.seq, .next = next});
    }
    if (!probe) {
        if (!from_.has_next || below(from_.next, next)) {
            from_.has_next = true;
            from_.next = next;
            from_.next_frame = s_.frame;
            from_.next_ns = now_;
        }
        if (!from_.has_seen_max || s_.seq == from_.contiguous) {
            from_.has_seen_max = true;
            from_.contiguous = from_.next;
        }
    }
    from_.window = s_.window;
    from_.first_ack = s_.has(flag::syn);
    from_.ack = s_.ack;
    from_.ack_ns = now_;
    from_.last_marks = r_.marks;
    from_.sack_count = s_.sack_count;
    from_.sack = s_.sack;
}

void Rules::measure() {
    if (s_.has(flag::ack)) to_.bytes_in_flight_known = true;
    // Also of a RST without ACK, whose number means nothing.
    if (const auto acked = to_.unacked.acknowledge(s_.ack)) {
        r_.acks_frame = acked->frame;
        r_.ack_rtt_ns = now_ - acked->time_ns;
    }
    if (s_.text_bytes == 0) return;
    if (!from_.bytes_in_flight_known) return;
    r_.analysed = true;
    if (from_.push_ended) from_.pushed = 0;
    from_.push_ended = s_.has(flag::psh);
    from_.pushed += s_.text_bytes;
    std::uint32_t sacked = 0;
    for (std::size_t i = 0; i < to_.sack_count; ++i) sacked += to_.sack[i].end - to_.sack[i].begin;
    // Its own SYN or FIN is no octet.
    const std::uint32_t span = from_.unacked.span();
    const std::uint32_t less = sacked + (numbers(s_) - s_.text_bytes);
    if (span <= less || span - less >= 2'000'000'000) return;
    r_.bytes_in_flight = span - less;
    r_.push_bytes_sent = from_.pushed;
}

}  // namespace estab::analysis::wireshark
