// The flow graph for a terminal of any width.
#include <algorithm>

#include "analysis/summary.hpp"
#include "story/flow.hpp"

namespace estab::story {
namespace {

constexpr std::size_t time_columns = 12, state_columns = 12, arrow_least = 30;

struct Signs {
    const char *line, *right, *left, *dots, *bar, *ellipsis;
    Arrows arrows;
};
constexpr Signs fine = {"─", "▶", "◀", "⋮", "┊", "…", {"→", "←"}};
constexpr Signs plain = {"-", ">", "<", ":", "|", "~", {"->", "<-"}};

std::size_t columns_of(std::string_view text) {  // of UTF-8 whose characters are one column wide
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string cut(const std::string& text, std::size_t columns, const Signs& signs) {
    if (columns_of(text) <= columns) return text;
    std::string out;
    std::size_t used = 0;
    for (const char c : text) {
        if ((c & 0xc0) != 0x80 && ++used >= columns) break;
        out += c;
    }
    return out + signs.ellipsis;
}

std::string padded(std::string text, std::size_t columns, bool right = false) {
    const std::size_t have = columns_of(text);
    const std::string spaces(have < columns ? columns - have : 0, ' ');
    return right ? spaces + text : text + spaces;
}

std::string seconds(std::int64_t ns) {
    const std::int64_t us = ns / 1000;
    std::string fraction = std::to_string(us % 1'000'000);
    return std::to_string(us / 1'000'000) + "." + std::string(6 - fraction.size(), '0') + fraction;
}

std::string times(const char* sign, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += sign;
    return out;
}

class Page {
public:
    explicit Page(const FlowText& how)
        : how_(how),
          signs_(how.ascii ? plain : fine),
          arrow_(std::max(
              arrow_least,
              how.columns - std::min(how.columns, time_columns + 2 * state_columns + 6))) {}

    std::string out;

    void heading(const analysis::Connection& c, const FlowGraph& graph) {
        const analysis::Summary s = analysis::summarize(c);
        std::uint64_t octets = s.text_bytes();
        out += "Connection " + std::to_string(c.number) + ": client " + end_text(c.ends[0]) +
               ", server " + end_text(c.ends[1]) + "\n";
        out += std::to_string(s.sides[0].packets + s.sides[1].packets) + " segments, " +
               analysis::bytes_text(octets) + ", " + analysis::duration_text(s.duration_ns()) +
               ", " + s.state + "\n\n";
        out += padded("seconds", time_columns - 1, true) + "  " + padded("client", state_columns) +
               " " + std::string(arrow_, ' ') + " " + "server\n";
        if (!graph.rows().empty() && !c.midstream) {
            line("", "CLOSED", std::string(arrow_, ' '), "LISTEN");
        }
    }

    void row(const Row& row) {
        if (row.kind != Row::Kind::segment) return folded(row);
        const std::string note = note_text(row);
        std::string text = segment_text(row);
        const Mood mood = mood_of(row);
        const char* colour = mood == Mood::bad       ? "\033[31m"
                             : mood == Mood::notable ? "\033[33m"
                                                     : nullptr;
        // The note goes where the arrow's line would be, or under it.
        const std::size_t room = arrow_ - 6;
        const bool fits = columns_of(text) + columns_of(note) + 3 <= room;
        if (!note.empty() && fits) text += " [" + note + "]";
        line(seconds(row.time_ns), tcp::to_string(row.states[0]),
             painted(arrow(cut(text, room, signs_), row.side == 0), colour),
             tcp::to_string(row.states[1]));
        const std::string indent(time_columns + state_columns + 3, ' ');
        if (!note.empty() && !fits) {
            out += indent + painted("  " + cut(note, room + 2, signs_), colour) + "\n";
        }
        for (const std::string& remark : row.remarks) {
            std::size_t begin = 0;
            while (begin <= remark.size()) {
                const std::size_t end = std::min(remark.find('\n', begin), remark.size());
                std::string shown = remark.substr(begin, end - begin);
                std::ranges::replace_if(
                    shown, [](char ch) { return static_cast<unsigned char>(ch) < 0x20; }, '?');
                out += indent + painted("  " + cut(shown, room + 2, signs_), "\033[36m") + "\n";
                begin = end + 1;
            }
        }
    }

private:
    void folded(const Row& row) {
        const bool pause = row.kind == Row::Kind::pause;
        const std::string text = cut(folded_text(row, signs_.arrows), arrow_ - 4, signs_);
        const char* sign = pause ? signs_.bar : signs_.dots;
        const std::size_t left = (arrow_ - 2 - columns_of(text)) / 2;
        std::string middle = std::string(sign) + std::string(left, ' ') + text;
        middle = padded(middle, arrow_ - 1) + sign;
        line("", "", painted(middle, pause ? "\033[2m" : nullptr), "");
    }
    void line(const std::string& time, const std::string& client, const std::string& middle,
              const std::string& server) {
        out += padded(time, time_columns - 1, true) + "  " + padded(client, state_columns) + " " +
               middle + " " + server;
        out.erase(out.find_last_not_of(' ') + 1);
        out += '\n';
    }
    std::string arrow(const std::string& text, bool right) const {
        const std::size_t rest = arrow_ - columns_of(text) - 4;
        const std::string lines = times(signs_.line, rest);
        if (right) return signs_.line + (" " + text + " ") + lines + signs_.right;
        return signs_.left + lines + (" " + text + " ") + signs_.line;
    }
    std::string painted(const std::string& text, const char* colour) const {
        return how_.colour && colour != nullptr ? colour + text + "\033[0m" : text;
    }

    const FlowText& how_;
    const Signs& signs_;
    std::size_t arrow_;
};

}  // namespace

std::string flow_text(const analysis::Connection& c, const FlowGraph& graph, const FlowText& how) {
    Page page(how);
    page.heading(c, graph);
    for (const Row& row : graph.rows()) page.row(row);
    return std::move(page.out);
}

}  // namespace estab::story
