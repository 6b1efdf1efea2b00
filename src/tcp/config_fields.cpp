#include "tcp/config_fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <vector>

namespace estab::tcp {
namespace {

constexpr FieldType type_of(const bool*) { return FieldType::boolean; }
constexpr FieldType type_of(const std::uint8_t*) { return FieldType::u8; }
constexpr FieldType type_of(const std::uint16_t*) { return FieldType::u16; }
constexpr FieldType type_of(const std::uint32_t*) { return FieldType::u32; }
constexpr FieldType type_of(const Duration*) { return FieldType::duration; }
constexpr FieldType type_of(const ProbeForm*) { return FieldType::probe_form; }
constexpr FieldType type_of(const EcnMode*) { return FieldType::ecn_mode; }
constexpr FieldType type_of(const MtuProbing*) { return FieldType::mtu_probing; }
constexpr FieldType type_of(const wire::OptionOrder*) { return FieldType::option_order; }
constexpr FieldType type_of(const congestion::Table* const*) { return FieldType::congestion; }

constexpr std::int64_t us = 1'000, ms = 1'000'000, s = 1'000'000'000;

#define ESTAB_FIELD(member)                                                   \
#member, type_of(static_cast <const decltype(Config::member)*>(nullptr)), \
        offsetof(Config, member)

constexpr auto fields = std::to_array<ConfigField>({
    {ESTAB_FIELD(rto_initial), "time", "RTO before the first RTT sample", "", ms},
    {ESTAB_FIELD(rto_min), "time", "RTO at least", "tcp_rto_min_us", ms},
    {ESTAB_FIELD(rto_max), "time", "RTO at most", "tcp_rto_max_ms", ms},
    {ESTAB_FIELD(rto_min_above_srtt), "", "RTO is SRTT + max(rto_min, 4 RTTVAR), as Linux", ""},
    {ESTAB_FIELD(rto_slop), "time", "added to every RTO but the first, as FreeBSD", ""},
    {ESTAB_FIELD(clock_granularity), "time", "G of RFC 6298", "", 1},
    {ESTAB_FIELD(syn_retries), "", "SYNs sent again before giving up", "tcp_syn_retries"},
    {ESTAB_FIELD(syn_linear_timeouts), "", "the first so many retries wait rto_initial each",
     "tcp_syn_linear_timeouts"},
    {ESTAB_FIELD(synack_retries), "", "SYN-ACKs sent again before giving up", "tcp_synack_retries"},
    {ESTAB_FIELD(syn_plain_after), "", "retries of a SYN from here on offer the MSS only; 0: none",
     ""},
    {ESTAB_FIELD(syn_timeout), "time", "a SYN gives up after so long; 0: by number", ""},
    {ESTAB_FIELD(syn_fin_opens), "", "a listener answers a SYN with FIN", ""},
    {ESTAB_FIELD(queue_before_open), "", "text may be written before the handshake is over", ""},
    {ESTAB_FIELD(mss), "octets", "MSS that we announce and send at most; 0: what fits", ""},
    {ESTAB_FIELD(mss_of_path), "", "a SYN's MSS follows the path MTU, as Linux", ""},
    {ESTAB_FIELD(mss_min), "octets", "a smaller MSS of the peer counts as this", "tcp_min_snd_mss",
     1},
    {ESTAB_FIELD(syn_options), "", "off: no options at all, the peer's are passed over", ""},
    {ESTAB_FIELD(window_scaling), "", "RFC 7323 window scale", "tcp_window_scaling"},
    {ESTAB_FIELD(timestamps), "", "RFC 7323 timestamps", "tcp_timestamps"},
    {ESTAB_FIELD(sack), "", "RFC 2018 selective acknowledgments", "tcp_sack"},
    {ESTAB_FIELD(dsack), "", "RFC 2883 duplicate SACK", "tcp_dsack"},
    {ESTAB_FIELD(ecn), "", "RFC 3168: on, passive (when the peer asks); RFC 9768: accecn, ...",
     "tcp_ecn"},
    {ESTAB_FIELD(ecn_retries), "", "retries of a SYN that ask for RFC 3168 again", ""},
    {ESTAB_FIELD(ecn_fallback), "", "ask for ECN in vain, or see marks change: go without",
     "tcp_ecn_fallback"},
    {ESTAB_FIELD(accecn_option), "", "RFC 9768's option: 0 never, 1 when it has news, 2 often",
     "tcp_ecn_option", 0, 2},
    {ESTAB_FIELD(accecn_option_beacon), "", "the option goes so often a round trip at least",
     "tcp_ecn_option_beacon"},
    {ESTAB_FIELD(accecn_everywhere), "", "marks and the option on every segment, as Linux", ""},
    {ESTAB_FIELD(option_order), "", "of a SYN: linux or freebsd", ""},
    {ESTAB_FIELD(timestamp_tick), "time", "one step of the timestamp clock", "", ms, s},
    {ESTAB_FIELD(require_timestamps), "", "drop segments without them once agreed", ""},
    {ESTAB_FIELD(recv_buffer), "octets", "receive buffer at first", "", 1},
    {ESTAB_FIELD(recv_buffer_max), "octets", "receive buffer at most, with autotuning", "", 1},
    {ESTAB_FIELD(recv_window_initial), "octets", "window offered first; 0: the buffer", ""},
    {ESTAB_FIELD(recv_buffer_whole), "", "round the receive buffer up to whole segments", ""},
    {ESTAB_FIELD(window_overrun), "", "what begins in the window may end beyond it, as Linux", ""},
    {ESTAB_FIELD(window_exact), "", "offer all the room there is, as FreeBSD", ""},
    {ESTAB_FIELD(send_buffer), "octets", "send buffer at first", "", 1},
    {ESTAB_FIELD(send_buffer_max), "octets", "send buffer at most, with autotuning", "", 1},
    {ESTAB_FIELD(recv_autotune), "", "let the receive buffer grow", "tcp_moderate_rcvbuf"},
    {ESTAB_FIELD(send_autotune), "", "let the send buffer grow", ""},
    {ESTAB_FIELD(notsent_lowat), "octets", "writable only below so much unsent",
     "tcp_notsent_lowat", 1},
    {ESTAB_FIELD(congestion_control), "", "algorithm of congestion control",
     "tcp_congestion_control"},
    {ESTAB_FIELD(initial_window), "segments", "initial congestion window (RFC 6928)", "", 1},
    {ESTAB_FIELD(initial_ssthresh), "octets", "initial slow start threshold", "", 1},
    {ESTAB_FIELD(slow_start_after_idle), "", "restart with the initial window after an idle RTO",
     "tcp_slow_start_after_idle"},
    {ESTAB_FIELD(reduce_from_cwnd), "", "a loss leaves a part of cwnd (Linux), not of FlightSize",
     ""},
    {ESTAB_FIELD(idle_decay), "", "by halves for each idle RTO, as Linux (RFC 2861)", ""},
    {ESTAB_FIELD(cwnd_validation), "", "what was not used is kept for 5 minutes (RFC 7661)", ""},
    {ESTAB_FIELD(abe), "", "a congestion mark costs less than a loss (RFC 8511)", ""},
    {ESTAB_FIELD(dupack_threshold), "", "duplicate ACKs that mean a loss", "tcp_reordering", 1},
    {ESTAB_FIELD(limited_transmit), "", "RFC 3042", ""},
    {ESTAB_FIELD(rack), "", "find losses by time (RFC 8985); off: by number (RFC 6675)",
     "tcp_recovery"},
    {ESTAB_FIELD(tail_loss_probe), "", "probe the tail of a flight (RFC 8985 7)",
     "tcp_early_retrans"},
    {ESTAB_FIELD(max_ack_delay), "time", "that a tail loss probe grants the peer", ""},
    {ESTAB_FIELD(prr), "", "proportional rate reduction (RFC 9937)", ""},
    {ESTAB_FIELD(frto), "", "tell late from lost after a time-out (RFC 5682)", "tcp_frto"},
    {ESTAB_FIELD(undo), "", "take back what a spurious retransmission did", ""},
    {ESTAB_FIELD(fixed_window), "segments", "window of congestion control `fixed`", "", 1},
    {ESTAB_FIELD(pacing), "", "spread data over the round trip (BBR does it anyway)", ""},
    {ESTAB_FIELD(pacing_rate_max), "octets/s", "send no faster; 0: no limit", ""},
    {ESTAB_FIELD(tcb_sharing), "", "begin with what others learnt of the path (RFC 9040)", ""},
    {ESTAB_FIELD(tcb_sharing_max), "hosts", "known at most", ""},
    {ESTAB_FIELD(tcb_sharing_lifetime), "time", "what is older says nothing", "", s},
    {ESTAB_FIELD(nagle), "", "hold small segments while data is unacknowledged", ""},
    {ESTAB_FIELD(nagle_minshall), "", "only behind an unacknowledged small segment", ""},
    {ESTAB_FIELD(cork_max), "time", "a cork comes out by itself after this", ""},
    {ESTAB_FIELD(sws_override), "time", "a small window is used after this", ""},
    {ESTAB_FIELD(push_bursts), "", "PSH where a burst of several segments ends, as Linux", ""},
    {ESTAB_FIELD(burst_min), "segments", "go as one burst, however slow the path is",
     "tcp_min_tso_segs", 1},
    {ESTAB_FIELD(delayed_ack), "time", "an ACK waits at most so long", "", 0, s / 2 - 1},
    {ESTAB_FIELD(ack_every), "segments", "full-sized segments per ACK", "", 1},
    {ESTAB_FIELD(ack_counts_all), "", "ack_every counts segments of any size, as FreeBSD", ""},
    {ESTAB_FIELD(ack_repeats_fin), "", "an ACK carries a FIN that is on its way, as FreeBSD", ""},
    {ESTAB_FIELD(quick_acks), "segments", "acknowledged at once when a connection starts", ""},
    {ESTAB_FIELD(dialogue_delays), "", "quick ACKs end where text answers text, as Linux", ""},
    {ESTAB_FIELD(delay_fin_ack), "", "the ACK of a FIN waits for our own FIN", ""},
    {ESTAB_FIELD(probe_form), "", "window probes: zero_length (Linux) or one_octet (RFC 9293)", ""},
    {ESTAB_FIELD(persist_max), "time", "between window probes at most", "", ms},
    {ESTAB_FIELD(keepalive), "", "probe idle connections", ""},
    {ESTAB_FIELD(keepalive_idle), "time", "idle until the first probe", "tcp_keepalive_time", ms},
    {ESTAB_FIELD(keepalive_interval), "time", "between probes", "tcp_keepalive_intvl", ms},
    {ESTAB_FIELD(keepalive_probes), "", "unanswered until the connection is dead",
     "tcp_keepalive_probes"},
    {ESTAB_FIELD(retries1), "", "R1: retransmissions until the user is told", "tcp_retries1"},
    {ESTAB_FIELD(retries2), "", "R2: retransmissions until the connection is dead", "tcp_retries2"},
    {ESTAB_FIELD(orphan_retries), "", "R2 when nobody owns the connection", "tcp_orphan_retries"},
    {ESTAB_FIELD(user_timeout), "time", "replaces R2 where not 0", ""},
    {ESTAB_FIELD(fin_wait_2), "time", "an orphan waits so long for the peer's FIN",
     "tcp_fin_timeout"},
    {ESTAB_FIELD(time_wait), "time", "2 MSL", ""},
    {ESTAB_FIELD(rfc1337), "", "a RST does not end TIME-WAIT", "tcp_rfc1337"},
    {ESTAB_FIELD(time_wait_answers_syn), "", "a SYN in TIME-WAIT draws an ACK; not in FreeBSD", ""},
    {ESTAB_FIELD(time_wait_reuse), "", "RFC 6191", "tcp_tw_reuse"},
    {ESTAB_FIELD(time_wait_reuse_delay), "time", "TIME-WAIT may be reopened after so long",
     "tcp_tw_reuse_delay"},
    {ESTAB_FIELD(reset_keeps_unread), "", "a RST leaves what has arrived to be read, as Linux", ""},
    {ESTAB_FIELD(rfc5961), "", "check RST, SYN and ACK as RFC 5961 says", ""},
    {ESTAB_FIELD(unsent_ack_silent), "", "an ACK of what was not sent draws nothing, as Linux", ""},
    {ESTAB_FIELD(reset_always_told), "", "also when nothing is left to be sent, as FreeBSD", ""},
    {ESTAB_FIELD(insecure_rst), "", "any RST inside the window resets (RFC 793)", ""},
    {ESTAB_FIELD(insecure_syn), "", "any SYN inside the window resets (RFC 793)", ""},
    {ESTAB_FIELD(challenge_ack_limit), "per second", "challenge ACKs of the whole stack",
     "tcp_challenge_ack_limit"},
    {ESTAB_FIELD(invalid_ratelimit), "time", "between ACKs for bad segments",
     "tcp_invalid_ratelimit"},
    {ESTAB_FIELD(hop_limit), "", "TTL or hop limit of packets", "ip_default_ttl", 1},
    {ESTAB_FIELD(dscp), "", "differentiated services code point", "", 0, 63},
    {ESTAB_FIELD(udp_tunnel_port), "", "segments may come in datagrams to this port; 0: none", ""},
    {ESTAB_FIELD(udp_peer_port), "", "our segments go in datagrams to this port of the peer", ""},
    {ESTAB_FIELD(path_mtu_discovery), "", "packets may not be fragmented", ""},
    {ESTAB_FIELD(mtu_probing), "", "RFC 4821: off, black_hole, or always (upwards, too)",
     "tcp_mtu_probing"},
    {ESTAB_FIELD(mtu_probe_base), "octets", "MSS where a search for the MTU begins",
     "tcp_base_mss", 48},
    {ESTAB_FIELD(mtu_probe_floor), "octets", "MSS that a black hole cannot push below",
     "tcp_mtu_probe_floor", 48},
    {ESTAB_FIELD(mtu_probe_interval), "time", "until a larger MTU is tried again",
     "tcp_probe_interval", s},
    {ESTAB_FIELD(mtu_probe_threshold), "octets", "nearer than this the search is over",
     "tcp_probe_threshold"},
    {ESTAB_FIELD(icmp_ends_opening), "", "hard ICMP errors end a handshake", ""},
    {ESTAB_FIELD(icmp_prohibited_is_hard), "", "so do prohibitions and an exceeded TTL, as FreeBSD",
     ""},
    {ESTAB_FIELD(soft_icmp_ends_opening), "", "so do an unreachable net or host, as Linux", ""},
    {ESTAB_FIELD(hard_icmp_aborts), "", "a hard ICMP error ends an established connection", ""},
    {ESTAB_FIELD(backlog), "connections", "accept queue at most", "somaxconn", 1},
    {ESTAB_FIELD(syn_queue_max), "connections", "half-open ones of a listener",
     "tcp_max_syn_backlog"},
    {ESTAB_FIELD(syn_cookies), "", "when the SYN queue is full", "tcp_syncookies"},
    {ESTAB_FIELD(syn_cookies_always), "", "for every SYN", ""},
    {ESTAB_FIELD(abort_on_overflow), "", "RST when the accept queue is full",
     "tcp_abort_on_overflow"},
    {ESTAB_FIELD(fast_open), "", "RFC 7413: off, client, server, both, or Linux's bits",
     "tcp_fastopen"},
    {ESTAB_FIELD(fast_open_pending), "connections", "of a listener with text in the SYN", ""},
    {ESTAB_FIELD(fast_open_key_lifetime), "time", "a cookie is good for one to two of these", "",
     s},
    {ESTAB_FIELD(fast_open_blackhole), "time", "no text in SYNs after they vanished; 0: go on",
     "tcp_fastopen_blackhole_timeout_sec"},
    {ESTAB_FIELD(fast_open_experimental), "", "ask by option 254 where 34 earned no cookie", ""},
    {ESTAB_FIELD(fast_open_lost), "time", "no text in SYNs to where one vanished; doubles", ""},
    {ESTAB_FIELD(fast_open_refused), "time", "no text in SYNs after one that earned no cookie", ""},
    {ESTAB_FIELD(time_wait_max), "connections", "in TIME-WAIT at most", "tcp_max_tw_buckets"},
    {ESTAB_FIELD(held_syns_max), "connections", "SYNs that wait for their owner's word", ""},
    {ESTAB_FIELD(held_syn_timeout), "time", "they wait so long", ""},
    {ESTAB_FIELD(orphans_max), "connections", "without an owner at most", "tcp_max_orphans"},
});
#undef ESTAB_FIELD

struct Layout {
    std::size_t size, align;
};
constexpr Layout layout_of(FieldType type) {
    switch (type) {
    case FieldType::boolean: return {sizeof(bool), alignof(bool)};
    case FieldType::u8:
    case FieldType::probe_form:
    case FieldType::ecn_mode:
    case FieldType::mtu_probing:
    case FieldType::option_order: return {1, 1};
    case FieldType::u16: return {2, 2};
    case FieldType::u32: return {4, 4};
    case FieldType::duration: return {sizeof(Duration), alignof(Duration)};
    case FieldType::congestion: return {sizeof(void*), alignof(void*)};
    }
    return {0, 1};
}

// Each field begins where alignment puts it behind the one before, and the last one ends the
// struct. A field that is missing here leaves a gap, unless it fits into padding.
constexpr bool has_every_field() {
    std::size_t end = 0;
    for (const ConfigField& field : fields) {
        const Layout layout = layout_of(field.type);
        if (field.offset != (end + layout.align - 1) / layout.align * layout.align) return false;
        end = field.offset + layout.size;
    }
    return (end + alignof(Config) - 1) / alignof(Config) * alignof(Config) == sizeof(Config);
}
static_assert(has_every_field(), "a field of Config is not in the table, or not in its place");
static_assert(sizeof(ProbeForm) == 1 && sizeof(EcnMode) == 1 && sizeof(MtuProbing) == 1 &&
              sizeof(wire::OptionOrder) == 1);

template <class T>
T load(const ConfigField& field, const Config& config) {
    T value;
    std::memcpy(&value, reinterpret_cast<const std::byte*>(&config) + field.offset, sizeof value);
    return value;
}
template <class T>
void store(const ConfigField& field, Config& config, T value) {
    std::memcpy(reinterpret_cast<std::byte*>(&config) + field.offset, &value, sizeof value);
}

struct Unit {
    std::string_view name;
    std::int64_t size;
};
constexpr Unit times[] = {{"s", s}, {"ms", ms}, {"us", us}, {"ns", 1}};
constexpr Unit sizes[] = {{"m", 1 << 20}, {"k", 1 << 10}};
constexpr Unit other_sizes[] = {
    {"mb", 1 << 20}, {"mib", 1 << 20}, {"kb", 1 << 10}, {"kib", 1 << 10}, {"b", 1}};

struct Name {
    std::string_view text;
    std::uint8_t value;
};
using Names = std::span<const Name>;
constexpr Name probe_forms[] = {{"zero_length", 0}, {"one_octet", 1}};
constexpr Name ecn_modes[] = {{"off", 0},     {"on", 1},
                              {"passive", 2}, {"accecn", 3},
                              {"accecn_ask_ecn", 4}, {"accecn_passive", 5},
                              {"0", 0},       {"1", 1},
                              {"2", 2},       {"3", 3},
                              {"4", 4},       {"5", 5}};
constexpr Name mtu_probings[] = {{"off", 0}, {"black_hole", 1}, {"always", 2},
                                 {"0", 0},   {"1", 1},          {"2", 2}};
constexpr Name fast_opens[] = {{"off", 0}, {"client", 1}, {"server", 2}, {"both", 3}};
constexpr Name option_orders[] = {{"linux", 0}, {"freebsd", 1}};
constexpr Name switches[] = {{"off", 0}, {"on", 1},    {"0", 0},     {"1", 1},
                             {"no", 0},  {"yes", 1},   {"false", 0}, {"true", 1}};

Names names_of(FieldType type) {
    switch (type) {
    case FieldType::boolean: return switches;
    case FieldType::probe_form: return probe_forms;
    case FieldType::ecn_mode: return ecn_modes;
    case FieldType::mtu_probing: return mtu_probings;
    case FieldType::option_order: return option_orders;
    case FieldType::u8:
    case FieldType::u16:
    case FieldType::u32:
    case FieldType::duration:
    case FieldType::congestion: break;
    }
    return {};
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string number_text(std::uint32_t value, std::string_view unit) {
    if (unit == "octets") {
        if (value == UINT32_MAX) return "unlimited";
        for (const Unit& u : sizes)
            if (value != 0 && value % u.size == 0)
                return std::to_string(value / u.size) + std::string(u.name);
    }
    return std::to_string(value);
}

std::string duration_text(Duration value) {
    if (value == Duration::max()) return "never";
    const std::int64_t ns = value.count();
    for (const Unit& u : times)
        if (ns % u.size == 0) return std::to_string(ns / u.size) + std::string(u.name);
    return {};
}

bool equals(std::string_view text, std::string_view lower) {
    return std::ranges::equal(
        text, lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

struct Parsed {
    std::int64_t number = 0;
    std::string_view unit;
};
std::optional<Parsed> parse_number(std::string_view text) {
    Parsed parsed;
    const char* end = text.data() + text.size();
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    const auto [rest, error] = std::from_chars(text.data(), end, parsed.number, hex ? 16 : 10);
    if (error != std::errc{} || parsed.number < 0) return {};
    parsed.unit = {rest, static_cast<std::size_t>(end - rest)};
    return parsed;
}

std::optional<std::int64_t> scaled(const Parsed& parsed, std::span<const Unit> units) {
    for (const Unit& unit : units) {
        std::int64_t product = 0;
        if (!equals(parsed.unit, unit.name)) continue;
        if (__builtin_mul_overflow(parsed.number, unit.size, &product)) return {};
        return product;
    }
    return {};
}

// The unit of a bare number is at the end of the sysctl's name, else it is the second.
std::int64_t sysctl_unit(std::string_view alias) {
    if (alias.ends_with("_us")) return us;
    const bool is_ms = alias == "tcp_invalid_ratelimit" || alias == "tcp_tw_reuse_delay";
    return alias.ends_with("_ms") || is_ms ? ms : s;
}

std::optional<std::int64_t> parse_value(const ConfigField& field, std::string_view text,
                                        bool as_sysctl) {
    if (field.type == FieldType::duration && equals(text, "never")) return INT64_MAX;
    if (field.unit == "octets" && equals(text, "unlimited")) return UINT32_MAX;
    const std::optional<Parsed> parsed = parse_number(text);
    if (!parsed) return {};
    if (field.type != FieldType::duration) {
        if (parsed->unit.empty()) return parsed->number;
        if (field.unit != "octets") return {};
        const std::optional<std::int64_t> value = scaled(*parsed, sizes);
        return value ? value : scaled(*parsed, other_sizes);
    }
    if (!parsed->unit.empty()) return scaled(*parsed, times);
    if (parsed->number == 0) return 0;
    if (!as_sysctl) return {};
    return scaled({parsed->number, "x"}, std::array{Unit{"x", sysctl_unit(field.alias)}});
}

std::string possible(const ConfigField& field) {
    if (field.type == FieldType::duration) return "a time such as 200ms, 1s or 50us";
    if (field.unit == "octets") return "a size such as 1460, 64k or 4m";
    return "a whole number";
}

std::string value_text(const ConfigField& field, std::int64_t value) {
    if (field.type == FieldType::duration) return duration_text(Duration(value));
    return number_text(static_cast<std::uint32_t>(value), field.unit);
}

std::int64_t type_max(FieldType type) {
    switch (type) {
    case FieldType::u8: return UINT8_MAX;
    case FieldType::u16: return UINT16_MAX;
    case FieldType::u32: return UINT32_MAX;
    case FieldType::boolean:
    case FieldType::duration:
    case FieldType::probe_form:
    case FieldType::ecn_mode:
    case FieldType::mtu_probing:
    case FieldType::option_order:
    case FieldType::congestion: break;
    }
    return INT64_MAX;
}

Result<void, std::string> set_number(Config& config, const ConfigField& field,
                                     std::string_view text, bool as_sysctl) {
    const std::optional<std::int64_t> value = parse_value(field, text, as_sysctl);
    const std::string who = std::string(field.name) + ": ";
    if (!value) return fail(who + quoted(text) + " is not " + possible(field));
    const std::int64_t most = std::min(field.max, type_max(field.type));
    if (*value < field.min)
        return fail(who + std::string(text) + " is below " + value_text(field, field.min));
    if (*value > most)
        return fail(who + std::string(text) + " is above " + value_text(field, most));
    if (field.type == FieldType::u8) store(field, config, static_cast<std::uint8_t>(*value));
    if (field.type == FieldType::u16) store(field, config, static_cast<std::uint16_t>(*value));
    if (field.type == FieldType::u32) store(field, config, static_cast<std::uint32_t>(*value));
    if (field.type == FieldType::duration) store(field, config, Duration(*value));
    return {};
}

Result<void, std::string> set_name(Config& config, const ConfigField& field,
                                   std::string_view text) {
    std::string known;
    for (const Name& name : names_of(field.type)) {
        if (equals(text, name.text)) {
            store(field, config, name.value);
            return {};
        }
        if (name.text[0] >= 'a') known += (known.empty() ? "" : ", ") + std::string(name.text);
    }
    return fail(std::string(field.name) + ": " + quoted(text) + " is none of " + known);
}

Result<void, std::string> set_algorithm(Config& config, const ConfigField& field,
                                        std::string_view text) {
    const congestion::Table* table = congestion::find(text);
    if (table == nullptr)
        return fail(std::string(field.name) + ": there is no " + quoted(text) + "; known: "
                    + std::string(congestion::names()));
    config.congestion_control = table;
    return {};
}

// Two letters in a row that both have, counted against the longer name: enough to find a
// misspelling.
std::size_t likeness(std::string_view a, std::string_view b) {
    std::size_t common = 0;
    for (std::size_t i = 0; i + 1 < a.size(); ++i)
        if (b.find(a.substr(i, 2)) != std::string_view::npos) ++common;
    return common * 100 / std::max(a.size(), b.size());
}

std::string did_you_mean(std::string_view name) {
    std::string_view best;
    std::size_t most = 40;
    for (const ConfigField& field : fields) {
        for (const std::string_view candidate : {field.name, field.alias}) {
            if (candidate.empty() || likeness(name, candidate) <= most) continue;
            most = likeness(name, candidate);
            best = candidate;
        }
    }
    return best.empty() ? "; `estab config show` lists them"
                        : "; did you mean " + std::string(best) + "?";
}

}  // namespace

std::span<const ConfigField> config_fields() { return fields; }

const ConfigField* find_config_field(std::string_view name) {
    for (const std::string_view prefix : {"net.ipv4.", "net.core."})
        if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    for (const ConfigField& field : fields)
        if (!name.empty() && (name == field.name || name == field.alias)) return &field;
    return nullptr;
}

std::string config_text(const ConfigField& field, const Config& config) {
    if (field.name == "fast_open" && config.fast_open < std::size(fast_opens))
        return std::string(fast_opens[config.fast_open].text);
    switch (field.type) {
    case FieldType::u8: return number_text(load<std::uint8_t>(field, config), field.unit);
    case FieldType::u16: return number_text(load<std::uint16_t>(field, config), field.unit);
    case FieldType::u32: return number_text(load<std::uint32_t>(field, config), field.unit);
    case FieldType::duration: return duration_text(load<Duration>(field, config));
    case FieldType::congestion:
        return std::string(config.congestion_control != nullptr ? config.congestion_control->name
                                                                : "cubic");
    case FieldType::boolean:
    case FieldType::probe_form:
    case FieldType::ecn_mode:
    case FieldType::mtu_probing:
    case FieldType::option_order: break;
    }
    const std::uint8_t value = load<std::uint8_t>(field, config);
    for (const Name& name : names_of(field.type))
        if (name.value == value) return std::string(name.text);
    return std::to_string(value);
}

Result<void, std::string> set_config(Config& config, const ConfigField& field,
                                     std::string_view text, bool as_sysctl) {
    if (field.type == FieldType::congestion) return set_algorithm(config, field, text);
    if (field.name == "fast_open") {
        for (const Name& name : fast_opens) {
            if (!equals(text, name.text)) continue;
            config.fast_open = name.value;
            return {};
        }
    }
    if (!names_of(field.type).empty()) return set_name(config, field, text);
    return set_number(config, field, text, as_sysctl);
}

Result<void, std::string> set_config(Config& config, std::string_view assignment) {
    const std::size_t equal = assignment.find('=');
    if (equal == std::string_view::npos)
        return fail(quoted(assignment) + " is not NAME=VALUE");
    const std::string_view name = assignment.substr(0, equal);
    const ConfigField* field = find_config_field(name);
    if (field == nullptr) return fail("no parameter " + quoted(name) + did_you_mean(name));
    return set_config(config, *field, assignment.substr(equal + 1), name != field->name);
}

std::optional<Config> find_profile(std::string_view name) {
    if (name == "linux") return profile::linux_();
    if (name == "rfc") return profile::rfc();
    if (name == "freebsd") return profile::freebsd();
    if (name == "tutorial") return profile::tutorial();
    return {};
}

}  // namespace estab::tcp
