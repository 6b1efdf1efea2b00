// The page that estab report writes: its parts are files beside this one, put into the program.
#pragma once

#include <functional>
#include <string_view>

#include "analysis/summary.hpp"
#include "analysis/trace.hpp"
#include "cli/analyze_report.hpp"

namespace estab::cli {

// One self-contained HTML page, in pieces.
void write_page(const AnalyzedFile& file, const analysis::Overview& overview,
                const analysis::Trace& trace, const std::function<void(std::string_view)>& write);

}  // namespace estab::cli
