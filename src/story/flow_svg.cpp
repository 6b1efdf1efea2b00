// The flow graph as a drawing: light, dark and on paper.
#include <algorithm>
#include <string>

#include "analysis/summary.hpp"
#include "story/flow.hpp"
#include "story/words.hpp"

namespace estab::story {
namespace {

constexpr int left = 190, right = 810;  // the two lifelines
constexpr int row_height = 34, slant = 10;
constexpr std::size_t text_most = 88;  // characters between them

struct Place {
    int x, y;
};

std::string text_at(Place at, const char* kind, const char* anchor, const std::string& text) {
    return "<text x=\"" + std::to_string(at.x) + "\" y=\"" + std::to_string(at.y) +
           "\" class=\"" + kind + "\" text-anchor=\"" + anchor + "\">" + markup_text(text) +
           "</text>\n";
}

std::string line_between(Place from, Place to, const char* kind) {
    return "<line x1=\"" + std::to_string(from.x) + "\" y1=\"" + std::to_string(from.y) +
           "\" x2=\"" + std::to_string(to.x) + "\" y2=\"" + std::to_string(to.y) + "\" class=\"" +
           kind + "\"/>\n";
}

const char* kind_of(Mood mood) {
    switch (mood) {
        case Mood::quiet: return "quiet";
        case Mood::notable: return "notable";
        case Mood::bad: return "bad";
    }
    return "";
}

// A triangle at the end of an arrow; markers take no colour from what they end.
std::string head(Place tip, bool to_right, const char* kind) {
    const int back = to_right ? -11 : 11;
    const auto point = [](int x, int y) { return std::to_string(x) + "," + std::to_string(y); };
    return "<polygon points=\"" + point(tip.x, tip.y) + " " + point(tip.x + back, tip.y - 5) +
           " " + point(tip.x + back, tip.y + 4) + "\" class=\"head " + kind + "\"/>\n";
}

std::string segment(const Row& row, int y, const std::array<tcp::State, 2>& before) {
    const bool to_right = row.side == 0;
    const char* kind = kind_of(mood_of(row));
    const Place from{to_right ? left : right, y}, to{to_right ? right : left, y + slant};
    const std::string frame = std::to_string(row.frame);
    std::string out = "<g class=\"row\" data-frame=\"" + frame + "\"" +
                      (row.told.empty() ? "" : " tabindex=\"0\"") + "><title>frame " + frame +
                      ": " + markup_text(row.told.empty() ? segment_text(row) : row.told) +
                      "</title>\n";
    out += line_between(from, to, (std::string("arrow ") + kind).c_str());
    out += head(to, to_right, kind);
    std::string text = segment_text(row);
    const std::string note = note_text(row);
    if (!note.empty()) text += "  [" + note + "]";
    out += text_at({(left + right) / 2, y - 4}, kind, "middle", shortened(text, text_most));
    const auto state = [&](std::size_t side, int state_y) {
        const bool changed = row.states[side] != before[side];
        const char* look = changed ? "state changed" : "state";
        out += text_at({side == 0 ? left - 8 : right + 8, state_y}, look,
                       side == 0 ? "end" : "start", tcp::to_string(row.states[side]));
    };
    state(0, to_right ? y + 4 : y + slant + 4);
    state(1, to_right ? y + slant + 4 : y + 4);
    out += text_at({12, y + 4}, "time", "start", seconds_text(row.time_ns) + " s");
    return out + "</g>\n";
}

}  // namespace

std::string svg_begin(int height, SvgPlace place) {
    const std::string size = std::to_string(svg_width) + "\" height=\"" + std::to_string(height);
    if (place == SvgPlace::page) {
        return "<svg class=\"flow\" width=\"" + size + "\" viewBox=\"0 0 " +
               std::to_string(svg_width) + " " + std::to_string(height) + "\">\n";
    }
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " +
           std::to_string(svg_width) + " " + std::to_string(height) +
           "\" role=\"img\" aria-label=\"Flow graph\">\n"
           R"(<style>
svg{--ink:#1a1d21;--paper:#fff;--soft:#667079;--bad:#b3261e;--note:#8a5a00;--line:#3b6ea5;
--life:#c5ccd3;background:var(--paper)}
@media (prefers-color-scheme:dark){
svg{--ink:#e6e9ec;--paper:#14171a;--soft:#98a2ab;--bad:#ff8a80;--note:#f2c14e;
--line:#7fb2ea;--life:#434b53}}
@media print{svg{--ink:#000;--paper:#fff;--soft:#444;--bad:#900;--note:#640;--line:#000;
--life:#aaa}}
text{font:12.5px ui-monospace,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.paper{fill:var(--paper)}.title{font-weight:bold;font-size:15px}.time,.soft,.state{fill:var(--soft)}
.changed{fill:var(--ink);font-weight:bold}.life{stroke:var(--life);stroke-width:2}
.arrow{stroke:var(--line);stroke-width:1.6}.head{fill:var(--line)}
.arrow.bad{stroke:var(--bad);stroke-dasharray:7 3}.head.bad,text.bad{fill:var(--bad)}
.arrow.notable{stroke:var(--note)}.head.notable,text.notable{fill:var(--note)}
.fold{fill:none;stroke:var(--soft);stroke-dasharray:2 4}.gap{fill:var(--paper);stroke:none}
</style>
)"
           "<rect class=\"paper\" width=\"" +
           size + "\"/>\n";
}

std::string flow_svg(const analysis::Connection& c, const FlowGraph& graph, int& y) {
    std::string body;
    const int top = y;
    int at = top + 28;
    body += text_at({12, at}, "title", "start",
                    "Connection " + std::to_string(c.number) + ": " + end_text(c.ends[0]) + " → " +
                        end_text(c.ends[1]));
    at += 26;
    body += text_at({left, at}, "soft", "middle", "client");
    body += text_at({right, at}, "soft", "middle", "server");
    const int begin = at + 8;
    at = begin + 22;
    std::array<tcp::State, 2> states{};
    for (const Row& row : graph.rows()) {
        if (row.kind == Row::Kind::segment) {
            body += segment(row, at, states);
            states = row.states;
            at += row_height;
            for (const std::string& remark : row.remarks) {
                for (std::size_t from = 0; from <= remark.size();) {
                    const std::size_t end = std::min(remark.find('\n', from), remark.size());
                    const std::string line = remark.substr(from, end - from);
                    body += text_at({left + 14, at - 6}, "soft", "start",
                                    shortened(line, text_most));
                    at += 18;
                    from = end + 1;
                }
            }
            continue;
        }
        const bool pause = row.kind == Row::Kind::pause;
        const std::string frame = "<rect x=\"" + std::to_string(left - 6) + "\" y=\"" +
                                  std::to_string(at - 6) + "\" width=\"" +
                                  std::to_string(right - left + 12) + "\" height=\"22\" class=\"";
        body += frame + (pause ? "gap" : "fold") + "\"/>\n";
        body += text_at({(left + right) / 2, at + 9}, "soft", "middle",
                        shortened(folded_text(row, {"→", "←"}), text_most));
        at += row_height;
    }
    y = at + 20;
    return line_between({left, begin}, {left, at}, "life") +
           line_between({right, begin}, {right, at}, "life") + body;
}

}  // namespace estab::story
