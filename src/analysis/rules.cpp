#include "analysis/rules.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace estab::analysis {
namespace {

constexpr std::int64_t ms = 1'000'000;

// An ID counter advances by few between packets of one connection, or by as many as the host sends
// elsewhere meanwhile.
void count_id(Side& side, std::uint16_t id) {
    constexpr std::uint16_t step_max = 1024, late_min = 0xff80;
    if (id == 0) return;
    const auto step = static_cast<std::uint16_t>(id - side.last_id);
    if (side.last_id != 0 && step >= late_min) return;  // one that was overtaken
    if (side.last_id != 0 && step != 0) {
        std::uint8_t& counter = step <= step_max ? side.id_steps : side.id_jumps;
        if (++counter == 255) {
            side.id_steps /= 2;
            side.id_jumps /= 2;
        }
        // Random numbers step by so little once in 64 times.
        side.ids_usable = side.id_steps >= 2 && side.id_steps > 3 * side.id_jumps;
    }
    side.last_id = id;
}

}  // namespace

std::int64_t retransmission_timeout_ns(const Side& side) {
    if (side.srtt_ns == 0) return 1000 * ms;
    return side.srtt_ns + std::max<std::int64_t>(4 * side.rttvar_ns, 200 * ms);
}

void Judge::judge() {
    const Time before = state_before();
    is_copy_ = repeats_last_packet();
    learn();
    v_.seq = from_.extend(s_.seq);
    judge_sequence();
    judge_ack();
    judge_control();
    account(before);
    v_.in_flight = std::max<std::int64_t>(0, from_.high - from_.una);
    remember();
}

// What the connection was waiting for when this segment came.
Time Judge::state_before() {
    if (!c_.established && !c_.midstream) return Time::handshake;
    if (from_.closed_window() || to_.closed_window()) {
        waited_for_ = from_.closed_window() ? v_.side : other_side();
        return Time::zero_window;
    }
    if (c_.window_full_side >= 0) {
        waited_for_ = static_cast<std::size_t>(c_.window_full_side);
        return Time::window;
    }
    const bool outstanding = from_.high > from_.una || to_.high > to_.una;
    return outstanding ? Time::network : Time::application;
}

void Judge::account(Time state) {
    const std::int64_t passed = std::max<std::int64_t>(0, now_ - c_.last_ns);
    const bool waited = v_.labels.has(Label::timeout) && !s_.has(flag::syn);
    if (waited && state != Time::zero_window) state = Time::timeout;
    // Far from the sender nothing seems outstanding while its next octets are on their way.
    const std::int64_t path = std::max(c_.handshake_rtt_ns, from_.rtt_min_ns + to_.rtt_min_ns);
    if (state == Time::application && passed <= path + path / 2) state = Time::network;
    c_.time_ns[static_cast<std::size_t>(state)] += passed;
    if (state == Time::window) {
        c_.notes.add(Finding::window_full, waited_for_, s_.frame, passed);
    }
    if (state == Time::zero_window) {
        c_.notes.add(Finding::zero_window, waited_for_, s_.frame, passed);
    }
    c_.last_ns = std::max(c_.last_ns, now_);
    c_.last_frame = s_.frame;
}

void Judge::learn() {
    ++from_.packets;
    if (s_.has(flag::syn)) {
        if (!from_.syn) {
            from_.syn = true;
            from_.base = s_.seq;
            from_.known = true;
            from_.high = std::max<std::int64_t>(from_.high, 0);
            from_.mss = s_.mss;
            from_.scale = s_.scale.value_or(Side::unknown_scale);
            from_.sack_permitted = s_.sack_permitted;
        }
        c_.multipath |= s_.multipath;
    } else if (!from_.known) {
        from_.base = s_.seq - 1;
        from_.known = true;
        from_.high = from_.una = 1;
        // What came before the capture may still come again.
        constexpr std::int64_t far = -(std::int64_t{1} << 31);
        from_.holes.push_back({far, 1, now_, s_.tsval, s_.ip_id, s_.has_timestamps});
    }
    if (s_.has(flag::ack) && !to_.known) {
        to_.base = s_.ack - 1;
        to_.known = true;
        to_.high = to_.una = 1;
    }
    v_.surely_later = is_later();
    if (!is_copy_) count_id(from_, s_.ip_id);
}

bool Judge::is_later() const {
    if (!from_.spoke || is_copy_) return false;
    const bool by_id = from_.ids_usable && s_.ip_id != 0 && from_.last_id != 0;
    if (by_id) return static_cast<std::int16_t>(s_.ip_id - from_.last_id) > 0;
    return s_.has_timestamps && from_.last_tsval != 0 &&
           static_cast<std::int32_t>(s_.tsval - from_.last_tsval) > 0;
}

// What a frame that is larger than one segment was cut into by the card, or merged from. Its size
// cannot tell where the SYN that says so is missing.
std::uint32_t Judge::wire_segments(std::int64_t octets) const {
    const std::uint32_t most = segment_max();
    if (most == 0 || s_.text_bytes <= to_.mss || octets <= 0) return 1;
    return static_cast<std::uint32_t>((octets + most - 1) / most);
}

std::uint32_t Judge::segment_max() const {
    const std::uint32_t options = s_.has_timestamps ? 12 : 0;
    if (to_.mss <= options) return 0;
    const std::uint32_t most = to_.mss - options;
    return from_.mss > options ? std::min<std::uint32_t>(most, from_.mss - options) : most;
}

void Judge::judge_control() {
    if (s_.ecn == 3) {
        v_.labels.add(Label::ce);
    }
    if (!s_.has(flag::syn)) {
        if (s_.has(flag::ece)) {
            v_.labels.add(Label::ece);
            const bool fresh = (from_.last_flags & flag::ece) == 0;
            if (fresh) c_.notes.add(Finding::congestion_marks, other_side(), s_.frame);
        }
        if (s_.has(flag::cwr)) v_.labels.add(Label::cwr);
    } else {
        if (s_.fast_open || s_.text_bytes > 0) v_.labels.add(Label::fast_open);
        if (c_.syns < 255) ++c_.syns;
        const bool answers = s_.has(flag::ack);
        std::int64_t& first = answers ? c_.syn_ack_ns : c_.syn_ns;
        // After a repetition nobody can tell which of them was answered.
        if (first == 0 || !answers) first = now_;
    }
    if (s_.has(flag::rst)) judge_reset();
    if (!c_.established && from_.syn && to_.syn && !s_.has(flag::syn | flag::rst) &&
        from_.una > 0 && to_.una > 0) {
        c_.established = true;
        const bool clean = c_.syns == 2 && c_.syn_ns != 0;
        if (clean) c_.handshake_rtt_ns = now_ - c_.syn_ns;
    }
    const auto is_done = [](const Side& side) { return side.fin && side.una > side.fin_at; };
    if (is_done(from_) && is_done(to_)) c_.closed = true;
}

void Judge::judge_reset() {
    from_.reset = true;
    c_.is_reset = true;
    if (to_.syn && !from_.syn && to_.packets <= c_.syns && !to_.fin) {
        v_.labels.add(Label::refused);
        c_.notes.add(Finding::refused, v_.side, s_.frame);
    } else if (c_.midstream && from_.packets == 1 && to_.packets == 0) {
        v_.labels.add(Label::reset_stray);
    } else if (from_.fin || (to_.text_bytes > 0 && from_.window_max > from_.window &&
                             from_.last_ack > 1 && s_.has(flag::ack))) {
        // It had closed, or its window had shrunk by what its application never read.
        v_.labels.add(Label::reset_unread);
        c_.notes.add(Finding::reset_unread, v_.side, s_.frame);
    } else {
        v_.labels.add(Label::reset_abort);
        c_.notes.add(Finding::reset_abort, v_.side, s_.frame);
    }
    c_.closed = true;
}

void Judge::remember() {
    if (v_.labels.has(Label::network_copy)) return;
    from_.spoke = true;
    from_.last_seq = s_.seq;
    from_.last_ack_wire = s_.ack;
    from_.last_flags = s_.flags;
    from_.last_text = s_.text_bytes;
    if (static_cast<std::int32_t>(s_.tsval - from_.last_tsval) > 0 || from_.last_tsval == 0)
        from_.last_tsval = s_.tsval;
    from_.last_ns = now_;
    if (s_.text_bytes > 0) {
        from_.last_text_ns = now_;
        from_.text_max = static_cast<std::uint16_t>(
            std::clamp<std::uint32_t>(s_.text_bytes, from_.text_max, 0xffff));
        if (from_.first_text_ns == 0) from_.first_text_ns = now_;
    }
}

void RttHistogram::add(std::int64_t ns) {
    // Eight classes for each power of two of microseconds, from 1 us on.
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(ns / 1000, 1));
    const auto power = static_cast<unsigned>(std::bit_width(us)) - 1;
    const auto part = static_cast<unsigned>(power >= 3 ? (us >> (power - 3)) & 7
                                                       : (us << (3 - power)) & 7);
    ++counts_[std::min<std::size_t>(power * 8 + part, classes - 1)];
    if (count_ == 0 || ns < least_) least_ = ns;
    most_ = std::max(most_, ns);
    ++count_;
}

std::int64_t RttHistogram::quantile(double q) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(q * (count_ - 1));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < classes; ++i) {
        seen += counts_[i];
        if (seen <= wanted) continue;
        const double us = std::ldexp(1.0 + (static_cast<double>(i % 8) + 0.5) / 8,
                                     static_cast<int>(i / 8));
        return std::clamp(static_cast<std::int64_t>(us * 1000), least_, most_);
    }
    return most_;
}

void release(Connection& c) {
    c.released = true;
    for (Side& side : c.sides) {
        side.sent.release();
        side.holes.clear();
        side.holes.shrink_to_fit();
    }
}

void conclude(Connection& c) {
    const Side& client = c.sides[0];
    const Side& server = c.sides[1];
    if (c.established || c.midstream || c.is_reset || !client.syn) return;
    c.notes.remove(Finding::syn_lost);
    c.notes.add(server.syn ? Finding::half_open : Finding::no_answer, 0, c.first_frame,
                c.last_ns - c.first_ns);
}

}  // namespace estab::analysis
