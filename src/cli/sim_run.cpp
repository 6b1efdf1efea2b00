#include "cli/sim_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/path_text.hpp"
#include "cli/sim_record.hpp"
#include "cli/sim_scenario.hpp"
#include "congestion/algorithm.hpp"
#include "tcp/config_fields.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

// One item of the grammar of paths.
link::Direction item(const std::string& name, const std::string& value, const char* option) {
    const auto spec = read_path(name + "=" + value);
    if (!spec) throw UsageError(fmt::format("{}: {}", option, printable(spec.error().problem)));
    return spec->up;
}

Duration time_of(const std::string& text, const char* option) {
    return item("delay", text, option).delay;
}

double seconds(Duration d) { return static_cast<double>(to_ns(d)) / 1e9; }
double part(Ppm p) { return static_cast<double>(p) / 1e6; }

void fix_buffers(tcp::Config& config, std::uint64_t octets) {
    if (octets < 1000 || octets > 1u << 30) throw UsageError("--buffer: 1000 to 1073741824");
    config.send_autotune = config.recv_autotune = false;
    config.send_buffer = config.recv_buffer = static_cast<std::uint32_t>(octets);
    config.fixed_window = config.send_buffer / 536 + 1;  // only the buffers bound `fixed`
}

// Where a sender's time went.
Json to_json(const std::array<Duration, tcp::limits>& limited) {
    Json json = Json::object();
    for (std::size_t limit = 0; limit < tcp::limits; ++limit)
        json[tcp::to_string(static_cast<tcp::Limit>(limit))] = seconds(limited[limit]);
    return json;
}

// The three things that a sender waited for longest: "cwnd 97 %, recovery 2 %".
std::string limits_text(const std::array<Duration, tcp::limits>& limited) {
    Duration all{};
    std::vector<std::size_t> order;
    for (std::size_t limit = 0; limit < tcp::limits; ++limit) {
        all += limited[limit];
        order.push_back(limit);
    }
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return limited[a] > limited[b]; });
    std::string out;
    for (const std::size_t limit : std::span(order).first(3)) {
        const double percent = all > Duration{} ? seconds(limited[limit]) / seconds(all) * 100 : 0;
        if (percent < 0.5) break;
        out += fmt::format("{}{} {:.0f} %", out.empty() ? "" : ", ",
                           tcp::to_string(static_cast<tcp::Limit>(limit)), percent);
    }
    return out;
}

Json to_json(const sim::DumbbellReport& r, std::uint64_t seed) {
    Json flows = Json::array();
    for (const sim::FlowReport& f : r.flows) {
        flows.push_back({{"congestion_control", f.congestion_control},
                         {"goodput_bps", f.goodput_bits},
                         {"octets", f.octets},
                         {"segments", f.segments},
                         {"retransmits", f.retransmits},
                         {"spurious", f.spurious},
                         {"timeouts", f.timeouts},
                         {"fast_retransmits", f.fast_retransmits},
                         {"tail_probes", f.tail_probes},
                         {"undos", f.undos},
                         {"rtt_p50_s", seconds(f.rtt_p50)},
                         {"rtt_p99_s", seconds(f.rtt_p99)},
                         {"limited_s", to_json(f.limited)}});
    }
    Json violations = Json::array();
    for (const sim::Violation& v : r.violations) violations.push_back(sim::text(v));
    Json datagrams = Json::array();
    for (const sim::Datagrams::Counters& d : r.datagrams)
        datagrams.push_back({{"sent", d.sent}, {"arrived", d.arrived}, {"octets", d.octets}});
    return {{"schema", "estab.sim/1"},
            {"seed", seed},
            {"measured_s", seconds(r.measured)},
            {"flows", flows},
            {"udp", datagrams},
            {"goodput_bps", r.goodput_bits},
            {"utilisation", part(r.utilisation)},
            {"jain", part(r.jain)},
            {"queue_delay_p50_s", seconds(r.queue_p50)},
            {"queue_delay_p99_s", seconds(r.queue_p99)},
            {"dropped_by_queue", r.dropped_by_queue},
            {"dropped_by_loss", r.dropped_by_loss},
            {"dropped_by_policer", r.dropped_by_policer},
            {"marked", r.marked},
            {"l4s_queue_delay_p50_s", seconds(r.l4s_p50)},
            {"l4s_queue_delay_p99_s", seconds(r.l4s_p99)},
            {"packets", r.packets},
            {"violations", violations},
            {"hash", fmt::format("{:016x}", r.hash)}};
}

void show(const sim::DumbbellReport& r) {
    std::string out =
        fmt::format("{:>4} {:<8} {:>14} {:>11} {:>8} {:>8} {:>10} {:>10}  {}\n", "flow", "cc",
                    "goodput Mbit/s", "retransmits", "spurious", "timeouts", "RTT p50 ms",
                    "RTT p99 ms", "limited by");
    for (std::size_t i = 0; i < r.flows.size(); ++i) {
        const sim::FlowReport& f = r.flows[i];
        out += fmt::format("{:>4} {:<8} {:>14.2f} {:>11} {:>8} {:>8} {:>10.1f} {:>10.1f}  {}\n",
                           i + 1,
                           f.congestion_control, static_cast<double>(f.goodput_bits) / 1e6,
                           f.retransmits, f.spurious, f.timeouts, seconds(f.rtt_p50) * 1e3,
                           seconds(f.rtt_p99) * 1e3, limits_text(f.limited));
    }
    out += fmt::format(
        "\nlink used {:.1f} %, queue delay p50 {:.1f} ms, p99 {:.1f} ms, dropped {} by the queue, "
        "{} by loss, {} marked, Jain {:.3f}\n",
        part(r.utilisation) * 100, seconds(r.queue_p50) * 1e3, seconds(r.queue_p99) * 1e3,
        r.dropped_by_queue, r.dropped_by_loss, r.marked, part(r.jain));
    if (r.dropped_by_policer != 0) {
        out += fmt::format("dropped {} by the policer\n", r.dropped_by_policer);
    }
    for (const sim::Datagrams::Counters& d : r.datagrams) {
        out += fmt::format("UDP: {} datagrams, {} arrived ({:.1f} % lost)\n", d.sent, d.arrived,
                           d.sent == 0 ? 0.0
                                       : 100 - 100 * static_cast<double>(d.arrived) /
                                                   static_cast<double>(d.sent));
    }
    if (r.l4s_p99 != Duration{}) {
        out += fmt::format("low-latency queue: delay p50 {:.2f} ms, p99 {:.2f} ms\n",
                           seconds(r.l4s_p50) * 1e3, seconds(r.l4s_p99) * 1e3);
    }
    out += fmt::format("{} packets at the hosts, hash {:016x}\n", r.packets, r.hash);
    for (const sim::Violation& v : r.violations) out += "referee: " + sim::text(v) + "\n";
    print(out);
}

// To the end, with a bar on a terminal.
void advance(sim::Dumbbell& dumbbell, Duration whole, SimRecord* record) {
    const bool has_bar = ::isatty(STDERR_FILENO) != 0;
    const Instant begin = dumbbell.world().now();
    const Duration piece = record != nullptr ? record->sample_every(whole) : whole / 100;
    std::int64_t shown = -1;
    for (Instant at = begin; at < dumbbell.end() && !dumbbell.is_over();) {
        at = std::min(after(at, std::max<Duration>(piece, 1ns)), dumbbell.end());
        dumbbell.run_to(at);
        if (record != nullptr) record->sample();
        const std::int64_t percent = (at - begin) * 100 / whole;
        if (!has_bar || percent == shown) continue;
        shown = percent;
        std::fprintf(stderr, "\r%3d %%  %.1f s", static_cast<int>(percent), seconds(at - begin));
    }
    if (has_bar) std::fputs("\r\033[K", stderr);
}

}  // namespace

void SimRun::setup(Options& options) {
    options.value({"--flows", "N", "connections, each with hosts of its own (default 1)"}, flows_);
    options.value(
        {"--cc", "NAME[,NAME]", "congestion control of the flows, in turn (default cubic)"}, cc_);
    options.value({"--rate", "RATE", "of the shared link (default 100mbit)"}, rate_);
    options.value({"--rate-trace", "FILE",
                   "a rate that changes, as Mahimahi records it: each line the ms at which 1500 "
                   "bytes can leave"},
                  rate_trace_);
    options.value({"--rate-trace-back", "FILE",
                   "of what comes back (default: the average of the other direction)"},
                  rate_trace_back_);
    options.value({"--rtt", "TIME", "without queues (default 40ms)"}, rtt_);
    options.value({"--queue", "QUEUE",
                   "before the shared link: 1bdp, 64k, 100p, or red, codel, fq_codel, pie, dualpi2 "
                   "(docs/formats/path.md; default 1bdp)"},
                  queue_);
    options.value({"--ce", "WHEN", "mark what finds so much queued or waits so long: 20p, 1ms"},
                  ce_);
    options.value({"--police", "RATE[/BURST]", "drop what is faster before the queue: 10mbit/64k"},
                  police_);
    options.value({"--loss", "PART", "of the packets towards the receivers: 0.1%"}, loss_);
    options.value({"--loss-back", "PART", "of the packets towards the senders"}, loss_back_);
    options.value({"--jitter", "TIME", "of the delay towards the receivers"}, jitter_);
    options.value({"--reorder", "PART", "of the packets towards the receivers"}, reorder_);
    options.value({"--udp", "RATE", "of datagrams that cross the shared link beside the flows"},
                  udp_);
    options.value({"--mtu", "BYTES", "of every link (default 1500)"}, mtu_);
    options.value({"--bytes", "N", "that each flow sends; then it closes (default: no end)"},
                  octets_);
    options.value({"--buffer", "BYTES", "of each end for either direction (default: they grow)"},
                  buffer_);
    options.value({"--spread", "TIME", "each flow begins somewhere within it (default 0s)"},
                  spread_);
    options.value({"--clock", "TIME", "how often the hosts' clocks tick (default: exact)"}, clock_);
    options.value({"--duration", "TIME", "virtual, at most (default 60s)"}, duration_);
    options.value({"--warm-up", "TIME", "at the beginning, that is not measured (default 0s)"},
                  warm_up_);
    options.value({"--seed", "N", "of everything that is random (default 1)"}, seed_);
    options.flag({"--ecn", "", "the flows ask for ECN"}, ecn_);
    options.list({"--set", "NAME=VALUE",
                  "any parameter of `estab config show`, at both ends of each flow; repeatable"},
                 set_);
    options.flag({"--big-segments", "", "senders hand over frames of up to 64 KB, which are cut"},
                 big_segments_);
    options.flag({"--no-referee", "", "do not check the rules: faster"}, no_referee_);
    options.value(
        {"--out", "DIR", "write summary.json, events.jsonl, capture.pcapng and report.html"}, out_);
}

sim::DumbbellSettings SimRun::settings() const {
    sim::DumbbellSettings s;
    s.seed = seed_.value_or(1);
    s.mtu = static_cast<std::uint32_t>(mtu_.value_or(1500));
    if (s.mtu < 576 || s.mtu > 65'535) throw UsageError("--mtu: 576 to 65535");
    s.there.rate_bits = item("rate", rate_, "--rate").rate_bits;
    if (!rate_trace_.empty()) s.there = item("rate-trace", rate_trace_, "--rate-trace");
    s.there.queue = item("queue", queue_, "--queue").queue;
    if (!ce_.empty()) s.there.ce = item("ce", ce_, "--ce").ce;
    if (!police_.empty()) s.there.policer = item("police", police_, "--police").policer;
    if (!loss_.empty()) s.there.loss = item("loss", loss_, "--loss").loss;
    if (!loss_back_.empty()) s.loss_back = item("loss", loss_back_, "--loss-back").loss;
    if (!jitter_.empty()) s.there.jitter = item("jitter", jitter_, "--jitter").jitter;
    if (!reorder_.empty()) s.there.reorder = item("reorder", reorder_, "--reorder").reorder;
    if (!rate_trace_back_.empty()) {
        s.back = item("rate-trace", rate_trace_back_, "--rate-trace-back");
        s.back->loss = s.loss_back;
    }
    if (!udp_.empty()) {
        const std::uint64_t rate = item("rate", udp_, "--udp").rate_bits;
        if (rate == 0) throw UsageError("--udp: a rate, as 5mbit");
        s.datagrams.push_back({.rate_bits = rate});
    }
    s.rtt = time_of(rtt_, "--rtt");
    s.duration = time_of(duration_, "--duration");
    s.warm_up = time_of(warm_up_, "--warm-up");
    if (!clock_.empty()) s.clock = time_of(clock_, "--clock");
    if (!spread_.empty()) s.spread = time_of(spread_, "--spread");
    if (octets_) s.octets = *octets_;
    s.referee = !no_referee_;
    s.big_segments = big_segments_;
    std::vector<const congestion::Table*> controls;
    for (std::size_t at = 0; at <= cc_.size();) {
        const std::size_t comma = std::min(cc_.find(',', at), cc_.size());
        const std::string name = cc_.substr(at, comma - at);
        controls.push_back(congestion::find(name));
        if (controls.back() == nullptr) {
            throw UsageError(
                fmt::format("--cc: '{}' is none of {}", printable(name), congestion::names()));
        }
        at = comma + 1;
    }
    const std::uint64_t flows = flows_.value_or(controls.size());
    if (flows == 0 || flows > 10'000) throw UsageError("--flows: 1 to 10000");
    s.flows.resize(flows);
    for (std::size_t i = 0; i < flows; ++i) {
        s.flows[i].congestion_control = controls[i % controls.size()];
        if (ecn_) s.flows[i].ecn = tcp::EcnMode::on;
        if (buffer_) fix_buffers(s.flows[i], *buffer_);
        assign(s.flows[i]);
    }
    return s;
}

void SimRun::assign(tcp::Config& config) const {
    for (const std::string& assignment : set_) {
        if (const auto done = tcp::set_config(config, assignment); !done)
            throw UsageError(fmt::format("--set: {}", done.error()));
    }
}

// A scenario says it all, but these.
sim::DumbbellSettings SimRun::of_scenario(const std::string& name) const {
    const SimRun unset;
    const bool is_other = flows_ || mtu_ || octets_ || buffer_ || ecn_ || cc_ != unset.cc_ ||
                          rate_ != unset.rate_ || rtt_ != unset.rtt_ || queue_ != unset.queue_ ||
                          duration_ != unset.duration_ || warm_up_ != unset.warm_up_ ||
                          !(loss_ + jitter_ + reorder_ + loss_back_ + clock_ + spread_ + ce_ +
                            police_ + udp_ + rate_trace_ + rate_trace_back_).empty();
    if (is_other) {
        throw UsageError(
            "with a scenario only --seed, --set, --no-referee, --big-segments, --out and --json");
    }
    sim::DumbbellSettings s = read_scenario(name);
    for (tcp::Config& config : s.flows) assign(config);
    if (seed_) s.seed = *seed_;
    s.referee = !no_referee_;
    s.big_segments = big_segments_;
    return s;
}

int SimRun::run(bool json, const std::string& scenario) {
    sim::DumbbellSettings wanted = scenario.empty() ? settings() : of_scenario(scenario);
    if (wanted.flows.empty() && wanted.datagrams.empty())
        throw UsageError(
            fmt::format("{} has hosts and no [[flow]]: `estab run --world {} -- CMD` runs a "
                        "program among them",
                        printable(scenario), printable(scenario)));
    wanted.all_events = !out_.empty();
    sim::Dumbbell dumbbell(wanted);
    std::optional<SimRecord> record;
    if (!out_.empty()) {
        std::filesystem::create_directories(out_);
        record.emplace(out_, dumbbell);
    }
    advance(dumbbell, wanted.duration, record ? &*record : nullptr);
    const sim::DumbbellReport report = dumbbell.report();
    const std::string summary = to_json(report, wanted.seed).dump();
    if (record) record->finish(summary);
    if (json) {
        print(summary + "\n");
    } else {
        show(report);
    }
    return report.violations.empty() ? exit_status::done : exit_status::failed;
}

}  // namespace estab::cli
