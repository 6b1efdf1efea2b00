// What happened in an `estab run`, for programs: docs/formats/run.md.
#pragma once

#include <string>
#include <vector>

#include "cli/forward_tcp.hpp"
#include "cli/gate.hpp"
#include "cli/run_path.hpp"
#include "cli/run_report.hpp"
#include "link/path.hpp"

namespace estab::cli {

struct RunStory {
    std::vector<std::string> command;
    int exit_status = 0;
    std::string backend;  // as the line at the start has it
    std::string path;     // as CMD sees it
    std::vector<PathOptions::Branch> branches;
    Instant began{}, ended{};
    std::vector<Forwarded> connections;
    Totals totals{};
    LinkRates rates{};
    std::vector<std::string> published;  // "127.0.0.1:8080", in the order of the options
};

// `lanes`: nullptr where nothing is impaired.
std::string run_json(const RunStory& story, const Gate& gate, const link::PathLanes* lanes);

}  // namespace estab::cli
