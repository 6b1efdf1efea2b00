// estab sim: worlds in virtual time. `run` measures a dumbbell, `swarm` looks for broken rules in
// random worlds, `merge` joins the results of swarms, `list` says what there is.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/sim_run.hpp"
#include "cli/sim_scenario.hpp"
#include "sim/swarm.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Range {
    std::uint64_t first = 1, last = 1;
};

std::uint64_t to_number(std::string_view text, std::string_view what) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw UsageError(fmt::format("{}: '{}' is not a whole number", what, printable(text)));
    }
    return value;
}

// "7", "1..1000"
Range to_range(const std::string& text) {
    const std::size_t dots = text.find("..");
    Range range;
    range.first = to_number(std::string_view(text).substr(0, dots), "--seeds");
    range.last = dots == std::string::npos
                     ? range.first
                     : to_number(std::string_view(text).substr(dots + 2), "--seeds");
    if (range.last < range.first) throw UsageError("--seeds: the last one comes before the first");
    return range;
}

struct Shard {
    std::uint64_t index = 0, count = 1;
};

Shard to_shard(const std::string& text) {
    if (text.empty()) return {};
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) throw UsageError("--shard: say which of how many, as 0/8");
    Shard shard{to_number(std::string_view(text).substr(0, slash), "--shard"),
                to_number(std::string_view(text).substr(slash + 1), "--shard")};
    if (shard.index >= shard.count) throw UsageError("--shard: counts from 0, so 0/8 to 7/8");
    return shard;
}

// A CHECK that fails ends the program: the seed is said before.
char last_words[128];
void on_abort(int number) {
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, last_words, std::strlen(last_words));
    std::signal(number, SIG_DFL);
}

Json empty_result() {
    return {{"schema", "estab.swarm/1"}, {"seeds", 0}, {"ok", 0},      {"failures", Json::array()},
            {"talks", 0},                {"done", 0},  {"failed", 0},  {"packets", 0},
            {"virtual_s", 0.0},          {"hash", 0u}};
}

// Hashes of seeds are added, so that the order of shards does not matter.
void add(Json& to, const Json& from) {
    for (const char* name : {"seeds", "ok", "talks", "done", "failed", "packets", "hash"}) {
        to[name] = to[name].get<std::uint64_t>() + from.at(name).get<std::uint64_t>();
    }
    to["virtual_s"] = to["virtual_s"].get<double>() + from.at("virtual_s").get<double>();
    for (const Json& failure : from.at("failures")) to["failures"].push_back(failure);
}

Json to_json(const sim::SwarmResult& r) {
    Json one = empty_result();
    one["seeds"] = 1;
    one["ok"] = r.ok ? 1 : 0;
    one["talks"] = r.talks;
    one["done"] = r.done;
    one["failed"] = r.failed;
    one["packets"] = r.packets;
    one["hash"] = r.hash;
    one["virtual_s"] = static_cast<double>(to_ms(r.virtual_time)) / 1000;
    if (!r.ok) {
        one["failures"].push_back({{"seed", r.seed},
                                   {"reason", r.reason},
                                   {"world", r.world},
                                   {"replay", sim::replay_command(r.seed)},
                                   {"trace", r.trace}});
    }
    return one;
}

void show(const Json& all) {
    for (const Json& f : all.at("failures")) {
        print(fmt::format("seed {}: {}\n  {}\n", f.at("seed").get<std::uint64_t>(),
                          f.at("reason").get<std::string>(), f.at("world").get<std::string>()));
        for (const Json& line : f.at("trace")) print("  " + line.get<std::string>() + "\n");
        print("  again: " + f.at("replay").get<std::string>() + "\n\n");
    }
    print(fmt::format(
        "{} of {} seeds in order; {} talks, {} packets, {:.0f} virtual seconds, hash {:016x}\n",
        all.at("ok").get<std::uint64_t>(), all.at("seeds").get<std::uint64_t>(),
        all.at("talks").get<std::uint64_t>(), all.at("packets").get<std::uint64_t>(),
        all.at("virtual_s").get<double>(), all.at("hash").get<std::uint64_t>()));
}

class Sim final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"WHAT", "", "run, swarm, merge or list"}, what_);
        options.rest({"FILE…", "", "what merge joins; a scenario for run"}, files_);
        options.flag({"--json", "", "for programs, as estab.sim/1 or estab.swarm/1"}, json_);
        options.group("run: a shared link between two routers");
        run_.setup(options);
        options.group("swarm: random worlds");
        options.value({"--seeds", "FIRST..LAST", "which worlds, or one (default 1..100)"}, seeds_);
        options.value({"--shard", "I/N", "every N-th of them, from the I-th on: for N machines"},
                      shard_);
        options.flag({"--first", "", "stop at the first one that fails"}, first_only_);
    }
    int run(const Words&) override {
        const std::size_t files_max = what_ == "merge" ? SIZE_MAX : what_ == "run" ? 1 : 0;
        if (files_.size() > files_max) {
            throw UsageError("`sim merge` takes files, `sim run` one, and no other");
        }
        if (what_ == "run") return run_.run(json_, files_.empty() ? "" : files_.front());
        if (what_ == "swarm") return swarm();
        if (what_ == "merge") return merge();
        if (what_ == "list") return list();
        throw UsageError("unknown: sim " + printable(what_) +
                         suggestion(what_, {"run", "swarm", "merge", "list"}));
    }

private:
    int swarm() {
        const Range range = to_range(seeds_);
        const Shard shard = to_shard(shard_);
        const bool has_bar = ::isatty(STDERR_FILENO) != 0;
        Json all = empty_result();
        std::signal(SIGABRT, on_abort);
        std::signal(SIGSEGV, on_abort);
        auto shown = std::chrono::steady_clock::now();
        for (std::uint64_t seed = range.first + shard.index; seed <= range.last;
             seed += shard.count) {
            std::snprintf(last_words, sizeof last_words, "estab sim: a check failed; again: %s\n",
                          sim::replay_command(seed).c_str());
            const sim::SwarmResult result = sim::run_seed(seed);
            add(all, to_json(result));
            if (!result.ok) note("estab sim", fmt::format("seed {}: {}", seed, result.reason));
            if (!result.ok && first_only_) break;
            const auto now = std::chrono::steady_clock::now();
            if (has_bar && now - shown > std::chrono::milliseconds(200)) {
                shown = now;
                const std::uint64_t part =
                    (seed - range.first + 1) * 100 / (range.last - range.first + 1);
                std::fprintf(stderr, "\r%3u %%  seed %llu", static_cast<unsigned>(part),
                             static_cast<unsigned long long>(seed));
            }
        }
        if (has_bar) std::fputs("\r\033[K", stderr);
        return say(all);
    }

    int merge() const {
        if (files_.empty()) throw UsageError("sim merge: which files?");
        Json all = empty_result();
        for (const std::string& name : files_) {
            std::FILE* file = std::fopen(name.c_str(), "rb");
            if (file == nullptr) throw std::runtime_error(name + ": " + std::strerror(errno));
            const Json one = Json::parse(file, nullptr, false);
            std::fclose(file);
            if (one.is_discarded() || !one.is_object() ||
                one.value("schema", "") != "estab.swarm/1") {
                throw std::runtime_error(name + ": not the --json of `estab sim swarm`");
            }
            add(all, one);
        }
        return say(all);
    }

    int say(const Json& all) const {
        if (json_) {
            print(all.dump() + "\n");
        } else {
            show(all);
        }
        return all.at("failures").empty() ? exit_status::done : exit_status::failed;
    }

    int list() const {
        print(
            "run     flows over one shared link, with the flags of `estab sim --help`\n"
            "swarm   random topologies, faults and applications, one for each seed:\n"
            "        pair, chain, star and dumbbell; loss, bursts, reordering, copies, damage, "
            "outages;\n"
            "        bulk, requests, echo, slow readers, half-closers and those who abort\n"
            "\nready for `estab sim run NAME`, and in files of your own (docs/SIMULATION.md):\n");
        for (const ReadyScenario& s : ready_scenarios()) {
            print(fmt::format("{:<13} {}\n", s.name, s.about));
        }
        return exit_status::done;
    }

    std::string what_, seeds_ = "1..100", shard_;
    std::vector<std::string> files_;
    bool json_ = false, first_only_ = false;
    SimRun run_;
};

}  // namespace

std::unique_ptr<Command> make_sim() { return std::make_unique<Sim>(); }

}  // namespace estab::cli
