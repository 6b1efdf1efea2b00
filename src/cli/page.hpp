// The page that estab report writes: its parts are files beside this one, put into the program.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/summary.hpp"
#include "analysis/trace.hpp"
#include "cli/analyze_report.hpp"

namespace estab::cli {

// What else a page may have: flow graphs, as drawings by the numbers of their connections, and what
// only a simulator knows of its flows. The columns of a series are 32-bit little-endian numbers
// behind one another; page.js names them.
struct PageExtra {
    std::map<std::uint32_t, std::string> drawings;
    std::string simulation;                         // JSON; empty: none
    std::vector<std::vector<std::uint8_t>> series;  // of the flows, in order
};

// One self-contained HTML page, in pieces.
void write_page(const AnalyzedFile& file, const analysis::Overview& overview,
                const analysis::Trace& trace, const std::function<void(std::string_view)>& write,
                const PageExtra& extra = {});

}  // namespace estab::cli
