// estab flow: the segments of each connection as arrows between two lifelines.
#include "story/flow.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <unordered_map>

#include "cli/capture_file.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/page_file.hpp"
#include "cli/stream_choice.hpp"
#include "story/follow.hpp"

namespace estab::cli {
namespace {

constexpr std::uint32_t connections_usual = 20;
constexpr std::uint64_t columns_least = 64, columns_usual = 100, columns_most = 400;

std::size_t terminal_columns() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return columns_usual;
    return std::clamp<std::size_t>(size.ws_col, columns_least, columns_most);
}

class Flow final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "a pcap or pcapng file, also packed; - is standard input"},
                           file_);
        options.rest({"[STREAM] [EXPRESSION…]", "", "connections by their numbers (0 or 0,2,5; else"
                                                    " the first 20), and a filter as for tcpdump"},
                     words_);
        options.flag({"--svg", "", "a drawing instead of text"}, svg_);
        options.flag({"--json", "", "for programs: estab.flow/1"}, json_);
        options.value({"-o,--output", "FILE", "where it goes (default: standard output)"}, output_);
        options.flag({"--all", "", "every segment: nothing is folded"}, all_);
        options.value({"--width", "COLUMNS", "of the text (default: the terminal's, or 100)"},
                      width_);
        options.flag({"--ascii", "", "arrows of - and >"}, ascii_);
    }

    int run(const Words&) override {
        if (svg_ && json_) throw UsageError("--svg and --json exclude each other");
        how_ = text_form();
        const StreamChoice choice(words_, connections_usual);
        CaptureFile capture(file_, words_);
        if (!output_.empty() && output_ != "-") page_ = std::make_unique<PageFile>(output_);
        if (json_) write("{\"schema\":\"estab.flow/1\",\"connections\":[");
        std::unordered_map<std::uint32_t, story::FlowGraph> graphs;
        story::Follower follower([&](const analysis::Connection& c) {
            const auto graph = graphs.find(c.number);
            if (graph == graphs.end()) return;
            graph->second.finish();
            ended(c, graph->second);
            graphs.erase(graph);
        });
        while (const observe::CapturedFrame* frame = capture.next()) {
            const auto packet =
                observe::network_packet(frame->link, frame->bytes, frame->original_bytes);
            if (!packet) continue;
            const auto seen = follower.on_packet(frame->number, frame->time, *packet);
            if (seen.verdict == nullptr) continue;
            const std::uint32_t number = seen.verdict->connection->number;
            if (!choice.wants(number)) continue;
            auto& graph = graphs.try_emplace(number, graph_settings()).first->second;
            graph.add(*seen.verdict, *seen.step, frame->comments);
        }
        follower.finish();
        in_order_.flush(true, [this](const std::string& text) { emit(text); });
        if (json_) write("]}\n");
        if (svg_) write(story::svg_begin(y_) + drawings_ + story::svg_end);
        if (page_) page_->finish();
        return finished(capture, choice, follower.analyzer().connections());
    }

private:
    story::FlowText text_form() const {
        const char* no = std::getenv("NO_COLOR");
        const bool terminal = ::isatty(STDOUT_FILENO) != 0 && output_.empty();
        if (width_ && (*width_ < columns_least || *width_ > columns_most)) {
            throw UsageError(
                fmt::format("--width: not between {} and {}", columns_least, columns_most));
        }
        return {.columns = width_ ? static_cast<std::size_t>(*width_) : terminal_columns(),
                .colour = terminal && (no == nullptr || *no == '\0'),
                .ascii = ascii_};
    }
    story::FlowGraph::Settings graph_settings() const {
        return {.fold = !all_, .rows_max = all_ ? 100'000U : 2'000U};
    }

    void ended(const analysis::Connection& c, const story::FlowGraph& graph) {
        in_order_.add(c.number, svg_    ? std::string{}
                                : json_ ? story::flow_json(c, graph)
                                        : story::flow_text(c, graph, how_));
        if (svg_) drawings_ += story::flow_svg(c, graph, y_);
        in_order_.flush(false, [this](const std::string& text) { emit(text); });
    }
    void emit(const std::string& text) {
        if (svg_) return;
        if (emitted_++ > 0) write(json_ ? "," : "\n");
        write(text);
    }
    void write(std::string_view text) {
        if (page_) return page_->write(text);
        print(text);
    }

    static int finished(const CaptureFile& capture, const StreamChoice& choice,
                        std::uint32_t connections) {
        if (capture.trouble() || connections == 0 || choice.missing(connections) >= 0) {
            note("estab flow", why_incomplete(capture, choice, connections));
            return exit_status::failed;
        }
        if (!choice.is_named() && connections > connections_usual) {
            note("estab flow", fmt::format("{} more connections: name them, as {},{}",
                                           connections - connections_usual, connections_usual,
                                           connections_usual + 1));
        }
        return exit_status::done;
    }

    std::string file_, output_;
    std::vector<std::string> words_;
    std::optional<std::uint64_t> width_;
    bool svg_ = false, json_ = false, all_ = false, ascii_ = false;
    story::FlowText how_;
    std::unique_ptr<PageFile> page_;
    InOrder in_order_;
    std::uint64_t emitted_ = 0;
    std::string drawings_;
    int y_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_flow() { return std::make_unique<Flow>(); }

}  // namespace estab::cli
