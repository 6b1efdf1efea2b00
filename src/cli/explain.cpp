// estab explain: the story of a connection for a learner.
#include "story/explain.hpp"

#include <fmt/format.h>

#include "cli/breaches.hpp"
#include "cli/capture_file.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/page_file.hpp"
#include "cli/stream_choice.hpp"
#include "story/narrator.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t columns = 100;

class Explain final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "a pcap or pcapng file, also packed; - is standard input"},
                           file_);
        options.rest({"[STREAM] [EXPRESSION…]", "", "the connection by its number (default: 0; 0,2"
                                                    " for two), and a filter as for tcpdump"},
                     words_);
        options.flag({"--markdown", "", "as Markdown"}, markdown_);
        options.flag({"--html", "", "as a page of HTML"}, html_);
        options.value({"-o,--output", "FILE", "where it goes (default: standard output)"}, output_);
    }

    int run(const Words&) override {
        if (markdown_ && html_) throw UsageError("--markdown and --html exclude each other");
        form_ = html_ ? story::Form::html : markdown_ ? story::Form::markdown : story::Form::text;
        const StreamChoice choice(words_, 1);
        CaptureFile capture(file_, words_);
        if (!output_.empty() && output_ != "-") page_ = std::make_unique<PageFile>(output_);
        capture.on_pause([this] { flush(); });
        text_ = story::explain_begin(form_, "estab explain: " + capture.name());
        Breaches breaches;
        story::Narrator narrator(
            [&](const analysis::Connection& c, const story::Step* last) {
                if (last == nullptr) return;
                const auto facts = story::Teller::conclusion(c, *last, breaches.of(c));
                breaches.ended(c);
                text_ += story::explain_conclusion(form_, facts, columns);
            },
            [&choice](std::uint32_t number) { return choice.wants(number); });
        while (const observe::CapturedFrame* frame = capture.next()) {
            const auto packet =
                observe::network_packet(frame->link, frame->bytes, frame->original_bytes);
            if (!packet) continue;
            const auto said = narrator.on_packet(frame->number, frame->time, *packet);
            if (said.told == nullptr) continue;
            breaches.on_packet(*said.verdict, *packet);
            if (said.first) text_ += story::explain_heading(form_, *said.verdict);
            text_ += story::explain_segment(form_,
                                            {.verdict = *said.verdict,
                                             .step = *said.step,
                                             .told = *said.told,
                                             .comments = frame->comments,
                                             .origin = said.origin},
                                            columns);
            if (text_.size() > output_bytes) flush();
        }
        narrator.finish();
        text_ += story::explain_end(form_);
        flush();
        if (page_) page_->finish();
        return finished(capture, choice, narrator.analyzer().connections());
    }

private:
    static constexpr std::size_t output_bytes = 128 * 1024;

    void flush() {
        page_ ? page_->write(text_) : print(text_);
        text_.clear();
    }

    static int finished(const CaptureFile& capture, const StreamChoice& choice,
                        std::uint32_t connections) {
        if (capture.trouble() || connections == 0 || choice.missing(connections) >= 0) {
            note("estab explain", why_incomplete(capture, choice, connections));
            return exit_status::failed;
        }
        if (!choice.is_named() && connections > 1) {
            note("estab explain", fmt::format("{} more connections: name one, 1 to {}",
                                              connections - 1, connections - 1));
        }
        return exit_status::done;
    }

    std::string file_, output_;
    std::vector<std::string> words_;
    bool markdown_ = false, html_ = false;
    story::Form form_ = story::Form::text;
    std::unique_ptr<PageFile> page_;
    std::string text_;
};

}  // namespace

std::unique_ptr<Command> make_explain() { return std::make_unique<Explain>(); }

}  // namespace estab::cli
