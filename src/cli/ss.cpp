// estab ss: the sockets of running estab commands, as ss(8) shows the kernel's.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/control.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

// As ss(8) abbreviates them.
std::string short_state(const std::string& state) {
    if (state == "ESTABLISHED") return "ESTAB";
    if (state == "SYN-RECEIVED") return "SYN-RECV";
    if (state == "CLOSED") return "UNCONN";
    return state;
}

std::string endpoint(const Json& side) {
    const std::string address = side.at("address");
    const auto port = side.at("port").get<unsigned>();
    const bool is_any = address == "::";  // of both families
    const std::string host = is_any                                   ? "*"
                             : address.find(':') == std::string::npos ? address
                                                                      : "[" + address + "]";
    return port == 0 ? host + ":*" : fmt::format("{}:{}", host, port);
}

// "200ms", "1.500sec", "1min59sec": as ss(8) prints what is left of a timer.
std::string time_text(double seconds) {
    const auto ms = static_cast<std::uint64_t>(seconds * 1000 + 0.5);
    if (ms < 1000) return fmt::format("{}ms", ms);
    if (ms >= 60'000) {
        const std::uint64_t s = ms / 1000;
        return s % 60 == 0 ? fmt::format("{}min", s / 60)
                           : fmt::format("{}min{}sec", s / 60, s % 60);
    }
    if (ms >= 10'000) return fmt::format("{}sec", ms / 1000);
    return ms % 1000 == 0 ? fmt::format("{}sec", ms / 1000)
                          : fmt::format("{}.{:03}sec", ms / 1000, ms % 1000);
}

std::string timer_text(const Json& socket) {
    const auto timer = socket.find("timer");
    if (timer == socket.end()) return {};
    return fmt::format("timer:({},{},{})", timer->at("name").get<std::string>(),
                       time_text(timer->at("expires_s").get<double>()),
                       timer->at("retransmits").get<unsigned>());
}

// Milliseconds with at most three digits behind the point.
std::string ms_text(const Json& info, const char* key) {
    std::string text = fmt::format("{:.3f}", info.at(key).get<double>() * 1000);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

// Where the time went in which there was something to send; as ss(8), which knows of two reasons,
// the receiver's window and the send buffer.
std::string limits_text(const Json& limited) {
    constexpr std::pair<const char*, std::string_view> names[] = {
        {"receive_window", "rwnd_limited"}, {"zero_window", "zero_window"},
        {"send_buffer", "sndbuf_limited"},  {"cwnd", "cwnd_limited"},
        {"pacing", "pacing_limited"},       {"recovery", "recovery"},
        {"timeout", "rto_wait"},            {"small_segment", "nagle_limited"},
        {"memory", "memory_limited"}};
    double busy = 0;
    for (const auto& [key, name] : names) busy += limited.value(key, 0.0);
    if (busy < 0.001) return {};
    std::string out = fmt::format(" busy:{:.0f}ms", busy * 1000);
    for (const auto& [key, name] : names) {
        const double spent = limited.value(key, 0.0);
        if (spent >= 0.001)
            out += fmt::format(" {}:{:.0f}ms({:.1f}%)", name, spent * 1000, 100 * spent / busy);
    }
    return out;
}

std::string info_text(const Json& i) {
    const auto number = [&i](const char* key) { return i.at(key).get<std::uint64_t>(); };
    const std::uint64_t mss = std::max<std::uint64_t>(number("mss_bytes"), 1);
    std::string out;
    const auto add = [&out](std::string_view name, const auto& value) {
        out += fmt::format(" {}:{}", name, value);
    };
    const auto add_if_any = [&](std::string_view name, const char* key) {
        if (number(key) != 0) add(name, number(key));
    };
    for (const char* flag : {"timestamps", "sack", "ecn"})
        if (i.at(flag).get<bool>())
            out += std::string(" ") + (flag == std::string_view("timestamps") ? "ts" : flag);
    out += " " + i.at("congestion_control").get<std::string>();
    if (const auto scale = i.find("window_scale"); scale != i.end())
        out += fmt::format(" wscale:{},{}", scale->at(0).get<unsigned>(),
                           scale->at(1).get<unsigned>());
    add("rto", ms_text(i, "rto_s"));
    if (number("backoff") != 0) add("backoff", number("backoff"));
    if (i.at("rtt_s").get<double>() != 0)
        out += fmt::format(" rtt:{}/{}", ms_text(i, "rtt_s"), ms_text(i, "rttvar_s"));
    add("mss", number("mss_bytes"));
    add("pmtu", number("path_mtu_bytes"));
    add("rcvmss", number("rcv_mss_bytes"));
    add("cwnd", std::max<std::uint64_t>(number("cwnd_bytes") / mss, 1));
    if (i.contains("ssthresh_bytes")) add("ssthresh", number("ssthresh_bytes") / mss);
    add_if_any("bytes_sent", "sent_bytes");
    add_if_any("bytes_retrans", "retransmitted_bytes");
    add_if_any("bytes_acked", "acked_bytes");
    add_if_any("bytes_received", "received_bytes");
    add_if_any("segs_out", "segments_out");
    add_if_any("segs_in", "segments_in");
    add_if_any("data_segs_out", "data_segments_out");
    add_if_any("data_segs_in", "data_segments_in");
    add("lastsnd", static_cast<std::uint64_t>(i.at("since_sent_s").get<double>() * 1000));
    add("lastrcv", static_cast<std::uint64_t>(i.at("since_received_s").get<double>() * 1000));
    add("lastack", static_cast<std::uint64_t>(i.at("since_ack_s").get<double>() * 1000));
    const auto add_rate = [&](std::string_view name, const char* key) {
        if (number(key) != 0) out += fmt::format(" {} {}bps", name, number(key) * 8);
    };
    add_rate("pacing_rate", "pacing_rate_bytes_per_s");
    add_rate("delivery_rate", "delivery_rate_bytes_per_s");
    if (const std::uint64_t delivered = number("delivered_bytes"); delivered != 0)
        add("delivered", (delivered + mss - 1) / mss);
    if (i.at("app_limited").get<bool>()) out += " app_limited";
    out += limits_text(i.at("limited_s"));
    const auto add_segments = [&](std::string_view name, const char* key) {
        if (number(key) != 0) add(name, (number(key) + mss - 1) / mss);
    };
    add_segments("unacked", "in_flight_bytes");
    if (number("retransmits") != 0) out += fmt::format(" retrans:0/{}", number("retransmits"));
    add_segments("lost", "lost_bytes");
    add_if_any("notsent", "not_sent_bytes");
    add_if_any("rcv_space", "rcv_space_bytes");
    add("rcv_wnd", number("rcv_wnd_bytes"));
    add("snd_wnd", number("snd_wnd_bytes"));
    if (i.at("rtt_min_s").get<double>() != 0) add("minrtt", ms_text(i, "rtt_min_s"));
    return out;
}

class Ss final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"PID", "", "of one estab command (default: all of this user's)"}, pid_,
                           false);
        options.flag({"-a,--all", "", "listeners and TIME-WAIT too"}, all_);
        options.flag({"-l,--listening", "", "listeners only"}, listening_);
        options.flag({"-i,--info", "", "what TCP knows about each connection"}, info_);
        options.flag({"-o,--options", "", "timers"}, timers_);
        options.flag({"-t,--tcp", "", "TCP: there is nothing else here"}, ignored_);
        options.flag({"-n,--numeric", "", "no names: there never are"}, ignored_);
        options.flag({"-s,--counters", "", "the counters, under nstat's names"}, counters_);
        options.flag({"--json", "", "for programs, as estab.ss/1"}, json_);
    }

    int run(const Words&) override {
        std::vector<int> pids = running_commands();
        if (!pid_.empty()) {
            const bool is_number =
                pid_.find_first_not_of("0123456789") == std::string::npos && pid_.size() < 10;
            if (!is_number)
                throw UsageError(fmt::format("'{}' is not a process number", printable(pid_)));
            const int wanted = std::stoi(pid_);
            if (std::ranges::find(pids, wanted) == pids.end())
                throw std::runtime_error(
                    fmt::format("no estab command of this user runs as {}", wanted));
            pids = {wanted};
        }
        std::vector<Json> answers;
        for (const int pid : pids)
            if (auto answer = joined(ask_command(pid, R"({"get":["sockets","counters"]})")))
                answers.push_back(std::move(*answer));
        if (answers.empty()) throw std::runtime_error("no estab command of this user runs");
        json_ ? show_json(answers) : show_text(answers);
        return exit_status::done;
    }

private:
    // The shards of a command as one: all their sockets, and their counters added.
    static std::optional<Json> joined(const std::vector<std::string>& lines) {
        std::optional<Json> whole;
        for (const std::string& line : lines) {
            Json answer = Json::parse(line, nullptr, false);
            if (!answer.is_object() || answer.value("schema", "") != "estab.control/1" ||
                !answer.contains("sockets"))
                continue;
            if (!whole) {
                whole = std::move(answer);
                continue;
            }
            for (Json& socket : answer["sockets"])
                (*whole)["sockets"].push_back(std::move(socket));
            for (const auto& [name, value] : answer["counters"].items()) {
                Json& sum = (*whole)["counters"][name];
                sum = sum.get<std::uint64_t>() + value.get<std::uint64_t>();
            }
        }
        return whole;
    }
    bool is_wanted(const Json& socket) const {
        const std::string& state = socket.at("state").get_ref<const std::string&>();
        if (listening_) return state == "LISTEN";
        return all_ || (state != "LISTEN" && state != "TIME-WAIT");
    }
    void show_json(std::vector<Json>& answers) const {
        Json out{{"schema", "estab.ss/1"}, {"commands", Json::array()}};
        for (Json& answer : answers) {
            answer.erase("schema");
            Json kept = Json::array();
            for (Json& socket : answer["sockets"])
                if (is_wanted(socket)) kept.push_back(std::move(socket));
            answer["sockets"] = std::move(kept);
            out["commands"].push_back(std::move(answer));
        }
        print(out.dump() + "\n");
    }
    void show_text(const std::vector<Json>& answers) const {
        std::string out;
        for (const Json& answer : answers) {
            if (pid_.empty())
                out += fmt::format("{}# estab {}, PID {}, {}\n", out.empty() ? "" : "\n",
                                   answer.at("command").get<std::string>(),
                                   answer.at("pid").get<int>(),
                                   answer.at("interface").get<std::string>());
            add_table(out, answer.at("sockets"));
            if (!counters_) continue;
            for (const auto& [name, value] : answer.at("counters").items())
                if (value != 0) out += fmt::format("{:<32}{}\n", name, value.get<std::uint64_t>());
        }
        print(printable_lines(out));
    }
    void add_table(std::string& out, const Json& sockets) const {
        std::vector<const Json*> rows;
        std::size_t local = std::string_view("Local Address:Port").size();
        std::size_t peer = std::string_view("Peer Address:Port").size();
        for (const Json& socket : sockets) {
            if (!is_wanted(socket)) continue;
            rows.push_back(&socket);
            local = std::max(local, endpoint(socket.at("local")).size());
            peer = std::max(peer, endpoint(socket.at("peer")).size());
        }
        out += fmt::format("{:<11}{:<7}{:<7}{:>{}} {:>{}}\n", "State", "Recv-Q", "Send-Q",
                           "Local Address:Port", local, "Peer Address:Port", peer);
        for (const Json* socket : rows) {
            std::string line = fmt::format(
                "{:<11}{:<7}{:<7}{:>{}} {:>{}}", short_state(socket->at("state")),
                socket->at("recv_queue").get<std::uint64_t>(),
                socket->at("send_queue").get<std::uint64_t>(), endpoint(socket->at("local")), local,
                endpoint(socket->at("peer")), peer);
            if (const std::string timer = timers_ ? timer_text(*socket) : ""; !timer.empty())
                line += " " + timer;
            out += line + "\n";
            if (info_ && socket->contains("info"))
                out += "\t" + info_text(socket->at("info")) + "\n";
        }
    }
    // What another process says is not trusted to leave the terminal alone.
    static std::string printable_lines(const std::string& text) {
        std::string out;
        for (const char c : text)
            if (c == '\n' || c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f))
                out += c;
        return out;
    }

    std::string pid_;
    bool all_ = false, listening_ = false, info_ = false, timers_ = false, counters_ = false,
         json_ = false;
    bool ignored_ = false;
};

}  // namespace

std::unique_ptr<Command> make_ss() { return std::make_unique<Ss>(); }

}  // namespace estab::cli
