#include <algorithm>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

// What became of one option's value.
enum class Outcome : std::uint8_t { printed, cut, bad };

enum Kind : std::uint8_t {
    eol = 0, nop = 1, mss = 2, window_scale = 3, sack_permitted = 4, sack = 5, echo = 6,
    echo_reply = 7, timestamps = 8, cc = 11, cc_new = 12, cc_echo = 13, md5 = 19, scps = 20,
    user_timeout = 28, authentication = 29, multipath = 30, fast_open = 34, experiment = 254,
};

// The name, or nothing: 13 has an empty one in tcpdump, so a null pointer is "unknown".
const char* name_of(std::uint8_t kind) {
    switch (kind) {
        case eol: return "eol";
        case nop: return "nop";
        case mss: return "mss";
        case window_scale: return "wscale";
        case sack_permitted: return "sackOK";
        case sack: return "sack";
        case echo: return "echo";
        case echo_reply: return "echoreply";
        case timestamps: return "TS";
        case cc: return "cc";
        case cc_new: return "ccnew";
        case cc_echo: return "";
        case md5: return "md5";
        case scps: return "scps";
        case user_timeout: return "uto";
        case authentication: return "tcp-ao";
        case multipath: return "mptcp";
        case fast_open: return "tfo";
        case experiment: return "exp";
        default: return nullptr;
    }
}

struct Value {
    Bytes captured;             // from the value on, as far as the header was captured
    std::uint32_t available;    // bytes that the header has left
    std::uint32_t length;       // what the length octet leaves for the value
    std::uint32_t used = 0;     // what the printer took

    Outcome need(std::uint32_t bytes) const {
        if (bytes > available) return Outcome::bad;
        return bytes > captured.size() ? Outcome::cut : Outcome::printed;
    }
    const std::uint8_t* at(std::uint32_t i) const { return captured.data() + i; }
};

Outcome print_sack(TextBuffer& out, Value& value, std::uint32_t base) {
    value.used = value.length;
    if (value.length % 8 != 0) {
        out.add(" invalid sack");
        return Outcome::printed;
    }
    out.add(' ');
    out.decimal(value.length / 8);
    out.add(' ');
    for (std::uint32_t i = 0; i < value.length; i += 8) {
        if (const Outcome o = value.need(i + 8); o != Outcome::printed) return o;
        out.add('{');
        out.decimal(load_be32(value.at(i)) - base);
        out.add(':');
        out.decimal(load_be32(value.at(i + 4)) - base);
        out.add('}');
    }
    return Outcome::printed;
}

void add_cookie(TextBuffer& out, Bytes cookie) {  // RFC 7413 4.1.1
    if (cookie.empty()) {
        out.add(" cookiereq");
    } else if (cookie.size() % 2 != 0 || cookie.size() < 4 || cookie.size() > 16) {
        out.add(" (invalid)");
    } else {
        out.add(" cookie ");
        out.hex_octets(cookie);
    }
}

// The value from `begin` on, as far as it was captured.
Outcome print_octets(TextBuffer& out, const Value& value, std::uint32_t begin) {
    const Outcome outcome = value.need(value.length);
    const std::size_t there = std::min<std::size_t>(value.length, value.captured.size());
    if (there > begin) out.hex_octets(value.captured.subspan(begin, there - begin));
    return outcome;
}

Outcome print_authentication(TextBuffer& out, Value& value) {  // RFC 5925 2.2
    value.used = value.length;
    if (value.length < 2) {
        out.add(" (invalid)");
        return Outcome::printed;
    }
    static constexpr const char* names[] = {" keyid ", " rnextkeyid "};
    for (std::uint32_t i = 0; i < 2; ++i) {
        if (const Outcome o = value.need(i + 1); o != Outcome::printed) return o;
        out.add(names[i]);
        out.decimal(*value.at(i));
    }
    if (value.length == 2) return Outcome::printed;
    out.add(" mac 0x");
    return print_octets(out, value, 2);
}

Outcome print_experiment(TextBuffer& out, Value& value) {  // RFC 6994
    value.used = value.length;
    if (const Outcome o = value.need(value.length); o != Outcome::printed) return o;
    if (value.length < 2) return Outcome::bad;
    constexpr std::uint16_t fast_open_id = 0xf989;
    out.add('-');
    const std::uint16_t id = load_be16(value.at(0));
    if (id == fast_open_id) {
        out.add("tfo");
        add_cookie(out, value.captured.subspan(2, value.length - 2));
    } else {
        out.hex_octet(static_cast<std::uint8_t>(id >> 8));
        out.hex_octet(static_cast<std::uint8_t>(id));
    }
    return Outcome::printed;
}

Outcome print_user_timeout(TextBuffer& out,
                           Value& value) {  // RFC 5482 3: minutes if the first bit is set
    value.used = 2;
    if (const Outcome o = value.need(2); o != Outcome::printed) return o;
    const std::uint32_t field = load_be16(value.at(0));
    out.add(" 0x");
    out.hex(field);
    out.add(' ');
    out.decimal((field & 1) != 0 ? (field >> 1) * 60 : field >> 1);
    return Outcome::printed;
}

Outcome print_unknown(TextBuffer& out, Value& value) {
    value.used = value.length;
    if (value.length == 0) return Outcome::printed;
    out.add(" 0x");
    return print_octets(out, value, 0);
}

// An option whose value has one size: the size is checked against what is there, not the length
// octet.
Outcome take(Value& value, std::uint32_t bytes) {
    value.used = bytes;
    return value.need(bytes);
}

Outcome print_number(TextBuffer& out, Value& value, std::uint32_t bytes) {
    if (const Outcome o = take(value, bytes); o != Outcome::printed) return o;
    out.add(' ');
    out.decimal(bytes == 1   ? *value.at(0)
                : bytes == 2 ? load_be16(value.at(0))
                             : load_be32(value.at(0)));
    return Outcome::printed;
}

Outcome print_timestamps(TextBuffer& out, Value& value) {
    if (const Outcome o = take(value, 8); o != Outcome::printed) return o;
    out.add(" val ");
    out.decimal(load_be32(value.at(0)));
    out.add(" ecr ");
    out.decimal(load_be32(value.at(4)));
    return Outcome::printed;
}

Outcome print_md5(TextBuffer& out, Value& value,
                  bool whole) {  // RFC 2385; nobody gave us the secret
    if (const Outcome o = take(value, 16); o != Outcome::printed) return o;
    out.add(whole ? " shared secret not supplied with -M" : " snaplen too short");
    out.add(", can't check - ");
    out.hex_octets(value.captured.first(16));
    return Outcome::printed;
}

Outcome print_whole(TextBuffer& out, std::uint8_t kind, Value& value, const OptionContext& context,
                    Bytes option) {
    value.used = value.length;
    if (const Outcome o = value.need(value.length); o != Outcome::printed) return o;
    if (kind == fast_open) {
        out.add(' ');
        add_cookie(out, value.captured.first(value.length));
        return Outcome::printed;
    }
    return print_mptcp(out, option, context.flags) ? Outcome::printed : Outcome::bad;
}

Outcome print_value(TextBuffer& out, std::uint8_t kind, Value& value, const OptionContext& context,
                    Bytes option) {
    switch (kind) {
        case eol:
        case nop:
        case sack_permitted: return Outcome::printed;
        case mss: return print_number(out, value, 2);
        case window_scale: return print_number(out, value, 1);
        case echo:
        case echo_reply:
        case cc:
        case cc_new:
        case cc_echo: return print_number(out, value, 4);
        case sack: return print_sack(out, value, context.sack_base);
        case timestamps: return print_timestamps(out, value);
        case md5: return print_md5(out, value, context.whole);
        case scps:
            if (const Outcome o = take(value, 2); o != Outcome::printed) return o;
            out.add(" cap ");
            out.hex_octet(*value.at(0));
            out.add(" id ");
            out.decimal(*value.at(1));
            return Outcome::printed;
        case user_timeout: return print_user_timeout(out, value);
        case authentication: return print_authentication(out, value);
        case experiment: return print_experiment(out, value);
        case multipath:
        case fast_open: return print_whole(out, kind, value, context, option);
        default: return print_unknown(out, value);
    }
}

void add_name(TextBuffer& out, std::uint8_t kind) {
    if (const char* name = name_of(kind)) {
        out.add(name);
    } else {
        out.add("unknown-");
        out.decimal(kind);
    }
}

}  // namespace

// Where an octet that is not there would be needed tcpdump gives up the line at once; where a whole
// value is not there it still closes the bracket, with the other kind. We do as it does.
bool print_tcp_options(TextBuffer& out, Part options, OptionContext& context) {
    const char* close_bad = "[bad opt]";  // without a second bracket while nothing was printed
    bool first = true;
    while (options.length > 0) {
        if (!first) out.add(',');
        if (!options.has(1)) return add_cut(out, context.cut), false;
        const std::uint8_t kind = options.bytes[0];
        const bool single = kind == eol || kind == nop;
        // The length octet of an option that begins in the header's last octet is read from behind
        // it.
        if (!single && !options.has(2) && !(options.length == 1 && context.behind)) {
            return add_cut(out, context.cut), false;
        }
        const std::uint32_t length = single ? 1 : options.length == 1 ? 0 : options.bytes[1];
        if (!single && (length < 2 || length > options.length)) return out.add(close_bad), false;
        add_name(out, kind);
        const std::uint32_t fixed = single ? 1 : 2;
        const Part behind = options.from(fixed);
        Value value{behind.bytes, behind.length, length - fixed};
        const Outcome outcome = print_value(out, kind, value, context, options.cut(length).bytes);
        if (outcome == Outcome::bad) return out.add(close_bad), false;
        if (outcome == Outcome::cut) {
            add_cut(out, context.cut);
            if (!first) out.add('>');
            return false;
        }
        const std::uint32_t used = fixed + value.used;
        options = options.from(used);
        if (used != length) {
            out.add("[len ");
            out.decimal(length);
            out.add(']');
        }
        if (kind == multipath) context.cut = "mptcp";
        first = false;
        close_bad = "[bad opt]]";
        if (kind == eol) break;
    }
    out.add(']');
    return true;
}

}  // namespace estab::observe::dump
