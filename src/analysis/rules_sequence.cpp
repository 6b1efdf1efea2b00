// What a segment's octets are: new, sent again, overtaken, copied, or a probe.
#include <algorithm>

#include "analysis/rules.hpp"

namespace estab::analysis {
namespace {

constexpr std::int64_t ms = 1'000'000;

std::int16_t distance(std::uint16_t a, std::uint16_t b) {
    return static_cast<std::int16_t>(static_cast<std::uint16_t>(a - b));
}
std::int32_t distance(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b);
}

}  // namespace

// The packet is the one before once more. Who sends again takes a new IP ID (RFC 6864 4), and
// seldom within the same tick of its timestamps.
bool Judge::repeats_last_packet() const {
    if (!from_.spoke || s_.ip_id == 0) return false;
    return s_.ip_id == from_.last_id && s_.seq == from_.last_seq &&
           s_.ack == from_.last_ack_wire && s_.flags == from_.last_flags &&
           s_.text_bytes == from_.last_text;
}

void Judge::judge_sequence() {
    if (s_.has(flag::rst)) return;
    const std::int64_t begin = v_.seq;
    const std::int64_t end = begin + s_.length();
    if (is_copy_) {
        v_.labels.add(Label::network_copy);
        c_.notes.add(Finding::network_copies, v_.side, s_.frame);
        return;
    }
    if (judge_probe(begin)) return;
    if (end == begin) {
        if (begin > from_.high) note_gap(begin);  // an ACK bears the next number to be sent
        return;
    }
    from_.segments += wire_segments(s_.text_bytes);
    if (begin >= from_.high) {
        judge_new(begin, end);
    } else {
        judge_old(begin, end);
    }
    if (s_.has(flag::fin) && !from_.fin) {
        from_.fin = true;
        from_.fin_at = end - 1;
    }
    if (s_.text_bytes > 0) judge_window(end);
    from_.last_was_probe = false;
}

// One number below what is next, when all was acknowledged: a keepalive (RFC 9293 3.8.4), or
// Linux's way to ask whether the window has opened. Or the first octet that has no room.
bool Judge::judge_probe(std::int64_t begin) {
    if (s_.has(flag::syn | flag::fin) || s_.text_bytes > 1) return false;
    const bool idle = from_.una >= from_.high && from_.high > 0;
    const bool closed = to_.spoke && to_.window == 0 && to_.window_max > 0;
    const bool below = idle && begin == from_.high - 1;
    const bool beyond = s_.text_bytes == 1 && closed && begin == from_.una;
    if (!below && !beyond) return false;
    if (below && !closed && is_octet_once_more(begin)) return false;
    if (closed) {
        v_.labels.add(Label::zero_window_probe);
    } else {
        v_.labels.add(Label::keepalive);
        if (from_.last_was_probe) {
            c_.notes.add(Finding::keepalive_unanswered, other_side(), s_.frame);
        }
    }
    if (beyond && begin + 1 > from_.high) store(begin, begin + 1);
    from_.last_was_probe = true;
    return true;
}

// A keepalive may bear an octet (RFC 9293 3.8.4; Windows' do), and so looks like a segment of one
// octet sent again. Who sends it again has not heard the acknowledgment, as its timestamps may
// tell, or does so soon: nobody asks after an idle peer within a second.
bool Judge::is_octet_once_more(std::int64_t begin) const {
    if (s_.text_bytes != 1) return false;
    const std::size_t at = from_.sent.find(begin);
    if (at >= from_.sent.size()) return false;
    const Sent& run = from_.sent[at];
    if (run.begin != begin || run.length != 1) return false;
    if (s_.has_timestamps && distance(s_.tsecr, to_.last_tsval) < 0) return true;
    return now_ - run.time_ns < 1000 * ms;
}

void Judge::note_gap(std::int64_t begin) {
    v_.labels.add(Label::gap);
    if (from_.holes.size() == Side::holes_max) from_.holes.erase(from_.holes.begin());
    from_.holes.push_back({from_.high, begin, now_, s_.tsval, s_.ip_id, s_.has_timestamps});
    from_.high = begin;
}

void Judge::judge_new(std::int64_t begin, std::int64_t end) {
    if (begin > from_.high) note_gap(begin);
    store(begin, end);
    if (s_.text_bytes > 0) judge_small_segment();
}

void Judge::store(std::int64_t begin, std::int64_t end) {
    from_.text_bytes += s_.text_bytes;
    from_.high = std::max(from_.high, end);
    if (c_.released) return;
    from_.sent.insert({.begin = begin,
                       .time_ns = now_,
                       .frame = s_.frame,
                       .length = static_cast<std::uint32_t>(end - begin),
                       .tsval = s_.tsval,
                       .ip_id = s_.ip_id});
}

void Judge::judge_old(std::int64_t begin, std::int64_t end) {
    for (std::size_t i = 0; i < from_.holes.size(); ++i) {
        if (begin < from_.holes[i].end && end > from_.holes[i].begin) {
            judge_filling(i, begin, end);
            return;
        }
    }
    judge_repeated(begin, end);
    if (end > from_.high) store(from_.high, end);  // more behind what was sent before
}

// Whether the sender made the packet after the one above the hole, and so because of it. Its own
// counters tell; where it has none, time does: nobody can learn of a loss and send again within
// less than a round trip to the sender.
bool Judge::was_sent_later(const Hole& hole) const {
    if (from_.ids_usable && s_.ip_id != 0 && hole.id_above != 0) {
        return distance(s_.ip_id, hole.id_above) > 0;
    }
    if (s_.has_timestamps && hole.has_tsval && s_.tsval != hole.tsval_above) {
        return distance(s_.tsval, hole.tsval_above) > 0;
    }
    return now_ - hole.time_ns >= soonest_answer_ns();
}

void Judge::judge_filling(std::size_t index, std::int64_t begin, std::int64_t end) {
    const Hole hole = from_.holes[index];
    const bool later = was_sent_later(hole);
    if (later) {
        if (hole.begin >= 0) c_.notes.add(Finding::loss_before_capture, v_.side, s_.frame);
        note_retransmission(begin, end, nullptr);
    } else {
        v_.labels.add(Label::out_of_order);
        c_.notes.add(Finding::reordering, v_.side, s_.frame);
    }
    const std::int64_t from = std::max(begin, hole.begin), to = std::min(end, hole.end);
    from_.text_bytes += static_cast<std::uint64_t>(to - from);
    if (!c_.released) {
        from_.sent.insert({.begin = from,
                           .time_ns = now_,
                           .frame = s_.frame,
                           .length = static_cast<std::uint32_t>(to - from),
                           .tsval = s_.tsval,
                           .ip_id = s_.ip_id,
                           .copies = later ? std::uint8_t{2} : std::uint8_t{1},
                           .late = !later});
    }
    from_.holes.erase(from_.holes.begin() + static_cast<std::ptrdiff_t>(index));
    if (to < hole.end) {
        Hole rest = hole;
        rest.begin = to;
        from_.holes.insert(from_.holes.begin() + static_cast<std::ptrdiff_t>(index), rest);
    }
    if (from > hole.begin) {
        Hole rest = hole;
        rest.end = from;
        if (from_.holes.size() < Side::holes_max) {
            from_.holes.insert(from_.holes.begin() + static_cast<std::ptrdiff_t>(index), rest);
        }
    }
    if (end > from_.high) store(from_.high, end);
}

// Where the time between a hole and what fills it is too short for the sender to have learned of
// the hole.
std::int64_t Judge::soonest_answer_ns() const {
    const std::int64_t round_trip = to_.rtt_min_ns;
    return round_trip == 0 ? 3 * ms : round_trip - round_trip / 5;
}

// The same packet once more, or one of those that the receiver's card joined to a frame: they have
// its timestamp, and IDs that count up from its own. Without IDs (IPv6 has none): nothing that
// would make a sender repeat itself, or the same timestamp, and sooner than it could.
bool Judge::is_copy_of(const Sent& run, std::int64_t begin, std::int64_t end) const {
    if (begin < run.begin || run.tsval != s_.tsval) return false;
    if (begin > run.begin && run.copies > 1) return false;  // what is known is of a part sent again
    if (s_.ip_id != 0 || run.ip_id != 0) {
        const std::int64_t before = begin - run.begin, full = segment_max();
        if (before > 0 && (full == 0 || before % full != 0)) return false;
        const std::int64_t segments = before == 0 ? 0 : before / full;
        return s_.ip_id == static_cast<std::uint16_t>(run.ip_id + segments);
    }
    if (begin != run.begin && !s_.has_timestamps) return false;
    const bool asked_for = run.late || from_.duplicate_acks > 0 || from_.sack_high > end;
    return (begin == run.begin ? end == run.end() : end <= run.end()) &&
           (s_.has_timestamps || !asked_for) && now_ - run.time_ns < soonest_answer_ns();
}

void Judge::judge_repeated(std::int64_t begin, std::int64_t end) {
    const std::size_t at = from_.sent.find(begin);
    Sent* copy = nullptr;
    if (at < from_.sent.size() && from_.sent[at].begin < end) copy = &from_.sent[at];
    if (copy != nullptr) {
        v_.earlier_frame = copy->frame;
        if (is_copy_of(*copy, begin, end)) {
            v_.labels.add(Label::network_copy);
            c_.notes.add(Finding::network_copies, v_.side, s_.frame);
            return;
        }
        const bool older_id = from_.ids_usable && s_.ip_id != 0 && copy->ip_id != 0 &&
                              distance(s_.ip_id, copy->ip_id) < 0;
        const bool older_time =
            s_.has_timestamps && copy->tsval != 0 && distance(s_.tsval, copy->tsval) < 0;
        if (older_id || older_time) {  // the first one, overtaken by the one sent in its place
            v_.labels.add(Label::out_of_order);
            c_.notes.add(Finding::reordering, v_.side, s_.frame);
            return;
        }
    }
    note_retransmission(begin, end, copy);
    for (std::size_t i = at; i < from_.sent.size() && from_.sent[i].begin < end; ++i) {
        Sent& run = from_.sent[i];
        run.time_ns = now_;
        run.frame = s_.frame;
        run.tsval = s_.tsval;
        run.ip_id = s_.ip_id;
        if (run.copies < 255) ++run.copies;
    }
}

Cause Judge::cause_of(std::int64_t begin, std::int64_t end, const Sent* copy) const {
    if (s_.has(flag::syn)) return Cause::timeout;
    const bool evidence = from_.duplicate_acks >= 3 || from_.sack_high > end;
    const bool is_first = begin <= from_.una;
    const std::int64_t since =
        std::max(copy != nullptr ? copy->time_ns : from_.last_text_ns, from_.progress_ns);
    const std::int64_t timeout = retransmission_timeout_ns(from_);
    const bool waited = now_ - since >= timeout - timeout / 10;
    const bool again = copy != nullptr && copy->copies > 1;
    if (is_first && waited && (!evidence || again)) return Cause::timeout;
    if (begin < from_.recovery_end && from_.recovery != Cause::none &&
        !(evidence && from_.recovery == Cause::tail_probe)) {
        return from_.recovery;
    }
    if (evidence) return Cause::fast;
    if (end >= from_.high && !waited) return Cause::tail_probe;
    return is_first || waited ? Cause::timeout : Cause::none;
}

void Judge::note_retransmission(std::int64_t begin, std::int64_t end, const Sent* copy) {
    v_.labels.add(Label::retransmission);
    // More may stand behind what was sent before.
    const std::int64_t again = std::min(end, from_.high) - begin;
    from_.retransmitted += wire_segments(again);
    from_.retransmitted_bytes += static_cast<std::uint64_t>(
        std::clamp<std::int64_t>(again, 0, s_.text_bytes));
    // Close to the receiver, what was seen here has arrived there.
    const bool near_receiver =
        from_.rtt_min_ns > 0 && to_.rtt_min_ns > 0 && from_.rtt_min_ns <= to_.rtt_min_ns / 8;
    if (end <= from_.una || (copy != nullptr && (copy->sacked || near_receiver))) {
        v_.labels.add(Label::spurious);
        c_.notes.add(Finding::spurious, v_.side, s_.frame);
    }
    const Cause cause = cause_of(begin, end, copy);
    if (s_.has(flag::syn)) {
        const bool answers = s_.has(flag::ack);
        v_.labels.add(Label::timeout);
        c_.notes.add(answers ? Finding::syn_ack_lost : Finding::syn_lost, v_.side, s_.frame,
                     now_ - from_.last_ns);
        return;
    }
    note_cause(cause, end);
}

void Judge::note_cause(Cause cause, std::int64_t end) {
    const bool goes_on = from_.recovery == cause && end <= from_.recovery_end;
    const std::int64_t waited = now_ - std::max(from_.progress_ns, from_.last_text_ns);
    switch (cause) {
        case Cause::none: c_.notes.add(Finding::unexplained, v_.side, s_.frame); return;
        case Cause::fast:
            v_.labels.add(Label::fast);
            // A round trip, at least, in which what was sent is not what would have been.
            if (!goes_on) {
                const std::int64_t cost = std::max(from_.srtt_ns, to_.srtt_ns);
                c_.notes.add(Finding::fast_recovery, v_.side, s_.frame, cost);
            }
            break;
        case Cause::timeout: {
            v_.labels.add(Label::timeout);
            // What follows at once belongs to the same timeout.
            if (waited < retransmission_timeout_ns(from_) / 2) break;
            const bool was_last = end >= from_.high;
            c_.notes.add(was_last ? Finding::tail_timeout : Finding::timeout, v_.side, s_.frame,
                         waited);
            break;
        }
        case Cause::tail_probe:
            v_.labels.add(Label::tail_probe);
            c_.notes.add(Finding::tail_probe, v_.side, s_.frame, waited);
            break;
    }
    if (!goes_on || from_.recovery_end <= from_.una) from_.recovery_end = from_.high;
    from_.recovery = cause;
}

void Judge::judge_window(std::int64_t end) {
    if (!to_.window_known || v_.labels.has(Label::zero_window_probe)) return;
    if (end > to_.edge) {
        v_.labels.add(Label::beyond_window);
        c_.notes.add(Finding::beyond_window, v_.side, s_.frame);
    } else if (end == to_.edge && to_.window > 0) {
        v_.labels.add(Label::window_full);
        c_.window_full_side = static_cast<std::int8_t>(v_.side);
    }
}

// RFC 1122 4.2.3.4 beside 4.2.3.2: a small segment waits for an ACK that waits for a second one.
void Judge::judge_small_segment() {
    constexpr std::int64_t delay_min = 30 * ms, delay_max = 550 * ms, at_once = 2 * ms;
    const std::uint32_t full = from_.mss != 0 && to_.mss != 0
                                   ? std::min<std::uint32_t>(from_.mss, to_.mss)
                                   : std::max<std::uint32_t>(from_.text_max, 536);
    const bool small = s_.text_bytes + 40U < full;
    const bool ack_came = to_.last_text == 0 && to_.last_ns > from_.last_text_ns &&
                          now_ - to_.last_ns < at_once;
    const std::int64_t waited = to_.last_ns - from_.last_small_ns;
    if (small && ack_came && from_.last_small_ns != 0 &&
        from_.last_small_ns == from_.last_text_ns && waited > delay_min + from_.rtt_min_ns &&
        waited < delay_max + from_.rtt_min_ns) {
        c_.notes.add(Finding::delayed_ack_and_nagle, v_.side, s_.frame, waited - from_.rtt_min_ns);
    }
    if (small) from_.last_small_ns = now_;
}

}  // namespace estab::analysis
