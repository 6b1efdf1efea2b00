// estab run -- CMD…: any program in a private network whose every connection ends at estab's TCP,
// on a link that behaves as it is told, and goes on through sockets of the host's.
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/forward_tcp.hpp"
#include "cli/forward_udp.hpp"
#include "cli/gate.hpp"
#include "cli/network.hpp"
#include "cli/run_own.hpp"
#include "cli/run_report.hpp"
#include "link/profile.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t reasons_max = 5;

class Run final : public Command {
public:
    void setup(Options& options) override {
        options.value({"-l,--link", "NAME",
                       "a network by name: 3g, lte, satellite, …; `list` shows all with their "
                       "numbers"},
                      link_);
        for (Knob& knob : knobs_)
            options.list({knob.option, knob.value, knob.help}, knob.given);
        options.flag({"--host-loopback", "", "host.estab (10.77.0.1) is the host's 127.0.0.1"},
                     host_loopback_);
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
        network_.setup_records(options);
    }

    int run(const Words& command) override {
        if (link_ == "list") return list();
        if (network_.backend == "own-tcp" || network_.backend == "seccomp") {
            own_tcp_ = true;
            network_.backend = "auto";
        }
        network_.impair = path_text();
        network_.impair_is_commands = true;
        network_.echo_for_accepted = false;
        network_.check();
        (void)rules();
        if (command.empty()) throw UsageError("give a command to run: estab run -- CMD…");
        if (network_.pcap == "-")
            throw UsageError("--pcap -: standard output is the command's; give a file");
        if (own_tcp_) return run_own("own-tcp", command);
        std::unique_ptr<Network> network;
        try {
            network = Network::open(network_, "estab run");
        } catch (const drivers::SystemError& e) {
            if (network_.backend != "auto" || has_rules()) throw;
            return run_own(fmt::format("own-tcp ({})", e.what()), command);
        }
        if (has_rules() && !network->private_network()->has_user_namespace())
            throw std::runtime_error(
                "--allow, --deny and --deny-all need user namespaces: without one the command is "
                "root on the host and can leave the network");
        return forward(*network, command);
    }

private:
    struct Knob {
        const char* option;
        const char* item;      // of the path grammar
        const char* value;
        const char* help;
        std::vector<std::string> given{};
    };

    int forward(Network& network, const Words& command) {
        runtime::Reactor& reactor = network.reactor();
        std::vector<wire::Address> aliases = network.private_network()->addresses().gateways;
        ip::Routes& routes = network.stack().routes();
        for (const wire::Address& gateway : aliases) {
            const std::uint8_t whole = gateway.is_v4() ? 32 : 128;
            (void)routes.add_address({gateway, whole});
        }
        for (const char* everything : {"0.0.0.0/0", "::/0"})
            (void)routes.accept(*wire::Prefix::parse(everything));
        for (const wire::Prefix& own : network.private_network()->addresses().own)
            aliases.push_back(own.address);

        const Destinations destinations(aliases, host_loopback_);
        Gate gate(destinations, rules(), log_);
        TcpForwarder tcp(reactor, gate);
        UdpForwarder udp(reactor, gate);
        auto listener = socket::Listener::listen(
            reactor, {.any_address = true, .any_port = true, .hold = true});
        if (!listener)
            throw std::runtime_error(
                fmt::format("cannot listen: {}", to_string(listener.error())));
        socket::spawn(reactor, tcp.open_all(*listener));
        socket::spawn(reactor, tcp.accept_all(*listener));
        // At the first turn: CMD has started with the limit that it was given.
        reactor.at({}, [] { drivers::raise_descriptor_limit(); });
        const int status = run_command(network, command,
                                       {.files = {{"/etc/resolv.conf", destinations.resolv_conf()},
                                                  {"/etc/hosts", destinations.hosts()}},
                                        .leftover = {},
                                        .close_inherited = has_rules()});
        if (!network_.quiet) explain(tcp);
        return status;
    }

    void explain(TcpForwarder& tcp) const {
        const link::PathSpec path = network_.path();  // as we see it: down is what CMD sends
        const LinkRates rates{.up = path.down.rate_bits, .down = path.up.rate_bits};
        for (const std::string& line : reasons(tcp.take_report(), rates, reasons_max))
            note("estab run", line);
    }

    int run_own(const std::string& chosen, const Words& command) {
        if (has_rules() || !allow_.empty())
            throw UsageError(
                "--own-tcp is no boundary for a program that wants out: --allow, --deny and "
                "--deny-all need a private network");
        network_.impair_is_commands = false;  // the path is seen from CMD's side
        if (!network_.quiet) note("estab run", chosen);
        const link::PathSpec path = network_.path();
        const LinkRates rates{.up = path.up.rate_bits, .down = path.down.rate_bits};
        return run_with_own_tcp({network_, host_loopback_, log_}, command,
                                [&](std::vector<Forwarded> connections) {
                                    if (network_.quiet) return;
                                    for (const std::string& line :
                                         reasons(std::move(connections), rates, reasons_max))
                                        note("estab run", line);
                                });
    }

    bool has_rules() const { return deny_all_ || !deny_.empty(); }

    egress::PolicyOptions rules() const {
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
        return options;
    }

    // The profile, then what overrides it, as one text of the path grammar.
    std::string path_text() const {
        std::string text;
        const auto add = [&text](std::string_view item) {
            if (!text.empty()) text += ',';
            text += item;
        };
        if (!link_.empty()) {
            const link::Profile* profile = link::find_profile(link_);
            if (profile == nullptr)
                throw UsageError(fmt::format("--link: there is no '{}'{}; `--link list` shows all",
                                             link_, suggestion(link_, names())));
            add(profile->path);
        }
        for (const Knob& knob : knobs_) {
            for (const std::string& given : knob.given) {
                std::string_view value = given;
                std::string_view way;
                for (const std::string_view prefix : {"up:", "down:"})
                    if (value.starts_with(prefix)) way = prefix;
                value.remove_prefix(way.size());
                const std::string item = fmt::format("{}{}={}", way, knob.item, value);
                if (const auto one = link::parse_path(item); !one)
                    throw UsageError(fmt::format("{}: {}", knob.option, one.error().text()));
                add(item);
            }
        }
        if (!network_.impair.empty()) add(network_.impair);
        if (network_.seed && !text.empty()) add(fmt::format("seed={}", *network_.seed));
        return text;
    }

    static std::vector<std::string> names() {
        std::vector<std::string> all;
        for (const link::Profile& profile : link::all_profiles()) all.emplace_back(profile.name);
        return all;
    }

    static int list() {
        for (const link::Profile& profile : link::all_profiles())
            print(fmt::format("{:<14} {}\n{:<14}   {}\n", profile.name, profile.path, "",
                              profile.source));
        return exit_status::done;
    }

    std::string link_;
    bool host_loopback_ = false;
    bool own_tcp_ = false;
    std::vector<std::string> allow_, deny_;
    bool deny_all_ = false;
    std::string log_;
    std::array<Knob, 9> knobs_{{
        {"--rate", "rate", "RATE", "of the link: 5mbit; up:1mbit and down:20mbit apart"},
        {"--rate-trace", "rate-trace", "FILE",
         "a rate that changes, as Mahimahi records it: each line the ms at which 1500 bytes leave"},
        {"--delay", "delay", "TIME", "one way: 40ms, 40ms±10ms"},
        {"--loss", "loss", "SHARE", "of the packets: 2%"},
        {"--burst-loss", "burst-loss", "SPEC", "ENTER/LEAVE of bad moments: 0.5%/25%"},
        {"--reorder", "reorder", "SHARE", "of the packets are overtaken"},
        {"--duplicate", "duplicate", "SHARE", "of the packets come twice"},
        {"--corrupt", "corrupt", "SHARE", "of the packets have a wrong bit"},
        {"--queue", "queue", "SIZE", "in front of the rate: 64KB, 100p, 1bdp"},
    }};
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_run() { return std::make_unique<Run>(); }

}  // namespace estab::cli
