#include "story/explain.hpp"

#include <algorithm>

#include "analysis/summary.hpp"
#include "story/flow.hpp"
#include "story/words.hpp"

namespace estab::story {
namespace {

std::string escaped(std::string_view text, Form form) {
    if (form == Form::html) return markup_text(text);
    std::string out;
    for (const char c : plain_text(text)) {
        constexpr std::string_view signs = "*_`[]<>#|\\";
        if (form == Form::markdown && signs.find(c) != signs.npos) out += '\\';
        out += c;
    }
    return out;
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t columns) {
    std::string out, line;
    const std::size_t width = std::max<std::size_t>(columns, indent + 30) - indent - 2;
    const auto flush = [&] {
        const bool hangs = !out.empty() && text.starts_with("- ");
        out += std::string(indent + (hangs ? 2 : 0), ' ') + line + "\n";
        line.clear();
    };
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        const std::string word = text.substr(at, end - at);
        if (!line.empty() && line.size() + 1 + word.size() > width) flush();
        line += (line.empty() ? "" : " ") + word;
        at = end + 1;
    }
    flush();
    return out;
}

std::string change(const char* name, std::int64_t before, std::int64_t after) {
    std::string text = std::string(name) + " " + std::to_string(after);
    if (before != after) {
        text = std::string(name) + " " + std::to_string(before) + " -> " + std::to_string(after);
    }
    return text;
}

// One end's control block before and after.
std::string block(const End& before, const End& after) {
    std::string state = tcp::to_string(after.state);
    if (before.state != after.state) {
        state = std::string(tcp::to_string(before.state)) + " -> " + state;
    }
    if (after.state == tcp::State::listen) return state;
    return state + ", " + change("SND.UNA", before.snd_una, after.snd_una) + ", " +
           change("SND.NXT", before.snd_nxt, after.snd_nxt) + ", " +
           change("SND.WND", before.snd_wnd, after.snd_wnd) + ", " +
           change("RCV.NXT", before.rcv_nxt, after.rcv_nxt) + ", " +
           change("RCV.WND", before.rcv_wnd, after.rcv_wnd);
}

std::string fact_text(const Fact& fact) {
    return *fact.rule == '\0' ? fact.text : fact.text + " [" + fact.rule + "]";
}

template <class Each>
void for_each_remark(std::span<const std::string_view> comments, Each each) {
    for (const std::string_view comment : comments) {
        std::size_t begin = 0;
        while (begin < comment.size()) {
            const std::size_t end = std::min(comment.find('\n', begin), comment.size());
            each(remark_text(comment.substr(begin, end - begin)));
            begin = end + 1;
        }
    }
}

Row row_text(const Chapter& chapter) {
    FlowGraph graph({.fold = false});
    graph.add(chapter.verdict, chapter.step, {});
    return graph.rows().back();
}

const char* const styles =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1d21;background:#fff}h1{font-size:1.6rem}h1,.wire,.block{overflow-wrap:anywhere}"
    "h2{margin-top:2.5rem}h3{break-after:avoid;margin:1.6rem 0 .2rem;font-size:1rem}"
    ".wire,.block{font:13px/1.5 ui-monospace,monospace;margin:.1rem 0}.block{color:#56606a}"
    ".rule{color:#56606a;font-size:.85em}ul{margin:.3rem 0}.event{border-left:3px solid #3b6ea5;"
    "padding-left:.5rem;margin:.3rem 0}.server{margin-left:2.5rem}"
    "@media(prefers-color-scheme:dark){body{color:#e6e9ec;background:#14171a}.block,.rule{"
    "color:#98a2ab}}@media(max-width:600px){.server{margin-left:1rem}}@media print{body{"
    "max-width:none;color:#000;background:#fff}.wire,li{break-inside:avoid}}";

}  // namespace

std::string explain_begin(Form form, std::string_view title) {
    if (form != Form::html) return {};
    return "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src"
           " 'unsafe-inline'\">\n<title>" + escaped(title, form) + "</title><style>" + styles +
           "</style></head>\n<body>\n<h1>" + escaped(title, form) + "</h1>\n";
}

std::string explain_end(Form form) { return form == Form::html ? "</body>\n</html>\n" : ""; }

std::string explain_heading(Form form, const analysis::Verdict& first) {
    const analysis::Connection& c = *first.connection;
    const std::string title = "Connection " + std::to_string(c.number) + ": client " +
                              end_text(c.ends[0]) + ", server " + end_text(c.ends[1]);
    std::string how = "Numbers are relative to each side's own first one: a SYN is 0, the first"
                      " octet 1. The sender's state is the one with which it sent; the receiver's"
                      " is what it becomes when the segment arrives.";
    if (c.midstream) {
        how += " The beginning is not in the capture: states are taken for ESTABLISHED, numbers"
               " count from the first seen, and windows may be scaled.";
    }
    if (form == Form::html) {
        return "<h2>" + escaped(title, form) + "</h2>\n<p>" + how + "</p>\n";
    }
    if (form == Form::markdown) return "# " + escaped(title, form) + "\n\n" + how + "\n\n";
    return title + "\n" + wrapped(how, 0, 100) + "\n";
}

std::string explain_segment(Form form, const Chapter& chapter, std::size_t columns) {
    const analysis::Verdict& v = chapter.verdict;
    const std::size_t me = v.side, peer = 1 - me;
    const std::string from = me == 0 ? "client" : "server", to = me == 0 ? "server" : "client";
    const Row row = row_text(chapter);
    const std::string wire = from + (form == Form::html ? " → " : " -> ") + to + "  " +
                             segment_text(row);
    const std::string place = "frame " + std::to_string(v.segment->frame) + ", " +
                              seconds_text(to_ns(v.segment->time - chapter.origin)) + " s";
    const std::string blocks[2] = {
        from + ", as it sends: " + block(chapter.step.before[me], chapter.step.after[me]),
        to + ", when it arrives: " + block(chapter.step.before[peer], chapter.step.after[peer])};
    std::string out;
    if (form == Form::html) {
        out += "<section class=\"segment " + from + "\"><h3>" +
               escaped(chapter.told.headline, form) + "</h3>\n<p class=\"wire\">" + place + "  " +
               escaped(wire, form) + "</p>\n<ul>";
        for (const Fact& fact : chapter.told.facts) {
            out += "<li>" + escaped(fact.text, form);
            if (*fact.rule != '\0')
                out += std::string(" <span class=\"rule\">") + fact.rule + "</span>";
            out += "</li>\n";
        }
        out += "</ul>\n";
        for_each_remark(chapter.comments, [&](const std::string& text) {
            out += "<p class=\"event\">" + escaped(text, form) + "</p>\n";
        });
        for (const std::string& text : blocks) {
            out += "<p class=\"block\">" + escaped(text, form) + "</p>\n";
        }
        return out + "</section>\n";
    }
    if (form == Form::markdown) {
        out +=
            "**" + escaped(chapter.told.headline, form) + "**  \n`" + place + "  " + wire + "`\n\n";
        for (const Fact& fact : chapter.told.facts)
            out += "- " + escaped(fact_text(fact), form) + "\n";
        for_each_remark(chapter.comments, [&](const std::string& text) {
            out += "- " + escaped(text, form) + "\n";
        });
        for (const std::string& text : blocks) out += "- " + escaped(text, form) + "\n";
        return out + "\n";
    }
    out += place + "  " + wire + "\n";
    out += wrapped(chapter.told.headline, 4, columns);
    for (const Fact& fact : chapter.told.facts) out += wrapped("- " + fact_text(fact), 6, columns);
    for_each_remark(chapter.comments, [&](const std::string& text) {
        out += wrapped("- " + escaped(text, form), 6, columns);
    });
    for (const std::string& text : blocks) out += wrapped(text, 4, columns);
    return out + "\n";
}

std::string explain_conclusion(Form form, std::span<const Fact> facts, std::size_t columns) {
    std::string out = form == Form::html       ? "<section><h3>In the end</h3><ul>\n"
                      : form == Form::markdown ? "**In the end**\n\n"
                                               : "In the end\n";
    for (const Fact& fact : facts) {
        const std::string text = fact_text(fact);
        out += form == Form::html       ? "<li>" + escaped(text, form) + "</li>\n"
               : form == Form::markdown ? "- " + escaped(text, form) + "\n"
                                        : wrapped("- " + text, 4, columns);
    }
    return out + (form == Form::html ? "</ul></section>\n" : "\n");
}

std::string explain_line(const Step& step, const Told& told) {
    return told.headline + " (client " + tcp::to_string(step.after[0].state) + ", server " +
           tcp::to_string(step.after[1].state) + ")";
}

std::string explain_lines(const Told& told) {
    std::string out = told.headline;
    for (const Fact& fact : told.facts) out += "\n- " + fact_text(fact);
    return out;
}

std::string remark_text(std::string_view line) {
    constexpr std::string_view mark = "estab: ";
    if (!line.starts_with(mark)) return "remark: " + std::string(line);
    line.remove_prefix(mark.size());
    constexpr std::string_view event = "event=";
    if (line.starts_with(event)) line.remove_prefix(event.size());
    return "estab itself: " + std::string(line);
}

}  // namespace estab::story
