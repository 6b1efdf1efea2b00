// What estab top shows: the connections of running commands, with what changed between two looks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace estab::cli {

// One connection at one moment, as its command's control socket told it.
struct Sighting {
    int pid = 0;
    std::string command, local, peer, state, congestion_control;
    std::uint64_t acked = 0, received = 0, sent = 0, again = 0;  // octets since it opened
    std::uint64_t cwnd = 0, mss = 0, in_flight = 0, queue_in = 0, queue_out = 0;
    double rtt_s = 0, rtt_min_s = 0;
    std::map<std::string, double> limited_s;  // by what limited its sending
};

// The sightings in the answer of one command. Nothing if it makes no sense: another program, or
// another version, may own the socket.
std::vector<Sighting> sightings_of(const std::string& answer);

struct TopRow {
    static constexpr std::size_t history_max = 40;
    Sighting now;
    double up_bit_s = 0, down_bit_s = 0;  // acknowledged by the peer; received
    double again_share = 0;               // of the octets sent since the last look
    std::string limit;                    // what limited its sending most, in words
    double limit_share = 0;               // of the time since
    std::deque<double> rates, cwnds, rtts;  // oldest first; rates: both ways together
};

class TopTable {
public:
    // More connections have no history: who watches so many looks at sums.
    static constexpr std::size_t remembered_max = 4096;

    void update(Duration since_last, std::vector<Sighting> seen);
    const std::vector<TopRow>& rows() const { return rows_; }

private:
    std::vector<TopRow> rows_;
    std::map<std::string, TopRow> known_;
};

enum class TopKey : std::uint8_t { rate, up, down, cwnd, rtt, again, limit, peer, pid };
inline constexpr std::size_t top_key_count = 9;
const char* to_string(TopKey key);

struct TopView {
    TopKey key = TopKey::rate;
    bool reverse = false;
    std::string filter;  // words that must all be somewhere in the row
    std::size_t first = 0, rows_max = SIZE_MAX, columns = 120;
    bool utf8 = true, colour = false;
};
// The rows that the filter lets through, in order.
std::vector<const TopRow*> chosen_rows(const TopTable& table, const TopView& view);
// A heading, and a line for each; every line within `columns`.
std::string top_text(const std::vector<const TopRow*>& rows, const TopView& view);
// estab.top/1, on one line.
std::string top_json(const std::vector<const TopRow*>& rows, double interval_s);
// As many of the last values as there is room for, as bars, against the highest of them.
std::string sparkline(const std::deque<double>& values, std::size_t columns, bool utf8);

}  // namespace estab::cli
