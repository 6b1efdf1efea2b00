// estab undump: from tcpdump's lines back to a capture.
#include "observe/undump.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/line_reader.hpp"
#include "cli/recorder.hpp"
#include "observe/pcapng_writer.hpp"

namespace estab::cli {
namespace {

class Undump final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "lines as tcpdump prints them; - is standard input"},
                           file_);
        options.value({"-o,--output", "CAPTURE", "the pcapng file; - or nothing: standard output"},
                      output_);
        options.flag({"-S", "", "every sequence number is absolute (found out where it shows)"},
                     settings_.absolute_numbers);
        options.flag({"--differences", "", "times count from the line before (tcpdump -ttt)"},
                     settings_.differences);
    }

    int run(const Words&) override {
        LineReader lines(file_);
        if (output_.empty()) output_.assign(1, '-');
        if (output_ == "-" && ::isatty(STDOUT_FILENO) != 0) {
            throw UsageError("where to? -o trace.pcapng");
        }
        OutputFile file(output_, STDOUT_FILENO);
        observe::PcapngWriter writer(file, {.ip_framing = observe::IpFraming::raw});
        const std::size_t interface = writer.add_interface("undump", device::LinkType::ip);
        observe::Undump undump(settings_, [&](Instant time, Bytes packet) {
            writer.write({.interface = interface, .at = time, .bytes = packet});
        });
        while (const auto line = lines.next()) {
            if (!undump.add_line(*line)) break;
        }
        undump.finish();
        writer.finish();
        file.flush();
        if (undump.other_packets() > 0) {
            note("estab undump", fmt::format("{} packets that are no TCP were left out, the first"
                                             " in line {}",
                                             undump.other_packets(), undump.first_other_line()));
        }
        if (const auto& wrong = undump.error()) {
            note("estab undump", fmt::format("{}:{}:{}: {}", lines.name(), wrong->line,
                                             wrong->column, wrong->what));
            return exit_status::failed;
        }
        if (undump.packets() > 0) return exit_status::done;
        note("estab undump", lines.name() + ": no TCP segment in it");
        return exit_status::failed;
    }

private:
    std::string file_, output_;
    observe::Undump::Settings settings_;
};

}  // namespace

std::unique_ptr<Command> make_undump() { return std::make_unique<Undump>(); }

}  // namespace estab::cli
