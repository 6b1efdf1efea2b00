// What a run of a script depends on beside its text: the profile, the options in front of it and
// on the command line, and what its shell commands set.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/siphash.hpp"
#include "packetdrill/script.hpp"
#include "stack/stack.hpp"
#include "tcp/config.hpp"

namespace estab::packetdrill {

enum class IpVersion : std::uint8_t { v4, v6, v4_mapped };

struct Settings {
    std::string profile = "linux";
    tcp::Config config{};
    IpVersion version = IpVersion::v4;
    wire::Address local = wire::Address::v4(192, 168, 0, 1);
    wire::Address remote = wire::Address::v4(192, 0, 2, 1);
    wire::Address local_v6{}, remote_v6{};
    std::uint16_t bind_port = 8080, connect_port = 8080;
    std::uint32_t mtu = 0;               // 0: 1500, with IPv6 1520, as the suites run it
    std::uint16_t gso_size = 0;          // of inbound packets that are larger; 0: they are one
    Duration tolerance = 4ms;
    double tolerance_percent = 12.5;
    bool strict_segments = false;
    bool calls_may_fail = false;         // --non_fatal=syscall: it is only told
    bool offloads = true;                // the device cuts large frames
    bool drop_syn_fin = false;           // FreeBSD's switch: such a segment is not even looked at
    Duration ts_tick{};                  // 0: outbound TS val is not checked
    bool ts_ecr_scaled = false;
    bool running = false;                // the device is there, and is as it is
    std::vector<std::string> init_scripts{};
    std::map<std::string, std::size_t> files{};  // that a script has made: octets, all zero
    // What is beside the script: the suites' defaults.sh. None: what both are known to say.
    std::function<std::optional<std::string>(const std::string& path)> read_file{};
    std::array<std::optional<SipKey>, 2> fast_open_keys{};  // nothing said: the stack's own

    const wire::Address& here() const { return version == IpVersion::v6 ? local_v6 : local; }
    const wire::Address& there() const { return version == IpVersion::v6 ? remote_v6 : remote; }
    std::uint32_t interface_mtu() const {
        return mtu != 0 ? mtu : version == IpVersion::v6 && profile != "freebsd" ? 1520 : 1500;
    }
};

inline void give_keys(const Settings& settings, stack::Stack& stack) {
    if (settings.fast_open_keys[0])
        stack.set_fast_open_keys(*settings.fast_open_keys[0], settings.fast_open_keys[1]);
}

// A script that asks for what estab does not have, by design or not yet: no failure, no pass.
class Skip : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// "linux", "freebsd", "rfc", "tutorial": how a stack of that name behaves in scripts.
std::optional<Settings> settings_of(std::string_view profile);
// One --name=value. Throws ScriptError.
void apply_option(Settings& settings, const ScriptOption& option);

// What a shell command of a script comes to. Throws ScriptError for what it does not know, Skip
// for what belongs to a host (routes, queues, …).
struct ShellEffect {
    Duration sleeps{};
    bool changed = false;                // of Settings::config
    bool forgets_fast_open = false;      // what was learnt of cookies
};
// A pipe that counts sockets in a state, as FreeBSD's suite does with sockstat; whether it ends
// well, where `lines` are the sockets there are.
bool asks_for_states(std::string_view text);
bool asks_for_counters(std::string_view text);  // nstat: those that have moved since it asked last
bool pipe_succeeds(std::string_view text, Position at, std::vector<std::string> lines);

ShellEffect run_shell(std::string_view text, Position at, Settings& settings);

}  // namespace estab::packetdrill
