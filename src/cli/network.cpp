#include "cli/network.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <charconv>

#include "cli/console.hpp"
#include "cli/control.hpp"
#include "cli/path_text.hpp"
#include "cli/recorder.hpp"
#include "drivers/host_tun.hpp"
#include "drivers/xdp.hpp"
#include "tcp/config_fields.hpp"

namespace estab::cli {
namespace {

constexpr std::uint32_t mtu_min = 576, mtu_max = 65'535;

std::vector<wire::Prefix> prefixes(const std::vector<std::string>& words, const char* option) {
    std::vector<wire::Prefix> result;
    for (const std::string& word : words) {
        const auto prefix = wire::Prefix::parse(word);
        if (!prefix)
            throw UsageError(
                fmt::format("{}: '{}' is not ADDRESS/LENGTH (example: 10.9.0.2/24)", option, word));
        result.push_back(*prefix);
    }
    return result;
}

// The device that was chosen, and what is known about it.
struct Chosen {
    std::optional<drivers::PrivateNetwork> network;
    drivers::AnyDevice device;
    std::vector<drivers::AnyDevice> more;  // of the other shards
    std::vector<wire::Prefix> own;
    std::vector<wire::Address> gateways;  // whom we answer for
    std::string reason;
};

Chosen choose_private(const NetworkOptions& options) {
    const auto backend = drivers::parse_backend(options.backend);
    drivers::PrivateNetwork network = drivers::PrivateNetwork::start(
        {.backend = *backend,
         .mtu = static_cast<std::uint32_t>(options.mtu.value_or(1500)),
         .queues = options.shards.value_or(1),
         .ecn = options.ecn});
    drivers::AnyDevice device = network.take_device();
    std::vector<drivers::AnyDevice> more = network.take_queues();
    const drivers::PrivateAddresses addresses = network.addresses();
    std::string reason = network.reason();
    return {std::move(network), std::move(device),  std::move(more),
            addresses.own,      addresses.gateways, std::move(reason)};
}

// IFACE or IFACE:QUEUE.
drivers::XdpOptions xdp_options(const NetworkOptions& options) {
    drivers::XdpOptions xdp{.interface = options.xdp};
    const std::size_t colon = options.xdp.rfind(':');
    if (colon == std::string::npos) return xdp;
    xdp.interface = options.xdp.substr(0, colon);
    const char* const end = options.xdp.data() + options.xdp.size();
    const auto read = std::from_chars(options.xdp.data() + colon + 1, end, xdp.first_queue);
    if (read.ec != std::errc() || read.ptr != end)
        throw UsageError(fmt::format("--xdp: '{}' is not INTERFACE or INTERFACE:QUEUE (eth1:2)",
                                     printable(options.xdp)));
    return xdp;
}

Chosen choose_xdp(const NetworkOptions& options) {
    drivers::XdpDevice device = std::move(drivers::XdpDevice::open(xdp_options(options)).front());
    std::string reason = fmt::format("AF_XDP on {}, {}", device.name(),
                                     device.is_zero_copy() ? "zero-copy" : "copied");
    return {{}, std::move(device), {}, prefixes(options.addresses, "--addr"), {},
            std::move(reason)};
}

Chosen choose_host(const NetworkOptions& options) {
    if (!options.xdp.empty()) return choose_xdp(options);
    const bool is_tap = !options.tap.empty();
    const drivers::HostTunOptions tun{.name = is_tap ? options.tap : options.tun,
                                      .tap = is_tap,
                                      .mtu = static_cast<std::uint32_t>(options.mtu.value_or(0)),
                                      .queues = options.shards.value_or(1),
                                      .own = prefixes(options.addresses, "--addr"),
                                      .host = prefixes(options.host_addresses, "--host-addr")};
    std::vector<drivers::TunDevice> queues = drivers::open_host_tun_queues(tun);
    drivers::AnyDevice device = std::move(queues.front());
    std::vector<drivers::AnyDevice> more;
    for (std::size_t i = 1; i < queues.size(); ++i) more.emplace_back(std::move(queues[i]));
    std::string reason = fmt::format("{} {}", is_tap ? "tap" : "tun", device.name());
    if (!more.empty()) reason += fmt::format(" with {} queues", queues.size());
    return {{}, std::move(device), std::move(more), tun.own, {}, std::move(reason)};
}

// The members stand in the order in which they need each other.
template <class Below>
class Chain final : public Network {
public:
    Chain(Chosen chosen, const NetworkOptions& options, std::string_view who)
        : chosen_(std::move(chosen)),
          gateways_(options.gateways),
          seed_(options.seed ? *options.seed : random_seed()),
          command_(who.substr(who.rfind(' ') + 1)),
          recorder_(options.records(fmt::format("estab {}, seed {}", ESTAB_VERSION, seed_)),
                    chosen_.device.caps().link),
          below_(chosen_.device, options),
          tap_(below_.top(), recorder_),
          recorded_(tap_, recorder_),
          options_{.config = options.tcp.config(),
                   .seed = seed_,
                   .event_room = recorder_.event_room(),
                   .mac = chosen_.device.mac().value_or(wire::Mac{}),
                   .echo_for_accepted = options.echo_for_accepted},
          stack_(runtime::Loop::now(), options_) {
        recorder_.attach(stack_);
        if (options.records({}).is_empty())
            reactor_ =
                std::make_unique<runtime::Reactor>(stack_, below_.top(), chosen_.device.fd());
        else
            reactor_ = std::make_unique<runtime::Reactor>(stack_, recorded_, chosen_.device.fd());
        spin_ = std::chrono::microseconds(options.spin.value_or(0));
        reactor_->set_spin(spin_);
        add_addresses();
        // At the first turn: by then a command's keeper knows what to remove if we are killed.
        reactor_->at({}, [this] {
            control_.emplace(*reactor_, ControlInfo{.command = command_, .interface = interface()});
        });
    }
    ~Chain() override { recorder_.flush(); }

    runtime::Reactor& reactor() override { return *reactor_; }
    stack::Stack& stack() override { return stack_; }
    const drivers::PrivateNetwork* private_network() const override {
        return chosen_.network ? &*chosen_.network : nullptr;
    }
    const std::string& interface() const override { return chosen_.device.name(); }
    void serve(const runtime::Shard::Service& service) override {
        kept_ = service(*reactor_);
        for (drivers::AnyDevice& device : chosen_.more) {
            runtime::Shard::Settings settings{.stack = options_, .own = chosen_.own};
            settings.stack.seed = options_.seed + shards_.size() + 1;
            const int fd = device.fd();
            ControlInfo control{.command = command_, .interface = interface(),
                                .shard = shards_.size() + 1};
            auto& shard = shards_.emplace_back(std::make_unique<runtime::Shard>(
                std::move(device), fd, settings,
                [service, spin = spin_, control](runtime::Reactor& reactor) {
                    reactor.set_spin(spin);
                    socket::spawn(reactor, keep_control(reactor, control));
                    return service(reactor);
                }));
            // One that ends before we do has failed; what it says comes out of run_once().
            reactor_->loop().watch(
                shard->ended(), {.read = true, .write = false},
                [&shard = *shard](Instant, runtime::Ready) { shard.join(); });
        }
    }
    link::PathLanes* lanes() override { return below_.lanes(); }
    const std::string& reason() const override { return chosen_.reason; }

private:
    void add_addresses() {
        for (const wire::Prefix& prefix : chosen_.own)
            if (const auto added = stack_.routes().add_address(prefix); !added)
                throw UsageError(
                    fmt::format("--addr {}: {}", prefix.text(), to_string(added.error())));
        for (const std::string& word : gateways_) {
            const wire::Address gateway = *wire::Address::parse(word);
            ip::Route route;
            if (gateway.is_v4()) route.destination = {wire::Address::v4(0, 0, 0, 0), 0};
            route.gateway = gateway;
            if (const auto added = stack_.routes().add(route); !added)
                throw UsageError(fmt::format("--gateway {}: {}", word, to_string(added.error())));
        }
        for (const wire::Address& gateway : chosen_.gateways) {
            const std::uint8_t whole = gateway.is_v4() ? 32 : 128;
            (void)stack_.neighbours().answer_for({gateway, whole});
        }
    }

    Chosen chosen_;
    std::vector<std::string> gateways_;
    Duration spin_{};
    std::uint64_t seed_;
    std::string command_;
    Recorder recorder_;
    Below below_;
    link::Tap<typename Below::Top, Recorder> tap_;
    Recorded<decltype(tap_)> recorded_;
    stack::StackOptions options_;
    std::shared_ptr<void> kept_;  // of serve(): outlives the reactor
    stack::Stack stack_;
    std::unique_ptr<runtime::Reactor> reactor_;
    std::optional<Control> control_;
    std::vector<std::unique_ptr<runtime::Shard>> shards_;
};

struct Straight {
    using Top = drivers::AnyDevice;
    Straight(drivers::AnyDevice& device, const NetworkOptions&) : device_(device) {}
    Top& top() { return device_; }
    link::PathLanes* lanes() { return nullptr; }
    drivers::AnyDevice& device_;
};
struct Impaired {
    using Top = link::Path<drivers::AnyDevice>;
    Impaired(drivers::AnyDevice& device, const NetworkOptions& options)
        : path_(device, options.lanes()) {}
    Top& top() { return path_; }
    link::PathLanes* lanes() { return &path_.lanes(); }
    Top path_;
};

// Whether a key on the terminal reaches CMD by itself.
bool is_in_foreground() {
    const drivers::Fd terminal(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
    return terminal && ::tcgetpgrp(*terminal) == ::getpgrp();
}

}  // namespace

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
        drivers::throw_system("no random numbers");
    return seed;
}

void TcpOptions::setup(Options& options) {
    options.group("TCP");
    options.value({"--profile", "NAME", "linux (default), rfc, freebsd or tutorial"}, profile);
    options.value({"--cc", "NAME", "congestion control"}, cc);
    options.value({"--mss", "OCTETS", "MSS that we announce at most"}, mss);
    options.list({"--set", "NAME=VALUE", "any parameter of `estab config show`; repeatable"}, set);
}

tcp::Config TcpOptions::config() const {
    const std::optional<tcp::Config> found = tcp::find_profile(profile);
    if (!found)
        throw UsageError(
            fmt::format("--profile: there is no '{}'; known: {}", profile, tcp::profile_names));
    tcp::Config config = *found;
    const auto apply = [&config](std::string_view option, const std::string& assignment) {
        if (const auto done = tcp::set_config(config, assignment); !done)
            throw UsageError(fmt::format("{}: {}", option, done.error()));
    };
    for (const std::string& assignment : set) apply("--set", assignment);
    if (!cc.empty()) apply("--cc", "congestion_control=" + cc);
    if (mss) apply("--mss", fmt::format("mss={}", *mss));
    return config;
}

void NetworkOptions::setup(Options& options) {
    options.group("Network");
    options.value({"--tun", "NAME", "a TUN of the host's instead of a private network"}, tun);
    options.value({"--tap", "NAME", "the same as a TAP, with Ethernet"}, tap);
    options.value({"--xdp", "IFACE[:QUEUE]", "an interface, or a queue of it, through AF_XDP"},
                  xdp);
    options.list({"--addr", "A/LEN", "estab's address on it; repeatable"}, addresses);
    options.list({"--host-addr", "B/LEN", "the host's address on it; repeatable"}, host_addresses);
    options.list({"--gateway", "A", "of estab's default route on it; repeatable"}, gateways);
    options.value({"--backend", "NAME", "of a private network: auto (default), tun or veth"},
                  backend);
    options.value({"--mtu", "OCTETS", "of the interface (1500)"}, mtu);
    options.value({"--spin", "MICROSECONDS", "look so long for more before sleeping (0)"}, spin);
    options.flag({"-q,--quiet", "", "do not say which backend was chosen"}, quiet);
    setup_records(options);
}

void NetworkOptions::setup_shards(Options& options) {
    options.value({"--shards", "N", "threads, each with a stack and a queue of the TUN (1)"},
                  shards);
}

void NetworkOptions::setup_records(Options& options) {
    options.group("Path and records");
    options.value({"--impair", "SPEC", "a bad path: loss=1%,delay=20ms,rate=50mbit,…"}, impair);
    options.optional_value(
        {"--trace", "[=FILE]", "each segment as tcpdump -nn prints it, to standard error"}, trace);
    options.value(
        {"--pcap", "FILE", "each segment as pcapng, with comments; - for standard output"}, pcap);
    options.value({"--events", "FILE", events_help}, events);
    options.flag(
        {"--explain", "", "under each line of the trace what it means; alone: --trace too"},
        explain);
    options.value({"--report", "FILE", "at the end a page of HTML: plots, findings, flow graphs"},
                  report);
    options.value({"--seed", "N", "of everything random; the same seed, the same choices"}, seed);
    tcp.setup(options);
}

RecordOptions NetworkOptions::records(std::string comment) const {
    return {.trace = explain && trace.empty() ? "-" : trace,
            .pcap = pcap,
            .events = events,
            .report = report,
            .explain = explain,
            .comment = std::move(comment)};
}

link::PathSpec NetworkOptions::path() const {
    const auto spec = read_path(impair);
    if (!spec) throw UsageError("--impair: " + printable(spec.error().text()));
    return as_ours(*spec);
}

link::PathLanes::Settings NetworkOptions::lanes() const {
    link::PathLanes::Settings settings{.spec = path(),
                                       .branches = {},
                                       .classify = classify,
                                       .classify_context = classify_context};
    for (const std::string& branch : branches)
        settings.branches.push_back(as_ours(*read_path(branch)));
    return settings;
}

link::PathSpec NetworkOptions::as_ours(const link::PathSpec& spec) const {
    if (!impair_is_commands) return spec;
    return {.up = spec.down, .down = spec.up, .seed = spec.seed};
}

void NetworkOptions::check() const {
    if (!tun.empty() + !tap.empty() + !xdp.empty() > 1)
        throw UsageError("--tun, --tap and --xdp exclude each other");
    if (is_private() && !(addresses.empty() && host_addresses.empty() && gateways.empty()))
        throw UsageError("--addr, --host-addr and --gateway need --tun, --tap or --xdp NAME");
    if (!is_private() && addresses.empty())
        throw UsageError(
            "--tun, --tap and --xdp need --addr A/LEN (and --host-addr B/LEN for the host's side)");
    if (!xdp.empty() && !(host_addresses.empty() && !mtu))
        throw UsageError("--xdp takes the interface as it is: no --host-addr, no --mtu");
    for (const std::string& gateway : gateways)
        if (!wire::Address::parse(gateway))
            throw UsageError(
                fmt::format("--gateway: '{}' is not an address", printable(gateway)));
    if (!drivers::parse_backend(backend))
        throw UsageError(
            fmt::format("--backend: there is no '{}'; known: {}", printable(backend), backends));
    if (spin && *spin > 1'000'000)
        throw UsageError(fmt::format("--spin: {} is more than a second", *spin));
    if (mtu && (*mtu < mtu_min || *mtu > mtu_max))
        throw UsageError(fmt::format("--mtu: {} is not between {} and {}", *mtu, mtu_min, mtu_max));
    check_shards();
    prefixes(addresses, "--addr");
    prefixes(host_addresses, "--host-addr");
    path();
    tcp.config();
}

void NetworkOptions::check_shards() const {
    constexpr std::uint64_t most = drivers::PrivateNetworkOptions::queues_max;
    if (shards && (*shards == 0 || *shards > most))
        throw UsageError(fmt::format("--shards: {} is not between 1 and {}", *shards, most));
    if (shards.value_or(1) == 1) return;
    // With Ethernet each stack would have to learn the neighbours that one queue hears of.
    if (!tap.empty() || !xdp.empty() || backend == "veth")
        throw UsageError(
            "--shards needs the queues of a TUN: not with --tap, --xdp or --backend veth");
    if (!records({}).is_empty() || !impair.empty())
        throw UsageError(
            "--shards: there is one trace, capture, report and --impair, for one shard");
}

std::unique_ptr<Network> Network::open(const NetworkOptions& options, std::string_view who) {
    options.check();
    Chosen chosen = options.is_private() ? choose_private(options) : choose_host(options);
    if (!options.quiet) note(who, chosen.reason);
    if (options.path() == link::PathSpec{} && !options.path_may_change)
        return std::make_unique<Chain<Straight>>(std::move(chosen), options, who);
    return std::make_unique<Chain<Impaired>>(std::move(chosen), options, who);
}

int run_command(Network& network, const Words& command, drivers::Surroundings around) {
    around.leftover = Control::path();
    drivers::Child child =
        network.private_network()->spawn(command, {-1, -1, -1}, std::move(around));
    return await_command(network.reactor(), std::move(child), 200ms,
                         [&] { return network.stack().connections() == 0; });
}

int await_command(runtime::Reactor& reactor, drivers::Child child, Duration patience,
                  const std::function<bool()>& is_quiet) {
    runtime::Loop& loop = reactor.loop();
    const bool foreground = is_in_foreground();
    for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) {
        const bool is_key = number == SIGINT || number == SIGQUIT;
        loop.on_signal(number, [&child, passes = !(is_key && foreground)](Instant, int signal) {
            if (passes) child.signal(signal);
        });
    }
    bool has_ended = false;
    loop.watch(child.pidfd(), {.read = true, .write = false},
               [&has_ended](Instant, runtime::Ready) { has_ended = true; });
    std::optional<int> status;
    reactor.run_until([&] { return has_ended && (status = child.poll()).has_value(); });
    loop.forget(child.pidfd());
    // The last segments of CMD's connections are still on their way.
    const Instant until = reactor.now() + patience;
    bool hurried = false;
    for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP})
        loop.on_signal(number, [&hurried](Instant, int) { hurried = true; });
    while (!hurried && !is_quiet() && reactor.now() < until) reactor.run_once(until);
    return drivers::exit_code(status ? *status : child.wait());
}

int run_until_signal(Network& network) {
    runtime::Reactor& reactor = network.reactor();
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        reactor.loop().on_signal(number, [&reactor](Instant, int) { reactor.stop(); });
    reactor.run();
    return exit_status::done;
}

}  // namespace estab::cli
