// estab packetdrill: runs scripts of packetdrill against estab's stack, in virtual time.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/text_file.hpp"
#include "observe/pcapng_writer.hpp"
#include "packetdrill/runner.hpp"
#include "tcp/config_fields.hpp"

namespace estab::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using packetdrill::Outcome;

class FileSink final : public observe::ByteSink {
public:
    explicit FileSink(const std::string& path) : file_(path, std::ios::binary) {
        if (!file_) throw std::runtime_error(path + ": cannot be written");
    }
    void write(Bytes bytes) override {
        file_.write(reinterpret_cast<const char*>(bytes.data()),
                    static_cast<std::streamsize>(bytes.size()));
    }

private:
    std::ofstream file_;
};

struct Done {
    std::string path;
    Outcome outcome;
};

class Packetdrill final : public Command {
public:
    void setup(Options& options) override {
        options.rest({"FILE…", "", "scripts, or folders of *.pkt"}, files_);
        options.value({"--profile", "NAME", "linux (default), freebsd, rfc or tutorial"}, profile_);
        options.flag({"--json", "", "one object per script, as estab.packetdrill/1"}, json_);
        options.flag({"--list-skipped", "", "why scripts were skipped"}, list_skipped_);
        options.flag({"--trace", "", "every packet of every script"}, trace_);
        options.flag({"-q,--quiet", "", "only the last line"}, quiet_);
        options.flag({"--dry-run", "", "only read the scripts"}, dry_run_);
        options.value({"--pcap", "FILE", "the packets of one script, as pcapng"}, pcap_);
        options.value({"-j,--jobs", "N", "scripts at a time (default: 1)"}, jobs_);
        options.list({"-D", "NAME=VALUE", "what a word in the scripts means; repeatable"},
                     defines_);
        options.list({"--set", "NAME=VALUE",
                      "a parameter of TCP, after the scripts' own; repeatable"},
                     set_);
        options.list({"--option", "NAME=VALUE",
                      "an option of the scripts, e.g. ip_version=ipv6; it wins over theirs"},
                     options_);
    }

    int run(const Words&) override {
        if (files_.empty()) throw UsageError("packetdrill: which scripts?");
        const packetdrill::RunOptions base = run_options();
        const std::vector<std::string> paths = find_scripts();
        if (!pcap_.empty() && paths.size() != 1)
            throw UsageError("--pcap is for one script at a time");
        const auto begun = std::chrono::steady_clock::now();
        std::vector<Done> all(paths.size());
        run_all(paths, base, all);
        for (const Done& done : all) report(done);
        return sum_up(all, std::chrono::steady_clock::now() - begun);
    }

private:
    packetdrill::RunOptions run_options() const {
        packetdrill::RunOptions o;
        o.profile = profile_;
        o.trace = trace_;
        if (!packetdrill::settings_of(profile_))
            throw UsageError("--profile: linux, freebsd, rfc or tutorial, not '" +
                             printable(profile_) + "'");
        const auto split = [](const std::string& text) {
            const std::size_t is = text.find('=');
            return std::pair(text.substr(0, is),
                             is == std::string::npos ? std::string() : text.substr(is + 1));
        };
        for (const std::string& d : defines_) {
            const auto [name, value] = split(d);
            o.defines.push_back({name, value});
        }
        o.set = set_;
        tcp::Config checked;
        for (const std::string& assignment : set_) {
            const auto set = tcp::set_config(checked, assignment);
            if (!set) throw UsageError("--set " + printable(assignment) + ": " + set.error());
        }
        packetdrill::Settings probe = *packetdrill::settings_of(profile_);
        for (const std::string& text : options_) {
            const auto [name, value] = split(text);
            o.options.push_back({.name = name, .value = value});
            try {
                packetdrill::apply_option(probe, o.options.back());
            } catch (const std::exception& e) {
                throw UsageError("--option " + printable(text) + ": " + e.what());
            }
        }
        return o;
    }

    std::vector<std::string> find_scripts() const {
        std::vector<std::string> paths;
        for (const std::string& file : files_) {
            if (!fs::exists(file)) throw std::runtime_error(printable(file) + ": no such file");
            if (!fs::is_directory(file)) {
                paths.push_back(file);
                continue;
            }
            const std::size_t from = paths.size();
            for (const auto& entry : fs::recursive_directory_iterator(file))
                if (entry.is_regular_file() && entry.path().extension() == ".pkt")
                    paths.push_back(entry.path().string());
            std::sort(paths.begin() + static_cast<std::ptrdiff_t>(from), paths.end());
            if (paths.size() == from)
                throw std::runtime_error(printable(file) + ": no *.pkt in this folder");
        }
        return paths;
    }

    void run_all(const std::vector<std::string>& paths, const packetdrill::RunOptions& base,
                 std::vector<Done>& all) const {
        std::atomic<std::size_t> next = 0;
        const auto work = [&] {
            for (std::size_t i; (i = next++) < paths.size();) all[i] = run_one(paths[i], base);
        };
        const std::size_t workers = std::clamp<std::size_t>(jobs_.value_or(1), 1, 64);
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < workers; ++i) threads.emplace_back(work);
        work();
    }

    Done run_one(const std::string& path, packetdrill::RunOptions options) const {
        Done done{.path = path, .outcome = {}};
        const auto text = read_file(path);
        if (!text) {
            done.outcome.result = Outcome::Result::error;
            done.outcome.message = "cannot be read";
            return done;
        }
        if (dry_run_) {
            try {
                (void)packetdrill::parse(*text, options.defines);
            } catch (const packetdrill::ScriptError& e) {
                done.outcome.result = Outcome::Result::error;
                done.outcome.at = e.at();
                done.outcome.message = e.what();
            }
            return done;
        }
        options.read_file = [folder = fs::path(path).parent_path()](const std::string& name) {
            return read_file(folder / name);
        };
        std::optional<FileSink> sink;
        std::optional<observe::PcapngWriter> writer;
        if (!pcap_.empty()) {
            sink.emplace(pcap_);
            writer.emplace(*sink, observe::PcapngWriter::Settings{.comment = path});
            const std::size_t interface = writer->add_interface("estab", device::LinkType::ip);
            options.tap = [&writer, interface](Duration at, bool inbound, Bytes packet) {
                writer->write({.interface = interface,
                               .at = Instant(at),
                               .way = inbound ? link::Way::received : link::Way::sent,
                               .bytes = packet});
            };
        }
        done.outcome = packetdrill::run(*text, options);
        if (writer) writer->finish();
        return done;
    }

    void report(const Done& done) const {
        const Outcome& o = done.outcome;
        if (json_) {
            Json line{{"schema", "estab.packetdrill/1"},
                      {"path", done.path},
                      {"result", packetdrill::to_string(o.result)}};
            if (o.result != Outcome::Result::pass) {
                line["line"] = o.at.line;
                line["column"] = o.at.column;
                line["message"] = o.message;
            }
            line["virtual_s"] = static_cast<double>(to_us(o.virtual_time)) / 1e6;
            print(line.dump() + "\n");
            return;
        }
        if (quiet_) return;
        const bool shows = o.result == Outcome::Result::fail || o.result == Outcome::Result::error;
        if (shows || (o.result == Outcome::Result::skip && list_skipped_)) {
            print(fmt::format("{}:{}:{}: {}: {}\n", printable(done.path), o.at.line, o.at.column,
                              packetdrill::to_string(o.result), o.message));
            for (const std::string& detail : o.details) print("    " + detail + "\n");
        }
        if (!o.printed.empty()) print(o.printed);
        if (trace_ || (o.result == Outcome::Result::fail && !o.conversation.empty())) {
            print(trace_ ? fmt::format("{}\n", printable(done.path))
                         : "  the conversation so far:\n");
            for (const std::string& packet : o.conversation) print("    " + packet + "\n");
        }
    }

    int sum_up(const std::vector<Done>& all, std::chrono::steady_clock::duration took) const {
        std::size_t passed = 0, failed = 0, skipped = 0;
        Duration virtual_time{};
        for (const Done& done : all) {
            virtual_time += done.outcome.virtual_time;
            switch (done.outcome.result) {
            case Outcome::Result::pass: ++passed; break;
            case Outcome::Result::skip: ++skipped; break;
            case Outcome::Result::fail:
            case Outcome::Result::error: ++failed; break;
            }
        }
        const std::string line =
            fmt::format("{} passed, {} failed, {} skipped", passed, failed, skipped);
        if (json_) {
            print(line + "\n");
        } else {
            const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
            print(fmt::format("{} ({} virtual seconds in {} ms)\n", line,
                              to_ms(virtual_time) / 1000, ms));
        }
        return failed == 0 ? exit_status::done : exit_status::failed;
    }

    std::vector<std::string> files_, defines_, options_, set_;
    std::string profile_ = "linux", pcap_;
    std::optional<std::uint64_t> jobs_;
    bool json_ = false, list_skipped_ = false, trace_ = false, quiet_ = false, dry_run_ = false;
};

}  // namespace

std::unique_ptr<Command> make_packetdrill() {
    return std::make_unique<Packetdrill>();
}

}  // namespace estab::cli
