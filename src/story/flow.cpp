#include "story/flow.hpp"

#include <algorithm>
#include <utility>

#include "analysis/frame_text.hpp"
#include "analysis/summary.hpp"

namespace estab::story {
namespace {

using analysis::Label;
using analysis::Labels;
using analysis::Verdict;
namespace flag = analysis::flag;

constexpr std::int64_t ms = 1'000'000;

Row row_of(const Verdict& v, const Step& step, std::int64_t time_ns) {
    const analysis::Segment& s = *v.segment;
    Row row{.time_ns = time_ns,
            .last_ns = time_ns,
            .states = {step.after[0].state, step.after[1].state},
            .frame = s.frame,
            .last_frame = s.frame,
            .side = v.side,
            .flags = s.flags,
            .seq = v.seq,
            .ack = v.ack,
            .octets = s.text_bytes,
            .window = v.window,
            .duplicate = v.duplicate,
            .labels = v.labels};
    if (s.has(flag::syn)) {
        row.mss = s.mss;
        row.scale = s.scale;
        row.sack_permitted = s.sack_permitted;
    }
    const analysis::Side& data = v.connection->sides[1 - v.side];
    for (std::size_t i = 0; i < s.sack_count; ++i) {
        row.sack.push_back({data.extend(s.sack[i].begin), data.extend(s.sack[i].end)});
    }
    return row;
}

// Nothing about it needs to be told: data in order, an ACK of it, or one duplicate of many.
bool is_quiet(const Row& row, const std::array<tcp::State, 2>& states) {
    if (row.states != states || !row.remarks.empty()) return false;
    if ((row.flags & (flag::syn | flag::fin | flag::rst | flag::urg)) != 0) return false;
    Labels many;
    many.add(Label::duplicate_ack);
    return row.labels.empty() || (row.labels.bits() == many.bits() && row.duplicate > 3);
}

void fold(Row& into, const Row& row) {
    if (into.kind != Row::Kind::folded) {
        into = {};
        into.kind = Row::Kind::folded;
        into.time_ns = row.time_ns;
        into.frame = row.frame;
    }
    into.last_ns = row.last_ns;
    into.last_frame = row.last_frame;
    into.states = row.states;
    if (row.kind == Row::Kind::pause) return;
    const auto widen = [&](std::size_t side, std::uint32_t low, std::uint32_t high) {
        into.window_min[side] =
            into.window_max[side] == 0 ? low : std::min(into.window_min[side], low);
        into.window_max[side] = std::max(into.window_max[side], high);
    };
    if (row.kind == Row::Kind::folded) {
        for (std::size_t side = 0; side < 2; ++side) {
            into.counts[side].segments += row.counts[side].segments;
            into.counts[side].octets += row.counts[side].octets;
            if (row.counts[side].segments > 0) {
                widen(side, row.window_min[side], row.window_max[side]);
            }
        }
        into.duplicate_acks += row.duplicate_acks;
        return;
    }
    ++into.counts[row.side].segments;
    into.counts[row.side].octets += row.octets;
    if (row.labels.has(Label::duplicate_ack)) ++into.duplicate_acks;
    widen(row.side, row.window, row.window);
}

}  // namespace

void FlowGraph::add(const Verdict& v, const Step& step,
                    std::span<const std::string_view> comments, std::string told) {
    const std::int64_t now_ns = to_ns(v.segment->time.time_since_epoch());
    const std::int64_t time_ns = now_ns - v.connection->first_ns;
    show_pause(v, time_ns);
    Row row = row_of(v, step, time_ns);
    for (const std::string_view comment : comments) row.remarks.emplace_back(comment);
    row.told = std::move(told);
    const bool quiet = settings_.fold && is_quiet(row, states_);
    states_ = row.states;
    if (!quiet) {
        end_run();
        push(std::move(row));
        return;
    }
    if (++run_ <= lead) {
        push(std::move(row));
        return;
    }
    held_.push_back(std::move(row));
    // Only what is folded anyway may be forgotten.
    while (held_.size() > tail + (folded_ ? 0 : fold_least)) {
        if (!folded_) folded_.emplace();
        fold(*folded_, held_.front());
        held_.pop_front();
    }
    if (folded_) {
        while (held_.size() > tail) {
            fold(*folded_, held_.front());
            held_.pop_front();
        }
    }
}

// A silence that is longer than round trips explain.
void FlowGraph::show_pause(const Verdict& v, std::int64_t time_ns) {
    const std::int64_t last = last_ns_.value_or(time_ns);
    last_ns_ = std::max(last, time_ns);
    const analysis::Connection& c = *v.connection;
    const std::int64_t round_trip =
        std::max(c.handshake_rtt_ns, c.sides[0].rtt_min_ns + c.sides[1].rtt_min_ns);
    if (time_ns - last < std::max(100 * ms, 3 * round_trip)) return;
    end_run();
    Row pause;
    pause.kind = Row::Kind::pause;
    pause.time_ns = last;
    pause.last_ns = time_ns;
    pause.states = states_;
    push(std::move(pause));
}

void FlowGraph::end_run() {
    run_ = 0;
    if (folded_) push(*std::exchange(folded_, std::nullopt));
    while (!held_.empty()) {
        push(std::move(held_.front()));
        held_.pop_front();
    }
}

void FlowGraph::finish() { end_run(); }

void FlowGraph::push(Row row) {
    rows_.push_back(std::move(row));
    if (rows_.size() <= settings_.rows_max) return;
    // One row in the middle takes in its neighbour behind it.
    const std::size_t middle = settings_.rows_max / 2;
    if (rows_[middle].kind != Row::Kind::folded) {
        const Row first = rows_[middle];
        rows_[middle] = {};
        fold(rows_[middle], first);
    }
    fold(rows_[middle], rows_[middle + 1]);
    rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(middle) + 1);
}

std::string segment_text(const Row& row) {
    std::string text;
    const auto add = [&text](const std::string& word) {
        if (!text.empty()) text += ' ';
        text += word;
    };
    const bool acks = (row.flags & flag::ack) != 0;
    const bool bare = row.octets == 0 && (row.flags & (flag::syn | flag::fin | flag::rst)) == 0;
    if ((row.flags & flag::syn) != 0) add("SYN");
    if ((row.flags & flag::fin) != 0) add("FIN");
    if ((row.flags & flag::rst) != 0) add("RST");
    if (!bare || !acks) {
        add("seq " + std::to_string(row.seq));
        if (row.octets > 0) {
            text += ":" + std::to_string(row.seq + row.octets);
            add("(" + std::to_string(row.octets) + ")");
        }
    }
    if (acks) add((bare ? "ACK " : "ack ") + std::to_string(row.ack));
    if ((row.flags & flag::rst) == 0) add("win " + std::to_string(row.window));
    if (row.mss != 0) add("mss " + std::to_string(row.mss));
    if (row.scale) add("scale " + std::to_string(*row.scale));
    if (row.sack_permitted) add("sackOK");
    for (const auto& block : row.sack) {
        add("sack " + std::to_string(block[0]) + ":" + std::to_string(block[1]));
    }
    if ((row.flags & flag::psh) != 0) add("PSH");
    if ((row.flags & flag::urg) != 0) add("URG");
    return text;
}

std::string note_text(const Row& row) {
    std::string text;
    for (unsigned i = 0; i < analysis::label_count; ++i) {
        const auto label = static_cast<Label>(i);
        if (!row.labels.has(label)) continue;
        if (!text.empty()) text += ", ";
        if (label == Label::duplicate_ack) {
            text += "duplicate ACK " + std::to_string(row.duplicate);
            continue;
        }
        for (const char c : analysis::to_string(label)) text += c == '-' ? ' ' : c;
    }
    return text;
}

std::string folded_text(const Row& row, const Arrows& arrows) {
    if (row.kind == Row::Kind::pause) {
        return analysis::duration_text(row.last_ns - row.time_ns) + " of silence";
    }
    std::string text;
    for (std::size_t side = 0; side < 2; ++side) {
        const Row::Count& count = row.counts[side];
        if (count.segments == 0) continue;
        if (!text.empty()) text += ", ";
        text += std::string(side == 0 ? arrows.right : arrows.left) + " " +
                std::to_string(count.segments) + (count.segments == 1 ? " segment" : " segments");
        if (count.octets > 0) text += " (" + analysis::bytes_text(count.octets) + ")";
    }
    if (row.duplicate_acks > 0) {
        text += ", " + std::to_string(row.duplicate_acks) + " duplicate ACKs";
    }
    return text + ", " + analysis::duration_text(row.last_ns - row.time_ns);
}

Mood mood_of(const Row& row) {
    static constexpr Label bad[] = {Label::retransmission, Label::gap,         Label::zero_window,
                                    Label::refused,        Label::reset_abort, Label::reset_unread,
                                    Label::reset_stray,    Label::beyond_window};
    for (const Label label : bad) {
        if (row.labels.has(label)) return Mood::bad;
    }
    return row.labels.empty() ? Mood::quiet : Mood::notable;
}

std::string end_text(const analysis::End& end) {
    observe::TextBuffer out(64);
    analysis::add_end(out, end);
    return std::string(out.view());
}

}  // namespace estab::story
