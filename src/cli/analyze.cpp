// estab analyze: what happened in a capture, or between two of them.
#include "analysis/analyzer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/both_ends.hpp"
#include "analysis/frame_text.hpp"
#include "analysis/wireshark_fields.hpp"
#include "cli/analyze_report.hpp"
#include "cli/breaches.hpp"
#include "cli/capture_file.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t output_bytes = 128 * 1024;

void flush(observe::TextBuffer& out) {
    print(out.view());
    out.clear();
}

// What stood behind a damaged place is missing: say so, after what is there.
int finished(const CaptureFile& capture) {
    if (!capture.trouble()) return exit_status::done;
    note("estab analyze", *capture.trouble());
    return exit_status::failed;
}

class Analyze final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "a pcap or pcapng file, also packed; - is standard input"},
                           file_, false);
        options.rest({"EXPRESSION…", "", "only packets that this filter lets through"}, filter_);
        options.flag({"--frames", "", "a line for each TCP segment, with its labels"}, frames_);
        options.flag({"--json", "", "for programs: estab.analyze/1; with --frames an object on each"
                                    " line"},
                     json_);
        options.value({"--rows", "N", "so many connections and findings (default 40; 0: all)"},
                      rows_);
        options.value({"--labels", "WHOSE",
                       "wireshark: a line for each frame by Wireshark's rules, as tshark -T fields"
                       " prints it"},
                      labels_);
        options.list({"-e", "FIELD",
                      "a line for each frame with this field, by tshark's name or one of"
                      " estab.labels, estab.from, estab.in_flight, estab.earlier_frame, estab.rtt"
                      " (repeatable)"},
                     chosen_);
        options.flag({"--no-header", "", "with fields: without the line of names"}, headless_);
        options.flag({"--nulls", "", "with --json and --frames or fields: null for what does not"
                                     " apply, so that each line has all columns"},
                     nulls_);
        options.group("Two captures of the same traffic");
        options.value({"--client", "FILE", "captured at the one end"}, client_);
        options.value({"--server", "FILE", "captured at the other: what became of each packet"},
                      server_);
    }

    int run(const Words&) override {
        if (!labels_.empty() && labels_ != "wireshark" && labels_ != "estab") {
            throw UsageError("--labels " + labels_ + ": choose estab or wireshark");
        }
        const bool fields = labels_ == "wireshark" || !chosen_.empty();
        if (headless_ && (!fields || json_)) {
            throw UsageError("--no-header belongs to -e or --labels wireshark, without --json");
        }
        if (nulls_ && (!json_ || (!fields && !frames_))) {
            throw UsageError("--nulls belongs to --json with --frames, -e or --labels wireshark");
        }
        if (fields && !client_.empty()) {
            throw UsageError("-e and --labels wireshark look at one capture, not at two");
        }
        if (client_.empty() != server_.empty()) {
            throw UsageError("--client and --server belong together");
        }
        if (!client_.empty()) {
            // What would be FILE is the filter's first word then.
            if (!file_.empty()) filter_.insert(filter_.begin(), file_);
            return both_ends();
        }
        if (file_.empty()) throw UsageError("FILE is missing");
        if (fields) return wireshark_fields();
        return one_file();
    }

private:
    int one_file() {
        CaptureFile capture(file_, filter_);
        observe::TextBuffer out(output_bytes * 2);
        capture.on_pause([&out] { flush(out); });
        analysis::Overview overview;
        Breaches breaches;
        analysis::Analyzer analyzer({}, [&](const analysis::Connection& c) {
            if (frames_) return;
            overview.add(c, breaches.of(c));
            breaches.ended(c);
        });
        if (frames_ && !json_) analysis::add_frame_header(out);
        AnalyzedFile file{.name = capture.name()};
        std::optional<Instant> origin;
        while (const observe::CapturedFrame* frame = capture.next()) {
            if (!origin) origin = frame->time;
            ++file.packets;
            file.last_ns = std::max(file.last_ns, to_ns(frame->time.time_since_epoch()));
            const auto packet =
                observe::network_packet(frame->link, frame->bytes, frame->original_bytes);
            if (!packet) continue;
            const analysis::Verdict* v = analyzer.on_packet(frame->number, frame->time, *packet);
            if (v != nullptr && !frames_) breaches.on_packet(*v, *packet);
            if (v == nullptr || !frames_) continue;
            if (json_) {
                analysis::add_frame_json(out, *v, *origin, nulls_);
            } else {
                analysis::add_frame_line(out, *v, *origin);
            }
            if (out.size() >= output_bytes) flush(out);
        }
        analyzer.finish();
        flush(out);
        if (!frames_) {
            file.segments = analyzer.segments();
            file.forgotten = analyzer.forgotten();
            if (origin) file.first_ns = to_ns(origin->time_since_epoch());
            overview.sort();
            print(json_ ? analysis_json(file, overview)
                        : analysis_text(file, overview, shown_rows()));
        }
        return finished(capture);
    }

    // Of every frame, as tshark does; those without TCP have few fields.
    int wireshark_fields() {
        const auto chosen = chosen_fields();
        using analysis::wireshark::Absent;
        const Absent absent = nulls_ ? Absent::null : Absent::left_out;
        CaptureFile capture(file_, filter_);
        observe::TextBuffer out(output_bytes * 2);
        capture.on_pause([&out] { flush(out); });
        if (!headless_ && !json_) analysis::wireshark::add_names(out, chosen);
        analysis::wireshark::Analysis analyzer;
        const bool own = std::ranges::any_of(chosen, &analysis::wireshark::Field::is_own);
        analysis::Analyzer ours({}, [](const analysis::Connection&) {});
        analysis::Segment segment;
        std::optional<Instant> origin;
        while (const observe::CapturedFrame* frame = capture.next()) {
            if (!origin) origin = frame->time;
            analysis::wireshark::FrameView view{.frame = frame, .origin = *origin};
            const auto packet =
                observe::network_packet(frame->link, frame->bytes, frame->original_bytes);
            if (packet) view.packet = &*packet;
            if (packet && analysis::read_segment(*packet, segment)) {
                segment.frame = frame->number;
                segment.time = frame->time;
                view.segment = &segment;
                view.remarks = &analyzer.on_segment(segment);
                if (own) view.verdict = ours.on_packet(frame->number, frame->time, *packet);
            }
            json_ ? analysis::wireshark::add_json(out, chosen, view, absent)
                  : analysis::wireshark::add_line(out, chosen, view);
            if (out.size() >= output_bytes) flush(out);
        }
        flush(out);
        return finished(capture);
    }

    std::vector<const analysis::wireshark::Field*> chosen_fields() const {
        std::vector<const analysis::wireshark::Field*> out;
        for (const std::string& name : chosen_) {
            out.push_back(analysis::wireshark::find_field(name));
            if (out.back() != nullptr) continue;
            std::vector<std::string> names;
            for (const auto& field : analysis::wireshark::fields()) names.emplace_back(field.name);
            throw UsageError("-e " + name + ": no such field here" + suggestion(name, names));
        }
        if (out.empty()) {
            for (const auto& field : analysis::wireshark::fields())
                if (!field.is_own) out.push_back(&field);
        }
        return out;
    }

    int both_ends() {
        analysis::BothEnds ends;
        int status = exit_status::done;
        for (const bool is_client : {true, false}) {
            CaptureFile capture(is_client ? client_ : server_, filter_);
            analysis::Segment segment;
            while (const observe::CapturedFrame* frame = capture.next()) {
                const auto packet =
                    observe::network_packet(frame->link, frame->bytes, frame->original_bytes);
                if (!packet || !analysis::read_segment(*packet, segment)) continue;
                segment.frame = frame->number;
                segment.time = frame->time;
                is_client ? ends.add_client(segment) : ends.add_server(segment);
            }
            status = std::max(status, finished(capture));
        }
        ends.match();
        const auto met = [](const analysis::FateOfFrame& fate) { return fate.other_frame != 0; };
        if (std::ranges::none_of(ends.client(), met)) {
            note("estab analyze", client_ + " and " + server_ +
                                      " have no packet in common: are they of the same traffic?");
            status = exit_status::failed;
        } else if (frames_) {
            print_fates(ends);
        } else {
            print(json_ ? both_ends_json(ends) : both_ends_text(ends));
        }
        return status;
    }

    // "client	12	sender	first	14	0.000120": end, frame, whose, fate, the frame at the other end,
    // extra delay in seconds.
    static void print_fates(const analysis::BothEnds& ends) {
        observe::TextBuffer out(output_bytes * 2);
        out.add("#end\tframe\tview\tfate\tother_frame\textra_delay_s\n");
        for (const bool is_client : {true, false}) {
            for (const analysis::FateOfFrame& fate : is_client ? ends.client() : ends.server()) {
                out.add(is_client ? "client\t" : "server\t");
                out.decimal(fate.frame);
                out.add(fate.sent_here ? "\tsender\t" : "\treceiver\t");
                out.add(analysis::to_string(fate.fate));
                out.add('\t');
                if (fate.other_frame != 0) out.decimal(fate.other_frame);
                out.add(fmt::format("\t{:.6f}\n", static_cast<double>(fate.delay_ns) / 1e9));
                if (out.size() >= output_bytes) flush(out);
            }
        }
        flush(out);
    }

    ShownRows shown_rows() const {
        constexpr std::size_t all = SIZE_MAX, usual = 40;
        if (!rows_) return {usual, usual};
        const std::size_t rows = *rows_ == 0 ? all : static_cast<std::size_t>(*rows_);
        return {rows, rows};
    }

    std::string file_, client_, server_;
    std::vector<std::string> filter_;
    std::optional<std::uint64_t> rows_;
    std::string labels_;
    std::vector<std::string> chosen_;
    bool frames_ = false, json_ = false, headless_ = false, nulls_ = false;
};

}  // namespace

std::unique_ptr<Command> make_analyze() { return std::make_unique<Analyze>(); }

}  // namespace estab::cli
