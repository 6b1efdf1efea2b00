// The flow graph for programs: docs/formats/flow.md.
#include <nlohmann/json.hpp>

#include "story/flow.hpp"

namespace estab::story {
namespace {

using Json = nlohmann::ordered_json;

double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

Json labels_json(const analysis::Labels& labels) {
    Json out = Json::array();
    for (unsigned i = 0; i < analysis::label_count; ++i) {
        const auto label = static_cast<analysis::Label>(i);
        if (labels.has(label)) out.push_back(analysis::to_string(label));
    }
    return out;
}

std::string flags_text(std::uint16_t flags) {
    static constexpr char letters[] = "FSRP.UEWe";
    std::string out;
    for (unsigned bit = 0; bit < 9; ++bit) {
        if ((flags >> bit & 1) != 0) out += letters[bit];
    }
    return out;
}

Json folded_json(const Row& row) {
    Json out{{"kind", "folded"},
             {"first_frame", row.frame},
             {"last_frame", row.last_frame},
             {"time_s", seconds(row.time_ns)},
             {"last_s", seconds(row.last_ns)}};
    for (std::size_t side = 0; side < 2; ++side) {
        out[side == 0 ? "client" : "server"] = {{"segments", row.counts[side].segments},
                                                {"bytes", row.counts[side].octets},
                                                {"window_min", row.window_min[side]},
                                                {"window_max", row.window_max[side]}};
    }
    out["duplicate_acks"] = row.duplicate_acks;
    return out;
}

Json segment_json(const Row& row) {
    Json out{{"kind", "segment"},
             {"frame", row.frame},
             {"time_s", seconds(row.time_ns)},
             {"from", row.side == 0 ? "client" : "server"},
             {"flags", flags_text(row.flags)},
             {"seq", row.seq}};
    if ((row.flags & analysis::flag::ack) != 0) out["ack"] = row.ack;
    out["len"] = row.octets;
    out["window"] = row.window;
    if (row.mss != 0) out["mss"] = row.mss;
    if (row.scale) out["scale"] = *row.scale;
    if (!row.sack.empty()) out["sack"] = row.sack;
    out["labels"] = labels_json(row.labels);
    if (row.duplicate != 0) out["duplicate"] = row.duplicate;
    out["client_state"] = tcp::to_string(row.states[0]);
    out["server_state"] = tcp::to_string(row.states[1]);
    if (!row.remarks.empty()) out["remarks"] = row.remarks;
    return out;
}

}  // namespace

std::string flow_json(const analysis::Connection& c, const FlowGraph& graph) {
    Json rows = Json::array();
    for (const Row& row : graph.rows()) {
        switch (row.kind) {
            case Row::Kind::segment: rows.push_back(segment_json(row)); break;
            case Row::Kind::folded: rows.push_back(folded_json(row)); break;
            case Row::Kind::pause:
                rows.push_back({{"kind", "pause"},
                                {"time_s", seconds(row.time_ns)},
                                {"last_s", seconds(row.last_ns)}});
                break;
        }
    }
    const Json out{{"stream", c.number},
                   {"client", end_text(c.ends[0])},
                   {"server", end_text(c.ends[1])},
                   {"first_s", seconds(c.first_ns)},
                   {"midstream", c.midstream},
                   {"rows", std::move(rows)}};
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace estab::story
