// What a segment acknowledges, and what window it offers.
#include <algorithm>

#include "analysis/rules.hpp"

namespace estab::analysis {

// The window in a SYN is never scaled (RFC 7323 2.2); a scale holds if both SYNs had one.
std::uint32_t Judge::scaled_window() const {
    if (s_.has(flag::syn)) return s_.window;
    const bool both = from_.syn && to_.syn;
    if (!both || from_.scale == Side::unknown_scale || to_.scale == Side::unknown_scale) {
        return s_.window;
    }
    return std::uint32_t{s_.window} << from_.scale;
}

void Judge::judge_ack() {
    const std::uint32_t window = scaled_window();
    v_.window = window;
    if (!s_.has(flag::ack)) {
        if (s_.has(flag::syn)) from_.last_window = window;
        return;
    }
    const std::int64_t ack = to_.extend(s_.ack);
    v_.ack = ack;
    if (v_.labels.has(Label::network_copy) || s_.has(flag::rst)) return;
    if (ack > to_.high) {
        if (to_.spoke) {
            v_.labels.add(Label::ack_of_unseen);
            c_.notes.add(Finding::capture_incomplete, other_side(), s_.frame);
            if (to_.holes.size() < Side::holes_max) {
                to_.holes.push_back({to_.high, ack, now_, 0, 0, false});
            }
        }
        to_.high = ack;
    }
    const bool new_sack = read_sack(ack);
    if (ack > to_.una) {
        judge_progress(ack);
    } else if (ack == to_.una && is_pure_ack()) {
        judge_repeated_ack(new_sack, window);
    }
    read_window(ack, window);
}

// RFC 2018; the first block tells of octets that came twice when it lies below what is
// acknowledged or within the second (RFC 2883 4). True: something is reported that was not before.
bool Judge::read_sack(std::int64_t ack) {
    bool is_new = false;
    for (std::size_t i = 0; i < s_.sack_count; ++i) {
        const std::int64_t begin = to_.extend(s_.sack[i].begin);
        const std::int64_t end = to_.extend(s_.sack[i].end);
        if (end <= begin) continue;
        const bool within_second =
            i == 0 && s_.sack_count > 1 && begin >= to_.extend(s_.sack[1].begin) &&
            end <= to_.extend(s_.sack[1].end);
        if (i == 0 && (end <= ack || within_second)) {
            v_.labels.add(Label::dsack);
            continue;
        }
        if (end > to_.high) continue;
        for (std::size_t r = to_.sent.find(begin); r < to_.sent.size(); ++r) {
            Sent& run = to_.sent[r];
            if (run.begin < begin || run.end() > end) {
                if (run.begin >= end) break;
                continue;
            }
            is_new |= !run.sacked;
            run.sacked = true;
        }
        if (end > from_.sacked_end) is_new = true;
        from_.sacked_end = std::max(from_.sacked_end, end);
        to_.sack_high = std::max(to_.sack_high, end);
    }
    return is_new;
}

void Judge::judge_progress(std::int64_t ack) {
    const std::size_t before = to_.sent.acknowledged();
    const std::int64_t una_before = to_.una;
    to_.una = ack;
    to_.duplicate_acks = 0;
    to_.progress_ns = now_;
    to_.last_was_probe = false;
    to_.sent.acknowledge(ack);
    const std::size_t acknowledged = to_.sent.acknowledged();
    // The youngest of them, unless it is not known which copy was meant (Karn).
    if (acknowledged > 0 && (acknowledged > before || before == SentList::kept_below_una)) {
        const Sent& run = to_.sent[acknowledged - 1];
        if (run.copies == 1 && !run.sacked && run.end() > una_before) {
            const std::int64_t rtt = now_ - run.time_ns;
            v_.rtt_ns = std::max<std::int64_t>(rtt, 1);
            if (!to_.rtt) to_.rtt = std::make_unique<RttHistogram>();
            to_.rtt->add(v_.rtt_ns);
            to_.rtt_min_ns = to_.rtt->least();
            if (to_.srtt_ns == 0) {
                to_.srtt_ns = v_.rtt_ns;
                to_.rttvar_ns = v_.rtt_ns / 2;
            } else {
                const std::int64_t off = std::abs(to_.srtt_ns - v_.rtt_ns);
                to_.rttvar_ns += (off - to_.rttvar_ns) / 4;
                to_.srtt_ns += (v_.rtt_ns - to_.srtt_ns) / 8;
            }
        }
    }
    if (ack >= to_.recovery_end) to_.recovery = Cause::none;
    if (to_.sack_high <= ack) to_.sack_high = 0;
    // What was acknowledged has arrived, though the capture does not have it.
    if (!to_.holes.empty()) {
        const auto lost = std::erase_if(
            to_.holes, [&](const Hole& hole) { return hole.end <= ack && hole.begin >= 0; });
        if (lost > 0) c_.notes.add(Finding::capture_incomplete, other_side(), s_.frame);
    }
    if (c_.window_full_side == static_cast<int>(other_side())) c_.window_full_side = -1;
}

void Judge::judge_repeated_ack(bool new_sack, std::uint32_t window) {
    const bool same_window = window == from_.last_window;
    if (v_.labels.has(Label::keepalive) || v_.labels.has(Label::zero_window_probe)) return;
    if (to_.last_was_probe && to_.una >= to_.high - 1) {
        const bool still_closed = window == 0;
        if (from_.window == 0 && !still_closed) {
            v_.labels.add(Label::window_update);
        } else {
            v_.labels.add(still_closed ? Label::zero_window_probe_ack : Label::keepalive_ack);
        }
        to_.last_was_probe = false;
        return;
    }
    const bool outstanding = to_.high > to_.una;
    const bool repeats = from_.spoke && from_.last_ack == v_.ack;
    if (repeats && (v_.labels.has(Label::dsack) || (outstanding && (new_sack || same_window)))) {
        v_.labels.add(Label::duplicate_ack);
        v_.duplicate = ++to_.duplicate_acks;
    } else if (repeats && !same_window) {
        v_.labels.add(Label::window_update);
        if (c_.window_full_side == static_cast<int>(other_side())) c_.window_full_side = -1;
    }
    const bool asked = (to_.last_flags & (flag::syn | flag::rst)) != 0 && c_.established;
    if (asked && to_.last_ns > from_.last_ns && repeats) v_.labels.add(Label::challenge_ack);
}

void Judge::read_window(std::int64_t ack, std::uint32_t window) {
    if (ack < from_.last_ack) return;  // an old one, overtaken
    from_.last_ack = ack;
    from_.last_window = window;
    from_.window = window;
    from_.window_known = from_.syn && to_.syn;
    from_.window_max = std::max(from_.window_max, window);
    if (from_.window_known) from_.edge = std::max(from_.edge, ack + window);
    if (window == 0 && !s_.has(flag::syn)) v_.labels.add(Label::zero_window);
}

}  // namespace estab::analysis
