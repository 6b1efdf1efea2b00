// What estab analyze says at the end: as text for people, as JSON for programs.
#pragma once

#include <string>

#include "analysis/both_ends.hpp"
#include "analysis/summary.hpp"

namespace estab::cli {

struct AnalyzedFile {
    std::string name;
    std::uint64_t packets = 0, segments = 0, forgotten = 0;
    std::int64_t first_ns = 0, last_ns = 0;
};

struct ShownRows {
    std::size_t connections = 50, findings = 30;
};

std::string analysis_text(const AnalyzedFile& file, const analysis::Overview& overview,
                          const ShownRows& shown);
std::string analysis_json(const AnalyzedFile& file, const analysis::Overview& overview);

std::string both_ends_text(const analysis::BothEnds& ends);
std::string both_ends_json(const analysis::BothEnds& ends);

std::string end_text(const analysis::End& end);

}  // namespace estab::cli
