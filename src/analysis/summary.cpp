#include "analysis/summary.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "analysis/frame_text.hpp"

namespace estab::analysis {
namespace {

const char* state_of(const Connection& c) {
    if (c.notes.find(Finding::refused, 0) || c.notes.find(Finding::refused, 1)) return "refused";
    if (c.is_reset) return "reset";
    if (c.closed) return "closed";
    if (c.established || c.midstream) {
        return c.sides[0].fin || c.sides[1].fin ? "half-closed" : "open";
    }
    return c.sides[1].syn ? "half-open" : "no answer";
}

SideSummary summarize(const Side& side) {
    SideSummary out;
    out.packets = side.packets;
    out.segments = side.segments;
    out.text_bytes = side.text_bytes;
    out.retransmitted = side.retransmitted;
    out.retransmitted_bytes = side.retransmitted_bytes;
    if (side.rtt) {
        out.rtt_min_ns = side.rtt->least();
        out.rtt_median_ns = side.rtt->quantile(0.5);
        out.rtt_p99_ns = side.rtt->quantile(0.99);
        out.rtt_samples = side.rtt->count();
    }
    out.window_max = side.window_max;
    out.mss = side.mss;
    out.scale = side.scale;
    out.fin = side.fin;
    out.reset = side.reset;
    return out;
}

}  // namespace

Summary summarize(const Connection& c, std::span<const Note> more) {
    Summary out;
    out.number = c.number;
    for (std::size_t i = 0; i < 2; ++i) {
        out.ends[i] = c.ends[i];
        out.sides[i] = summarize(c.sides[i]);
    }
    out.state = state_of(c);
    out.midstream = c.midstream;
    out.first_ns = c.first_ns;
    out.last_ns = c.last_ns;
    out.handshake_rtt_ns = c.handshake_rtt_ns;
    out.first_frame = c.first_frame;
    out.last_frame = c.last_frame;
    out.time_ns = c.time_ns;
    out.notes = c.notes.all();
    out.notes.insert(out.notes.end(), more.begin(), more.end());
    std::ranges::sort(out.notes, {}, [](const Note& note) {
        return std::tuple(-note.cost_ns, note.finding, note.side);
    });
    return out;
}

double Summary::goodput() const {
    const std::uint64_t most = std::max(sides[0].text_bytes, sides[1].text_bytes);
    const std::int64_t ns = std::max<std::int64_t>(duration_ns(), 1);
    return static_cast<double>(most) * 8e9 / static_cast<double>(ns);
}

double Summary::retransmitted_share() const {
    const std::uint64_t segments = sides[0].segments + sides[1].segments;
    if (segments == 0) return 0;
    return static_cast<double>(sides[0].retransmitted + sides[1].retransmitted) /
           static_cast<double>(segments);
}

const SideSummary& Summary::rtt_side() const {
    return sides[0].rtt_median_ns > sides[1].rtt_median_ns ? sides[0] : sides[1];
}

std::int64_t Summary::lost_time_ns() const {
    std::int64_t sum = 0;
    for (const Note& note : notes) sum += note.cost_ns;
    return sum;
}

Time Summary::slowest() const {
    const auto most = std::ranges::max_element(time_ns);
    return static_cast<Time>(most - time_ns.begin());
}

double Summary::share(Time time) const {
    const std::int64_t whole = std::max<std::int64_t>(duration_ns(), 1);
    return static_cast<double>(time_ns[static_cast<std::size_t>(time)]) /
           static_cast<double>(whole);
}

const char* to_string(Time time) {
    switch (time) {
        case Time::handshake: return "handshake";
        case Time::network: return "network";
        case Time::window: return "receive window";
        case Time::zero_window: return "closed window";
        case Time::timeout: return "timeouts";
        case Time::application: return "application";
    }
    return "?";
}

void Overview::add(const Connection& connection, std::span<const Note> more) {
    ++connections_;
    kept_.push_back(summarize(connection, more));
    for (const Note& note : kept_.back().notes) {
        Total& total = totals_[static_cast<std::size_t>(note.finding)];
        ++total.connections;
        total.count += note.count;
        total.cost_ns += note.cost_ns;
    }
    if (connection.notes.find(Finding::half_open, 0) != nullptr ||
        connection.notes.find(Finding::no_answer, 0) != nullptr) {
        Flood& flood = floods_[connection.ends[1]];
        ++flood.half_open;
        if (flood.sources.size() < flood_sources_max) {
            flood.sources.insert(connection.ends[0].host);
        }
    }
    if (kept_.size() > kept_max_ + kept_max_ / 4) shrink();
}

void Overview::shrink() {
    std::ranges::sort(kept_, {}, [](const Summary& s) {
        return std::pair(-s.lost_time_ns(), s.number);
    });
    kept_.resize(kept_max_);
}

void Overview::sort() { std::ranges::sort(kept_, {}, &Summary::number); }

bool Overview::is_flooded(const End& target) const {
    const auto flood = floods_.find(target);
    return flood != floods_.end() && flood->second.half_open >= flood_least;
}

std::vector<std::string> Overview::flood_sentences() const {
    std::vector<std::string> out;
    for (const auto& [target, flood] : floods_) {
        if (flood.half_open < flood_least) continue;
        observe::TextBuffer to;
        add_end(to, target);
        out.push_back("SYN flood or scan: " + std::to_string(flood.half_open) +
                      " connections to " + std::string(to.view()) + " never opened, from " +
                      std::to_string(flood.sources.size()) +
                      (flood.sources.size() == 1 ? " address" : " addresses"));
    }
    return out;
}

}  // namespace estab::analysis
