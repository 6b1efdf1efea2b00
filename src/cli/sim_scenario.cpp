#include "cli/sim_scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <toml++/toml.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/path_text.hpp"
#include "cli/text_file.hpp"
#include "congestion/algorithm.hpp"
#include "link/path_spec.hpp"
#include "link/profile.hpp"
#include "tcp/config_fields.hpp"

namespace estab::cli {
namespace {

class Scenario {
public:
    Scenario(std::string name, std::string_view text) : name_(std::move(name)) {
        try {
            root_ = toml::parse(text, name_);
        } catch (const toml::parse_error& error) {
            refuse(error.source().begin, std::string(error.description()));
        }
    }

    sim::DumbbellSettings read() {
        expect(root_, {"seed", "duration", "warm-up", "rtt", "mtu", "clock", "silent", "link",
                       "back", "flow", "udp", "change", "box", "host"});
        settings_.flows.clear();
        if (const auto seed = number(root_, "seed", 0, INT64_MAX)) {
            settings_.seed = static_cast<std::uint64_t>(*seed);
        }
        if (const auto mtu = number(root_, "mtu", 576, 65'535)) {
            settings_.mtu = static_cast<std::uint32_t>(*mtu);
        }
        take(root_, "duration", settings_.duration);
        take(root_, "warm-up", settings_.warm_up);
        take(root_, "rtt", settings_.rtt);
        take(root_, "clock", settings_.clock);
        settings_.silent = flag(root_, "silent");
        const toml::table* there = table(root_, "link");
        settings_.there = there != nullptr ? direction(*there, {}) : link::Direction{};
        link::Direction back;
        back.rate_bits = settings_.there.rate_bits;
        if (const toml::table* given = table(root_, "back")) back = direction(*given, back);
        settings_.back = back;
        each(root_, "flow", [this](const toml::table& t) { flow(t); });
        each(root_, "host", [this](const toml::table& t) { host(t); });
        if (settings_.flows.empty() && settings_.hosts.empty()) flow(toml::table{});
        each(root_, "udp", [this](const toml::table& t) { udp(t); });
        each(root_, "change", [this](const toml::table& t) { change(t); });
        std::ranges::stable_sort(settings_.changes, {}, &sim::LinkChange::at);
        if (const toml::table* given = table(root_, "box")) settings_.box = box(*given);
        return settings_;
    }

private:
    [[noreturn]] void refuse(const toml::source_position& at, const std::string& what) const {
        throw UsageError(fmt::format("{}:{}:{}: {}", printable(name_), at.line, at.column, what));
    }
    [[noreturn]] void refuse(const toml::node& node, const std::string& what) const {
        refuse(node.source().begin, what);
    }

    void expect(const toml::table& table, std::initializer_list<std::string_view> known) const {
        for (const auto& [key, value] : table) {
            if (std::ranges::find(known, key.str()) != known.end()) continue;
            std::string names;
            for (const std::string_view name : known) {
                (names += names.empty() ? "" : ", ") += name;
            }
            refuse(key.source().begin,
                   fmt::format("'{}' is not known here; possible: {}", printable(key.str()),
                               names));
        }
    }
    const toml::table* table(const toml::table& from, std::string_view key) const {
        const toml::node* node = from.get(key);
        if (node == nullptr) return nullptr;
        if (!node->is_table()) refuse(*node, fmt::format("'{}' is a table", key));
        return node->as_table();
    }
    template <class Visit>
    void each(const toml::table& from, std::string_view key, Visit visit) const {
        const toml::node* node = from.get(key);
        if (node == nullptr) return;
        if (!node->is_array_of_tables()) {
            refuse(*node, fmt::format("'{0}' is written as [[{0}]], once for each", key));
        }
        for (const toml::node& one : *node->as_array()) visit(*one.as_table());
    }
    std::optional<std::int64_t> number(const toml::table& from, std::string_view key,
                                       std::int64_t least, std::int64_t most) const {
        const toml::node* node = from.get(key);
        if (node == nullptr) return {};
        const auto value = node->value_exact<std::int64_t>();
        if (!value || *value < least || *value > most) {
            refuse(*node, fmt::format("'{}' is a whole number from {} to {}", key, least, most));
        }
        return value;
    }
    std::optional<std::string> word(const toml::table& from, std::string_view key) const {
        const toml::node* node = from.get(key);
        if (node == nullptr) return {};
        const auto value = node->value_exact<std::string>();
        if (!value) refuse(*node, fmt::format("'{}' is text in quotes", key));
        return value;
    }
    bool flag(const toml::table& from, std::string_view key) const {
        const toml::node* node = from.get(key);
        if (node == nullptr) return false;
        const auto value = node->value_exact<bool>();
        if (!value) refuse(*node, fmt::format("'{}' is true or false", key));
        return *value;
    }
    // Values have the grammar of paths.
    link::Direction item(const toml::table& from, std::string_view key, const char* as) const {
        const auto value = word(from, key);
        if (value->find(',') != std::string::npos) refuse(*from.get(key), "one value, no comma");
        const auto spec = link::parse_path(fmt::format("{}={}", as, *value));
        if (!spec) {
            refuse(*from.get(key), fmt::format("'{}' is {}", key, printable(spec.error().problem)));
        }
        return spec->up;
    }
    void take(const toml::table& from, std::string_view key, Duration& to) const {
        if (from.contains(key)) to = item(from, key, "delay").delay;
    }
    std::optional<std::uint64_t> octets(const toml::table& from, std::string_view key) const {
        if (!from.contains(key)) return {};
        if (from.get(key)->is_integer()) {
            return static_cast<std::uint64_t>(*number(from, key, 0, INT64_MAX));
        }
        const link::Queue size = item(from, key, "queue").queue;
        if (size.unit != link::Queue::Unit::bytes) {
            refuse(*from.get(key), fmt::format("'{}' is a number of octets, as \"64k\"", key));
        }
        return size.limit;
    }

    // What is not said is as in `base`.
    link::Direction direction(const toml::table& from, const link::Direction& base) const {
        const std::string unchanged = link::print({.up = base, .down = base});
        std::string all = unchanged;
        for (const auto& [key, value] : from) {
            if (key.str() == "seed") refuse(key.source().begin, "the seed is said outside");
            const auto text = value.value_exact<std::string>();
            if (!text) refuse(value, fmt::format("'{}' is text in quotes", key.str()));
            const std::string one = fmt::format("{}={}", key.str(), *text);
            const auto spec = text->find(',') == std::string::npos ? read_path(one, folder())
                                                                   : link::parse_path(",");
            if (!spec) refuse(value, printable(spec.error().text()));
            (all += all.empty() ? "" : ",") += one;
        }
        auto spec = read_path(all, folder());
        if (!spec) refuse(from, printable(spec.error().text()));  // a file that has just gone
        return std::move(spec->up);
    }
    std::filesystem::path folder() const { return std::filesystem::path(name_).parent_path(); }

    void flow(const toml::table& from) {
        expect(from, {"count", "cc", "ecn", "begin", "every", "app", "bytes", "chunk", "pause",
                      "rounds", "nodelay", "buffer", "set"});
        const tcp::Config config = tcp_config(from);
        sim::FlowPlan plan{.order = order(from)};
        take(from, "begin", plan.begin);
        Duration every{};
        take(from, "every", every);
        Rng random(settings_.seed + settings_.flows.size());
        const std::int64_t count = number(from, "count", 1, 10'000).value_or(1);
        for (std::int64_t i = 0; i < count; ++i) {
            if (every > Duration{}) plan.begin += sim::exponential(random, every);
            settings_.flows.push_back(config);
            settings_.plans.push_back(plan);
        }
    }

    tcp::Config tcp_config(const toml::table& from) const {
        tcp::Config config;
        if (const auto name = word(from, "cc")) {
            config.congestion_control = congestion::find(*name);
            if (config.congestion_control == nullptr) {
                refuse(*from.get("cc"), fmt::format("'{}' is none of {}", printable(*name),
                                                    congestion::names()));
            }
        }
        if (flag(from, "ecn")) config.ecn = tcp::EcnMode::on;
        if (const auto buffer = octets(from, "buffer")) {
            config.send_autotune = config.recv_autotune = false;
            config.send_buffer = config.recv_buffer = static_cast<std::uint32_t>(
                std::clamp<std::uint64_t>(*buffer, 1000, 1u << 30));
        }
        assign(from, config);
        return config;
    }

    // A host with a name, for `estab run --world`.
    void host(const toml::table& from) {
        expect(from, {"name", "side", "path", "cc", "ecn", "buffer", "set", "serve"});
        sim::HostPlan plan{.config = tcp_config(from)};
        const auto name = word(from, "name");
        if (!name) refuse(from, "a host has a name: name = \"api.example.com\"");
        const bool is_name = !name->empty() && name->size() < 254 &&
                             std::ranges::all_of(*name, [](unsigned char c) {
                                 return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
                             });
        if (!is_name) refuse(*from.get("name"), "a name is of letters, digits, - _ and .");
        plan.name = *name;
        if (std::ranges::find(settings_.hosts, plan.name, &sim::HostPlan::name) !=
            settings_.hosts.end())
            refuse(*from.get("name"), "there is one of that name already");
        each(from, "serve", [&](const toml::table& t) { serve(t, plan); });
        // Who serves is where the senders are, so that `link` is what clients download through.
        const std::string side =
            word(from, "side").value_or(plan.services.empty() ? "receivers" : "senders");
        if (side != "senders" && side != "receivers")
            refuse(*from.get("side"), "'side' is \"senders\" or \"receivers\"");
        plan.is_left = side == "senders";
        if (const auto text = word(from, "path")) {
            const link::Profile* const profile = link::find_profile(*text);
            const auto path = read_path(profile != nullptr ? profile->path : *text, folder());
            if (!path) refuse(*from.get("path"), printable(path.error().text()));
            plan.up = path->up;
            plan.down = path->down;
        }
        settings_.hosts.push_back(std::move(plan));
    }

    void serve(const toml::table& from, sim::HostPlan& host) const {
        expect(from, {"app", "port", "bytes", "chunk", "pause", "status"});
        using App = sim::ServicePlan::App;
        struct Known {
            std::string_view name;
            App app;
            std::uint16_t port;  // 0: has to be said
        };
        constexpr Known known[] = {{"http", App::http, 80},
                                   {"echo", App::echo, 7},
                                   {"discard", App::discard, 9},
                                   {"bulk", App::bulk, 19},
                                   {"requests", App::requests, 0}};
        const std::string name = word(from, "app").value_or("http");
        const auto* const found = std::ranges::find(known, name, &Known::name);
        if (found == std::end(known))
            refuse(*from.get("app"), fmt::format("'{}' is none of http, echo, discard, bulk, "
                                                 "requests",
                                                 printable(name)));
        sim::ServicePlan plan{.app = found->app};
        const auto port = number(from, "port", 1, 65'535);
        if (!port && found->port == 0) refuse(from, "this app has no usual port: port = 7000");
        plan.port = static_cast<std::uint16_t>(port.value_or(found->port));
        if (std::ranges::find(host.services, plan.port, &sim::ServicePlan::port) !=
            host.services.end())
            refuse(from, fmt::format("port {} is served already", plan.port));
        plan.octets = octets(from, "bytes").value_or(plan.octets);
        plan.request = std::max<std::uint64_t>(octets(from, "chunk").value_or(1), 1);
        take(from, "pause", plan.pause);
        plan.status =
            static_cast<std::uint16_t>(number(from, "status", 200, 599).value_or(plan.status));
        host.services.push_back(plan);
    }

    // set = ["abe=true"]: parameters of `estab config show`.
    void assign(const toml::table& from, tcp::Config& config) const {
        const toml::node* node = from.get("set");
        if (node == nullptr) return;
        if (!node->is_array()) refuse(*node, "'set' is a list: [\"NAME=VALUE\", …]");
        for (const toml::node& one : *node->as_array()) {
            const auto text = one.value_exact<std::string>();
            if (!text) refuse(one, "'set' is a list of texts: [\"NAME=VALUE\", …]");
            if (const auto done = tcp::set_config(config, *text); !done)
                refuse(one, printable(done.error()));
        }
    }

    sim::Order order(const toml::table& from) const {
        sim::Order order;
        const std::string app = word(from, "app").value_or("bulk");
        const std::uint64_t size = octets(from, "bytes").value_or(std::uint64_t{1} << 40);
        const auto chunk = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(octets(from, "chunk").value_or(64 * 1024), UINT32_MAX));
        Duration pause = 1s;
        take(from, "pause", pause);
        const auto rounds = static_cast<std::uint32_t>(
            number(from, "rounds", 1, 1'000'000).value_or(1'000'000));
        order.nodelay = flag(from, "nodelay");
        order.up = size;
        if (app == "requests") {
            order.up = chunk;
            order.down = octets(from, "bytes").value_or(100'000);
            order.rounds = rounds;
        } else if (app == "chunks" || app == "on-off") {
            const std::uint64_t octets_each = octets(from, "bytes").value_or(1'000'000);
            order.up = octets_each * rounds;
            order.client_writes = {.octets = static_cast<std::uint32_t>(
                                       std::min<std::uint64_t>(octets_each, UINT32_MAX)),
                                   .pause = pause};
        } else if (app == "slow-reader") {
            order.server_reads = {.octets = chunk, .pause = pause};
        } else if (app == "abort") {
            order.client_aborts_after = size;
            order.up = size + 1;
        } else if (app != "bulk") {
            refuse(*from.get("app"), fmt::format("'{}' is none of bulk, requests, chunks, on-off, "
                                                 "slow-reader, abort",
                                                 printable(app)));
        }
        return order;
    }

    void udp(const toml::table& from) {
        expect(from, {"rate", "size", "begin", "for", "on", "off", "random", "back"});
        sim::Datagrams::Plan plan;
        if (!from.contains("rate")) refuse(from, "datagrams have a rate: rate = \"5mbit\"");
        plan.rate_bits = item(from, "rate", "rate").rate_bits;
        if (plan.rate_bits == 0) refuse(*from.get("rate"), "a rate above 0, as \"5mbit\"");
        plan.payload = static_cast<std::uint16_t>(
            number(from, "size", 1, sim::Datagrams::payload_max).value_or(plan.payload));
        take(from, "begin", plan.begin);
        take(from, "for", plan.length);
        take(from, "on", plan.on);
        take(from, "off", plan.off);
        if ((plan.on == Duration{}) != (plan.off == Duration{})) {
            refuse(from, "'on' and 'off' belong together");
        }
        plan.is_random = flag(from, "random");
        plan.is_back = flag(from, "back");
        settings_.datagrams.push_back(plan);
    }

    // Something becomes different at a time, and with `for` as before again.
    void change(const toml::table& from) {
        expect(from, {"at", "for", "link", "back", "mtu"});
        if (!from.contains("at")) refuse(from, "a change says when: at = \"10s\"");
        sim::LinkChange change{.there = settings_.there, .back = *settings_.back};
        change.there.delay = change.back.delay = settings_.rtt / 2;
        sim::LinkChange before = change;
        take(from, "at", change.at);
        if (const toml::table* given = table(from, "link")) {
            change.there = direction(*given, change.there);
        }
        if (const toml::table* given = table(from, "back")) {
            change.back = direction(*given, change.back);
        }
        if (const auto mtu = number(from, "mtu", 576, settings_.mtu)) {
            change.mtu = static_cast<std::uint32_t>(*mtu);
            before.mtu = settings_.mtu;
        }
        settings_.changes.push_back(change);
        if (!from.contains("for")) return;
        take(from, "for", before.at);
        before.at += change.at;
        settings_.changes.push_back(before);
    }

    sim::Middlebox::Settings box(const toml::table& from) const {
        expect(from, {"strip", "mss-max", "rewrite-numbers", "window-max", "drop-icmp",
                      "forget-after", "split-over", "merge", "bleach-ecn"});
        sim::Middlebox::Settings box;
        if (const toml::node* strip = from.get("strip")) {
            if (!strip->is_array()) refuse(*strip, "'strip' is a list, as [\"sack\"]");
            for (const toml::node& one : *strip->as_array()) {
                const std::string name = one.value_or<std::string>("");
                if (name == "sack") box.strip_sack = true;
                else if (name == "timestamps") box.strip_timestamps = true;
                else if (name == "scaling") box.strip_scaling = true;
                else refuse(one, "what can be stripped: sack, timestamps, scaling");
            }
        }
        box.mss_max = static_cast<std::uint16_t>(number(from, "mss-max", 64, 65'535).value_or(0));
        box.window_max =
            static_cast<std::uint16_t>(number(from, "window-max", 1, 65'535).value_or(0));
        box.split_over =
            static_cast<std::uint32_t>(number(from, "split-over", 1, 65'535).value_or(0));
        box.rewrite_numbers = flag(from, "rewrite-numbers");
        box.drop_icmp = flag(from, "drop-icmp");
        box.merge = flag(from, "merge");
        box.bleach_ecn = flag(from, "bleach-ecn");
        take(from, "forget-after", box.forget_after);
        return box;
    }

    std::string name_;
    toml::table root_;
    sim::DumbbellSettings settings_;
};

}  // namespace

sim::DumbbellSettings read_scenario(const std::string& name) {
    const std::span<const ReadyScenario> ready = ready_scenarios();
    const auto known = std::ranges::find(ready, name, &ReadyScenario::name);
    if (!std::filesystem::exists(name) && known != ready.end()) {
        return Scenario(name, known->text).read();
    }
    const auto text = read_file(name);
    if (!text) {
        throw UsageError(fmt::format("cannot read {}; `estab sim list` names what is ready",
                                     printable(name)));
    }
    return Scenario(name, *text).read();
}

}  // namespace estab::cli
