// Words that several printers use.
#include <algorithm>
#include <iterator>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {

const char* upper_name(std::uint8_t protocol) {
    return protocol == 6 ? "tcp" : protocol == 17 ? "udp" : nullptr;
}

void add_hex16(TextBuffer& out, std::uint16_t value) {
    out.add("0x");
    out.hex_octet(static_cast<std::uint8_t>(value >> 8));
    out.hex_octet(static_cast<std::uint8_t>(value));
}

void add_echo(TextBuffer& out, Part message) {
    add_number(out, ", id ", load_be16(message.bytes.data() + 4));
    add_number(out, ", seq ", load_be16(message.bytes.data() + 6));
}

void add_visible(TextBuffer& out, Bytes text) {
    for (std::uint8_t c : text) {
        if (c >= 0x80) {
            out.add("M-");
            c &= 0x7f;
        }
        if (c < 0x20 || c == 0x7f) {
            out.add('^');
            c ^= 0x40;
        }
        out.add(static_cast<char>(c));
    }
}

void add_time_span(TextBuffer& out, std::uint32_t seconds) {
    if (seconds == 0) return out.add("0s");
    struct Unit {
        char name;
        std::uint32_t seconds;
    };
    static constexpr Unit units[] = {{'y', 31'536'000}, {'w', 604'800}, {'d', 86'400},
                                     {'h', 3600},       {'m', 60},      {'s', 1}};
    for (const Unit& unit : units) {
        if (seconds < unit.seconds) continue;
        out.decimal(seconds / unit.seconds);
        out.add(unit.name);
        seconds %= unit.seconds;
    }
}

}  // namespace estab::observe::dump
