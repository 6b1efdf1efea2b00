// estab dump: a capture file as lines, as tcpdump prints them.
#include <fmt/format.h>
#include <net/if.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/capture_file.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "observe/dump.hpp"
#include "story/explain.hpp"
#include "story/narrator.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t output_bytes = 128 * 1024;

std::string_view own_interface_name(std::uint32_t index) {
    static char name[IF_NAMESIZE];
    return ::if_indextoname(index, name) != nullptr ? std::string_view(name) : "?";
}

observe::DumpTime time_format(int letters) {
    using observe::DumpTime;
    static constexpr DumpTime formats[] = {DumpTime::clock,          DumpTime::none,
                                           DumpTime::epoch,          DumpTime::since_previous,
                                           DumpTime::date,           DumpTime::since_first};
    if (letters > 5) throw UsageError("-t: at most five of them");
    return formats[letters];
}

// What ends or begins a connection stands out: RST red, SYN green, FIN yellow.
const char* colour_of(std::string_view line) {
    const std::size_t at = line.find("Flags [");
    if (at == std::string_view::npos) return nullptr;
    const std::string_view flags = line.substr(at + 7, line.find(']', at) - at - 7);
    if (flags.find('R') != std::string_view::npos) return "\033[31m";
    if (flags.find('S') != std::string_view::npos) return "\033[32m";
    if (flags.find('F') != std::string_view::npos) return "\033[33m";
    return nullptr;
}

bool colours_wanted() {
    const char* no = std::getenv("NO_COLOR");
    return ::isatty(STDOUT_FILENO) != 0 && (no == nullptr || *no == '\0');
}

class Dump final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "a pcap or pcapng file, also packed with gzip or zstd; -"
                                        " is standard input"},
                           file_);
        options.rest({"EXPRESSION…", "", "only packets that this filter lets through, as for"
                                         " tcpdump: tcp port 80 and not host 10.0.0.1"},
                     filter_);
        options.count({"-v", "", "the IP header, checksums and all lines of text; -vv, -vvv: more"},
                      verbose_);
        options.flag({"-e", "", "the link header"}, options_.link_header);
        options.flag({"-q", "", "short: ports and length"}, options_.quick);
        options.value({"-c", "COUNT", "stop after so many packets"}, count_);
        options.flag({"-S", "", "absolute sequence numbers"}, options_.absolute_numbers);
        options.count({"-t", "", "no time; -tt: since 1970; -ttt: since the line before; -tttt:"
                                 " with the date; -ttttt: since the first"},
                      times_);
        options.count({"-x", "", "the packet in hexadecimal; -xx: with its link header"},
                      options_.hex);
        options.count({"-X", "", "in hexadecimal and as text; -XX: with its link header"},
                      options_.hex_and_text);
        options.flag({"-A", "", "as text"}, options_.text);
        options.count({"-n", "", "accepted: names are never looked up"}, ignored_);
        options.flag({"-r", "", "accepted: FILE is always read"}, ignored_flag_);
        options.flag({"--explain", "", "under each TCP segment what it means, and both states"},
                     explain_);
        options.flag({"--nano", "", "nine digits of a second, not six"}, options_.nanoseconds);
    }

    int run(const Words&) override {
        options_.time = time_format(times_);
        options_.verbose = verbose_;
        options_.interface_name = own_interface_name;
        CaptureFile capture(file_, filter_);
        observe::SegmentPrinter printer(options_);
        observe::TextBuffer out(output_bytes * 2);
        capture.on_pause([&out] { flush(out); });
        const bool colours = colours_wanted();
        story::Narrator narrator;
        std::uint64_t left = count_.value_or(UINT64_MAX);
        while (left > 0) {
            const observe::CapturedFrame* frame = capture.next();
            if (frame == nullptr) break;
            if (out.size() >= output_bytes) flush(out);
            --left;
            if (colours) {
                print_coloured(out, printer, *frame);
            } else {
                printer.print_frame(out, frame->time, frame->link, frame->bytes,
                                    frame->original_bytes);
            }
            out.add('\n');
            if (explain_) explain(out, narrator, *frame);
        }
        flush(out);
        if (!capture.trouble()) return exit_status::done;
        note("estab dump", *capture.trouble());
        return exit_status::failed;
    }

private:
    static void flush(observe::TextBuffer& out) {
        print(out.view());
        out.clear();
    }
    static void explain(observe::TextBuffer& out, story::Narrator& narrator,
                        const observe::CapturedFrame& frame) {
        const auto packet = observe::network_packet(frame.link, frame.bytes, frame.original_bytes);
        if (!packet) return;
        const auto said = narrator.on_packet(frame.number, frame.time, *packet);
        if (said.told == nullptr) return;
        out.add("    ");
        out.add(story::explain_line(*said.step, *said.told));
        out.add('\n');
    }
    static void print_coloured(observe::TextBuffer& out, observe::SegmentPrinter& printer,
                               const observe::CapturedFrame& frame) {
        observe::TextBuffer line;
        printer.print_frame(line, frame.time, frame.link, frame.bytes, frame.original_bytes);
        const char* colour = colour_of(line.view());
        if (colour != nullptr) out.add(colour);
        out.add(line.view());
        if (colour != nullptr) out.add("\033[0m");
    }

    std::string file_;
    std::vector<std::string> filter_;
    std::optional<std::uint64_t> count_;
    int verbose_ = 0, times_ = 0, ignored_ = 0;
    bool ignored_flag_ = false, explain_ = false;
    observe::DumpOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_dump() { return std::make_unique<Dump>(); }

}  // namespace estab::cli
