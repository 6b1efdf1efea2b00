// Every field of Config by name: for --set, for `estab config show`, for documents. The table
// follows Config's order, and the compiler checks that it has no gap.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "tcp/config.hpp"

namespace estab::tcp {

enum class FieldType : std::uint8_t {
    boolean,        // on, off
    u8,
    u16,
    u32,
    duration,       // 200ms; never
    probe_form,     // zero_length, one_octet
    ecn_mode,       // off, on, passive, accecn, accecn_ask_ecn, accecn_passive
    mtu_probing,    // off, black_hole, always
    option_order,   // linux, freebsd
    congestion,     // an algorithm's name
};

struct ConfigField {
    std::string_view name;    // as in Config
    FieldType type;
    std::size_t offset;
    std::string_view unit;    // "octets", "segments", "time", …; empty: a switch, a count or a name
    std::string_view help;    // one line
    std::string_view alias;   // Linux's sysctl, without `net.ipv4.`; empty: none
    std::int64_t min = 0;     // of numbers, and nanoseconds of times
    std::int64_t max = INT64_MAX;
};

std::span<const ConfigField> config_fields();
// By name or alias; nullptr: none.
const ConfigField* find_config_field(std::string_view name);

// "200ms", "64k", "on": what set() takes back.
std::string config_text(const ConfigField& field, const Config& config);
// The error is a sentence: what is wrong with `text` and what is possible. A time needs a unit, but
// for `as_sysctl`: then a bare number means what it means to Linux.
Result<void, std::string> set_config(Config& config, const ConfigField& field,
                                     std::string_view text, bool as_sysctl = false);
// "NAME=VALUE". Unknown names come with a suggestion.
Result<void, std::string> set_config(Config& config, std::string_view assignment);

// "linux", "rfc", "freebsd", "tutorial".
std::optional<Config> find_profile(std::string_view name);
inline constexpr std::string_view profile_names = "linux, rfc, freebsd, tutorial";

}  // namespace estab::tcp
