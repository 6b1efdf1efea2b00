#include "analysis/wireshark.hpp"

#include "analysis/wireshark_rules.hpp"

namespace estab::analysis::wireshark {
namespace {

namespace complete {
constexpr std::uint8_t syn = 1, syn_ack = 2, ack = 4, data = 8, fin = 16, rst = 32;
}

// The scale of a direction holds when both SYNs had one, or the other was not seen.
void read_scale(const Segment& s, Way& from, Way& to) {
    if (!s.has(flag::syn) || s.header_cut) return;
    if (s.scale) from.scale = *s.scale;
    if (from.scale == -1) {
        from.scale = to.scale = -2;
    } else if (s.has(flag::ack) && to.scale == -2) {
        from.scale = -2;
    }
}

void read_completeness(const Segment& s, bool first, std::uint8_t& into) {
    const bool syn = s.has(flag::syn), ack = s.has(flag::ack);
    if (syn) into |= ack ? complete::syn_ack : complete::syn;
    if (s.text_bytes > 0 && (!first || syn)) into |= complete::data;
    if (!syn && ack && s.text_bytes == 0) into |= complete::ack;
    if (s.has(flag::fin)) into |= complete::fin;
    if (s.has(flag::rst)) into |= complete::rst;
}

// RFC 7413: data in a SYN, and whether the answer takes it.
void judge_fast_open(Conversation& c, const Segment& s, Remarks& r) {
    if (!s.has(flag::syn)) return;
    if (!s.has(flag::ack)) {
        c.syn_bytes = s.text_bytes;
        if (s.text_bytes > 0 && s.fast_open) r.marks.add(Mark::tfo_syn);
    } else if (c.syn_bytes > 0) {
        r.marks.add(s.ack - r.ack_base > 1 ? Mark::tfo_ack : Mark::tfo_ignored);
    }
}

}  // namespace

std::size_t Analysis::Hash::operator()(const Key& key) const {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    std::uint64_t h = 0;
    for (const End* end : {&key.low, &key.high}) {
        for (const std::uint64_t word : {end->host.high, end->host.low, std::uint64_t{end->port}}) {
            h = (h ^ word) * odd;
            h ^= h >> 32;
        }
    }
    return h;
}

Conversation& Analysis::find(const Segment& s, bool& fresh) {
    const bool in_order = s.source < s.destination;
    const Key key = in_order ? Key{s.source, s.destination} : Key{s.destination, s.source};
    const auto at = index_.find(key);
    if (at != index_.end()) {
        touch(at->second);
        fresh = false;
        return *slots_[at->second];
    }
    if (index_.size() >= live_max_) forget_oldest();
    auto index = static_cast<std::uint32_t>(slots_.size());
    if (free_.empty()) {
        slots_.push_back(std::make_unique<Conversation>());
    } else {
        index = free_.back();
        free_.pop_back();
        *slots_[index] = {};
    }
    index_.emplace(key, index);
    Conversation& c = *slots_[index];
    c.ends[0] = key.low;
    c.ends[1] = key.high;
    c.older = newest_;
    c.newer = none;
    (newest_ == none ? oldest_ : slots_[newest_]->newer) = index;
    newest_ = index;
    fresh = true;
    begin_anew(c);
    return c;
}

void Analysis::begin_anew(Conversation& c) {
    const auto older = c.older, newer = c.newer;
    const End ends[2] = {c.ends[0], c.ends[1]};
    held_bytes_ -= c.held_bytes();
    c = {};
    c.older = older;
    c.newer = newer;
    c.ends[0] = ends[0];
    c.ends[1] = ends[1];
    c.stream = streams_++;
}

void Analysis::touch(std::uint32_t index) {
    if (index == newest_) return;
    Conversation& c = *slots_[index];
    (c.older == none ? oldest_ : slots_[c.older]->newer) = c.newer;
    slots_[c.newer]->older = c.older;  // it is not the newest
    c.older = newest_;
    c.newer = none;
    slots_[newest_]->newer = index;
    newest_ = index;
}

void Analysis::forget_oldest() {
    const std::uint32_t index = oldest_;
    Conversation& c = *slots_[index];
    index_.erase({c.ends[0], c.ends[1]});
    oldest_ = c.newer;
    (oldest_ == none ? newest_ : slots_[oldest_]->older) = none;
    held_bytes_ -= c.held_bytes();
    c = {};
    free_.push_back(index);
}

const Remarks& Analysis::on_segment(const Segment& s) {
    bool fresh = false;
    Conversation& c = find(s, fresh);
    const std::size_t side = c.ends[0] == s.source ? 0 : 1;
    const std::int64_t now = to_ns(s.time.time_since_epoch());
    remarks_ = {};
    const bool syn = s.has(flag::syn), ack = s.has(flag::ack);
    const std::optional<std::uint32_t>& known = c.ways[side].base;
    bool reused = false;
    const bool ended = (c.completeness & (complete::fin | complete::rst)) != 0;
    if (syn && known && (*known != s.seq || (!ack && ended))) {
        remarks_.marks.add(Mark::reused_ports);
        reused = !ack;
        if (ack) {
            c.ways[side].base = s.seq;
        } else {
            begin_anew(c);
            c.completeness = complete::syn;
            fresh = true;
        }
    }
    Way& from = c.ways[side];
    Way& to = c.ways[1 - side];
    if (fresh) c.first_ns = c.last_ns = now;
    // The first octet after a SYN is number 1, and so is the first that the capture has.
    if (syn && !ack) c.syn_ns = now;
    if (!from.base) from.base = syn ? s.seq : s.seq - 1;
    if (!to.base && ack) to.base = s.ack - 1;
    if (!syn && ack && !c.initial_rtt_ns && (c.completeness & complete::syn) != 0) {
        c.initial_rtt_ns = now - c.syn_ns;
    }
    remarks_.completeness = c.completeness;
    remarks_.stream = c.stream;
    remarks_.seq_base = *from.base;
    remarks_.ack_base = to.base.value_or(0);
    remarks_.since_first_ns = now - c.first_ns;
    remarks_.since_last_ns = now - c.last_ns;
    c.last_ns = now;
    const std::size_t held_before = c.held_bytes();
    Rules(c, side, s, remarks_).apply();
    held_bytes_ += c.held_bytes() - held_before;
    while (held_bytes_ > held_bytes_max && oldest_ != newest_) forget_oldest();
    read_scale(s, from, to);
    if (!reused) read_completeness(s, fresh, c.completeness);
    if (!syn) remarks_.window_scale = from.scale < 0 ? from.scale : 1 << from.scale;
    judge_fast_open(c, s, remarks_);
    if (s.header_cut) {  // nothing is said of what was not captured whole
        remarks_.marks = {};
        remarks_.acks_frame = remarks_.rto_frame = remarks_.duplicate_ack_frame = 0;
        remarks_.ack_rtt_ns = 0;
        remarks_.duplicate_ack = remarks_.bytes_in_flight = remarks_.push_bytes_sent = 0;
        return remarks_;
    }
    remarks_.analysed |= remarks_.marks.any() || remarks_.acks_frame != 0;
    if (remarks_.analysed) remarks_.initial_rtt_ns = c.initial_rtt_ns;
    return remarks_;
}

}  // namespace estab::analysis::wireshark
