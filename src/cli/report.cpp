// estab report: a capture as one HTML page that needs no network.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "analysis/analyzer.hpp"
#include "cli/capture_file.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/page.hpp"

namespace estab::cli {
namespace {

constexpr std::uint64_t segments_usual = 2'000'000;

// Writes beside the target and moves it there at the end, so that a page is whole or not there.
class PageFile {
public:
    explicit PageFile(std::string name) : name_(std::move(name)), part_(name_ + ".part") {
        file_ = std::fopen(part_.c_str(), "wb");
        if (file_ == nullptr) fail();
    }
    ~PageFile() {
        if (file_ == nullptr) return;
        std::fclose(file_);
        std::remove(part_.c_str());
    }
    PageFile(const PageFile&) = delete;

    void write(std::string_view text) {
        if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
    }
    void finish() {
        std::FILE* file = std::exchange(file_, nullptr);
        if (std::fclose(file) != 0 || std::rename(part_.c_str(), name_.c_str()) != 0) {
            const int error = errno;
            std::remove(part_.c_str());
            errno = error;
            fail();
        }
    }

private:
    [[noreturn]] void fail() const {
        throw std::runtime_error(fmt::format("cannot write {}: {}", name_, std::strerror(errno)));
    }
    std::string name_, part_;
    std::FILE* file_;
};

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
        analysis::Overview overview(20'000);
        analysis::Trace trace(static_cast<std::size_t>(segments_.value_or(segments_usual)));
        analysis::Analyzer analyzer({},
                                    [&](const analysis::Connection& c) { overview.add(c); });
        AnalyzedFile about{.name = capture.name()};
        std::optional<Instant> origin;
        while (const observe::CapturedFrame* frame = capture.next()) {
            if (!origin) origin = frame->time;
            ++about.packets;
            about.last_ns = std::max(about.last_ns, to_ns(frame->time.time_since_epoch()));
            const auto packet =
                observe::network_packet(frame->link, frame->bytes, frame->original_bytes);
            if (!packet) continue;
            const analysis::Verdict* v = analyzer.on_packet(frame->number, frame->time, *packet);
            if (v != nullptr) trace.add(*v, frame->comments);
        }
        analyzer.finish();
        overview.sort();
        about.segments = analyzer.segments();
        about.forgotten = analyzer.forgotten();
        if (origin) about.first_ns = to_ns(origin->time_since_epoch());
        write_page(about, overview, trace, [&](std::string_view text) {
            file ? file->write(text) : print(text);
        });
        if (file) file->finish();
        if (trace.is_full()) {
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
