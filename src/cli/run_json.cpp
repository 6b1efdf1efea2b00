#include "cli/run_json.hpp"

#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/lane_counts.hpp"
#include "cli/limited_json.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t connections_max = 1000;  // the longest

const char* ending(const Forwarded& c) {
    if (c.refused != 0) return "refused";
    if (c.is_open) return "open";
    return c.is_broken ? "reset" : "closed";
}

Json connection_json(const Forwarded& c, const RunStory& story, const Gate& gate) {
    const tcp::Statistics& s = c.info.statistics;
    Json json{{"direction", c.is_published ? "in" : "out"},
              {"from", c.from.text()},
              {"to", c.wanted.text()},
              {"names", gate.names(c.wanted.address)},
              {"begin_s", json_seconds(c.began - story.began)},
              {"duration_s", json_seconds(c.ended - c.began)},
              {"ending", ending(c)}};
    if (c.refused != 0) {
        json["error"] = std::strerror(c.refused);
        return json;
    }
    json["up_bytes"] = c.up;
    json["down_bytes"] = c.down;
    json["host_connect_s"] = json_seconds(c.host_connect);
    json["host_slow_s"] = json_seconds(c.host_is_slow);
    json["segments_out"] = s.segments_out;
    json["segments_in"] = s.segments_in;
    json["data_segments_out"] = s.data_out;
    json["retransmits"] = s.retransmits;
    json["timeouts"] = s.timeouts;
    json["out_of_order_in"] = s.out_of_order_in;
    json["rtt_s"] = c.info.rtt_us / 1e6;
    json["rtt_min_s"] = c.info.rtt_min_us / 1e6;
    json["limited_s"] = limited_json(c.info.limited);
    json["reason"] = reason(c, story.rates);
    return json;
}

Json lane_json(const link::Lane::Counters& c) {
    Json json{{"packets", c.entered}, {"bytes", c.entered_bytes}};
    for (const auto& [what, count] : lane_counts(c)) json[what] = count;
    return json;
}

}  // namespace

std::string run_json(const RunStory& story, const Gate& gate, const link::PathLanes* lanes) {
    Json json{{"schema", "estab.run/1"},
              {"command", story.command},
              {"exit_status", story.exit_status},
              {"backend", story.backend},
              {"path", story.path},
              {"duration_s", json_seconds(story.ended - story.began)},
              {"totals",
               {{"connections", story.totals.connections},
                {"refused", story.totals.refused},
                {"denied", gate.denied()},
                {"up_bytes", story.totals.up},
                {"down_bytes", story.totals.down}}},
              {"published", story.published}};
    const auto link_json = [&](std::size_t branch) -> Json {  // our up is what CMD receives
        return {{"up", lane_json(lanes->down(branch).counters())},
                {"down", lane_json(lanes->up(branch).counters())}};
    };
    if (lanes != nullptr) json["link"] = link_json(0);
    for (std::size_t n = 0; n < story.branches.size(); ++n) {
        const PathOptions::Branch& branch = story.branches[n];
        json["branches"].push_back(
            {{"to", branch.to.text()}, {"path", branch.text}, {"link", link_json(n + 1)}});
    }
    std::vector<Forwarded> connections = story.connections;
    if (connections.size() > connections_max) {
        std::ranges::sort(connections, std::ranges::greater{},
                          [](const Forwarded& f) { return f.ended - f.began; });
        connections.resize(connections_max);
    }
    std::ranges::sort(connections, {}, &Forwarded::began);
    json["connections"] = Json::array();
    for (const Forwarded& c : connections)
        json["connections"].push_back(connection_json(c, story, gate));
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace estab::cli
