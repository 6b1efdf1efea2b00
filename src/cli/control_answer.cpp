// What a running command says about itself.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/control.hpp"
#include "cli/limited_json.hpp"
#include "congestion/algorithm.hpp"
#include "tcp/config_fields.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds(Duration d) { return json_seconds(d); }
double seconds_of_us(std::uint32_t us) { return static_cast<double>(us) / 1e6; }

const char* timer_name(tcp::Info::Timer timer) {
    switch (timer) {
    case tcp::Info::Timer::off: return "off";
    case tcp::Info::Timer::on: return "on";
    case tcp::Info::Timer::keepalive: return "keepalive";
    case tcp::Info::Timer::timewait: return "timewait";
    case tcp::Info::Timer::persist: return "persist";
    }
    return "off";
}

// Records that are not whole connections have the one timer that their state implies.
const char* timer_of(const stack::Row& row) {
    if (row.timer_left < Duration{}) return "off";
    if (row.state == tcp::State::time_wait) return "timewait";
    if (!row.id.valid()) return "on";
    return timer_name(row.info.timer);
}

Json info_of(const tcp::Info& info) {
    const tcp::Statistics& s = info.statistics;
    Json json{{"congestion_control", info.congestion_control},
              {"timestamps", info.timestamps},
              {"sack", info.sack},
              {"ecn", info.ecn},
              {"rto_s", seconds_of_us(info.rto_us)},
              {"rtt_s", seconds_of_us(info.rtt_us)},
              {"rttvar_s", seconds_of_us(info.rttvar_us)},
              {"rtt_min_s", seconds_of_us(info.rtt_min_us)},
              {"mss_bytes", info.snd_mss},
              {"rcv_mss_bytes", info.rcv_mss},
              {"path_mtu_bytes", info.path_mtu},
              {"cwnd_bytes", info.cwnd},
              {"unacked_bytes", info.unacked},
              {"not_sent_bytes", info.not_sent},
              {"in_flight_bytes", info.in_flight},
              {"lost_bytes", info.lost},
              {"snd_wnd_bytes", info.snd_wnd},
              {"rcv_wnd_bytes", info.rcv_wnd},
              {"rcv_space_bytes", info.rcv_space},
              {"backoff", info.backoff},
              {"probes", info.probes},
              {"delivery_rate_bytes_per_s", info.delivery_rate},
              {"pacing_rate_bytes_per_s", info.pacing_rate},
              {"app_limited", info.app_limited},
              {"delivered_bytes", info.delivered},
              {"sent_bytes", s.octets_sent},
              {"acked_bytes", s.octets_acked},
              {"received_bytes", s.octets_received},
              {"retransmitted_bytes", s.octets_retransmitted},
              {"segments_out", s.segments_out},
              {"segments_in", s.segments_in},
              {"data_segments_out", s.data_out},
              {"data_segments_in", s.data_in},
              {"retransmits", s.retransmits},
              {"since_sent_s", seconds(info.since_sent)},
              {"since_received_s", seconds(info.since_received)},
              {"since_ack_s", seconds(info.since_ack)}};
    if (info.scaling) json["window_scale"] = {info.snd_shift, info.rcv_shift};
    if (info.ssthresh < congestion::infinite) json["ssthresh_bytes"] = info.ssthresh;
    json["limited_s"] = limited_json(info.limited);
    return json;
}

Json sockets_of(Instant now, stack::Stack& stack) {
    Json rows = Json::array();
    for (const stack::Row& row : stack.table(now)) {
        Json json{
            {"protocol", "tcp"},
            {"state", tcp::to_string(row.state)},
            {"recv_queue", row.queue_in},
            {"send_queue", row.queue_out},
            {"local",
             {{"address", row.tuple.local.address.text()}, {"port", row.tuple.local.port}}},
            {"peer",
             {{"address", row.tuple.remote.address.text()}, {"port", row.tuple.remote.port}}}};
        if (const std::string_view timer = timer_of(row); timer != "off")
            json["timer"] = {{"name", timer},
                             {"expires_s", seconds(row.timer_left)},
                             {"retransmits", row.retransmits}};
        if (row.id.valid()) json["info"] = info_of(row.info);
        rows.push_back(std::move(json));
    }
    return rows;
}

Json counters_of(const event::Counters& counters) {
    Json json = Json::object();
#define ESTAB_COUNTER_JSON(group, name) json[#group #name] = counters.group##_##name;
    ESTAB_COUNTERS(ESTAB_COUNTER_JSON)
#undef ESTAB_COUNTER_JSON
    return json;
}

Json config_of(const tcp::Config& config) {
    Json json = Json::object();
    for (const tcp::ConfigField& field : tcp::config_fields())
        json[std::string(field.name)] = tcp::config_text(field, config);
    return json;
}

}  // namespace

std::string control_answer(std::string_view line, Instant now, stack::Stack& stack,
                           const ControlInfo& info) {
    const Json request = Json::parse(line, nullptr, false);
    Json answer{{"schema", "estab.control/1"}, {"pid", ::getpid()}};
    if (!request.is_object() || !request.contains("get") || !request["get"].is_array()) {
        answer["error"] = R"(the request is one line: {"get":["sockets","counters","config"]})";
        return answer.dump();
    }
    answer["command"] = info.command;
    answer["interface"] = info.interface;
    for (const Json& what : request["get"]) {
        if (what == "sockets")
            answer["sockets"] = sockets_of(now, stack);
        else if (what == "counters")
            answer["counters"] = counters_of(stack.counters());
        else if (what == "config")
            answer["config"] = config_of(stack.config());
        else
            answer["error"] = "known: sockets, counters, config";
    }
    return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace estab::cli
