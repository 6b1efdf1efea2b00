#include "cli/top_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ranges>
#include <tuple>

#include "cli/console.hpp"
#include "story/words.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string end_of(const Json& side) {
    const std::string address = printable(side.at("address").get<std::string>());
    const bool v6 = address.find(':') != address.npos;
    return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "",
                       side.at("port").get<unsigned>());
}

std::string word_of(const Json& from, const char* key) {
    return printable(from.at(key).get<std::string>());
}

Sighting sighting_of(const Json& socket, const Json& answer) {
    const Json& info = socket.at("info");
    const auto octets = [&info](const char* key) { return info.at(key).get<std::uint64_t>(); };
    Sighting s{.pid = answer.at("pid").get<int>(),
               .command = word_of(answer, "command"),
               .local = end_of(socket.at("local")),
               .peer = end_of(socket.at("peer")),
               .state = word_of(socket, "state"),
               .congestion_control = word_of(info, "congestion_control"),
               .acked = octets("acked_bytes"),
               .received = octets("received_bytes"),
               .sent = octets("sent_bytes"),
               .again = octets("retransmitted_bytes"),
               .cwnd = octets("cwnd_bytes"),
               .mss = octets("mss_bytes"),
               .in_flight = octets("in_flight_bytes"),
               .queue_in = socket.at("recv_queue").get<std::uint64_t>(),
               .queue_out = socket.at("send_queue").get<std::uint64_t>(),
               .rtt_s = info.at("rtt_s").get<double>(),
               .rtt_min_s = info.at("rtt_min_s").get<double>(),
               .limited_s = {}};
    for (const auto& [limit, spent] : info.at("limited_s").items())
        s.limited_s[printable(limit)] = spent.get<double>();
    return s;
}

std::string name_of(const Sighting& s) {
    return fmt::format("{} {} {}", s.pid, s.local, s.peer);
}

void remember(std::deque<double>& values, double value) {
    values.push_back(value);
    if (values.size() > TopRow::history_max) values.pop_front();
}

// What its sending waited for since the last look. Without anything to send nothing limits it.
void find_limit(TopRow& row, const Sighting& before, double passed_s) {
    for (const auto& [limit, spent] : row.now.limited_s) {
        const auto known = before.limited_s.find(limit);
        const double since = spent - (known == before.limited_s.end() ? 0 : known->second);
        const double share = std::min(since / passed_s, 1.0);
        if (share <= row.limit_share) continue;
        row.limit = limit;
        row.limit_share = share;
    }
    std::ranges::replace(row.limit, '_', ' ');
    if (row.limit_share >= 0.05) return;
    row.limit = row.down_bit_s > 0 ? "peer sends" : "application";
    row.limit_share = 1 - row.limit_share;
}

void compare(TopRow& row, const Sighting& before, double passed_s) {
    const auto per_s = [passed_s](std::uint64_t now, std::uint64_t then) {
        return static_cast<double>(now - then) * 8 / passed_s;
    };
    row.up_bit_s = per_s(row.now.acked, before.acked);
    row.down_bit_s = per_s(row.now.received, before.received);
    const std::uint64_t sent = row.now.sent - before.sent, again = row.now.again - before.again;
    if (sent > 0)
        row.again_share = std::min(static_cast<double>(again) / static_cast<double>(sent), 1.0);
    find_limit(row, before, passed_s);
}

// Counters that went back are another connection's between the same ports.
bool is_same(const Sighting& now, const Sighting& before) {
    return now.acked >= before.acked && now.received >= before.received &&
           now.sent >= before.sent && now.again >= before.again;
}

}  // namespace

std::vector<Sighting> sightings_of(const std::string& text) {
    std::vector<Sighting> out;
    try {
        const Json answer = Json::parse(text);
        if (answer.at("schema") != "estab.control/1") return {};
        for (const Json& socket : answer.at("sockets"))
            if (socket.contains("info")) out.push_back(sighting_of(socket, answer));
    } catch (const Json::exception&) {
        return {};
    }
    return out;
}

void TopTable::update(Duration since_last, std::vector<Sighting> seen) {
    const double passed_s = std::max(static_cast<double>(to_ns(since_last)) / 1e9, 1e-3);
    std::map<std::string, TopRow> known;
    rows_.clear();
    for (Sighting& s : seen) {
        const std::string name = name_of(s);
        TopRow row;
        const auto old = known_.find(name);
        if (old != known_.end()) {
            Sighting before = std::move(old->second.now);
            row = std::move(old->second);
            row.up_bit_s = row.down_bit_s = row.again_share = row.limit_share = 0;
            row.limit.clear();
            row.now = std::move(s);
            if (is_same(row.now, before)) {
                compare(row, before, passed_s);
                remember(row.rates, row.up_bit_s + row.down_bit_s);
            } else {
                row.rates.clear();
            }
        } else {
            row.now = std::move(s);
        }
        remember(row.cwnds, static_cast<double>(row.now.cwnd));
        remember(row.rtts, row.now.rtt_s);
        if (known.size() < remembered_max) known.insert_or_assign(name, row);
        rows_.push_back(std::move(row));
    }
    known_ = std::move(known);
}

const char* to_string(TopKey key) {
    switch (key) {
    case TopKey::rate: return "rate";
    case TopKey::up: return "up";
    case TopKey::down: return "down";
    case TopKey::cwnd: return "cwnd";
    case TopKey::rtt: return "rtt";
    case TopKey::again: return "again";
    case TopKey::limit: return "limit";
    case TopKey::peer: return "peer";
    case TopKey::pid: return "pid";
    }
    return "?";
}

namespace {

bool is_chosen(const TopRow& row, std::string_view filter) {
    const Sighting& s = row.now;
    const std::string all = fmt::format("{} {} {} {} {} {} {}", s.pid, s.command, s.local, s.peer,
                                        s.state, s.congestion_control, row.limit);
    for (const auto part : filter | std::views::split(' ')) {
        const std::string_view word(part.begin(), part.end());
        const auto found = std::ranges::search(all, word, [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) ==
                   std::tolower(static_cast<unsigned char>(b));
        });
        if (!word.empty() && found.empty()) return false;
    }
    return true;
}

// Numbers: the largest first. Words: by the alphabet.
using Order = std::tuple<double, std::string_view>;
Order order_of(const TopRow& row, TopKey key) {
    const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
    switch (key) {
    case TopKey::rate: return {-(row.up_bit_s + row.down_bit_s), {}};
    case TopKey::up: return {-row.up_bit_s, {}};
    case TopKey::down: return {-row.down_bit_s, {}};
    case TopKey::cwnd: return {-number(row.now.cwnd), {}};
    case TopKey::rtt: return {-row.now.rtt_s, {}};
    case TopKey::again: return {-row.again_share, {}};
    case TopKey::limit: return {0, row.limit};
    case TopKey::peer: return {0, row.now.peer};
    case TopKey::pid: return {static_cast<double>(row.now.pid), {}};
    }
    return {};
}

std::string scaled(double value, double step, const char* const (&units)[5]) {
    std::size_t unit = 0;
    while (value >= step && unit + 1 < std::size(units)) {
        value /= step;
        ++unit;
    }
    return fmt::format("{:.{}f}{}", value, unit == 0 || value >= 99.95 ? 0 : 1, units[unit]);
}

std::string rate_text(double bit_s) { return scaled(bit_s, 1000, {"", "k", "M", "G", "T"}); }

std::string ms_text(double s) {
    if (s <= 0) return "-";
    const double ms = s * 1000;
    return fmt::format("{:.{}f}", ms, ms < 1 ? 2 : ms < 100 ? 1 : 0);
}

struct Column {
    const char* name;
    std::size_t width;
    unsigned rank;  // the higher goes first when the screen is narrow
    bool left;
    std::string (*text)(const TopRow&, const TopView&);
};

constexpr std::size_t spark_columns = 10;

const Column columns[] = {
    {"PID", 7, 3, false, [](const TopRow& r, const TopView&) { return fmt::to_string(r.now.pid); }},
    {"COMMAND", 7, 5, true, [](const TopRow& r, const TopView&) { return r.now.command; }},
    {"LOCAL", 21, 8, true, [](const TopRow& r, const TopView&) { return r.now.local; }},
    {"PEER", 21, 0, true, [](const TopRow& r, const TopView&) { return r.now.peer; }},
    {"STATE", 11, 6, true, [](const TopRow& r, const TopView&) { return r.now.state; }},
    {"UP b/s", 7, 0, false, [](const TopRow& r, const TopView&) { return rate_text(r.up_bit_s); }},
    {"DOWN b/s", 8, 0, false,
     [](const TopRow& r, const TopView&) { return rate_text(r.down_bit_s); }},
    {"THROUGHPUT", spark_columns, 1, true,
     [](const TopRow& r, const TopView& v) { return sparkline(r.rates, spark_columns, v.utf8); }},
    {"CWND", 6, 2, false,
     [](const TopRow& r, const TopView&) {
         return scaled(static_cast<double>(r.now.cwnd), 1024, {"", "K", "M", "G", "T"});
     }},
    {"", spark_columns, 7, true,
     [](const TopRow& r, const TopView& v) { return sparkline(r.cwnds, spark_columns, v.utf8); }},
    {"RTT ms", 6, 1, false, [](const TopRow& r, const TopView&) { return ms_text(r.now.rtt_s); }},
    {"", spark_columns, 7, true,
     [](const TopRow& r, const TopView& v) { return sparkline(r.rtts, spark_columns, v.utf8); }},
    {"AGAIN", 6, 4, false,
     [](const TopRow& r, const TopView&) { return fmt::format("{:.1f}%", r.again_share * 100); }},
    {"LIMITED BY", 19, 0, true,
     [](const TopRow& r, const TopView&) {
         if (r.limit.empty()) return std::string("-");
         return fmt::format("{} {:.0f}%", r.limit, r.limit_share * 100);
     }},
};

// Those that fit, the dearest first.
std::vector<const Column*> fitting(std::size_t width) {
    std::vector<const Column*> out;
    for (const Column& column : columns) out.push_back(&column);
    const auto needed = [&out] {
        std::size_t sum = out.size() - 1;
        for (const Column* column : out) sum += column->width;
        return sum;
    };
    while (out.size() > 1 && needed() > width) {
        const auto least = std::ranges::max_element(out, {}, &Column::rank);
        if ((*least)->rank == 0) break;
        out.erase(least);
    }
    return out;
}

std::string cell(std::string text, const Column& column) {
    text = story::shortened(text, column.width, "~");
    const std::string space(column.width - story::columns_of(text), ' ');
    return column.left ? text + space : space + text;
}

std::string line_of(const std::vector<const Column*>& shown, std::size_t width, auto text_of) {
    std::string line;
    for (const Column* column : shown)
        line += (line.empty() ? "" : " ") + cell(text_of(*column), *column);
    line = story::shortened(line, width, "~");  // even the dearest columns may be too wide
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

}  // namespace

std::string sparkline(const std::deque<double>& values, std::size_t width, bool utf8) {
    static constexpr const char* bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static constexpr const char* plain[] = {"_", ".", "-", ":", "=", "+", "*", "#"};
    const std::size_t from = values.size() > width ? values.size() - width : 0;
    double most = 0;
    for (std::size_t i = from; i < values.size(); ++i) most = std::max(most, values[i]);
    std::string out;
    for (std::size_t i = from; i < values.size(); ++i) {
        const double part = most > 0 ? std::clamp(values[i] / most, 0.0, 1.0) : 0;
        const auto level = static_cast<std::size_t>(std::lround(part * 7));
        out += (utf8 ? bars : plain)[level];
    }
    return out;
}

std::vector<const TopRow*> chosen_rows(const TopTable& table, const TopView& view) {
    std::vector<const TopRow*> out;
    for (const TopRow& row : table.rows())
        if (is_chosen(row, view.filter)) out.push_back(&row);
    std::ranges::stable_sort(out, [&view](const TopRow* a, const TopRow* b) {
        const Order left = order_of(*a, view.key), right = order_of(*b, view.key);
        return view.reverse ? right < left : left < right;
    });
    return out;
}

std::string top_text(const std::vector<const TopRow*>& rows, const TopView& view) {
    const auto shown = fitting(view.columns);
    std::string out = line_of(shown, view.columns, [](const Column& c) {
        return std::string(c.name);
    });
    if (view.colour) out = "\033[1m" + out + "\033[0m";
    out += '\n';
    for (const TopRow* row : rows | std::views::drop(view.first) | std::views::take(view.rows_max))
        out += line_of(shown, view.columns,
                       [&](const Column& c) { return c.text(*row, view); }) + "\n";
    return out;
}

std::string top_json(const std::vector<const TopRow*>& rows, double interval_s) {
    Json connections = Json::array();
    for (const TopRow* row : rows) {
        const Sighting& s = row->now;
        Json json{{"pid", s.pid},
                  {"command", s.command},
                  {"local", s.local},
                  {"peer", s.peer},
                  {"state", s.state},
                  {"congestion_control", s.congestion_control},
                  {"up_bit_s", row->up_bit_s},
                  {"down_bit_s", row->down_bit_s},
                  {"cwnd_bytes", s.cwnd},
                  {"in_flight_bytes", s.in_flight},
                  {"recv_queue", s.queue_in},
                  {"send_queue", s.queue_out},
                  {"rtt_s", s.rtt_s},
                  {"rtt_min_s", s.rtt_min_s},
                  {"retransmitted_share", row->again_share}};
        if (!row->limit.empty()) {
            json["limit"] = row->limit;
            json["limit_share"] = row->limit_share;
        }
        connections.push_back(std::move(json));
    }
    const Json all{{"schema", "estab.top/1"},
                   {"interval_s", interval_s},
                   {"connections", std::move(connections)}};
    return all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace estab::cli
