// The story of a connection as text, Markdown or HTML.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "story/teller.hpp"

namespace estab::story {

enum class Form : std::uint8_t { text, markdown, html };

struct Chapter {
    const analysis::Verdict& verdict;
    const Step& step;
    const Told& told;
    std::span<const std::string_view> comments;
    Instant origin;  // from where times count
};

// What stands before and behind all; nothing but for HTML.
std::string explain_begin(Form form, std::string_view title);
std::string explain_end(Form form);
// The heading of a connection, at its first segment.
std::string explain_heading(Form form, const analysis::Verdict& first);
std::string explain_segment(Form form, const Chapter& chapter, std::size_t columns);
std::string explain_conclusion(Form form, std::span<const Fact> facts, std::size_t columns);

// For `dump --explain`: what the segment means and both states, without a line end.
std::string explain_line(const Step& step, const Told& told);

// The headline and what is known, each on a line.
std::string explain_lines(const Told& told);

// What estab itself put beside a packet, as an event in words: "estab saw: retransmit …".
std::string remark_text(std::string_view comment_line);

}  // namespace estab::story
