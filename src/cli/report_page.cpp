#include "cli/report_page.hpp"

#include <algorithm>
#include <utility>

#include "story/explain.hpp"

namespace estab::cli {

ReportPage::ReportPage(std::string name, std::size_t segments_max)
    : about_{.name = std::move(name)},
      overview_(connections_max),
      trace_(segments_max),
      narrator_([this](const analysis::Connection& c, const story::Step*) { ended(c); },
                [](std::uint32_t number) { return number < flows_max; }) {}

void ReportPage::add(const Packet& p) {
    if (!origin_) origin_ = p.time;
    ++about_.packets;
    about_.last_ns = std::max(about_.last_ns, to_ns(p.time.time_since_epoch()));
    const auto packet = observe::network_packet(p.link, p.bytes, p.original_bytes);
    if (!packet) return;
    const auto said = narrator_.on_packet(p.number, p.time, *packet);
    if (said.verdict == nullptr) return;
    breaches_.on_packet(*said.verdict, *packet);
    trace_.add(*said.verdict, p.comments);
    if (said.told == nullptr) return;
    const story::FlowGraph::Settings settings{.rows_max = flow_rows_max};
    graphs_.try_emplace(said.verdict->connection->number, settings)
        .first->second.add(*said.verdict, *said.step, p.comments, story::explain_lines(*said.told));
}

void ReportPage::ended(const analysis::Connection& c) {
    overview_.add(c, breaches_.of(c));
    breaches_.ended(c);
    const auto graph = graphs_.find(c.number);
    if (graph == graphs_.end()) return;
    graph->second.finish();
    int height = 0;
    const std::string drawing = story::flow_svg(c, graph->second, height);
    extra_.drawings[c.number] =
        story::svg_begin(height, story::SvgPlace::page) + drawing + story::svg_end;
    graphs_.erase(graph);
}

void ReportPage::simulated(std::string known, std::vector<std::vector<std::uint8_t>> series) {
    extra_.simulation = std::move(known);
    extra_.series = std::move(series);
}

void ReportPage::write(const std::function<void(std::string_view)>& write) {
    narrator_.finish();
    overview_.sort();
    about_.segments = narrator_.analyzer().segments();
    about_.forgotten = narrator_.analyzer().forgotten();
    if (origin_) about_.first_ns = to_ns(origin_->time_since_epoch());
    write_page(about_, overview_, trace_, write, extra_);
}

}  // namespace estab::cli
