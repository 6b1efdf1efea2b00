// What the page of estab report is made of, gathered packet by packet: from a file, or live.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "analysis/summary.hpp"
#include "analysis/trace.hpp"
#include "cli/breaches.hpp"
#include "cli/page.hpp"
#include "observe/link_layer.hpp"
#include "story/flow.hpp"
#include "story/narrator.hpp"

namespace estab::cli {

class ReportPage {
public:
    static constexpr std::size_t connections_max = 20'000;
    static constexpr std::size_t segments_usual = 2'000'000;
    static constexpr std::uint32_t flows_max = 60;  // connections with a flow graph, the first ones
    static constexpr std::size_t flow_rows_max = 160;

    ReportPage(std::string name, std::size_t segments_max);

    struct Packet {
        std::uint64_t number;
        Instant time;  // since 1970
        observe::LinkType link;
        Bytes bytes;
        std::uint32_t original_bytes;
        std::span<const std::string_view> comments;
    };
    void add(const Packet& packet);
    // What only a simulator knows; page.hpp says what it is.
    void simulated(std::string known, std::vector<std::vector<std::uint8_t>> series);
    // No more packets come.
    void write(const std::function<void(std::string_view)>& write);
    bool is_full() const { return trace_.is_full(); }  // not all segments are drawn

private:
    void ended(const analysis::Connection& connection);

    AnalyzedFile about_;
    analysis::Overview overview_;
    analysis::Trace trace_;
    std::optional<Instant> origin_;
    std::unordered_map<std::uint32_t, story::FlowGraph> graphs_;  // of those that live
    PageExtra extra_;
    Breaches breaches_;
    story::Narrator narrator_;
};

}  // namespace estab::cli
