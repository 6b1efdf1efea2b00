// Options and set-up that every command with a network shares: which device, what path, what is
// recorded, how TCP is configured. The chain is
//
//   stack ↔ Tap (what estab's TCP sends and receives) ↔ Path (--impair) ↔ device
//
// so a capture shows a packet that the path will lose, and not one that it has lost: as tcpdump on
// a host in front of a bad line.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"
#include "drivers/private_network.hpp"
#include "link/path.hpp"
#include "runtime/shard.hpp"
#include "stack/stack.hpp"

namespace estab::cli {

// For whoever was given none. Throws SystemError.
std::uint64_t random_seed();

// How TCP is configured.
struct TcpOptions {
    std::string profile = "linux";
    std::string cc;
    std::optional<std::uint64_t> mss;
    std::vector<std::string> set;

    void setup(Options& options);
    tcp::Config config() const;  // throws UsageError
};

struct RecordOptions;

struct NetworkOptions {
    TcpOptions tcp;
    std::string tun, tap, xdp;  // a device of the host's
    std::vector<std::string> addresses, host_addresses, gateways;
    std::string backend = "auto";
    std::string impair, trace, pcap, events, report;
    std::optional<std::uint64_t> mtu, seed, shards, spin;
    bool quiet = false, explain = false;
    bool ecn = false;  // CMD's kernel asks for it, where CMD is in a private network
    const char* backends = "auto, tun, veth";  // that --backend may name, for who asks
    bool impair_is_commands = false;  // `up:` in --impair is what CMD sends, not what we do
    const char* events_help = "what happens inside, as JSON lines";
    bool path_may_change = false;     // there is one, though it may do nothing yet
    std::vector<std::string> branches;  // paths beside --impair's, in the same grammar and sense
    link::PathLanes::Classify classify = nullptr;  // which of them
    void* classify_context = nullptr;
    bool echo_for_accepted = true;

    void setup(Options& options);         // all of them but --shards
    void setup_shards(Options& options);  // for who calls Network::serve()
    void setup_records(
        Options& options);  // --trace, --pcap, --events, --report, --impair, --seed and TCP's alone
    bool is_private() const { return tun.empty() && tap.empty() && xdp.empty(); }
    link::PathSpec path() const;          // throws UsageError
    link::PathLanes::Settings lanes() const;  // after check()
    link::PathSpec as_ours(const link::PathSpec& spec) const;  // turned round where it is CMD's
    RecordOptions records(std::string comment) const;
    void check() const;                   // throws UsageError: what does not go together

private:
    void check_shards() const;
};

// A stack on a device, ready to run.
class Network {
public:
    // `who` begins the line that says which backend was chosen. Throws UsageError, SystemError.
    static std::unique_ptr<Network> open(const NetworkOptions& options, std::string_view who);
    virtual ~Network() = default;

    virtual runtime::Reactor& reactor() = 0;
    virtual stack::Stack& stack() = 0;
    // nullptr with --tun or --tap.
    virtual const drivers::PrivateNetwork* private_network() const = 0;
    virtual const std::string& interface() const = 0;
    // Once: makes a service in the reactor, and in each shard beside it. Throws what it throws.
    virtual void serve(const runtime::Shard::Service& service) = 0;
    virtual link::PathLanes* lanes() = 0;  // nullptr: no path
    virtual const std::string& reason() const = 0;  // which device, and why
    const std::vector<wire::Prefix>& own() { return stack().routes().addresses(); }
};

// Runs CMD in the private network and the reactor until it has ended; CMD's exit status. The
// terminal's signals are CMD's; those that are sent to us alone are passed on.
int run_command(Network& network, const Words& command, drivers::Surroundings around = {});
// The same for one that runs already. Afterwards what is still on its way has `patience`, until
// `is_quiet`.
int await_command(runtime::Reactor& reactor, drivers::Child child, Duration patience,
                  const std::function<bool()>& is_quiet);
// Runs the reactor until SIGINT, SIGTERM or SIGHUP. Always 0.
int run_until_signal(Network& network);

}  // namespace estab::cli
