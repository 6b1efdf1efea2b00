// Runs a script against a stack in virtual time. The same script gives the same answer every time,
// and minutes of timers take milliseconds.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "packetdrill/settings.hpp"

namespace estab::packetdrill {

struct RunOptions {
    std::string profile = "linux";
    std::vector<ScriptOption> options{};   // of the command line: they override the script's
    std::vector<Define> defines{};
    std::vector<std::string> set{};        // NAME=VALUE of tcp::Config, after the script's own
    bool trace = false;                    // print every packet as it goes by
    // Every packet: when (since the script's start), which way, and its octets.
    std::function<void(Duration at, bool inbound, Bytes packet)> tap{};
    // The text of a file that the script names (init_scripts); none: cannot be read.
    std::function<std::optional<std::string>(const std::string& path)> read_file{};
};

struct Outcome {
    enum class Result : std::uint8_t { pass, fail, skip, error } result = Result::pass;
    Position at{};
    std::string message{};                 // one line: what, or why skipped
    std::vector<std::string> details{};    // what was expected, what came, field by field
    std::vector<std::string> conversation{};  // the packets so far, as tcpdump prints them
    std::string printed{};                 // by the script's code
    Duration virtual_time{};
};
std::string_view to_string(Outcome::Result result);

Outcome run(std::string_view script, const RunOptions& options);

}  // namespace estab::packetdrill
