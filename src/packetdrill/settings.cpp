#include "packetdrill/settings.hpp"

#include <algorithm>
#include <charconv>

#include "tcp/config_fields.hpp"

namespace estab::packetdrill {
namespace {

std::uint64_t number_of(const ScriptOption& option) {
    const char* begin = option.value.data();
    const char* end = begin + option.value.size();
    std::uint64_t n = 0;
    const auto parsed = std::from_chars(begin, end, n);
    if (parsed.ptr != end || parsed.ec != std::errc{} || n > 1'000'000'000)
        throw ScriptError(option.at,
                          "--" + option.name + " wants a number, not '" + option.value + "'");
    return n;
}

wire::Address address_of(const ScriptOption& option) {
    const std::string text = option.value.substr(0, option.value.find('/'));
    const auto address = wire::Address::parse(text);
    if (!address)
        throw ScriptError(option.at,
                          "--" + option.name + " wants an address, not '" + option.value + "'");
    return *address;
}

void apply_ip_version(Settings& s, const ScriptOption& option) {
    if (option.value == "ipv4") {
        s.version = IpVersion::v4;
    } else if (option.value == "ipv6") {
        s.version = IpVersion::v6;
    } else if (option.value == "ipv4-mapped-ipv6") {
        s.version = IpVersion::v4_mapped;
    } else {
        throw ScriptError(option.at, "--ip_version is ipv4, ipv6 or ipv4-mapped-ipv6");
    }
}

// These belong to the original's devices and reports and mean nothing here.
constexpr std::string_view ignored[] = {
    "gateway_ip",
    "netmask_ip",
    "gateway_ipv6",
    "speed",
    "verbose",
    "debug",
    "dry_run",
    "send_omit_free",
    "code",
    "code_sockopt",
    "code_format",
    "define",
    "tun_dev",
    "is_anyip",
    "persistent_tun_dev",
    "wire_protocol",
    "use_expect",
    "init_scripts_dir",
    "fuzz",
};
constexpr std::string_view elsewhere[] = {"wire_client",      "wire_server",     "wire_server_ip",
                                          "wire_server_port", "wire_client_dev", "wire_server_dev",
                                          "so_filename",      "so_flags"};

}  // namespace

std::optional<Settings> settings_of(std::string_view profile) {
    const auto config = tcp::find_profile(profile);
    if (!config) return {};
    Settings s;
    s.profile = profile;
    s.config = *config;
    s.local_v6 = *wire::Address::parse("fd3d:0a0b:17d6::1");
    s.remote_v6 = *wire::Address::parse("fd3d:fa7b:d17d::1");
    if (profile == "linux" || profile == "freebsd") {
        s.config.congestion_control = congestion::find("cubic");
    }
    if (profile == "linux") {  // the kernel's own, where our default keeps to MUST-23
        s.config.syn_retries = 6;
        s.config.syn_linear_timeouts = 4;
        s.config.congestion_control = congestion::find("cubic-linux");
        s.config.reduce_from_cwnd = true;
        s.config.reset_keeps_unread = s.config.window_overrun = s.config.mss_of_path = true;
        s.config.dialogue_delays = s.config.accecn_everywhere = true;
        s.config.unsent_ack_silent = true;
        s.config.fast_open_lost = 0s;
        s.config.soft_icmp_ends_opening = s.config.fast_open_experimental = true;
        s.config.time_wait_reuse_delay = 1s;
    }
    return s;
}

void apply_option(Settings& s, const ScriptOption& option) {
    const std::string& name = option.name;
    if (name == "ip_version") {
        apply_ip_version(s, option);
    } else if (name == "local_ip" || name == "local_ipv4") {
        (address_of(option).is_v4() ? s.local : s.local_v6) = address_of(option);
    } else if (name == "remote_ip" || name == "remote_ipv4") {
        (address_of(option).is_v4() ? s.remote : s.remote_v6) = address_of(option);
    } else if (name == "local_ipv6") {
        s.local_v6 = address_of(option);
    } else if (name == "remote_ipv6") {
        s.remote_v6 = address_of(option);
    } else if (name == "bind_port") {
        s.bind_port = static_cast<std::uint16_t>(number_of(option));
    } else if (name == "connect_port") {
        s.connect_port = static_cast<std::uint16_t>(number_of(option));
    } else if (name == "tolerance_usecs") {
        s.tolerance = std::chrono::microseconds(number_of(option));
    } else if (name == "tolerance_percent") {
        s.tolerance_percent = std::strtod(option.value.c_str(), nullptr);
    } else if (name == "mtu") {
        s.mtu =
            static_cast<std::uint32_t>(std::clamp<std::uint64_t>(number_of(option), 576, 65'535));
    } else if (name == "mss") {
        s.gso_size = static_cast<std::uint16_t>(std::min<std::uint64_t>(number_of(option), 65'535));
    } else if (name == "tcp_ts_tick_usecs") {
        s.ts_tick = std::chrono::microseconds(number_of(option));
    } else if (name == "tcp_ts_ecr_scaled") {
        s.ts_ecr_scaled = true;
    } else if (name == "non_fatal") {  // syscall, packet, or both behind a comma
        if (option.value.find("packet") != std::string::npos)
            throw Skip("--non_fatal=packet: what came after another packet proves nothing");
        if (option.value != "syscall")
            throw ScriptError(option.at, "--non_fatal is packet or syscall");
        s.calls_may_fail = true;
    } else if (name == "strict_segments") {
        s.strict_segments = true;
    } else if (name == "init_scripts") {
        s.init_scripts.push_back(option.value);
    } else if (name == "udp_encapsulation") {
        if (option.value != "tcp") throw ScriptError(option.at, "--udp_encapsulation is tcp");
    } else if (name == "tcp_md5_secret") {
        throw Skip("TCP MD5 signatures (RFC 2385)");
    } else if (std::ranges::find(elsewhere, name) != std::end(elsewhere)) {
        throw Skip("--" + name + " is for the original interpreter's other end");
    } else if (std::ranges::find(ignored, name) == std::end(ignored)) {
        throw ScriptError(option.at, "unknown option --" + name);
    }
}

}  // namespace estab::packetdrill
