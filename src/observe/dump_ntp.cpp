// NTP. RFC 5905 7.3, RFC 9327 2 for control messages.
#include <chrono>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

constexpr std::uint32_t time_bytes = 48, control_bytes = 12, key_bytes = 4;
constexpr std::uint8_t info_query = 62, info_reply = 63;  // strata of an old implementation
constexpr std::uint8_t mode_control = 6, mode_private = 7;
// From 1900-01-01, where NTP counts from, to 1970-01-01.
constexpr std::int64_t seconds_to_1970 = 2'208'988'800;

void add_leap(TextBuffer& out, std::uint8_t first) {
    static constexpr const char* names[] = {"", "+1s", "-1s", "clock unsynchronized"};
    out.add("\n\tLeap indicator: ");
    out.add(names[first >> 6]);
    add_number(out, " (", first & 0xc0U);
    out.add(')');
}

void add_stratum(TextBuffer& out, std::uint8_t stratum) {
    add_number(out, ", Stratum ", stratum);
    out.add(stratum == 0    ? " (unspecified)"
            : stratum == 1  ? " (primary reference)"
            : stratum <= 15 ? " (secondary reference)"
                            : " (reserved)");
}

void add_poll(TextBuffer& out, std::int8_t exponent) {
    out.add(", poll ");
    out.signed_decimal(exponent);
    const int shift = exponent < 0 ? -exponent : exponent;
    if (shift > 31) return;
    out.add(exponent < 0 ? " (1/" : " (");
    out.decimal(1U << shift);
    out.add("s)");
}

void add_short(TextBuffer& out, const std::uint8_t* p) {  // 16 bits before the point
    out.decimal(load_be16(p));
    out.add('.');
    out.padded(load_be16(p + 2) * 1'000'000ULL >> 16, 6);
}

std::uint64_t nanoseconds(std::uint32_t fraction) { return fraction * 1'000'000'000ULL >> 32; }

void add_time(TextBuffer& out, const std::uint8_t* p) {
    const std::uint32_t seconds = load_be32(p);
    out.decimal(seconds);
    out.add('.');
    out.padded(nanoseconds(load_be32(p + 4)), 9);
    if (seconds == 0) return;
    const std::chrono::sys_seconds time{std::chrono::seconds{seconds - seconds_to_1970}};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    out.add(" (");
    out.padded(static_cast<unsigned>(static_cast<int>(date.year())), 4);
    out.add('-');
    out.padded(static_cast<unsigned>(date.month()), 2);
    out.add('-');
    out.padded(static_cast<unsigned>(date.day()), 2);
    out.add('T');
    out.padded(static_cast<unsigned>(clock.hours().count()), 2);
    out.add(':');
    out.padded(static_cast<unsigned>(clock.minutes().count()), 2);
    out.add(':');
    out.padded(static_cast<unsigned>(clock.seconds().count()), 2);
    out.add("Z)");
}

void add_difference(TextBuffer& out, const std::uint8_t* from, const std::uint8_t* to) {
    if (load_be64(from) == 0) return add_time(out, to);
    const std::uint64_t a = load_be64(from), b = load_be64(to);
    const std::uint64_t difference = b < a ? a - b : b - a;
    out.add(b > a ? '+' : '-');
    out.decimal(difference >> 32);
    out.add('.');
    out.padded(nanoseconds(static_cast<std::uint32_t>(difference)), 9);
}

void add_reference(TextBuffer& out, std::uint8_t stratum, Bytes four) {
    out.add(", Reference-ID: ");
    if (stratum == 0) return out.add("(unspec)");
    if (stratum == 1) return add_visible(out, four);
    if (stratum == info_query || stratum == info_reply) {
        add_v4(out, four.data());
        return out.add(stratum == info_query ? " INFO_QUERY" : " INFO_REPLY");
    }
    out.add("0x");
    out.hex_octets(four);
}

// RFC 5905 7.3: what follows the header is a key's number and a digest made with it.
void add_authentication(TextBuffer& out, Part rest) {
    if (rest.length == 0) return;
    const bool md5 = rest.length == key_bytes + 16, sha1 = rest.length == key_bytes + 20;
    if (rest.length != key_bytes && !md5 && !sha1) {
        add_number(out, "\n\t(", rest.length);
        return out.add(" more bytes after the header)");
    }
    if (!rest.has(key_bytes)) return add_cut(out, "ntp");
    add_number(out, "\n\tKey id: ", load_be32(rest.bytes.data()));
    if (rest.length == key_bytes) return;
    if (!rest.has(rest.length)) return add_cut(out, "ntp");
    out.add("\n\tAuthentication: ");
    out.hex_octets(rest.bytes.subspan(key_bytes, rest.length - key_bytes));
}

void print_time(TextBuffer& out, Part message) {
    const std::uint8_t* p = message.bytes.data();
    if (message.length < time_bytes) return out.add(" (invalid)");
    if (!message.has(2)) return add_cut(out, "ntp");
    const std::uint8_t stratum = p[1];
    add_stratum(out, stratum);
    if (!message.has(3)) return add_cut(out, "ntp");
    add_poll(out, static_cast<std::int8_t>(p[2]));
    if (!message.has(4)) return add_cut(out, "ntp");
    out.add(", precision ");
    out.signed_decimal(static_cast<std::int8_t>(p[3]));
    if (!message.has(8)) return add_cut(out, "ntp");
    out.add("\n\tRoot Delay: ");
    add_short(out, p + 4);
    if (!message.has(12)) return add_cut(out, "ntp");
    out.add(", Root dispersion: ");
    add_short(out, p + 8);
    if (!message.has(16)) return add_cut(out, "ntp");
    add_reference(out, stratum, message.bytes.subspan(12, 4));
    if (stratum == info_query || stratum == info_reply) return;
    static constexpr const char* names[] = {
        "\n\t  Reference Timestamp:  ", "\n\t  Originator Timestamp: ",
        "\n\t  Receive Timestamp:    ", "\n\t  Transmit Timestamp:   "};
    for (std::size_t i = 0; i < 4; ++i) {
        if (!message.has(24 + 8 * i)) return add_cut(out, "ntp");
        out.add(names[i]);
        add_time(out, p + 16 + 8 * i);
    }
    out.add("\n\t    Originator - Receive Timestamp:  ");
    add_difference(out, p + 24, p + 32);
    out.add("\n\t    Originator - Transmit Timestamp: ");
    add_difference(out, p + 24, p + 40);
    add_authentication(out, message.from(time_bytes));
}

void print_control(TextBuffer& out, Part message) {
    if (message.length < control_bytes) return out.add(" (invalid)");
    if (!message.has(2)) return add_cut(out, "ntp");
    const std::uint8_t* p = message.bytes.data();
    out.add((p[1] & 0x80) != 0 ? ", Response" : ", Request");
    out.add((p[1] & 0x40) != 0 ? ", Error" : ", OK");
    out.add((p[1] & 0x20) != 0 ? ", More" : ", Last");
    add_number(out, ", OpCode=", p[1] & 0x1fU);
    out.add('\n');
    static constexpr const char* names[] = {"\tSequence=", ", Status=", ", Assoc.=",
                                            ", Offset=", ", Count="};
    std::uint16_t value = 0;
    for (std::size_t i = 0; i < 5; ++i) {
        if (!message.has(4 + 2 * i)) return add_cut(out, "ntp");
        value = load_be16(p + 2 + 2 * i);
        out.add(names[i]);
        if (i == 1 && value != 0) out.add("0x");
        if (i == 1) out.hex(value);
        if (i != 1) out.decimal(value);
    }
    if (message.length - control_bytes < value) return out.add(" (invalid)");
    if (!message.has(std::size_t{control_bytes} + value)) return add_cut(out, "ntp");
    if (value != 0) out.add("\n\tTO-BE-DONE: data not interpreted");
}

}  // namespace

void print_ntp(TextBuffer& out, Part message, const Context& context) {
    if (!message.has(1)) return add_cut(out, "ntp");
    static constexpr const char* modes[] = {
        "unspecified", "symmetric active", "symmetric passive", "Client",
        "Server",      "Broadcast",        "Control Message",   "Reserved"};
    const std::uint8_t first = message.bytes[0], mode = first & 7;
    add_number(out, "NTPv", first >> 3 & 7U);
    out.add(", ");
    out.add(modes[mode]);
    add_length(out, message.length);
    if (context.options.verbose == 0) return;
    add_leap(out, first);
    if (mode == mode_control) {
        print_control(out, message);
    } else if (mode != mode_private) {
        print_time(out, message);
    }
}

}  // namespace estab::observe::dump
