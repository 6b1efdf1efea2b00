// A connection in a row, and a capture's connections together.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "analysis/connection.hpp"

namespace estab::analysis {

struct SideSummary {
    std::uint64_t packets = 0, segments = 0, text_bytes = 0;
    std::uint64_t retransmitted = 0, retransmitted_bytes = 0;
    std::int64_t rtt_min_ns = 0, rtt_median_ns = 0, rtt_p99_ns = 0;  // 0: no sample
    std::uint32_t rtt_samples = 0;
    std::uint32_t window_max = 0;
    std::uint16_t mss = 0;
    std::uint8_t scale = Side::unknown_scale;
    bool fin = false, reset = false;
};

struct Summary {
    std::uint32_t number = 0;
    End ends[2];
    SideSummary sides[2];
    const char* state = "";  // "closed", "reset", "open", "refused", "half-open", "no answer"
    bool midstream = false;
    std::int64_t first_ns = 0, last_ns = 0, handshake_rtt_ns = 0;
    std::uint64_t first_frame = 0, last_frame = 0;
    std::array<std::int64_t, time_count> time_ns{};
    std::vector<Note> notes;

    std::int64_t duration_ns() const { return last_ns - first_ns; }
    std::uint64_t text_bytes() const { return sides[0].text_bytes + sides[1].text_bytes; }
    // Of the side that sent more, over the whole life; bits per second.
    double goodput() const;
    double retransmitted_share() const;
    const SideSummary& rtt_side() const;  // the one whose round trips are the path's
    std::int64_t lost_time_ns() const;    // what findings cost
    // What most of its time went into, and the share of that.
    Time slowest() const;
    double share(Time time) const;
};

// `more`: what others found out about it.
Summary summarize(const Connection& connection, std::span<const Note> more = {});
const char* to_string(Time time);

// The cost in a sentence: "lost SYN", with times, frames and what to do.
std::string sentence(const Summary& summary, const Note& note);
// "0.35 s", "12.1 ms", "1.5 MB", "8.4 Mbit/s"
std::string duration_text(std::int64_t ns);
std::string bytes_text(std::uint64_t bytes);
std::string rate_text(double bits_per_second);

// Everything that ended. Keeps at most `kept_max` summaries; when there are more, those go that
// lost least time.
class Overview {
public:
    explicit Overview(std::size_t kept_max = 100'000) : kept_max_(kept_max) {}
    void add(const Connection& connection, std::span<const Note> more = {});

    struct Total {
        std::uint64_t connections = 0, count = 0;
        std::int64_t cost_ns = 0;
    };
    struct Flood {  // half-open connections to one place
        std::uint64_t half_open = 0;
        std::set<Host> sources;  // at most flood_sources_max
    };
    static constexpr std::size_t flood_sources_max = 65'536;
    static constexpr std::uint64_t flood_least = 50;

    const std::deque<Summary>& kept() const { return kept_; }  // in the order of their beginning
    void sort();
    std::uint64_t connections() const { return connections_; }
    std::uint64_t dropped() const { return connections_ - kept_.size(); }
    const std::array<Total, finding_count>& totals() const { return totals_; }
    bool is_flooded(const End& target) const;
    std::vector<std::string> flood_sentences() const;

private:
    void shrink();

    std::size_t kept_max_;
    std::deque<Summary> kept_;  // grows without a copy of all
    std::uint64_t connections_ = 0;
    std::array<Total, finding_count> totals_{};
    std::map<End, Flood> floods_;
};

}  // namespace estab::analysis
