// The shell commands of scripts. None is run: sysctl lines change the stack's parameters, by table;
// what is for a host's routes and queues makes a script one that estab cannot run.
#include <algorithm>
#include <charconv>
#include <span>

#include "congestion/algorithm.hpp"
#include "packetdrill/settings.hpp"
#include "tcp/config_fields.hpp"

namespace estab::packetdrill {
namespace {

using Words = std::vector<std::string>;

// $(( … )) of a few factors, as the suites' defaults have it.
std::string arithmetic(std::string_view text, Position at) {
    std::int64_t product = 1;
    bool has_factor = false;
    while (!text.empty()) {
        const std::size_t from = text.find_first_of("0123456789");
        if (from == std::string_view::npos) break;
        std::int64_t n = 0;
        const auto parsed = std::from_chars(text.data() + from, text.data() + text.size(), n);
        if (__builtin_mul_overflow(product, n, &product))
            throw ScriptError(at, "this product is too large");
        text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
        has_factor = true;
        const std::size_t op = text.find_first_not_of(" \t");
        if (op != std::string_view::npos && text[op] != '*')
            throw ScriptError(at, "only products are understood in $((…))");
    }
    if (!has_factor) throw ScriptError(at, "$((…)) is empty");
    return std::to_string(product);
}

// Commands of words; quotes group, `;`, `&&`, `||` and line ends separate, `#` begins a comment.
std::vector<Words> split(std::string_view text, Position at) {
    std::vector<Words> commands(1);
    std::string word;
    bool in_word = false;
    const auto end_word = [&] {
        if (in_word) commands.back().push_back(std::exchange(word, {}));
        in_word = false;
    };
    const auto end_command = [&] {
        end_word();
        if (!commands.back().empty()) commands.emplace_back();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && i + 1 < text.size()) {
            if (text[++i] != '\n') word += text[i], in_word = true;
        } else if (c == '"' || c == '\'') {
            in_word = true;
            const std::size_t end = text.find(c, i + 1);
            if (end == std::string_view::npos) throw ScriptError(at, "a quote does not end");
            std::string inner(text.substr(i + 1, end - i - 1));
            for (std::size_t dollar; (dollar = inner.find("$((")) != std::string::npos;) {
                const std::size_t close = inner.find("))", dollar);
                if (close == std::string::npos) throw ScriptError(at, "'))' is missing");
                const std::string value =
                    arithmetic(std::string_view(inner).substr(dollar + 3, close - dollar - 3), at);
                inner.replace(dollar, close + 2 - dollar, value);
            }
            word += inner;
            i = end;
        } else if (c == '#' && !in_word) {
            i = std::min(text.find('\n', i), text.size()) - 1;
        } else if (c == '\n' || c == ';') {
            end_command();
        } else if (c == '&' && text.substr(i).starts_with("&&")) {
            end_command();
            ++i;
        } else if (c == '|') {
            end_command();
            commands.back().push_back("|");
            if (text.substr(i).starts_with("||")) ++i;
        } else if (static_cast<unsigned char>(c) <= ' ') {
            end_word();
        } else {
            word += c;
            in_word = true;
        }
    }
    end_word();
    if (commands.back().empty()) commands.pop_back();
    return commands;
}

std::vector<std::uint32_t> numbers_of(std::string_view value) {
    std::vector<std::uint32_t> numbers;
    const char *at = value.data(), *end = at + value.size();
    while (at != end) {
        std::uint64_t n = 0;
        const auto parsed = std::from_chars(at, end, n);
        if (parsed.ptr == at) {
            ++at;
            continue;
        }
        numbers.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX)));
        at = parsed.ptr;
    }
    return numbers;
}

// What estab always does, so that only these values can be asked for; or what changes nothing that
// a script can see. An empty list: any value.
struct Fixed {
    std::string_view name;
    std::string_view values;  // separated by blanks
};
constexpr Fixed linux_fixed[] = {
    {"tcp_frto", ""},
    {"tcp_fack", ""},
    {"tcp_early_retrans", ""},
    {"tcp_recovery", ""},
    {"tcp_tso_win_divisor", ""},
    {"tcp_pacing_ss_ratio", ""},
    {"tcp_pacing_ca_ratio", ""},
    {"tcp_fastopen_blackhole_timeout", ""},
    {"tcp_fastopen_cookies", ""},
    {"tcp_mtu_probing", "0"},
    {"tcp_base_mss", ""},
    {"tcp_shrink_window", "0"},
    {"tcp_workaround_signed_windows", "0"},
    {"tcp_no_metrics_save", ""},
    {"tcp_no_ssthresh_metrics_save", ""},
    {"tcp_autocorking", ""},
    {"tcp_adv_win_scale", "1"},
    {"tcp_app_win", ""},
    {"tcp_limit_output_bytes", ""},
    {"tcp_thin_linear_timeouts", "0"},
    {"tcp_comp_sack_nr", ""},
    {"tcp_comp_sack_delay_ns", ""},
    {"tcp_comp_sack_slack_ns", ""},
    {"tcp_mem", ""},
    {"tcp_available_congestion_control", ""},
    {"tcp_allowed_congestion_control", ""},
    {"ip_local_port_range", ""},
    {"ip_no_pmtu_disc", "0"},
    {"ip_nonlocal_bind", ""},
    {"icmp_ratelimit", ""},
    {"rmem_max", ""},
    {"wmem_max", ""},
    {"rmem_default", ""},
    {"wmem_default", ""},
    {"default_qdisc", ""},
    {"optmem_max", ""},
    {"netdev_max_backlog", ""},
    {"accept_dad", ""},
    {"dad_transmits", ""},
};

bool apply_memory(Settings& s, std::string_view name, std::string_view value, Position at) {
    if (name != "tcp_rmem" && name != "tcp_wmem") return false;
    const auto n = numbers_of(value);
    if (n.size() != 3)
        throw ScriptError(at, std::string(name) + " wants three numbers: least, default, most");
    if (name == "tcp_rmem") {  // half of it is Linux's own overhead, but not for the window's scale
        s.config.recv_buffer = n[1] / 2;
        s.config.recv_buffer_max = n[2];
    } else {
        s.config.send_buffer = n[1];
        s.config.send_buffer_max = n[2];
    }
    return true;
}

// "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", and perhaps a second one behind a comma.
void apply_fast_open_key(Settings& s, std::string_view value, Position at) {
    std::array<std::optional<SipKey>, 2> keys;
    for (std::size_t k = 0; k < keys.size() && !value.empty(); ++k) {
        std::uint32_t words[4] = {};
        for (std::size_t i = 0; i < 4; ++i) {
            const char* end = value.data() + value.size();
            const auto parsed = std::from_chars(value.data(), end, words[i], 16);
            if (parsed.ec != std::errc{} || (i < 3 && (parsed.ptr == end || *parsed.ptr != '-')))
                throw ScriptError(at, "tcp_fastopen_key is four groups of hex digits: a-b-c-d");
            value = {parsed.ptr + (parsed.ptr != end), end};
        }
        keys[k] = SipKey{std::uint64_t{words[1]} << 32 | words[0],
                         std::uint64_t{words[3]} << 32 | words[2]};
    }
    if (keys[0]) s.fast_open_keys = keys;
}

void apply_linux(Settings& s, std::string_view name, std::string_view value, Position at) {
    const std::string shown = std::string(name) + "=" + std::string(value);
    if (apply_memory(s, name, value, at)) return;
    if (name == "tcp_fastopen_key") return apply_fast_open_key(s, value, at);
    if (name == "tcp_congestion_control" && value == "cubic" && s.profile == "linux")
        value = "cubic-linux";
    if (const auto* field = tcp::find_config_field(name)) {
        std::string text(value);
        const auto n = numbers_of(value);
        const bool is_switch = field->type == tcp::FieldType::boolean && n.size() == 1;
        if (is_switch) text = n[0] != 0 ? "1" : "0";  // Linux has bits where we have a switch
        const auto set = tcp::set_config(s.config, *field, text, true);
        if (!set) throw ScriptError(at, set.error());
        return;
    }
    const auto fixed = std::ranges::find(linux_fixed, name, &Fixed::name);
    if (fixed == std::end(linux_fixed)) throw ScriptError(at, "unknown sysctl '" + shown + "'");
    if (fixed->values.empty()) return;
    const std::string wanted = " " + std::string(value) + " ";
    if ((" " + std::string(fixed->values) + " ").find(wanted) == std::string::npos)
        throw Skip("sysctl " + shown);
}

// FreeBSD's names. Those that only clean up between tests mean nothing here.
struct FreeBsd {
    std::string_view name;
    void (*apply)(tcp::Config&, std::uint32_t value);
};
void set_ms(Duration& to, std::uint32_t value) { to = std::chrono::milliseconds(value); }
void only_zero(tcp::Config&, std::uint32_t value) {
    if (value != 0) throw Skip("a sysctl that has to be 0 here");
}
constexpr FreeBsd freebsd_names[] = {
    {"net.inet.tcp.sack.enable", [](tcp::Config& c, std::uint32_t v) { c.sack = v != 0; }},
    {"net.inet.tcp.rfc1323",
     [](tcp::Config& c, std::uint32_t v) {
         c.window_scaling = v == 1 || v == 2;
         c.timestamps = v == 1 || v == 3;
     }},
    {"net.inet.tcp.ecn.enable",
     [](tcp::Config& c, std::uint32_t v) {
         c.ecn = v == 0 ? tcp::EcnMode::off : v == 1 ? tcp::EcnMode::on : tcp::EcnMode::passive;
     }},
    {"net.inet.tcp.recvspace", [](tcp::Config& c, std::uint32_t v) { c.recv_buffer = v; }},
    {"net.inet.tcp.sendspace", [](tcp::Config& c, std::uint32_t v) { c.send_buffer = v; }},
    {"kern.ipc.maxsockbuf", [](tcp::Config& c, std::uint32_t v) { c.recv_buffer_max = v; }},
    {"net.inet.tcp.keepidle",
     [](tcp::Config& c, std::uint32_t v) { c.keepalive_idle = std::chrono::milliseconds(v); }},
    {"net.inet.tcp.keepintvl",
     [](tcp::Config& c, std::uint32_t v) { c.keepalive_interval = std::chrono::milliseconds(v); }},
    {"net.inet.tcp.keepcnt",
     [](tcp::Config& c, std::uint32_t v) {
         c.keepalive_probes = static_cast<std::uint8_t>(std::min(v, 255u));
     }},
    {"net.inet.tcp.rexmit_initial",
     [](tcp::Config& c, std::uint32_t v) { c.rto_initial = std::chrono::milliseconds(v); }},
    {"net.inet.tcp.rexmit_min",
     [](tcp::Config& c, std::uint32_t v) { c.rto_min = std::chrono::milliseconds(v); }},
    {"net.inet.tcp.delacktime",
     [](tcp::Config& c, std::uint32_t v) { c.delayed_ack = std::chrono::milliseconds(v); }},
    {"net.inet.tcp.syncookies", [](tcp::Config& c, std::uint32_t v) { c.syn_cookies = v != 0; }},
    {"net.inet.tcp.syncookies_only",
     [](tcp::Config& c, std::uint32_t v) { c.syn_cookies_always = v != 0; }},
    {"net.inet.tcp.insecure_rst",
     [](tcp::Config& c, std::uint32_t v) { c.insecure_rst = v != 0; }},
    {"net.inet.tcp.insecure_syn",
     [](tcp::Config& c, std::uint32_t v) { c.insecure_syn = v != 0; }},
    {"net.inet.tcp.drop_synfin",
     [](tcp::Config& c, std::uint32_t v) { c.syn_fin_opens = v == 0; }},
    {"net.inet.tcp.icmp_may_rst",
     [](tcp::Config& c, std::uint32_t v) { c.icmp_ends_opening = v != 0; }},
    {"net.inet.tcp.rexmit_slop", [](tcp::Config& c, std::uint32_t v) { set_ms(c.rto_slop, v); }},
    {"net.inet.tcp.rexmit_drop_options",
     [](tcp::Config& c, std::uint32_t v) { c.syn_plain_after = v != 0 ? 3 : 0; }},
    {"net.inet.tcp.keepinit", [](tcp::Config& c, std::uint32_t v) { set_ms(c.syn_timeout, v); }},
    {"net.inet.tcp.msl", [](tcp::Config& c, std::uint32_t v) { set_ms(c.time_wait, 2 * v); }},
    {"net.inet.tcp.finwait2_timeout",
     [](tcp::Config& c, std::uint32_t v) { set_ms(c.fin_wait_2, v); }},
    {"net.inet.tcp.delayed_ack",
     [](tcp::Config& c, std::uint32_t v) { c.ack_every = v != 0 ? 2 : 1; }},
    {"net.inet.tcp.path_mtu_discovery",
     [](tcp::Config& c, std::uint32_t v) { c.path_mtu_discovery = v != 0; }},
    {"net.inet.tcp.always_keepalive",
     [](tcp::Config& c, std::uint32_t v) { c.keepalive = v != 0; }},
    {"net.inet.tcp.fastopen.client_enable",
     [](tcp::Config& c, std::uint32_t v) {
         c.fast_open = v != 0 ? c.fast_open | tcp::FastOpenMode::client
                              : c.fast_open & ~tcp::FastOpenMode::client;
     }},
    {"net.inet.tcp.fastopen.server_enable",
     [](tcp::Config& c, std::uint32_t v) {
         c.fast_open = v != 0 ? c.fast_open | tcp::FastOpenMode::server
                              : c.fast_open & ~tcp::FastOpenMode::server;
     }},
    {"net.inet.tcp.fastopen.path_disable_time",
     [](tcp::Config& c, std::uint32_t v) { c.fast_open_refused = std::chrono::seconds(v); }},
    {"net.inet.tcp.fastopen.psk_enable", only_zero},
    {"net.inet.tcp.initcwnd_segments",
     [](tcp::Config& c, std::uint32_t v) { c.initial_window = std::max(v, 1u); }},
    {"net.inet.tcp.blackhole", only_zero},
    {"net.inet.tcp.tolerate_missing_ts",
     [](tcp::Config& c, std::uint32_t v) { c.require_timestamps = v == 0; }},
    {"net.inet.tcp.ecn.maxretries",
     [](tcp::Config& c, std::uint32_t v) {
         c.ecn_retries = static_cast<std::uint8_t>(std::min(v, 255u));
     }},
    {"net.inet.tcp.mssdflt", nullptr},
    {"net.inet.tcp.hostcache.purgenow", nullptr},
    {"net.inet.tcp.hostcache.purge", nullptr},
    {"net.inet.tcp.log_debug", nullptr},
    {"net.inet.tcp.nolocaltimewait", nullptr},
    {"net.inet.tcp.fast_finwait2_recycle", nullptr},
    {"net.inet.tcp.udp_tunneling_port",
     [](tcp::Config& c, std::uint32_t v) { c.udp_tunnel_port = static_cast<std::uint16_t>(v); }},
    {"net.inet.tcp.udp_tunneling_overhead",
     [](tcp::Config&, std::uint32_t v) {
         if (v != 8) throw Skip("an overhead of datagrams other than 8");
     }},
    {"net.inet.tcp.rfc6675_pipe",
     [](tcp::Config&, std::uint32_t v) {
         if (v == 0) throw Skip("what is in flight is counted as in RFC 6675 here");
     }},
    {"net.inet.tcp.functions_default", nullptr},
    {"net.inet.tcp.cc.algorithm", nullptr},
    {"net.inet.ip.ttl",
     [](tcp::Config& c, std::uint32_t v) { c.hop_limit = static_cast<std::uint8_t>(v); }},
    {"net.inet6.ip6.hlim",
     [](tcp::Config& c, std::uint32_t v) { c.hop_limit = static_cast<std::uint8_t>(v); }},
};

void apply_freebsd(Settings& s, std::string_view name, std::string_view value, Position at) {
    const auto found = std::ranges::find(freebsd_names, name, &FreeBsd::name);
    if (found == std::end(freebsd_names)) {
        const bool theirs = name.starts_with("net.inet") || name.starts_with("kern.");
        if (theirs) throw Skip("sysctl " + std::string(name));
        throw ScriptError(at, "unknown sysctl '" + std::string(name) + "'");
    }
    const auto n = numbers_of(value);
    if (found->apply != nullptr && !n.empty()) found->apply(s.config, n[0]);
    if (name == "net.inet.tcp.cc.algorithm" && !value.empty()) {
        const auto control = congestion::find(value == "newreno" ? "reno" : value);
        if (control == nullptr) throw Skip("congestion control " + std::string(value));
        s.config.congestion_control = control;
    }
    if (name == "net.inet.tcp.drop_synfin") s.drop_syn_fin = !n.empty() && n[0] != 0;
}

// "net.ipv4.tcp_sack=1" or "/proc/sys/net/ipv4/tcp_sack=1".
void apply_sysctl(Settings& s, std::string_view assignment, Position at) {
    const std::size_t is = assignment.find('=');
    std::string name(assignment.substr(0, is));
    std::string_view value = is == std::string_view::npos ? "" : assignment.substr(is + 1);
    if (name.starts_with("/proc/sys/")) name.erase(0, 10);
    std::ranges::replace(name, '/', '.');
    if (is == std::string_view::npos && name.starts_with("net.ip")) return;  // it only asks
    if (name.starts_with("estab.")) {  // any parameter under its own name
        const auto set = tcp::set_config(s.config, name.substr(6) + "=" + std::string(value));
        if (!set) throw ScriptError(at, set.error());
        return;
    }
    if (name.starts_with("net.inet") || name.starts_with("kern."))
        return apply_freebsd(s, name, value, at);
    for (const std::string_view prefix :
         {"net.ipv4.", "net.ipv6.conf.", "net.ipv6.", "net.core.", "net.mptcp."}) {
        if (!name.starts_with(prefix)) continue;
        name =
            name.substr(name.starts_with("net.ipv6.conf.") ? name.rfind('.') + 1 : prefix.size());
        return apply_linux(s, name, value, at);
    }
    throw ScriptError(at, "unknown sysctl '" + std::string(assignment) + "'");
}

// What both public suites set before their tests.
constexpr std::string_view suite_defaults[] = {
    "tcp_rmem=4096 540000 15728640",
    "tcp_wmem=4096 262144 4194304",
    "tcp_timestamps=1",
    "tcp_syn_retries=5",
    "tcp_synack_retries=5",
    "tcp_sack=1",
    "tcp_dsack=1",
    "tcp_reordering=3",
    "tcp_congestion_control=cubic",
    "tcp_slow_start_after_idle=0",
    "tcp_ecn=0",
    "tcp_early_retrans=4",
    "tcp_recovery=1",
    "tcp_min_tso_segs=2",
    "tcp_notsent_lowat=4294967295",
    "tcp_syncookies=1",
    "tcp_fastopen=0x70403",
    "tcp_fastopen_key=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4",
};

std::string_view base_name(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_sysctl_redirection(const Words& words) {
    return words.size() >= 3 && words[0] == "echo" &&
           std::ranges::any_of(words, [](const std::string& w) {
               return w.find("/proc/sys/") != std::string::npos;
           });
}

// Queues that let everything through; that fq also spaces what it is told to space cannot be seen.
bool is_plain_queue(const Words& words) {
    const auto has = [&words](std::string_view w) {
        return std::ranges::find(words, w) != words.end();
    };
    return has("qdisc") && !has("limit") &&
           (has("fq") || has("pfifo") || has("del") || has("delete"));
}

// dd bs=N count=N of=FILE: all that a script needs of it.
void make_file(const Words& words, Position at, Settings& s) {
    std::size_t block = 512, count = 1;
    std::string path;
    for (const std::string& word : words) {
        const std::size_t is = word.find('=');
        const std::string_view value = std::string_view(word).substr(is + 1);
        if (word.starts_with("of=")) path = value;
        if (!word.starts_with("bs=") && !word.starts_with("count=")) continue;
        const auto n = numbers_of(value);
        if (n.size() != 1 || n[0] > 1'000'000)
            throw ScriptError(at, "dd: '" + word + "' is no number up to a million");
        (word.starts_with("bs=") ? block : count) = n[0];
    }
    if (path.empty()) throw ScriptError(at, "dd: of=FILE is missing");
    if (block * count > 100'000'000) throw ScriptError(at, "dd: this file is too large");
    s.files[path] = block * count;
}

void run_one(const Words& words, Position at, Settings& s, ShellEffect& effect) {
    const std::string_view program = base_name(words[0]);
    if (program == "|" || program == "true" || program == ":" || program == "exit") return;
    if (program.starts_with("sysctl_restore")) return;
    if (program == "defaults.sh") {
        if (const auto text = s.read_file ? s.read_file(words[0]) : std::nullopt) {
            for (const Words& line : split(*text, at)) {
                if (!line.empty() && base_name(line[0]) != program) run_one(line, at, s, effect);
            }
            return;
        }
        for (const std::string_view line : suite_defaults) {
            const std::size_t is = line.find('=');
            apply_linux(s, line.substr(0, is), line.substr(is + 1), at);
        }
        effect.changed = true;
        return;
    }
    if (program == "sysctl" || program == "set_sysctls.py") {
        for (std::size_t i = 1; i < words.size(); ++i) {
            if (words[i].starts_with("-") || words[i].starts_with(">") ||
                words[i].starts_with("2>"))
                continue;
            if (words[i].starts_with("/dev/")) continue;
            apply_sysctl(s, words[i], at);
            if (words[i].starts_with("net.inet.tcp.fastopen.client_enable"))
                effect.forgets_fast_open = true;
        }
        effect.changed = true;
        return;
    }
    if (is_sysctl_redirection(words)) {
        std::string target = words.back();
        target = target.substr(target.find("/proc/sys/"));
        apply_sysctl(s, target + "=" + words[1], at);
        effect.changed = true;
        return;
    }
    if (program == "echo" || program == "nstat" || program == "sync") return;
    if (program == "rm") {  // no script sees the host's files
        for (const std::string& word : words) s.files.erase(word);
        return;
    }
    if (program == "dd") return make_file(words, at, s);
    if (program == "tc" && is_plain_queue(words)) return;
    if (program == "sleep" && words.size() == 2) {
        effect.sleeps += std::chrono::microseconds(
            static_cast<std::int64_t>(std::strtod(words[1].c_str(), nullptr) * 1e6));
        return;
    }
    if (const auto mtu = std::ranges::find(words, "mtu");
        program == "ip" && words.size() > 3 && words[1] == "link" && words[2] == "set" &&
        mtu != words.end() && mtu + 1 != words.end()) {
        const auto n = numbers_of(mtu[1]);
        if (n.size() != 1 || n[0] < 576 || n[0] > 65'535)
            throw ScriptError(at, "ip link: '" + mtu[1] + "' is no MTU from 576 to 65535");
        if (s.running) throw Skip("another MTU while the script runs");
        s.mtu = n[0];
        return;
    }
    if (program == "ip" && words.size() > 1 && words[1] == "tcp_metrics") {
        effect.forgets_fast_open = true;  // no other ones are kept
        return;
    }
    if (program == "ethtool" && words.size() > 3 && words[1] == "-K") {
        for (std::size_t i = 3; i + 1 < words.size(); i += 2)
            if (words[i] == "tso" || words[i] == "gso") s.offloads = words[i + 1] == "on";
        return;
    }
    static constexpr std::string_view hosts[] = {
        "ip",        "tc",       "ethtool", "iptables", "ip6tables", "nft",
        "ss",        "sockstat", "netstat", "tcpdrop", "route",    "ifconfig",  "kldload",
        "grep",      "cat",      "python",  "python3", "sh",       "bash",      "ping",
        "conntrack", "setkey",   "test",    "["};
    if (std::ranges::find(hosts, program) != std::end(hosts))
        throw Skip("'" + std::string(program) + "' is for a host");
    throw ScriptError(at, "unknown command '" + words[0] + "'");
}

}  // namespace

bool asks_for_states(std::string_view text) {
    return text.find("sockstat") != text.npos || text.find("/proc/net/tcp") != text.npos;
}

bool asks_for_counters(std::string_view text) {
    return text.substr(std::min(text.find_first_not_of(" \t\n"), text.size())).starts_with("nstat");
}

// Each `grep` of the pipe in turn, on the lines that the first program would print.
bool pipe_succeeds(std::string_view text, Position at, std::vector<std::string> lines) {
    bool greps = false;
    for (const Words& words : split(text, at)) {
        const auto grep = std::ranges::find(words, "grep");
        if (grep == words.end()) continue;
        greps = true;
        bool counts = false, inverts = false;
        std::string_view pattern;
        for (auto word = grep + 1; word != words.end(); ++word) {
            if (word->starts_with(">") || word->starts_with("2>")) break;
            if (word->starts_with("/proc/")) continue;
            if (word->starts_with("-")) {
                counts = counts || word->find('c') != std::string::npos;
                inverts = inverts || word->find('v') != std::string::npos;
            } else {
                pattern = *word;
            }
        }
        std::erase_if(lines, [&](const std::string& line) {
            return (line.find(pattern) != std::string::npos) == inverts;
        });
        if (counts) lines = {std::to_string(lines.size())};
    }
    return !lines.empty() || !greps;
}

ShellEffect run_shell(std::string_view text, Position at, Settings& settings) {
    ShellEffect effect;
    for (const Words& words : split(text, at)) {
        if (!words.empty()) run_one(words, at, settings, effect);
    }
    return effect;
}

}  // namespace estab::packetdrill
