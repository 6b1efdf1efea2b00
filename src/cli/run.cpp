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
        if (own_tcp_) return run_own("own-tcp", command);
        network_.classify = path_.branches().empty() ? nullptr : Branches::find;
        network_.classify_context = &ways_;
        std::unique_ptr<Network> network;
        try {
            network = Network::open(network_, name);
        } catch (const drivers::SystemError& e) {
            if (network_.backend != "auto" || !beyond_own_tcp().empty()) throw;
            return run_own(fmt::format("own-tcp ({})", e.what()), command);
        }
        if (has_rules() && !network->private_network()->has_user_namespace())
            throw std::runtime_error(
                "--allow, --deny and --deny-all need user namespaces: without one the command is "
                "root on the host and can leave the network");
        return carry(*network, command, metrics);
    }

private:
    int carry(Network& network, const Words& command,
              const std::optional<wire::Endpoint>& metrics) {
        runtime::Reactor& reactor = network.reactor();
        const std::vector<wire::Address> gateways =
            stand_for_everybody(network.stack(), network.private_network()->addresses());
        const Destinations destinations(gateways, {.host_loopback = host_loopback_,
                                                   .forwarded = forwarded_});
        Forwarders forwarders(reactor, destinations, rules(gateways), log_);
        known_names_ = &forwarders.gate.policy();
        if (!path_.branches().empty()) forwarders.gate.remember_names();
        const auto json = json_.empty() ? nullptr : std::make_unique<PageFile>(json_);
        if (json) forwarders.gate.remember_names();
        forwarders.tcp.start();
        RunStory story{.command = command,
                       .backend = network.reason(),
                       .path = path_.text(),
                       .branches = path_.branches(),
                       .connections = {},
                       .rates = rates(),
                       .published = open_ports(network, forwarders)};
        if (metrics) serve(*metrics, network, forwarders);
        schedule_changes(network, forwarders.tcp);
        story.began = reactor.now();
        story.exit_status = run_command(network, command,
                                        {.files = {{"/etc/resolv.conf", destinations.resolv_conf()},
                                                   {"/etc/hosts", destinations.hosts()}},
                                         .leftover = {},
                                         .close_inherited = has_rules()});
        story.ended = reactor.now();
        story.connections = forwarders.tcp.take_report();
        story.totals = forwarders.tcp.totals();
        if (json) {
            json->write(run_json(story, forwarders.gate, network.lanes()));
            json->finish();
        }
        if (!network_.quiet)
            for (const std::string& line : reasons(story.connections, story.rates, reasons_max))
                note(name, line);
        return story.exit_status;
    }

    std::vector<std::string> open_ports(Network& network, Forwarders& forwarders) {
        std::vector<std::string> all;
        for (const Published& port : published_) {
            for (const wire::Endpoint& at :
                 publish(port, network.reactor(), network.private_network()->addresses(),
                         forwarders.tcp, forwarders.udp)) {
                all.push_back(at.text());
                if (!network_.quiet)
                    note(name, fmt::format("{} {} leads to CMD's port {}",
                                           to_string(port.transport), at.text(), port.inside));
            }
        }
        for (const std::uint16_t port : forwarded_)
            forward_port(port, network.reactor(), *network.private_network());
        return all;
    }

    void serve(const wire::Endpoint& at, Network& network, Forwarders& forwarders) {
        const wire::Endpoint have = serve_metrics(network.reactor(), at, [&network, &forwarders] {
            return metrics_text({.stack = network.stack(),
                                 .tcp = forwarders.tcp,
                                 .gate = forwarders.gate,
                                 .lanes = network.lanes()});
        });
        if (!network_.quiet) note(name, fmt::format("metrics: http://{}/metrics", have.text()));
    }

    // Times of --events count from CMD's start.
    void schedule_changes(Network& network, TcpForwarder& tcp) {
        for (std::size_t branch = 0; branch <= path_.branches().size(); ++branch) {
            for (const link::Moment& moment : path_.timeline(branch)) {
                network.reactor().after(moment.at, [this, &network, &tcp, &moment, branch] {
                    network.lanes()->change(network_.as_ours(moment.path), branch);
                    if (moment.resets && branch == 0) tcp.reset_all();
                });
            }
        }
    }

    LinkRates rates() const {
        const link::PathSpec path = network_.path();  // as we see it: down is what CMD sends
        return {.up = path.down.rate_bits, .down = path.up.rate_bits};
    }

    // The first option that only a private network can do; empty: none.
    std::string beyond_own_tcp() const {
        if (has_rules() || !allow_.empty()) return "--allow, --deny and --deny-all";
        if (!publish_.empty()) return "--publish";
        if (!forward_.empty()) return "--forward";
        if (!path_.branches().empty()) return "--to";
        if (network_.path_may_change) return "--events 'at …'";
        if (!json_.empty()) return "--json";
        return metrics_.empty() ? "" : "--metrics";
    }

    int run_own(const std::string& chosen, const Words& command) {
        if (const std::string option = beyond_own_tcp(); !option.empty())
            throw UsageError(
                fmt::format("{} does not go with --own-tcp: it needs a private network", option));
        network_.impair_is_commands = false;  // the path is seen from CMD's side
        if (!network_.quiet) note(name, chosen);
        const link::PathSpec path = network_.path();
        const LinkRates rates{.up = path.up.rate_bits, .down = path.down.rate_bits};
        return run_with_own_tcp({network_, host_loopback_, log_}, command,
                                [&](std::vector<Forwarded> connections) {
                                    if (network_.quiet) return;
                                    for (const std::string& line :
                                         reasons(std::move(connections), rates, reasons_max))
                                        note(name, line);
                                });
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
    std::string json_, metrics_;
    std::vector<std::string> allow_, deny_;
    bool deny_all_ = false;
    std::string log_;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_run() { return std::make_unique<Run>(); }

}  // namespace estab::cli
