// Finds the command, has its options parsed, runs it, and turns what is thrown into one line and an
// exit status.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "drivers/spawn.hpp"

namespace estab::cli {
namespace {

std::string indented(std::string_view lines) {
    std::string out = "  ";
    for (const char c : lines) {
        out += c;
        if (c == '\n') out += "  ";
    }
    return out + "\n";
}

std::string overview(bool all) {
    std::string out;
    if (all) {
        out += "TCP/IP in user space: commands that speak estab's own TCP.\n\nExamples:\n";
        for (const CommandEntry& entry : all_commands()) {
            const std::string_view examples = entry.examples;
            out += indented(examples.substr(0, examples.find('\n')));
        }
        out += "\n";
    }
    out += "Usage: estab COMMAND [OPTIONS]\n\nCommands:\n";
    std::size_t widest = 0;
    for (const CommandEntry& entry : all_commands())
        widest = std::max(widest, std::string_view(entry.name).size());
    for (const CommandEntry& entry : all_commands())
        out += fmt::format("  {:<{}}  {}\n", entry.name, widest, entry.summary);
    out += "\nestab COMMAND --help shows its options. estab --version [--json]\n";
    if (all)
        out +=
            "\nExit status: 0 done, 1 failed, 2 wrong usage; with `-- CMD` it is CMD's, or 125 "
            "when\n"
            "estab failed, 126 when CMD cannot be run, 127 when there is none, 128+n after signal "
            "n.\n";
    return out;
}

std::string help_of(const CommandEntry& entry, const Options& options, bool all) {
    std::string out =
        fmt::format("estab {}: {}\n\nUsage: estab {} {}\n\nExamples:\n{}", entry.name,
                    entry.summary, entry.name, entry.arguments, indented(entry.examples));
    out += options.help(all);
    if (!all) out += fmt::format("\nestab {} --help shows all options.\n", entry.name);
    return out;
}

int version(const Words& words) {
    const bool json = words.size() == 1 && words[0] == "--json";
    if (!words.empty() && !json)
        throw UsageError(fmt::format("unexpected argument '{}'", words[0]));
    if (json)
        print(fmt::format(
            "{{\"schema\":\"estab.version/1\",\"version\":\"{}\",\"compiler\":\"{}\"}}\n",
            ESTAB_VERSION, __VERSION__));
    else
        print("estab " ESTAB_VERSION "\n");
    return exit_status::done;
}

const CommandEntry& find(const std::string& name) {
    std::vector<std::string> names;
    for (const CommandEntry& entry : all_commands()) {
        if (name == entry.name) return entry;
        names.emplace_back(entry.name);
    }
    if (name.starts_with("-")) {
        throw UsageError(fmt::format("unknown option {}{}", printable(name),
                                     suggestion(name, {"--help", "-h", "--version"})));
    }
    const std::string near = suggestion(name, names);
    throw UsageError(fmt::format("unknown command '{}'{}", printable(name),
                                 near.empty() ? "; estab --help lists them" : near));
}

// Splits off what stands behind `--`, runs the command, and says what went wrong.
int run(const CommandEntry& entry, Words words) {
    const std::string who = fmt::format("estab {}", entry.name);
    Words command;
    bool has_command = false;
    if (const auto dashes = std::ranges::find(words, "--");
        entry.takes_command && dashes != words.end()) {
        has_command = true;
        command.assign(dashes + 1, words.end());
        words.erase(dashes, words.end());
    }
    const int failed = has_command ? exit_status::failed_with_command : exit_status::failed;
    try {
        const std::unique_ptr<Command> made = entry.make();
        Options options;
        made->setup(options);
        const Options::Outcome outcome = options.parse(words);
        if (outcome != Options::Outcome::parsed) {
            print(help_of(entry, options, outcome == Options::Outcome::long_help));
            return exit_status::done;
        }
        if (has_command && command.empty()) throw UsageError("no command behind --");
        return made->run(command);
    } catch (const UsageError& e) {
        note(who, fmt::format("{} (estab {} -h shows how)", e.what(), entry.name));
        return exit_status::usage;
    } catch (const drivers::SpawnError& e) {
        note(who, e.what());
        return has_command ? e.exit_code() : exit_status::failed;
    } catch (const OutputClosed&) {
        return exit_status::done;
    } catch (const std::exception& e) {
        note(who, e.what());
        return failed;
    }
}

int run(const Words& words) {
    if (words.empty()) {
        note("estab", "which command? (estab --help lists them)");
        return exit_status::usage;
    }
    try {
        if (words[0] == "--version") return version({words.begin() + 1, words.end()});
        if (words[0] == "-h") return print(overview(false)), exit_status::done;
        if (words[0] == "help" && words.size() > 1) return run(find(words[1]), {"--help"});
        if (words[0] == "--help" || words[0] == "help")
            return print(overview(true)), exit_status::done;
        return run(find(words[0]), {words.begin() + 1, words.end()});
    } catch (const UsageError& e) {
        note("estab", e.what());
        return exit_status::usage;
    } catch (const OutputClosed&) {
        return exit_status::done;
    } catch (const std::exception& e) {
        note("estab", e.what());
        return exit_status::failed;
    }
}

}  // namespace
}  // namespace estab::cli

int main(int argc, char** argv) {
    // Whoever writes to a pipe that nobody reads gets an error, not a signal.
    ::signal(SIGPIPE, SIG_IGN);
    return estab::cli::run(estab::cli::Words(argv + 1, argv + argc));
}
