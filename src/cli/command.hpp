// What a command of the program is. A new one: a file with its class and a `make_…`, and a line in
// commands.cpp. Options are declared in setup(), run() does the work and returns the exit status.
#pragma once

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.hpp"

namespace estab::cli {

// What stood behind `--`, empty where there was none.
using Words = std::vector<std::string>;

class Command {
public:
    virtual ~Command() = default;
    virtual void setup(Options& options) = 0;
    // Throws UsageError for what only shows when options are looked at together, anything else that
    // is a std::exception for what failed: its what() is the one line that people see.
    virtual int run(const Words& command) = 0;
};

struct CommandEntry {
    const char* name;
    const char* summary;    // one line
    const char* arguments;  // behind the name, in the line of usage
    const char* examples;   // lines, without indentation
    bool takes_command;     // `-- CMD…`
    std::unique_ptr<Command> (*make)();
};
std::span<const CommandEntry> all_commands();

// A wrong way to call: exit status 2.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace exit_status {
inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int failed_with_command = 125;  // ours, when CMD's status is what one expects
}  // namespace exit_status

std::unique_ptr<Command> make_analyze();
std::unique_ptr<Command> make_conform();
std::unique_ptr<Command> make_config();
std::unique_ptr<Command> make_demo();
std::unique_ptr<Command> make_doctor();
std::unique_ptr<Command> make_dump();
std::unique_ptr<Command> make_explain();
std::unique_ptr<Command> make_flow();
std::unique_ptr<Command> make_get();
std::unique_ptr<Command> make_nc();
std::unique_ptr<Command> make_packetdrill();
std::unique_ptr<Command> make_perf();
std::unique_ptr<Command> make_report();
std::unique_ptr<Command> make_run();
std::unique_ptr<Command> make_serve();
std::unique_ptr<Command> make_sim();
std::unique_ptr<Command> make_ss();
std::unique_ptr<Command> make_top();
std::unique_ptr<Command> make_undump();

}  // namespace estab::cli
