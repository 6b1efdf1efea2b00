#include "observe/dump_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "observe/dump_line_cursor.hpp"
#include "wire/tcp.hpp"

namespace estab::observe {
namespace {

using wire::Flags;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// ".163215" as nanoseconds.
Duration fraction(LineCursor& at) {
    if (!at.take('.')) return {};
    std::int64_t value = 0, unit = 1'000'000'000;
    while (is_digit(at.peek())) {
        const char digit = at.next();
        if (unit > 1) value += (digit - '0') * (unit /= 10);
    }
    return Duration(value);
}

// So that two times added are still nanoseconds in 64 bits.
constexpr std::uint64_t seconds_max = 4'600'000'000;
constexpr std::uint64_t year_max = 2114;

// "10:09:11.163215", "2026-01-31 10:09:11.163215", "1700000000.163215", or none.
LineTime read_time(LineCursor& at) {
    const std::string_view word = at.word();
    const auto digits = [&](std::size_t from, std::size_t count) {
        return word.size() >= from + count &&
               std::all_of(word.begin() + static_cast<std::ptrdiff_t>(from),
                           word.begin() + static_cast<std::ptrdiff_t>(from + count), is_digit);
    };
    LineTime time;
    if (digits(0, 4) && digits(5, 2) && digits(8, 2) && word.size() == 10 && word[4] == '-') {
        using namespace std::chrono;
        const int year_number = static_cast<int>(at.number(year_max, "a year"));
        if (year_number < 1970) at.fail("this is before 1970");
        at.take('-');
        const auto month_number = static_cast<unsigned>(at.number(12, "a month"));
        at.take('-');
        const auto day_number = static_cast<unsigned>(at.number(31, "a day"));
        const year_month_day date{year{year_number}, month{month_number}, day{day_number}};
        if (!date.ok()) at.fail("this day does not exist");
        if (!at.good()) return time;
        time.kind = LineTime::Kind::date;
        time.value = sys_days{date}.time_since_epoch();
        at.skip_spaces();
    }
    const std::string_view clock = at.word();
    if (clock.size() >= 8 && clock[2] == ':' && clock[5] == ':' && is_digit(clock[0])) {
        using namespace std::chrono;
        time.value += hours{at.number(23, "an hour")};
        at.take(':');
        time.value += minutes{at.number(59, "a minute")};
        at.take(':');
        time.value += seconds{at.number(60, "a second")};
        if (time.kind == LineTime::Kind::none) time.kind = LineTime::Kind::clock;
    } else if (time.kind == LineTime::Kind::none && digits(0, 1) &&
               std::ranges::count(clock, '.') == 1 &&
               std::ranges::all_of(clock, [](char c) { return is_digit(c) || c == '.'; })) {
        time.kind = LineTime::Kind::epoch;
        time.value = std::chrono::seconds{at.number(seconds_max, "seconds since 1970")};
    } else {
        return time;
    }
    time.value += fraction(at);
    at.skip_spaces();
    return time;
}

struct PortName {
    std::string_view name;
    std::uint16_t port;
};
constexpr std::array<PortName, 9> port_names = {{{"ftp", 21},
                                                 {"ssh", 22},
                                                 {"telnet", 23},
                                                 {"smtp", 25},
                                                 {"domain", 53},
                                                 {"http", 80},
                                                 {"https", 443},
                                                 {"commplex-main", 5000},
                                                 {"http-alt", 8080}}};

std::optional<std::uint16_t> port_of(std::string_view text) {
    for (const PortName& known : port_names) {
        if (known.name == text) return known.port;
    }
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return port;
}

// "192.168.131.132.37584", "fd00::1.80". Nothing: it is not one, and the cursor stays.
std::optional<wire::Endpoint> endpoint(std::string_view word) {
    const std::size_t dot = word.rfind('.');
    if (dot == std::string_view::npos) return {};
    const auto address = wire::Address::parse(word.substr(0, dot));
    const auto port = port_of(word.substr(dot + 1));
    if (!address || !port) return {};
    return wire::Endpoint{*address, *port};
}

wire::Endpoint read_endpoint(LineCursor& at, bool with_colon) {
    std::string_view word = at.word();
    if (with_colon && word.ends_with(':')) word.remove_suffix(1);
    const auto found = endpoint(word);
    if (!found) {
        at.fail("an address and a port are expected here, in numbers (tcpdump -nn)");
        return {};
    }
    at.skip(word.size());
    return *found;
}

// "(tos 0x0, ttl 64, id 4321, offset 0, flags [DF], proto TCP (6), length 60)" or
// "(flowlabel 0x12345, hlim 64, next-header TCP (6) payload length: 40) "
void read_header(LineCursor& at, LineHeader& ip) {
    std::size_t depth = 0;
    ip = {.dont_fragment = false};
    do {
        if (at.take('(')) {
            ++depth;
        } else if (at.take(')')) {
            --depth;
        } else if (at.take("tos 0x") || at.take("class 0x")) {
            ip.traffic_class = static_cast<std::uint8_t>(at.hex(0xff, "the traffic class"));
        } else if (at.take("ttl ") || at.take("hlim ")) {
            ip.hop_limit = static_cast<std::uint8_t>(at.number(255, "a hop limit"));
        } else if (at.take(", id ")) {
            ip.id = static_cast<std::uint16_t>(at.number(0xffff, "an id"));
        } else if (at.take("flowlabel 0x")) {
            ip.flow_label = static_cast<std::uint32_t>(at.hex(0xfffff, "a flow label"));
        } else if (at.take("[DF]")) {
            ip.dont_fragment = true;
        } else if (at.at_end()) {
            at.fail("the bracket of the IP header is not closed");
        } else {
            at.skip(1);
        }
    } while (depth > 0 && at.good());
    at.skip_spaces();
}

// Bits by their letters; "." is ACK, "none" none. False: not the letters of flags.
bool read_flags(std::string_view letters, std::uint16_t& flags) {
    static constexpr std::string_view known = "FSRP.UEWe";
    flags = 0;
    if (letters == "none") return true;
    for (const char letter : letters) {
        const std::size_t bit = known.find(letter);
        if (bit == std::string_view::npos) return false;
        flags = static_cast<std::uint16_t>(flags | 1U << bit);
    }
    return !letters.empty();
}

// ": HTTP: GET / HTTP/1.1" behind the length: what the payload begins with.
void read_application(LineCursor& at, DumpLine& into) {
    const std::string_view rest = at.rest();
    if (!rest.starts_with(": ")) return;
    const std::size_t colon = rest.find(": ", 2);
    if (colon == std::string_view::npos) return;
    std::string_view text = rest.substr(colon + 2);
    const std::size_t cut = text.rfind(" [|");
    if (cut != std::string_view::npos && text.ends_with(']')) {
        into.text = text.substr(0, cut);
    } else {
        into.text = text;
        into.text += "\r\n";
    }
}

std::uint32_t number32(LineCursor& at, const char* what) {
    return static_cast<std::uint32_t>(at.number(0xffffffff, what));
}

// What stands behind "Flags [P.]", in any order.
void read_new_form(LineCursor& at, DumpLine& into) {
    while (at.good() && at.take(',')) {
        at.skip_spaces();
        if (at.take("seq ")) {
            into.seq = number32(at, "a sequence number");
            if (at.take(':')) into.seq_end = number32(at, "a sequence number");
        } else if (at.take("ack ")) {
            into.ack = number32(at, "an acknowledgment number");
        } else if (at.take("win ")) {
            into.window = static_cast<std::uint16_t>(at.number(0xffff, "a window"));
        } else if (at.take("urg ")) {
            into.urgent = static_cast<std::uint16_t>(at.number(0xffff, "an urgent pointer"));
        } else if (at.take("cksum 0x")) {
            at.hex(0xffff, "a checksum");
            if (at.take(" (")) at.skip_behind(')');
        } else if (at.take("options [")) {
            read_options(at, ']', into);
        } else if (at.take("length ")) {
            into.length = number32(at, "a length");
            read_application(at, into);
            return;
        } else {
            at.fail("seq, ack, win, urg, options or length is expected here");
        }
    }
    at.skip_spaces();
    if (at.good() && !at.at_end()) at.fail("a comma is expected here");
}

// "1:152(151) ack 1 win 229 <nop,nop,timestamp 1 2> (DF)"
void read_old_form(LineCursor& at, DumpLine& into) {
    while (at.good()) {
        at.skip_spaces();
        if (at.at_end()) return;
        if (is_digit(at.peek())) {
            into.seq = number32(at, "a sequence number");
            if (!at.take(':')) return at.fail("a colon is expected here");
            into.seq_end = number32(at, "a sequence number");
            if (!at.take('(')) return at.fail("a length in brackets is expected here");
            into.length = number32(at, "a length");
            at.take(')');
        } else if (at.take("ack ")) {
            into.ack = number32(at, "an acknowledgment number");
            into.flags |= Flags::ack;
        } else if (at.take("win ")) {
            into.window = static_cast<std::uint16_t>(at.number(0xffff, "a window"));
        } else if (at.take("urg ")) {
            into.urgent = static_cast<std::uint16_t>(at.number(0xffff, "an urgent pointer"));
        } else if (at.take('<')) {
            read_options(at, '>', into);
        } else if (at.take('(')) {
            at.skip_behind(')');
        } else if (at.take('[')) {
            at.skip_behind(']');
        } else {
            at.fail("a sequence number, ack, win, urg or <options> is expected here");
        }
    }
}

// The flags of the old form are a word of their own: "S", ".", "FP".
bool is_old_form(std::string_view rest) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    std::uint16_t flags;
    if (word == "none" || !read_flags(word, flags)) return false;
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    return (!rest.empty() && is_digit(rest[0])) || rest.starts_with("ack ") ||
           rest.starts_with("win ") || rest.starts_with("[");
}

LineKind read_segment(LineCursor& at, DumpLine& into) {
    into.source = read_endpoint(at, false);
    at.skip_spaces();
    if (at.good() && !at.take('>')) at.fail("> is expected here");
    at.skip_spaces();
    if (at.good()) into.destination = read_endpoint(at, true);
    if (at.good() && !at.take(':')) at.fail("a colon is expected here");
    at.skip_spaces();
    if (!at.good()) return LineKind::wrong;
    if (into.source.address.is_v4() != into.destination.address.is_v4()) {
        at.fail("two families of addresses in one line");
    } else if (at.take("Flags [")) {
        const std::string_view letters = at.until(']');
        if (!read_flags(letters, into.flags)) {
            at.fail("flags are letters of FSRP.UEWe");
        } else {
            at.skip(letters.size() + 1);
            read_new_form(at, into);
        }
    } else if (is_old_form(at.rest())) {
        const std::string_view letters = at.word();
        read_flags(letters, into.flags);
        at.skip(letters.size());
        read_old_form(at, into);
    } else if (at.rest().starts_with("tcp ")) {
        at.fail("a line of tcpdump -q lacks the numbers");
    } else {
        return LineKind::other_packet;
    }
    if (at.good() && (into.flags & Flags::ack) != 0 && !into.ack) at.fail("ack is missing");
    if (at.good() && (into.flags & Flags::ack) == 0 && into.ack) {
        at.fail("there is an ack, but no . among the flags");
    }
    return at.good() ? LineKind::segment : LineKind::wrong;
}

bool is_tcpdump_itself(std::string_view line) {
    static constexpr std::string_view begins[] = {"tcpdump:", "listening on ", "reading from file",
                                                  "dropped privs"};
    static constexpr std::string_view ends[] = {" packets captured", " packet captured",
                                                " by filter", " by kernel", "suppressed)"};
    return std::ranges::any_of(begins, [&](auto text) { return line.starts_with(text); }) ||
           std::ranges::any_of(ends, [&](auto text) { return line.ends_with(text); });
}

// "\t0x0010:  0a09 0001"
bool is_hex_line(std::string_view line) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == 0 || begin == std::string_view::npos) return false;
    line.remove_prefix(begin);
    return line.size() > 7 && line.starts_with("0x") && line[6] == ':' &&
           std::all_of(line.begin() + 2, line.begin() + 6, is_hex);
}

// From where the addresses are told, whatever stands before: "IP ", an interface, a link header.
// False: no packet that we know.
bool find_packet(LineCursor& at, bool& other) {
    constexpr std::string_view ethernet[] = {"ethertype IPv4 (0x0800), ",
                                             "ethertype IPv6 (0x86dd), "};
    for (const std::string_view name : ethernet) {
        const std::size_t place = at.rest().find(name);
        if (place == std::string_view::npos) continue;
        at.skip(place + name.size());
        at.skip_behind(':');
        at.skip_spaces();
        return at.good();
    }
    constexpr std::size_t before_max = 40;  // an interface and a direction
    for (const std::string_view name : {"IP ", "IP6 ", "ip: ", "ip6: "}) {
        const std::size_t place = at.rest().substr(0, before_max).find(name);
        if (place == std::string_view::npos) continue;
        if (place > 0 && at.rest()[place - 1] != ' ') continue;
        at.skip(place + name.size());
        at.skip_spaces();
        return true;
    }
    const std::string_view word = at.word();
    if (endpoint(word)) return true;
    other = word == "arp" || word.starts_with("STP") ||
            at.rest().find("ARP,") < before_max || at.rest().find("ethertype") < 2 * before_max;
    return false;
}

}  // namespace

LineKind read_dump_line(std::string_view line, bool behind_header, DumpLine& into,
                        LineError& error) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) return LineKind::nothing;
    if (is_hex_line(line)) return LineKind::hex;
    if (line.starts_with('#') || is_tcpdump_itself(line)) return LineKind::nothing;
    LineCursor at(line, error);
    at.skip_spaces();
    into.flags = into.window = into.urgent = 0;
    into.seq = into.seq_end = into.ack = into.length = {};
    into.options.clear();
    into.sack_at.clear();
    into.text.clear();
    if (behind_header) return read_segment(at, into);
    into.ip = {};
    into.time = read_time(at);
    if (!at.good()) return LineKind::wrong;
    bool other = false;
    if (!find_packet(at, other)) {
        if (other) return LineKind::other_packet;
        at.fail("no line of tcpdump: a time and IP, or IP6, are expected");
        return into.time.kind == LineTime::Kind::none ? LineKind::unknown : LineKind::wrong;
    }
    if (at.peek() == '(') {
        const bool is_tcp = at.rest().find("TCP (6)") != std::string_view::npos;
        read_header(at, into.ip);
        if (!at.good()) return LineKind::wrong;
        if (!is_tcp) return LineKind::other_packet;
        if (at.at_end()) return LineKind::header_only;
    }
    // A packet without ports is none of TCP.
    const std::string_view first = at.word();
    if (wire::Address::parse(first) && !endpoint(first)) return LineKind::other_packet;
    return read_segment(at, into);
}

std::vector<std::uint8_t> hex_line_octets(std::string_view line) {
    constexpr std::size_t octets_max = 16;
    std::vector<std::uint8_t> octets;
    std::size_t at = line.find(':') + 1;
    for (std::size_t spaces = 0; at < line.size() && octets.size() < octets_max;) {
        if (line[at] == ' ') {
            // Two spaces stand before the octets, and again before them as text.
            if (++spaces > 1 && !octets.empty()) break;
            ++at;
            continue;
        }
        std::uint8_t octet = 0;
        if (at + 2 > line.size() || !is_hex(line[at]) || !is_hex(line[at + 1])) break;
        std::from_chars(line.data() + at, line.data() + at + 2, octet, 16);
        octets.push_back(octet);
        at += 2;
        spaces = 0;
    }
    return octets;
}

}  // namespace estab::observe
