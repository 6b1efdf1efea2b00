// estab report: a capture as one HTML page that needs no network.
#include <memory>

#include "cli/capture_file.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/page_file.hpp"
#include "cli/report_page.hpp"

namespace estab::cli {
namespace {

class Report final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "a pcap or pcapng file, also packed; - is standard input"},
                           file_);
        options.rest({"EXPRESSION…", "", "only packets that this filter lets through"}, filter_);
        options.value({"-o,--output", "PAGE", "where the page goes; - is standard output"}, page_);
        options.value({"--segments", "N", "draw so many segments, the first ones (default 2000000);"
                                          " findings and the table tell of all"},
                      segments_);
    }

    int run(const Words&) override {
        if (page_.empty()) throw UsageError("where to? -o report.html");
        CaptureFile capture(file_, filter_);
        std::unique_ptr<PageFile> file;
        if (page_ != "-") file = std::make_unique<PageFile>(page_);
        ReportPage report(capture.name(),
                          static_cast<std::size_t>(
                              segments_.value_or(ReportPage::segments_usual)));
        while (const observe::CapturedFrame* frame = capture.next()) {
            report.add({.number = frame->number,
                        .time = frame->time,
                        .link = frame->link,
                        .bytes = frame->bytes,
                        .original_bytes = frame->original_bytes,
                        .comments = frame->comments});
        }
        report.write([&](std::string_view text) { file ? file->write(text) : print(text); });
        if (file) file->finish();
        if (report.is_full()) {
            note("estab report", "not all segments are drawn; --segments N draws more");
        }
        if (!capture.trouble()) return exit_status::done;
        note("estab report", *capture.trouble());
        return exit_status::failed;
    }

private:
    std::string file_, page_;
    std::vector<std::string> filter_;
    std::optional<std::uint64_t> segments_;
};

}  // namespace

std::unique_ptr<Command> make_report() { return std::make_unique<Report>(); }

}  // namespace estab::cli
