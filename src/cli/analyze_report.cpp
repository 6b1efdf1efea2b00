#include "cli/analyze_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>
#include <tuple>

#include "analysis/frame_text.hpp"

namespace estab::cli {
namespace {

using analysis::Note;
using analysis::Overview;
using analysis::SideSummary;
using analysis::Summary;
using Json = nlohmann::ordered_json;

double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

std::string rtt_text(const Summary& s) {
    const SideSummary& side = s.rtt_side();
    if (side.rtt_samples == 0) return "-";
    const auto ms = [](std::int64_t ns) { return static_cast<double>(ns) / 1e6; };
    return fmt::format("{:.3g}/{:.3g}/{:.3g}", ms(side.rtt_min_ns), ms(side.rtt_median_ns),
                       ms(side.rtt_p99_ns));
}

// "network 92 %", and "-" where there was nothing to wait for.
std::string slow_because(const Summary& s) {
    if (s.duration_ns() < 1'000'000 || s.text_bytes() == 0) return "-";
    const analysis::Time most = s.slowest();
    return fmt::format("{} {:.0f} %", analysis::to_string(most), s.share(most) * 100);
}

// Those that lost most time first, then the largest.
std::vector<const Summary*> ranked(const Overview& overview) {
    std::vector<const Summary*> out;
    for (const Summary& s : overview.kept()) out.push_back(&s);
    std::ranges::sort(out, {}, [](const Summary* c) {
        return std::tuple(-c->lost_time_ns(), UINT64_MAX - c->text_bytes(), c->number);
    });
    return out;
}

std::string frames_text(const Note& note) {
    std::string out = note.count == 1 ? "frame" : "frames";
    const std::size_t shown = std::min<std::size_t>(note.count, Note::frames_max);
    for (std::size_t i = 0; i < shown; ++i) {
        out += fmt::format("{}{}", i == 0 ? " " : ", ", note.frames[i]);
    }
    if (note.count > shown) out += ", …";
    return out;
}

struct Ranked {
    const Summary* connection;
    const Note* note;
};

std::vector<Ranked> findings(const Overview& overview) {
    std::vector<Ranked> out;
    for (const Summary& s : overview.kept()) {
        // Told once for all of them.
        const bool flooded = overview.is_flooded(s.ends[1]);
        for (const Note& note : s.notes) {
            const bool never_opened = note.finding == analysis::Finding::half_open ||
                                      note.finding == analysis::Finding::no_answer;
            if (!flooded || !never_opened) out.push_back({&s, &note});
        }
    }
    std::ranges::sort(out, {}, [](const Ranked& f) {
        return std::tuple(-f.note->cost_ns, f.connection->number, f.note->finding, f.note->side);
    });
    return out;
}

std::string connections_text(const Overview& overview, std::size_t shown) {
    std::string out = fmt::format(
        "\n{:>5} {:<24} {:<24} {:<11} {:>8} {:>8} {:>9} {:>9} {:>12} {:>8} {:>17} {:>6}  {}\n",
        "#", "client", "server", "state", "begins", "lasts", "sent", "received", "goodput",
        "open ms", "rtt ms min/med/p99", "again", "most time in");
    const auto rows = ranked(overview);
    for (const Summary* s : rows | std::views::take(shown)) {
        const std::int64_t origin = overview.kept().front().first_ns;
        out += fmt::format(
            "{:>5} {:<24} {:<24} {:<11} {:>8} {:>8} {:>9} {:>9} {:>12} {:>8} {:>17} {:>5.1f}% "
            " {}\n",
            s->number, end_text(s->ends[0]), end_text(s->ends[1]), s->state,
            analysis::duration_text(s->first_ns - origin),
            analysis::duration_text(s->duration_ns()),
            analysis::bytes_text(s->sides[0].text_bytes),
            analysis::bytes_text(s->sides[1].text_bytes),
            s->text_bytes() == 0 ? "-" : analysis::rate_text(s->goodput()),
            s->handshake_rtt_ns == 0
                ? "-"
                : fmt::format("{:.3g}", static_cast<double>(s->handshake_rtt_ns) / 1e6),
            rtt_text(*s), s->retransmitted_share() * 100, slow_because(*s));
    }
    if (rows.size() > shown) {
        out += fmt::format("      … and {} more (--rows 0 shows all)\n", rows.size() - shown);
    }
    if (overview.dropped() > 0) {
        out += fmt::format("      {} connections that lost least time were counted only\n",
                           overview.dropped());
    }
    return out;
}

std::string findings_text(const Overview& overview, std::size_t shown) {
    std::string out = "\nfindings, by the time they cost\n";
    for (const std::string& line : overview.flood_sentences()) out += "  " + line + "\n";
    const auto all = findings(overview);
    for (const Ranked& f : all | std::views::take(shown)) {
        const std::string cost =
            f.note->cost_ns == 0 ? "-" : analysis::duration_text(f.note->cost_ns);
        out += fmt::format("  {:>8}  #{:<5} {} ({})\n", cost, f.connection->number,
                           analysis::sentence(*f.connection, *f.note), frames_text(*f.note));
    }
    if (all.empty() && overview.flood_sentences().empty()) {
        out += "  none: nothing was lost, late, refused or held back\n";
    }
    if (all.size() > shown) {
        out += fmt::format("  … and {} more (--rows 0 shows all):\n", all.size() - shown);
        for (std::size_t i = 0; i < analysis::finding_count; ++i) {
            const Overview::Total& total = overview.totals()[i];
            if (total.count == 0) continue;
            out += fmt::format("  {:>8}  {} in {} connections, {} in all\n",
                               analysis::duration_text(total.cost_ns),
                               analysis::to_string(static_cast<analysis::Finding>(i)),
                               total.connections, total.count);
        }
    }
    return out;
}

Json side_json(const SideSummary& side) {
    Json out = {{"packets", side.packets},
                {"segments", side.segments},
                {"bytes", side.text_bytes},
                {"retransmitted", side.retransmitted},
                {"retransmitted_bytes", side.retransmitted_bytes},
                {"mss", side.mss},
                {"window_max_bytes", side.window_max},
                {"fin", side.fin},
                {"reset", side.reset}};
    if (side.rtt_samples > 0) {
        out["rtt"] = {{"samples", side.rtt_samples},
                      {"min_s", seconds(side.rtt_min_ns)},
                      {"median_s", seconds(side.rtt_median_ns)},
                      {"p99_s", seconds(side.rtt_p99_ns)}};
    }
    return out;
}

}  // namespace

std::string end_text(const analysis::End& end) {
    observe::TextBuffer out(64);
    analysis::add_end(out, end);
    return std::string(out.view());
}

namespace {

Json connection_json(const Summary& s) {
    Json times;
    for (std::size_t i = 0; i < analysis::time_count; ++i) {
        std::string name = analysis::to_string(static_cast<analysis::Time>(i));
        std::ranges::replace(name, ' ', '_');
        times[name + "_s"] = seconds(s.time_ns[i]);
    }
    Json notes = Json::array();
    for (const Note& note : s.notes) {
        Json frames = Json::array();
        for (std::size_t i = 0; i < std::min<std::size_t>(note.count, Note::frames_max); ++i) {
            frames.push_back(note.frames[i]);
        }
        notes.push_back({{"finding", analysis::to_string(note.finding)},
                         {"side", note.side == 0 ? "client" : "server"},
                         {"count", note.count},
                         {"cost_s", seconds(note.cost_ns)},
                         {"frames", frames},
                         {"sentence", analysis::sentence(s, note)}});
    }
    return {{"stream", s.number},
            {"client", end_text(s.ends[0])},
            {"server", end_text(s.ends[1])},
            {"state", s.state},
            {"midstream", s.midstream},
            {"first_frame", s.first_frame},
            {"last_frame", s.last_frame},
            {"begin_unix_s", seconds(s.first_ns)},
            {"duration_s", seconds(s.duration_ns())},
            {"handshake_rtt_s", seconds(s.handshake_rtt_ns)},
            {"goodput_bit_s", s.goodput()},
            {"retransmitted_share", s.retransmitted_share()},
            {"from_client", side_json(s.sides[0])},
            {"from_server", side_json(s.sides[1])},
            {"time", times},
            {"findings", notes}};
}

}  // namespace

std::string analysis_text(const AnalyzedFile& file, const Overview& overview,
                          const ShownRows& shown) {
    std::string out = fmt::format("{}: {} packets, {} TCP segments, {} connections, {}\n",
                                  file.name, file.packets, file.segments, overview.connections(),
                                  analysis::duration_text(file.last_ns - file.first_ns));
    if (file.forgotten > 0) {
        out += fmt::format("{} silent connections were ended early: too many live ones\n",
                           file.forgotten);
    }
    if (overview.connections() == 0) return out;
    return out + connections_text(overview, shown.connections) +
           findings_text(overview, shown.findings);
}

std::string analysis_json(const AnalyzedFile& file, const Overview& overview) {
    Json connections = Json::array();
    for (const Summary& s : overview.kept()) connections.push_back(connection_json(s));
    const Json all = {{"schema", "estab.analyze/1"},
                      {"file", file.name},
                      {"packets", file.packets},
                      {"tcp_segments", file.segments},
                      {"duration_s", seconds(file.last_ns - file.first_ns)},
                      {"connections_total", overview.connections()},
                      {"floods", overview.flood_sentences()},
                      {"connections", connections}};
    return all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string both_ends_text(const analysis::BothEnds& ends) {
    std::string out = fmt::format(
        "the server's clock is {} {} the client's, if both ways are equally long\n\n"
        "{:<24} {:<24} {:>8} {:>8} {:>6} {:>6} {:>9} {:>9} {:>7} {:>24}\n",
        analysis::duration_text(std::abs(ends.clock_offset_ns())),
        ends.clock_offset_ns() <= 0 ? "ahead of" : "behind", "from", "to", "sent", "came", "lost",
        "again", "needless", "overtaken", "copies", "extra delay med/p99/max");
    for (const analysis::FlowFates& f : ends.flows()) {
        out += fmt::format("{:<24} {:<24} {:>8} {:>8} {:>6} {:>6} {:>9} {:>9} {:>7} {:>24}\n",
                           end_text(f.source), end_text(f.destination), f.sent, f.received, f.lost,
                           f.retransmissions, f.spurious, f.reordered, f.copies,
                           fmt::format("{}/{}/{}", analysis::duration_text(f.delay_median_ns),
                                       analysis::duration_text(f.delay_p99_ns),
                                       analysis::duration_text(f.delay_max_ns)));
    }
    return out;
}

std::string both_ends_json(const analysis::BothEnds& ends) {
    Json flows = Json::array();
    for (const analysis::FlowFates& f : ends.flows()) {
        flows.push_back({{"from", end_text(f.source)},
                         {"to", end_text(f.destination)},
                         {"sender_at", f.from_client ? "client" : "server"},
                         {"sent", f.sent},
                         {"received", f.received},
                         {"bytes", f.bytes},
                         {"lost", f.lost},
                         {"retransmissions", f.retransmissions},
                         {"spurious", f.spurious},
                         {"reordered", f.reordered},
                         {"copies", f.copies},
                         {"extra_delay_median_s", seconds(f.delay_median_ns)},
                         {"extra_delay_p99_s", seconds(f.delay_p99_ns)},
                         {"extra_delay_max_s", seconds(f.delay_max_ns)}});
    }
    const Json all = {{"schema", "estab.both_ends/1"},
                      {"clock_offset_s", seconds(ends.clock_offset_ns())},
                      {"flows", flows}};
    return all.dump() + "\n";
}

}  // namespace estab::cli
