// estab perf: how fast it is, as server and as client of iperf3's kind.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/summary.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/perf_client.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* who = "estab perf";

double seconds(Duration d) { return static_cast<double>(to_ns(d)) / 1e9; }
double per_second(std::uint64_t count, Duration time) {
    return time > 0s ? static_cast<double>(count) / seconds(time) : 0;
}
std::string_view name(const PerfResult& r) {
    return perf_test_names[static_cast<std::size_t>(r.test)];
}

// Of sorted times: the smallest that so many per cent are not above.
Duration percentile(const std::vector<Duration>& sorted, std::size_t percent) {
    return sorted.empty() ? Duration(0)
                          : sorted[std::min(sorted.size() * percent / 100, sorted.size() - 1)];
}

std::string rate(std::uint64_t octets, Duration time) {
    return analysis::rate_text(per_second(octets, time) * 8);
}

std::string text(const PerfResult& r) {
    std::string line = fmt::format("{:8}", name(r));
    const auto us = [&r](std::size_t percent) {
        return static_cast<double>(to_ns(percentile(r.trips, percent))) / 1e3;
    };
    switch (r.test) {
    case PerfTest::up: line += rate(r.up, r.took); break;
    case PerfTest::down: line += rate(r.down, r.took); break;
    case PerfTest::both:
        line += fmt::format("{} up, {} down", rate(r.up, r.took), rate(r.down, r.took));
        break;
    case PerfTest::trips:
        line += fmt::format("{:.0f} round trips of one octet a second, p50 {:.1f}, p99 {:.1f} us",
                            per_second(r.trips.size(), r.took), us(50), us(99));
        break;
    case PerfTest::connect:
        line += fmt::format("{:.0f} connections a second", per_second(r.connections, r.took));
        break;
    }
    if (const std::string reason = perf_reason(r); !reason.empty())
        line += "\n        limited by: " + reason;
    return line + "\n";
}

Json json(const PerfResult& r) {
    Json j{{"test", name(r)},
           {"seconds", seconds(r.took)},
           {"processor_seconds", seconds(r.processor)}};
    const auto bulk = [&r](std::uint64_t octets) {
        return Json{{"bytes", octets}, {"bits_per_second", per_second(octets, r.took) * 8}};
    };
    const bool sends = r.test == PerfTest::up || r.test == PerfTest::both;
    if (sends) {
        j["up"] = bulk(r.up);
        j["up"]["segments"] = r.sender.statistics.data_out;
        j["up"]["retransmits"] = r.sender.statistics.retransmits;
        j["up"]["congestion_control"] = r.sender.congestion_control;
    }
    if (r.test == PerfTest::down || r.test == PerfTest::both) {
        j["down"] = bulk(r.down);
        j["down"]["segments"] = r.receiver.statistics.data_in;
        j["down"]["out_of_order"] = r.receiver.statistics.out_of_order_in;
    }
    if (r.test == PerfTest::trips) {
        j["round_trips"] = r.trips.size();
        for (const std::size_t percent : {std::size_t{50}, std::size_t{99}})
            j[fmt::format("p{}_seconds", percent)] = seconds(percentile(r.trips, percent));
    }
    if (r.test == PerfTest::connect) {
        j["connections"] = r.connections;
        j["connections_per_second"] = per_second(r.connections, r.took);
    }
    j["limited_by"] = perf_reason(r);
    return j;
}

class Perf final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"HOST", "", "where the server is"}, host_, false);
        options.flag({"-s,--serve", "", "be the server"}, serve_);
        options.value({"-T,--tests", "LIST", "of up,down,both,trips,connect (all)"}, tests_);
        options.value({"-t,--time", "SECONDS", "for each test (2)"}, time_);
        options.value({"-P,--parallel", "N", "connections at once in `connect` (16)"}, at_once_);
        options.value({"-p,--port", "PORT", "the first of the server's three (5001)"}, port_);
        options.flag({"--json", "", "for programs, as estab.perf/1"}, json_);
        dial_.setup(options);
        network_.setup_shards(options);
        network_.setup(options);
    }

    int run(const Words& command) override {
        check(command);
        return serve_ ? run_server(command) : run_client(command);
    }

private:
    PerfPorts ports() const {
        return PerfPorts::from(static_cast<std::uint16_t>(port_.value_or(5001)));
    }

    void check(const Words& command) const {
        network_.check();
        if (serve_ && !host_.empty())
            throw UsageError("--serve waits for clients; it takes no HOST");
        if (!serve_ && host_.empty())
            throw UsageError("HOST is needed, where `estab perf --serve` runs; or --serve");
        if (serve_ && !(tests_.empty() && !time_ && !at_once_ && !json_))
            throw UsageError("--tests, --time, --parallel and --json are the client's");
        if (!serve_ && network_.shards)
            throw UsageError("--shards is the server's: its clients' connections are spread");
        if (serve_ && network_.is_private() && command.empty())
            throw UsageError(
                "nobody could reach the server: give a client to run in its private network "
                "(-- CMD), or --tun NAME");
        if (serve_ && !network_.is_private() && !command.empty())
            throw UsageError(
                "-- CMD runs in a private network; with --tun or --tap, start it yourself");
        if (network_.pcap == "-")
            throw UsageError("--pcap -: standard output has the results; give a file");
        between("--port", port_, 65'533);
        between("--time", time_, 86'400);
        between("--parallel", at_once_, 10'000);
        parse_tests();
    }
    static void between(std::string_view option, const std::optional<std::uint64_t>& value,
                        std::uint64_t most) {
        if (value && (*value == 0 || *value > most))
            throw UsageError(fmt::format("{}: {} is not between 1 and {}", option, *value, most));
    }

    std::vector<PerfTest> parse_tests() const {
        std::vector<PerfTest> tests;
        const std::vector<std::string> names(std::begin(perf_test_names),
                                             std::end(perf_test_names));
        const std::string list = tests_.empty() ? fmt::format("{}", fmt::join(names, ",")) : tests_;
        for (std::size_t at = 0; at <= list.size();) {
            const std::size_t end = std::min(list.find(',', at), list.size());
            const std::string word = list.substr(at, end - at);
            const auto found = std::ranges::find(names, word);
            if (found == names.end())
                throw UsageError(fmt::format("--tests: there is no '{}'; known: {}{}",
                                             printable(word), fmt::join(names, ", "),
                                             suggestion(word, names)));
            tests.push_back(static_cast<PerfTest>(found - names.begin()));
            at = end + 1;
        }
        return tests;
    }

    int run_server(const Words& command) {
        const std::unique_ptr<Network> network = Network::open(network_, who);
        network->serve([ports = ports()](socket::Reactor& reactor) {
            return std::make_shared<PerfServer>(reactor, ports);
        });
        if (!command.empty()) return run_command(*network, command);
        if (!network_.quiet) {
            for (const wire::Prefix& own : network->own())
                note(who, fmt::format("{} ports {} to {}", own.address.text(), ports().sink,
                                      ports().echo));
            note(who, "Ctrl-C ends it");
        }
        return run_until_signal(*network);
    }

    int run_client(const Words& command) {
        const std::unique_ptr<Network> network = Network::open(network_, who);
        const drivers::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        Dialer dialer(*network, command, dial_, {*nothing, STDERR_FILENO, -1});
        PerfClient client(dialer, network->reactor(),
                          {.host = host_,
                           .ports = ports(),
                           .tests = parse_tests(),
                           .time = std::chrono::seconds(time_.value_or(2)),
                           .at_once = static_cast<std::uint32_t>(at_once_.value_or(16)),
                           .shows_progress = !network_.quiet});
        socket::spawn(network->reactor(), client.run());
        std::size_t told = 0;
        const auto tell = [&] {
            for (; !json_ && told < client.results().size(); ++told)
                print(text(client.results()[told]));
            return client.is_done();
        };
        if (const int signal = dialer.run_until(tell); signal != 0) return 128 + signal;
        if (json_) {
            Json j{{"schema", "estab.perf/1"}, {"host", host_}, {"tests", Json::array()}};
            for (const PerfResult& r : client.results()) j["tests"].push_back(json(r));
            print(j.dump(2) + "\n");
        }
        dialer.drain(300ms);
        return exit_status::done;
    }

    std::string host_, tests_;
    std::optional<std::uint64_t> time_, port_, at_once_;
    bool serve_ = false, json_ = false;
    DialOptions dial_;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_perf() { return std::make_unique<Perf>(); }

}  // namespace estab::cli
