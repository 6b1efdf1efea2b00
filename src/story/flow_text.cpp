// The flow graph for a terminal of any width.
#include <algorithm>

#include "analysis/summary.hpp"
#include "story/flow.hpp"
#include "story/words.hpp"

namespace estab::story {
namespace {

constexpr std::size_t time_columns = 12, state_columns = 12, arrow_least = 30;

struct Signs {
    const char *line, *right, *left, *dots, *bar, *ellipsis;
    Arrows arrows;
};
constexpr Signs fine = {"─", "▶", "◀", "⋮", "┊", "…", {"→", "←"}};
constexpr Signs plain = {"-", ">", "<", ":", "|", "~", {"->", "<-"}};

std::string padded(std::string text, std::size_t columns, bool right = false) {
    const std::size_t have = columns_of(text);
    const std::string spaces(have < columns ? columns - have : 0, ' ');
    return right ? spaces + text : text + spaces;
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
        line(seconds_text(row.time_ns), tcp::to_string(row.states[0]),
             painted(arrow(shortened(text, room, signs_.ellipsis), row.side == 0), colour),
             tcp::to_string(row.states[1]));
        const std::string indent(time_columns + state_columns + 3, ' ');
        if (!note.empty() && !fits) {
            const std::string shown = shortened(note, room + 2, signs_.ellipsis);
            out += indent + painted("  " + shown, colour) + "\n";
        }
        for (const std::string& remark : row.remarks) {
            std::size_t begin = 0;
            while (begin <= remark.size()) {
                const std::size_t end = std::min(remark.find('\n', begin), remark.size());
                const std::string shown = shortened(
                    plain_text(std::string_view(remark).substr(begin, end - begin)), room + 2,
                    signs_.ellipsis);
                out += indent + painted("  " + shown, "\033[36m") + "\n";
                begin = end + 1;
            }
        }
    }

private:
    void folded(const Row& row) {
        const bool pause = row.kind == Row::Kind::pause;
        const std::string text =
            shortened(folded_text(row, signs_.arrows), arrow_ - 4, signs_.ellipsis);
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
