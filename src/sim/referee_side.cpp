// What an end of a connection may do, rule by rule, each with the section that says so.
#include "sim/referee_side.hpp"

#include <algorithm>

namespace estab::sim {
namespace {

using wire::Flags;

// The 64-bit number nearest to `near` that looks like `raw` on the wire.
std::uint64_t extend(std::uint32_t raw, std::uint64_t near) {
    const auto delta = static_cast<std::int32_t>(raw - static_cast<std::uint32_t>(near));
    return near + static_cast<std::uint64_t>(std::int64_t{delta});
}

std::uint64_t first_number(std::uint32_t raw) { return (std::uint64_t{1} << 32) + raw; }

std::string number(std::uint64_t value) { return std::to_string(value); }

// Relative to where a stream began; what is before it is negative.
std::string relative(std::uint64_t value, std::uint64_t origin) {
    return std::to_string(static_cast<std::int64_t>(value - origin));
}

bool is_before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

// RFC 3168 6.1.1, RFC 9768 table 2. A SYN-ACK with all three flags is an echo of the SYN.
bool speaks_of_ecn(Flags flags) {
    const std::uint32_t bits = flags.bits >> 6 & 7u;
    if (!flags.has(Flags::ack)) return bits != 0 && bits != 0b001 && bits != 0b010;
    return bits != 0 && bits != 0b111;
}

// RFC 7413 4.2: a SYN that may carry text.
bool has_cookie(Flags flags, const wire::TcpOptions& options) {
    const auto& cookie = options.fast_open;
    return flags.has(Flags::syn) && !flags.has(Flags::ack) && cookie && !cookie->empty();
}

}  // namespace

void Side::blame(Report& report, const char* clause, std::string sentence) const {
    report.blame({.at = now_, .flow = self_, .clause = clause, .sentence = std::move(sentence)});
}

void Side::on_leaving(const Seen& seen, Report& report) {
    now_ = seen.at;
    const Flags flags = seen.tcp.flags();
    if (!seen.is_sound) blame(report, "RFC 9293 3.1", "sends a wrong checksum");  // MUST-2
    judge_options(seen, report);
    if (flags.has(Flags::rst)) return judge_reset(seen, report);
    if (flags.has(Flags::syn)) {
        judge_syn(seen, report);
    } else if (!open_) {  // we came too late for its beginning
        open_ = partial_ = true;
        iss_ = first_number(seen.tcp.seq().raw) - 1;
        nxt_ = una_ = iss_ + 1;
    }
    if (!flags.has(Flags::syn)) beyond_syn_ = true;
    judge_numbers(seen, extend(seen.tcp.seq().raw, nxt_), report);
    judge_timestamps(seen, report);
    if (flags.has(Flags::ack)) {
        judge_ack(seen, report);
    } else if (!flags.has(Flags::syn)) {
        blame(report, "RFC 9293 3.10.7.4", "sends a segment without ACK");
    }
}

// --- Opening

void Side::begin_anew() {
    Side fresh(self_, settings_);
    fresh.now_ = now_;
    fresh.used_last = used_last;
    fresh.kept_ = std::move(kept_);
    fresh.heard_acks_ = heard_acks_;
    fresh.heard_acks_count_ = heard_acks_count_;
    fresh.heard_syns_ = heard_syns_;
    fresh.heard_syns_count_ = heard_syns_count_;
    *this = std::move(fresh);
}

void Side::judge_syn(const Seen& seen, Report& report) {
    const std::uint32_t raw = seen.tcp.seq().raw;
    const bool is_answer = seen.tcp.flags().has(Flags::ack);
    if (seen.tcp.flags().has(Flags::fin))
        blame(report, "RFC 9293 3.5", "sends SYN and FIN in one segment");
    const bool is_known = open_ && !partial_ && static_cast<std::uint32_t>(iss_) == raw;
    const bool is_same_peer =
        peer_open_ && is_answer &&
        seen.tcp.ack().raw - static_cast<std::uint32_t>(irs_) - 1 <= syn_text_;
    // A listener with Fast Open may give up an end and meet the same SYN again, without its text:
    // that end is over, and what it acknowledged with it (RFC 9293 3.8.3, RFC 7413 4.2.2).
    const bool is_next_end =
        ack_ && is_before(seen.tcp.ack().raw, static_cast<std::uint32_t>(*ack_));
    if (!is_known && open_ && !partial_ && !beyond_syn_ && is_same_peer && !is_next_end) {
        // A cookie changes with time, and the peer may answer any of them (RFC 4987 3.6).
        other_iss_[other_iss_count_++ % other_iss_.size()] = static_cast<std::uint32_t>(iss_);
        iss_ = first_number(raw);
        nxt_ = una_ = iss_ + 1;
        reset_ = false;
    } else if (!is_known || (is_answer && !is_same_peer)) {
        if (!is_known) begin_anew();
        if (is_answer && !answers_heard_syn(seen.tcp.ack().raw)) {
            blame(report, "RFC 9293 3.5", "answers a SYN that has not arrived");
        }
        iss_ = first_number(raw);
        nxt_ = una_ = iss_ + 1;
        open_ = true;
    }
    shift_ = seen.options.window_scale;
    if (shift_) shift_ = std::min<std::uint8_t>(*shift_, 14);
    ts_offered_ = seen.options.timestamps.has_value();
    sack_offered_ = seen.options.sack_permitted;
    // Cookies answer every SYN afresh, and a listener that remembers nothing cannot know of the
    // others.
    const bool offered_before = is_answer && ecn_offered_;
    ecn_offered_ = offered_before || speaks_of_ecn(seen.tcp.flags());
    if (is_answer) judge_syn_answer(seen, report);
}

void Side::judge_syn_answer(const Seen& seen, Report& report) {
    if (!peer_open_) return;
    if (seen.options.window_scale && !peer_shift_) {
        blame(report, "RFC 7323 2.2", "scales windows although the peer's SYN did not offer it");
    }
    if (seen.options.timestamps && !peer_ts_offered_) {
        blame(report, "RFC 7323 3.2",
              "sends timestamps although the peer's SYN did not offer them");
    }
}

// RFC 7413 4.2.2: with the SYN, all of its text or some may be acknowledged. It may have come with
// and without: what came last with text counts.
bool Side::answers_heard_syn(std::uint32_t ack) {
    const std::uint64_t count = std::min<std::uint64_t>(heard_syns_count_, heard_syns_.size());
    const PeerSyn* found = nullptr;
    for (std::uint64_t i = 0; i < count; ++i) {
        const PeerSyn& syn = heard_syns_[i];
        if (syn.is_acknowledged_by(ack) && (found == nullptr || syn.text >= found->text))
            found = &syn;
    }
    if (found == nullptr) return false;
    adopt(*found);
    if (found->text != 0) hear_text(rcv_, rcv_ + found->text);
    return true;
}

void Side::adopt(const PeerSyn& syn) {
    peer_open_ = true;
    peer_answered_ = syn.is_answer;
    irs_ = first_number(syn.seq);
    rcv_ = irs_ + 1;
    beyond_.clear();
    beyond_lost_ = false;
    twice_count_ = 0;
    owes_ack_since_.reset();
    peer_shift_ = syn.shift;
    peer_ts_offered_ = syn.timestamps;
    peer_sack_offered_ = syn.sack;
    peer_ecn_offered_ = syn.ecn;
    peer_mss_ = syn.mss;
    early_window_ = syn.early_window;
    syn_text_ = syn.text;
}

// --- What arrives

void Side::on_arriving(const Seen& seen) {
    const Flags flags = seen.tcp.flags();
    if (flags.has(Flags::ack))
        heard_acks_[heard_acks_count_++ % heard_acks_.size()] = seen.tcp.ack().raw;
    if (flags.has(Flags::rst)) return;
    if (flags.has(Flags::syn)) hear_syn(seen);
    if (!peer_open_ && open_ && partial_) {
        peer_open_ = true;
        irs_ = first_number(seen.tcp.seq().raw) - 1;
        rcv_ = irs_ + 1;
    }
    if (flags.has(Flags::ack)) hear_ack(seen);
    if (!peer_open_) return;
    if (const auto& ts = seen.options.timestamps) {
        if (!peer_tsval_ || is_before(*peer_tsval_, ts->val)) peer_tsval_ = ts->val;
    }
    const std::uint64_t seq = extend(seen.tcp.seq().raw, rcv_) + (flags.has(Flags::syn) ? 1 : 0);
    const std::uint64_t end = seq + seen.tcp.payload().size() + (flags.has(Flags::fin) ? 1 : 0);
    const std::uint64_t before = rcv_;
    if (end > seq) hear_text(seq, end);
    if (rcv_ != before && !owes_ack_since_) owes_ack_since_ = seen.at;
}

void Side::hear_syn(const Seen& seen) {
    const Flags flags = seen.tcp.flags();
    const bool is_answer = flags.has(Flags::ack);
    PeerSyn syn{.seq = seen.tcp.seq().raw,
                .is_answer = is_answer,
                .shift = seen.options.window_scale,
                .timestamps = seen.options.timestamps.has_value(),
                .sack = seen.options.sack_permitted,
                .ecn = speaks_of_ecn(flags),
                .mss = seen.options.mss.value_or(0),
                .early_window = has_cookie(flags, seen.options) ? seen.tcp.window() : 0u,
                .text = has_cookie(flags, seen.options)
                            ? static_cast<std::uint32_t>(seen.tcp.payload().size())
                            : 0u};
    if (syn.shift) syn.shift = std::min<std::uint8_t>(*syn.shift, 14);  // RFC 7323 2.3
    heard_syns_[heard_syns_count_++ % heard_syns_.size()] = syn;
    const auto first = static_cast<std::uint32_t>(iss_) + 1;
    const bool is_wanted = open_ && !beyond_syn_ &&
                           seen.tcp.ack().raw - first <= static_cast<std::uint32_t>(nxt_) - first;
    if (is_answer ? is_wanted && !peer_answered_ : !peer_open_) adopt(syn);
}

void Side::hear_ack(const Seen& seen) {
    if (!open_) return;
    const std::uint32_t raw = seen.tcp.ack().raw;
    if (!beyond_syn_) {
        for (std::uint32_t& other : other_iss_) {
            if (other_iss_count_ == 0 || other + 1 != raw) continue;
            std::uint32_t current = static_cast<std::uint32_t>(iss_);
            std::swap(current, other);
            iss_ = first_number(current);
            nxt_ = una_ = iss_ + 1;
        }
    }
    const std::uint64_t ack = extend(raw, nxt_);
    if (ack > nxt_ || ack <= iss_) return;  // not of this connection
    const bool is_scaled = is_scaling() && !seen.tcp.flags().has(Flags::syn);
    const std::uint64_t window = std::uint64_t{seen.tcp.window()} << (is_scaled ? *peer_shift_ : 0);
    una_ = std::max(una_, ack);
    peer_edge_ = std::max(peer_edge_.value_or(0), ack + window);
}

void Side::hear_text(std::uint64_t begin, std::uint64_t end) {
    note_twice(begin, end);
    if (end <= rcv_) return;
    if (begin <= rcv_) {
        rcv_ = end;
    } else {
        auto first = std::lower_bound(beyond_.begin(), beyond_.end(), begin,
                                      [](const Interval& i, std::uint64_t b) { return i.end < b; });
        auto last = first;
        while (last != beyond_.end() && last->begin <= end) {
            begin = std::min(begin, last->begin);
            end = std::max(end, last->end);
            ++last;
        }
        if (first != last) {
            *first = {begin, end};
            beyond_.erase(first + 1, last);
        } else if (beyond_.size() < beyond_max) {
            beyond_.insert(first, {begin, end});
        } else {
            beyond_lost_ = true;
        }
    }
    std::size_t gone = 0;
    while (gone < beyond_.size() && beyond_[gone].begin <= rcv_) {
        rcv_ = std::max(rcv_, beyond_[gone].end);
        ++gone;
    }
    beyond_.erase(beyond_.begin(), beyond_.begin() + static_cast<std::ptrdiff_t>(gone));
}

// [begin, end) arrives: which of it was here before?
void Side::note_twice(std::uint64_t begin, std::uint64_t end) {
    const auto note = [&](std::uint64_t from, std::uint64_t to) {
        if (from >= to) return;
        Interval& last = twice_[(twice_count_ + twice_.size() - 1) % twice_.size()];
        if (twice_count_ != 0 && from <= last.end && last.begin <= to) {
            last = {std::min(from, last.begin), std::max(to, last.end)};
        } else {
            twice_[twice_count_++ % twice_.size()] = {from, to};
        }
    };
    note(begin, std::min(end, rcv_));
    auto i = std::lower_bound(beyond_.begin(), beyond_.end(), begin,
                              [](const Interval& r, std::uint64_t b) { return r.end <= b; });
    for (; i != beyond_.end() && i->begin < end; ++i)
        note(std::max(begin, i->begin), std::min(end, i->end));
}

bool Side::has_arrived_twice(std::uint64_t begin, std::uint64_t end) const {
    if (beyond_lost_) return true;
    const auto count = std::min<std::uint64_t>(twice_count_, twice_.size());
    return std::any_of(twice_.begin(), twice_.begin() + static_cast<std::ptrdiff_t>(count),
                       [&](const Interval& i) { return i.begin <= begin && end <= i.end; });
}

bool Side::has_arrived(std::uint64_t begin, std::uint64_t end) const {
    if (end <= rcv_ || beyond_lost_) return true;
    const auto i = std::lower_bound(beyond_.begin(), beyond_.end(), end,
                                    [](const Interval& r, std::uint64_t e) { return r.end < e; });
    return i != beyond_.end() && i->begin <= begin;
}

// --- Text and numbers

void Side::judge_numbers(const Seen& seen, std::uint64_t seq, Report& report) {
    const Flags flags = seen.tcp.flags();
    const Bytes text = seen.tcp.payload();
    if (flags.has(Flags::syn)) ++seq;
    const std::uint64_t end = seq + text.size() + (flags.has(Flags::fin) ? 1 : 0);
    if (reset_) blame(report, "RFC 9293 3.10.5", "speaks after its own reset");
    judge_ecn(seen, end > nxt_, report);
    if (seq > nxt_) {
        blame(report, "RFC 9293 3.4",
              "sends number " + relative(seq, iss_) + " but had come only to " +
                  relative(nxt_, iss_));
    }
    if (end == seq && seq + 1 < una_ && !flags.has(Flags::syn)) {
        blame(report, "RFC 9293 3.10.7.4", "acknowledges at number " + relative(seq, iss_) +
                                               ", long past: the peer has " + relative(una_, iss_));
    }
    if (flags.has(Flags::fin)) {
        if (fin_ && *fin_ != end - 1) {
            blame(report, "RFC 9293 3.6", "moves its FIN from " + relative(*fin_, iss_) + " to " +
                                              relative(end - 1, iss_));
        }
        if (!fin_) fin_ = end - 1;
    }
    if (fin_ && end > *fin_ + 1) {
        blame(report, "RFC 9293 3.6", "sends up to " + relative(end, iss_) + ", past its FIN at " +
                                          relative(*fin_, iss_));
    }
    // One octet beyond a closed window asks whether it has opened: 3.8.6.1.
    const bool is_probe = end - seq == 1 && peer_edge_ && end == *peer_edge_ + 1;
    const std::uint64_t edge = peer_edge_.value_or(iss_ + 1 + early_window_);
    if (end > nxt_ && !partial_ && !is_probe && end > edge && !has_cookie(flags, seen.options)) {
        blame(report, "RFC 9293 3.8.6",
              "sends up to " + relative(end, iss_) + ", beyond the window, which ends at " +
                  relative(edge, iss_));
    }
    if (!text.empty() && !partial_ && peer_open_) {
        const std::size_t fallback = self_.local.address.is_v4() ? 536 : 1220;  // MUST-15
        const std::size_t most = peer_mss_ == 0 ? fallback : std::max<std::size_t>(peer_mss_, 48);
        const std::size_t size = text.size() + seen.tcp.option_bytes().size();
        if (size > most) {  // MUST-16
            blame(report, "RFC 9293 3.7.1",
                  "sends " + number(size) + " octets of options and text to a peer who takes " +
                      number(most));
        }
    }
    judge_text(seq, text, report);
    nxt_ = std::max(nxt_, end);
}

void Side::judge_text(std::uint64_t seq, Bytes text, Report& report) {
    kept_.forget_below(una_);
    if (seq < nxt_ && !text.empty()) {
        const auto again = std::min<std::uint64_t>(nxt_ - seq, text.size());
        const auto found = kept_.compare(seq, text.first(static_cast<std::size_t>(again)));
        report.compared += found.equal;
        report.uncompared += found.unknown;
        if (found.differs_at) {
            blame(report, "RFC 9293 3.4",
                  "changes octet " + relative(*found.differs_at, iss_) + " when it sends it again");
        }
        text = text.subspan(static_cast<std::size_t>(again));
        seq += again;
    }
    if (!text.empty()) kept_.append(seq, text, report.may_grow);
}

void KeptBytes::append(std::uint64_t at, Bytes octets, bool may_grow) {
    if (at != end_) {
        pages_.clear();
        begin_ = end_ = at;
    }
    while (!octets.empty()) {
        const auto place = static_cast<std::size_t>(end_ % page_bytes);
        const bool is_full = pages_.empty() || place == 0;
        if (is_full && !add_page(may_grow)) {  // what cannot be kept is not known
            begin_ = end_ += octets.size();
            return;
        }
        const std::size_t run = std::min(octets.size(), page_bytes - place);
        std::copy_n(octets.begin(), run, pages_.back().get() + place);
        octets = octets.subspan(run);
        end_ += run;
    }
}

// Behind the last one. Where there may be no more, the oldest takes its place.
bool KeptBytes::add_page(bool may_grow) {
    Page page = std::move(spare_);
    if (page == nullptr && may_grow && pages_.size() < pages_max_)
        page = std::make_unique_for_overwrite<std::uint8_t[]>(page_bytes);
    if (page == nullptr && !pages_.empty()) {
        page = std::move(pages_.front());
        pages_.pop_front();
        begin_ = begin_ / page_bytes * page_bytes + page_bytes;
    }
    if (page == nullptr) return false;
    if (pages_.empty()) begin_ = end_;
    pages_.push_back(std::move(page));
    return true;
}

void KeptBytes::forget_below(std::uint64_t floor) {
    floor = std::min(floor, end_);
    if (floor <= begin_) return;
    for (; !pages_.empty() && begin_ / page_bytes < floor / page_bytes; begin_ += page_bytes) {
        spare_ = std::move(pages_.front());
        pages_.pop_front();
    }
    begin_ = floor;
}

KeptBytes::Comparison KeptBytes::compare(std::uint64_t at, Bytes octets) const {
    Comparison result;
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const std::uint64_t where = at + i;
        if (where < begin_ || where >= end_) {
            ++result.unknown;
            continue;
        }
        const auto page = static_cast<std::size_t>(where / page_bytes - begin_ / page_bytes);
        if (pages_[page][static_cast<std::size_t>(where % page_bytes)] == octets[i]) {
            ++result.equal;
        } else if (!result.differs_at) {
            result.differs_at = where;
        }
    }
    return result;
}

}  // namespace estab::sim
