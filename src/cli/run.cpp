// estab run -- CMD…: any program in a private network whose every connection ends at estab's TCP,
// on a link that behaves as it is told, and goes on through sockets of the host's.
#include <fmt/format.h>

#include "cli/branches.hpp"
#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/forward_icmp.hpp"
#include "cli/forward_tcp.hpp"
#include "cli/forward_udp.hpp"
#include "cli/gate.hpp"
#include "cli/metrics.hpp"
#include "cli/network.hpp"
#include "cli/page_file.hpp"
#include "cli/publish.hpp"
#include "cli/run_json.hpp"
#include "cli/run_own.hpp"
#include "cli/run_path.hpp"
#include "cli/run_place.hpp"
#include "cli/run_report.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t reasons_max = 5;
constexpr const char* name = "estab run";

// All that carries what CMD sends and asks for.
struct Forwarders {
    Forwarders(runtime::Reactor& reactor, const Destinations& destinations,
               egress::PolicyOptions rules, const std::string& log)
        : gate(destinations, std::move(rules), log),
          tcp(reactor, gate),
          udp(reactor, gate),
          icmp(reactor, gate) {}
    Gate gate;
    TcpForwarder tcp;
    UdpForwarder udp;
    IcmpForwarder icmp;
};

class Run final : public Command {
public:
    void setup(Options& options) override {
        path_.setup(options);
        options.flag({"--ecn", "", "both ends of the link ask for ECN: queues mark, not drop"},
                     network_.ecn);
        options.flag({"--host-loopback", "", "host.estab (10.77.0.1) is the host's 127.0.0.1"},
                     host_loopback_);
        options.list({"-p,--publish", "[ADDR:]PORT[:PORT][/udp]",
                      "the host's PORT (of 127.0.0.1 and ::1) leads to CMD's; repeatable"},
                     publish_);
        options.list({"--forward", "PORT",
                      "CMD's own 127.0.0.1:PORT is the host's, through the link; repeatable"},
                     forward_);
        options.value({"--json", "FILE", "what happened, for programs"}, json_);
        options.value({"--metrics", "[ADDR:]PORT", "counters as OpenMetrics, while CMD runs"},
                      metrics_);
        options.group("Egress");
        options.list({"--allow", "HOST[:PORT]",
                      "a name, *.name, address, network or * that may be reached; repeatable"},
                     allow_);
        options.list({"--deny", "HOST[:PORT]", "one that may not; counts more than --allow"},
                     deny_);
        options.flag({"--deny-all", "", "whatever no --allow names"}, deny_all_);
        options.value({"--log", "FILE", "each decision, name and connection, as JSON lines"}, log_);
        options.group("Network");
        options.flag({"-q,--quiet", "", "nothing on standard error but errors"}, network_.quiet);
        options.value({"--backend", "NAME", "auto (default), tun, veth or own-tcp"},
                      network_.backend);
        options.flag({"--own-tcp", "",
                      "CMD's own TCP is estab's, by seccomp; no namespace; UDP is the host's"},
                     own_tcp_);
        options.value({"--world", "FILE",
                       "as --own-tcp, and everybody else is in a simulated network: the TOML of "
                       "`estab sim run` with [[host]]"},
                      world_);
        options.value({"--as", "NAME", "the host of --world that CMD is"}, as_);
        options.value({"--mtu", "OCTETS", "of CMD's interface (1500)"}, network_.mtu);
        network_.events_help =
            "what happens inside, as JSON lines; or how the link changes while CMD runs: 'at 5s "
            "down 3s; at 20s rate 500kbit; at 30s rst'";
        network_.setup_records(options);
    }

    int run(const Words& command) override {
        if (path_.is_list()) return PathOptions::list();
        if (network_.backend == "own-tcp" || network_.backend == "seccomp") {
            own_tcp_ = true;
            network_.backend = "auto";
        }
        if (network_.ecn) network_.tcp.set.insert(network_.tcp.set.begin(), "ecn=on");
        network_.backends = "auto, tun, veth, own-tcp";
        path_.apply(network_);
        network_.echo_for_accepted = false;
        network_.check();
        (void)rules({});
        for (const std::string& text : publish_) published_.push_back(Published::parse(text));
        for (const std::string& text : forward_) forwarded_.push_back(parse_forward(text));
        const auto metrics = metrics_.empty() ? std::optional<wire::Endpoint>()
                                              : parse_metrics_address(metrics_);
        if (command.empty()) throw UsageError("give a command to run: estab run -- CMD…");
        if (network_.pcap == "-")
            throw UsageError("--pcap -: standard output is the command's; give a file");
        network_.classify = path_.branches().empty() ? nullptr : Branches::find;
        network_.classify_context = &ways_;
        check_world();
        const std::unique_ptr<RunPlace> place = find_place();
        return carry(*place, command, metrics);
    }

private:
    // Options that speak of a network beyond a world's.
    void check_world() const {
        if (world_.empty()) {
            if (!as_.empty()) throw UsageError("--as names a host of --world FILE");
            return;
        }
        const std::pair<const char*, bool> given[] = {
            {"--publish", !publish_.empty()}, {"--forward", !forward_.empty()},
            {"--host-loopback", host_loopback_}, {"--log", !log_.empty()},
            {"--backend", network_.backend != "auto"}};
        for (const auto& [option, is_given] : given)
            if (is_given)
                throw UsageError(fmt::format(
                    "{} does not go with --world: there is nobody but the world's hosts", option));
    }

    std::unique_ptr<RunPlace> find_place() {
        if (own_tcp_ || !world_.empty()) return own_place("own-tcp");
        try {
            std::unique_ptr<Network> network = Network::open(network_, name);
            if (has_rules() && !network->private_network()->has_user_namespace())
                throw std::runtime_error(
                    "--allow, --deny and --deny-all need user namespaces: without one the command "
                    "is root on the host and can leave the network");
            return std::make_unique<NetworkPlace>(std::move(network));
        } catch (const drivers::SystemError& e) {
            if (network_.backend != "auto" || !beyond_own_tcp().empty()) throw;
            return own_place(fmt::format("own-tcp ({})", e.what()));
        }
    }

    std::unique_ptr<RunPlace> own_place(const std::string& why) {
        if (const std::string problem = beyond_own_tcp(); !problem.empty())
            throw UsageError(problem);
        std::vector<std::string> names;
        for (const PathOptions::Branch& branch : path_.branches())
            if (world_.empty() && branch.to.is_by_name())
                names.emplace_back(branch.to.exact_name());
        auto world = world_.empty() ? nullptr
                                    : std::make_unique<OwnWorld>(WorldOptions{
                                          .file = world_, .as = as_, .seed = network_.seed});
        return std::make_unique<OwnPlace>(network_, why, std::move(names), std::move(world));
    }

    int carry(RunPlace& place, const Words& command,
              const std::optional<wire::Endpoint>& metrics) {
        runtime::Reactor& reactor = place.reactor();
        const std::vector<wire::Address> gateways =
            stand_for_everybody(reactor.stack(), place.addresses());
        const Destinations destinations(gateways, {.host_loopback = host_loopback_,
                                                   .forwarded = forwarded_});
        Forwarders forwarders(reactor, destinations, rules(gateways), log_);
        known_names_ = &forwarders.gate.policy();
        place.learn_names(forwarders.gate.policy());
        if (!path_.branches().empty()) forwarders.gate.remember_names();
        const auto json = json_.empty() ? nullptr : std::make_unique<PageFile>(json_);
        if (json) forwarders.gate.remember_names();
        forwarders.tcp.start();
        RunStory story{.command = command,
                       .backend = place.reason(),
                       .path = path_.text(),
                       .branches = path_.branches(),
                       .connections = {},
                       .rates = rates(),
                       .published = open_ports(place, forwarders)};
        if (metrics) serve(*metrics, place, forwarders);
        schedule_changes(place, forwarders.tcp);
        story.began = reactor.now();
        story.exit_status = place.run(command, destinations, has_rules());
        story.ended = reactor.now();
        story.connections = place.report(forwarders.tcp);
        story.totals = place.totals(forwarders.tcp);
        if (json) {
            json->write(run_json(story, forwarders.gate, place.lanes()));
            json->finish();
        }
        if (!network_.quiet)
            for (const std::string& line : reasons(story.connections, story.rates, reasons_max))
                note(name, line);
        return story.exit_status;
    }

    std::vector<std::string> open_ports(RunPlace& place, Forwarders& forwarders) {
        std::vector<std::string> all;
        for (const Published& port : published_) {
            for (const wire::Endpoint& at : publish(port, place.reactor(), place.addresses(),
                                                    forwarders.tcp, forwarders.udp)) {
                all.push_back(at.text());
                if (!network_.quiet)
                    note(name, fmt::format("{} {} leads to CMD's port {}",
                                           to_string(port.transport), at.text(), port.inside));
            }
        }
        for (const std::uint16_t port : forwarded_) place.forward_port(port);
        return all;
    }

    void serve(const wire::Endpoint& at, RunPlace& place, Forwarders& forwarders) {
        const wire::Endpoint have = serve_metrics(place.reactor(), at, [&place, &forwarders] {
            return metrics_text({.stack = place.counted(),
                                 .open = forwarders.tcp.open(),
                                 .totals = place.totals(forwarders.tcp),
                                 .gate = forwarders.gate,
                                 .lanes = place.lanes()});
        });
        if (!network_.quiet) note(name, fmt::format("metrics: http://{}/metrics", have.text()));
    }

    // Times of --events count from CMD's start.
    void schedule_changes(RunPlace& place, TcpForwarder& tcp) {
        for (std::size_t branch = 0; branch <= path_.branches().size(); ++branch) {
            for (const link::Moment& moment : path_.timeline(branch)) {
                place.reactor().after(moment.at, [this, &place, &tcp, &moment, branch] {
                    place.lanes()->change(network_.as_ours(moment.path), branch);
                    if (moment.resets && branch == 0) place.reset_all(tcp);
                });
            }
        }
    }

    LinkRates rates() const {
        const link::PathSpec path = network_.path();  // as we see it: down is what CMD sends
        return {.up = path.down.rate_bits, .down = path.up.rate_bits};
    }

    // What only a private network can do; empty: nothing of it is asked for.
    std::string beyond_own_tcp() const {
        if (has_rules() || !allow_.empty())
            return "--allow, --deny and --deny-all do not go with --own-tcp: it needs a private "
                   "network to hold CMD in";
        for (const Published& port : published_)
            if (port.transport == egress::Transport::udp)
                return "--publish …/udp does not go with --own-tcp: CMD's UDP is the host's, and "
                       "is to be reached as it is";
        for (const PathOptions::Branch& branch : path_.branches())
            if (world_.empty() && branch.to.is_by_name() && branch.to.exact_name().empty())
                return fmt::format("--to {} does not go with --own-tcp: only whole names can be "
                                   "asked for at the start",
                                   branch.to.text());
        return "";
    }

    bool has_rules() const { return deny_all_ || !deny_.empty(); }

    // A forwarded port is allowed by its own option.
    egress::PolicyOptions rules(const std::vector<wire::Address>& gateways) const {
        egress::PolicyOptions options{.allow = {}, .deny = {}, .deny_all = deny_all_};
        const auto parse = [](const char* option, const std::vector<std::string>& texts,
                              std::vector<egress::Rule>& into) {
            for (const std::string& text : texts) {
                auto rule = egress::Rule::parse(text);
                if (!rule) throw UsageError(fmt::format("{}: {}", option, rule.error()));
                into.push_back(std::move(*rule));
            }
        };
        parse("--allow", allow_, options.allow);
        parse("--deny", deny_, options.deny);
        std::vector<std::string> ports;
        if (!gateways.empty())
            for (const std::uint16_t port : forwarded_)
                ports.push_back(wire::Endpoint{gateways.front(), port}.text());
        parse("--forward", ports, options.allow);
        return options;
    }

    PathOptions path_;
    const egress::Policy* known_names_ = nullptr;
    Branches ways_{path_.branches(), known_names_};
    bool host_loopback_ = false;
    bool own_tcp_ = false;
    std::vector<std::string> publish_, forward_;
    std::vector<Published> published_;
    std::vector<std::uint16_t> forwarded_;
    std::string json_, metrics_, world_, as_;
    std::vector<std::string> allow_, deny_;
    bool deny_all_ = false;
    std::string log_;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_run() { return std::make_unique<Run>(); }

}  // namespace estab::cli
