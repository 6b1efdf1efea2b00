// Scenarios of `estab sim run` as TOML: from a file, or one of those that are in the program.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sim/dumbbell.hpp"

namespace estab::cli {

struct ReadyScenario {
    std::string_view name, about, text;
};
std::span<const ReadyScenario> ready_scenarios();

// A file, or the name of a ready one. Throws UsageError: "FILE:LINE:COLUMN: what is wrong".
sim::DumbbellSettings read_scenario(const std::string& name);

}  // namespace estab::cli
