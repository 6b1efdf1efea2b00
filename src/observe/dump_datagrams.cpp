// Applications over UDP whose messages are a few words long: TFTP, syslog, VXLAN and OTV.
#include <algorithm>
#include <array>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

// A string that a zero ends, from `part` on. False: there was no zero.
bool add_string(TextBuffer& out, Part& part) {
    const auto zero = std::ranges::find(part.bytes, std::uint8_t{0});
    const auto octets = static_cast<std::uint32_t>(zero - part.bytes.begin());
    add_visible(out, part.bytes.first(octets));
    if (zero == part.bytes.end()) return false;
    part = part.from(octets + 1);
    return true;
}

void add_options(TextBuffer& out, Part rest) {
    while (rest.length > 0) {
        if (!rest.has(1)) return add_cut(out, "tftp");
        if (rest.bytes[0] != 0) out.add(' ');
        if (!add_string(out, rest)) return add_cut(out, "tftp");
    }
}

// A file's name, how it is sent, and RFC 2347's options.
void add_request(TextBuffer& out, Part rest) {
    if (rest.length == 0) return add_cut(out, "tftp");
    out.add(" \"");
    const bool named = add_string(out, rest);
    out.add('"');
    if (!named || rest.length == 0) return add_cut(out, "tftp");
    if (!rest.has(1) || rest.bytes[0] != 0) out.add(' ');
    if (!add_string(out, rest)) return add_cut(out, "tftp");
    add_options(out, rest);
}

void add_tftp_error(TextBuffer& out, Part rest) {
    static constexpr std::array<std::string_view, 8> names = {
        "EUNDEF", "ENOTFOUND", "EACCESS", "ENOSPACE", "EBADOP", "EBADID", "EEXISTS", "ENOUSER"};
    if (!rest.has(2)) return add_cut(out, "tftp");
    const std::uint16_t code = load_be16(rest.bytes.data());
    out.add(' ');
    if (code < names.size()) {
        out.add(names[code]);
    } else {
        add_number(out, "tftp-err-#", code);
        out.add(" \"");
    }
    rest = rest.from(2);
    if (rest.length == 0) return add_cut(out, "tftp");
    out.add(" \"");
    const bool whole = add_string(out, rest);
    out.add('"');
    if (!whole) add_cut(out, "tftp");
}

struct Priority {
    unsigned value = 0;
    std::size_t octets = 0;  // with both brackets
};

void add_facility(TextBuffer& out, unsigned facility) {
    static constexpr std::array<std::string_view, 24> names = {
        "kernel",  "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
        "uucp",    "cron",   "authpriv", "ftp",    "ntp",    "security", "console", "cron",
        "local0",  "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
    if (facility < names.size()) return out.add(names[facility]);
    add_number(out, "unknown (", facility);
    out.add(')');
}

}  // namespace

void print_tftp(TextBuffer& out, Part message) {  // RFC 1350 5
    static constexpr std::array<std::string_view, 7> names = {"",     "RRQ",   "WRQ", "DATA",
                                                              "ACK",  "ERROR", "OACK"};
    add_number(out, "TFTP, length ", message.length);
    if (!message.has(2)) return add_cut(out, "tftp");
    const std::uint16_t operation = load_be16(message.bytes.data());
    out.add(", ");
    if (operation == 0 || operation >= names.size()) {
        return add_number(out, "tftp-#", operation);
    }
    out.add(names[operation]);
    Part rest = message.from(2);
    switch (operation) {
        case 1:
        case 2: return add_request(out, rest);
        case 3:
        case 4:
            if (!rest.has(2)) return add_cut(out, "tftp");
            return add_number(out, " block ", load_be16(rest.bytes.data()));
        case 5: return add_tftp_error(out, rest);
        default: return add_options(out, rest);
    }
}

void print_syslog(TextBuffer& out, Part message, const Context& context) {  // RFC 3164 4.1.1
    static constexpr std::array<std::string_view, 8> severities = {
        "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};
    constexpr std::size_t digits_max = 3;
    if (!message.has(1)) return add_cut(out, "syslog");
    if (message.bytes[0] != '<') return out.add(" (invalid)");
    Priority priority;
    std::size_t at = 1;
    for (;; ++at) {
        if (!message.has(at + 1)) return add_cut(out, "syslog");
        const std::uint8_t c = message.bytes[at];
        if (c == '>') break;
        if (c < '0' || c > '9' || at > digits_max) return out.add(" (invalid)");
        priority.value = priority.value * 10 + (c - '0');
    }
    priority.octets = at + 1;
    const unsigned facility = priority.value >> 3, severity = priority.value & 7;
    if (context.options.verbose == 0) {
        out.add("SYSLOG ");
        add_facility(out, facility);
        out.add('.');
        out.add(severities[severity]);
        return add_number(out, ", length: ", message.length);
    }
    add_number(out, "SYSLOG, length: ", message.length);
    out.add("\n\tFacility ");
    add_facility(out, facility);
    add_number(out, " (", facility);
    out.add("), Severity ");
    out.add(severities[severity]);
    add_number(out, " (", severity);
    out.add(")\n\tMsg: ");
    const Part text = message.from(static_cast<std::uint32_t>(priority.octets));
    add_visible(out, text.bytes.first(std::min<std::size_t>(text.bytes.size(), text.length)));
    if (!text.has(text.length)) return add_cut(out, "syslog");
    if (context.options.verbose > 1) add_hex_lines(out, message.bytes, "\n\t");
}

void print_vxlan(TextBuffer& out, Part message, const Context& context) {  // RFC 7348 5
    out.add("VXLAN");
    if (message.length < 8) return out.add(" (invalid)");
    if (!message.has(1)) return add_cut(out, "vxlan");
    out.add(", flags [");
    const std::uint8_t flags = message.bytes[0];
    out.add((flags & 8) != 0 ? "I" : "invalid");
    out.add("] (0x");
    out.hex_octet(flags);
    out.add("), ");
    if (!message.has(7)) return add_cut(out, "vxlan");
    add_number(out, "vni ", load_be32(message.bytes.data() + 3) & 0xffffff);
    out.add('\n');
    if (!message.has(8)) return add_cut(out, "vxlan");
    print_ethernet(out, message.from(8), context);
}

// Overlay transport virtualization: VXLAN's header with one more number.
void print_otv(TextBuffer& out, Part message, const Context& context) {
    out.add("OTV, ");
    if (message.length < 8) {
        add_number(out, "[length ", message.length);
        return out.add(" < 8] (invalid)");
    }
    if (!message.has(1)) return add_cut(out, "otv");
    out.add("flags [");
    const std::uint8_t* p = message.bytes.data();
    out.add((p[0] & 8) != 0 ? 'I' : '.');
    out.add("] (0x");
    out.hex_octet(p[0]);
    out.add("), ");
    if (!message.has(4)) return add_cut(out, "otv");
    add_number(out, "overlay ", load_be32(p) & 0xffffff);
    out.add(", ");
    if (!message.has(7)) return add_cut(out, "otv");
    add_number(out, "instance ", load_be32(p + 3) & 0xffffff);
    out.add('\n');
    if (!message.has(8)) return add_cut(out, "otv");
    print_ethernet(out, message.from(8), context);
}

}  // namespace estab::observe::dump
