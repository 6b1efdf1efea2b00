#include <algorithm>
#include <array>

#include "observe/dump_parts.hpp"

namespace estab::observe::dump {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 38> http_methods = {
    "GET", "PUT", "COPY", "HEAD", "LOCK", "MOVE", "POLL", "POST", "BCOPY", "BMOVE", "MKCOL",
    "TRACE", "LABEL", "MERGE", "DELETE", "SEARCH", "UNLOCK", "REPORT", "UPDATE", "NOTIFY",
    "BDELETE", "CONNECT", "OPTIONS", "CHECKIN", "PROPFIND", "CHECKOUT", "CCM_POST", "SUBSCRIBE",
    "PROPPATCH", "BPROPFIND", "BPROPPATCH", "UNCHECKOUT", "MKACTIVITY", "MKWORKSPACE",
    "UNSUBSCRIBE", "RPC_CONNECT", "VERSION-CONTROL", "BASELINE-CONTROL"};
constexpr std::array<std::string_view, 11> rtsp_methods = {
    "ANNOUNCE", "DESCRIBE", "OPTIONS", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER",
    "RECORD", "REDIRECT", "SET_PARAMETER"};

constexpr std::array<std::string_view, 17> sip_methods = {  // RFC 3261 7.1 and later ones
    "ACK", "BYE", "CANCEL", "DO", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK",
    "PUBLISH", "QAUTH", "REFER", "REGISTER", "SPRACK", "SUBSCRIBE", "UPDATE"};

bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_print(std::uint8_t c) { return c >= 0x20 && c < 0x7f; }
char upper(std::uint8_t c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); }

struct Token {
    Bytes text;            // empty: there is none
    std::size_t next = 0;  // where the following one begins
};

Token token(Part part, std::size_t at) {
    constexpr std::size_t token_max = 127;
    const std::size_t begin = at;
    for (; at < part.length; ++at) {
        if (!part.has(at + 1)) return {};
        const std::uint8_t c = part.bytes[at];
        if (is_space(c)) break;
        if (!is_print(c) || at - begin >= token_max) return {};
    }
    Token found{part.bytes.subspan(begin, at - begin), at};
    while (part.has(found.next + 1) && part.bytes[found.next] == ' ') ++found.next;
    return found;
}

bool is_one_of(Bytes word, Words words) {
    return std::ranges::any_of(words, [&](std::string_view candidate) {
        return std::ranges::equal(word, candidate,
                                  [](std::uint8_t a, char b) { return upper(a) == b; });
    });
}

bool is_code(Bytes word) {
    return word.size() == 3 &&
           std::ranges::all_of(word, [](std::uint8_t c) { return c >= '0' && c <= '9'; });
}

// A request by its name or a response by its three digits, which HTTP and RTSP have second.
bool begins_message(Part part, Words words, bool code_is_second) {
    Token word = token(part, 0);
    if (word.text.empty()) return false;
    if (is_one_of(word.text, words)) return true;
    if (code_is_second) word = token(part, word.next);
    return is_code(word.text);
}

enum class Ending : std::uint8_t { seen, later, not_captured, not_text };

struct Line {
    Bytes text;
    Ending ending = Ending::not_text;
};

Line first_line(Part part) {
    std::size_t at = 0;
    for (; at < part.length; ++at) {
        if (!part.has(at + 1)) return {{}, Ending::not_captured};
        const std::uint8_t c = part.bytes[at];
        if (c == '\n') return {part.bytes.first(at), Ending::seen};
        if (c == '\r') {
            if (at + 1 >= part.length) return {};
            if (!part.has(at + 2)) return {{}, Ending::not_captured};
            if (part.bytes[at + 1] != '\n') return {};
            return {part.bytes.first(at), Ending::seen};
        }
        if (!is_print(c) && c != '\t') return {};
    }
    return {part.bytes.first(at), Ending::later};
}

void add_text(TextBuffer& out, Bytes text) {
    out.add(std::string_view{reinterpret_cast<const char*>(text.data()), text.size()});
}

struct Protocol {
    std::string_view name, cut;
    Words words;  // empty: every line is a message
    bool code_is_second = false;
};

// Verbose: each line of text under the packet's own, up to what is no text.
void print_all_lines(TextBuffer& out, Part part, const Protocol& protocol) {
    out.add(", length: ");
    out.decimal(part.length);
    while (part.length > 0) {
        const Line line = first_line(part);
        if (line.ending == Ending::not_text) return;
        out.add("\n\t");
        if (line.ending == Ending::not_captured) return add_cut(out, protocol.cut);
        add_text(out, line.text);
        if (line.ending == Ending::later) return add_cut(out, protocol.cut);
        const std::size_t used = line.text.size();
        part = part.from(static_cast<std::uint32_t>(used + (part.bytes[used] == '\r' ? 2 : 1)));
    }
}

void print_lines(TextBuffer& out, Part part, const Protocol& protocol, bool verbose) {
    out.add(protocol.name);
    if (!protocol.words.empty() && !begins_message(part, protocol.words, protocol.code_is_second)) {
        return;
    }
    if (verbose) return print_all_lines(out, part, protocol);
    const Line line = first_line(part);
    if (line.ending == Ending::not_text) return;
    if (line.ending != Ending::not_captured) {
        out.add(": ");
        add_text(out, line.text);
    }
    if (line.ending != Ending::seen) add_cut(out, protocol.cut);
}

// What stands behind a TCP line's "length N".
void print_named(TextBuffer& out, Part part, const Protocol& protocol, bool verbose) {
    out.add(": ");
    print_lines(out, part, protocol, verbose);
}

void print_ssh(TextBuffer& out, Part part) {  // RFC 4253 4.2: a version line, later binary packets
    constexpr std::string_view version = "SSH-";
    for (std::size_t i = 0; i < version.size(); ++i) {
        if (!part.has(i + 1)) return add_cut(out, "ssh");
        if (part.bytes[i] != version[i]) return;
    }
    const Line line = first_line(part);
    if (line.ending == Ending::not_captured) return add_cut(out, "ssh");
    if (line.ending != Ending::seen || std::ranges::find(line.text, '\t') != line.text.end())
        return;
    out.add(": SSH: ");
    add_text(out, line.text);
}

void print_dns(TextBuffer& out, Part part) {  // RFC 1035 4.2.2: two octets of length first
    if (part.length < 2) {
        out.add(" [DNS over TCP: length ");
        out.decimal(part.length);
        return out.add(" < 2] (invalid)");
    }
    if (!part.has(2)) return add_cut(out, "domain");
    const std::uint32_t prefix = load_be16(part.bytes.data());
    if (prefix == part.length - 2) return;
    out.add(" [prefix length(");
    out.decimal(prefix);
    out.add(") != length(");
    out.decimal(part.length - 2);
    out.add(")] (invalid)");
}

}  // namespace

void print_application(TextBuffer& out, Part text, Ports ports, bool verbose) {
    if (ports.source >= 1024 && ports.source != 8080 && ports.source != 8554 &&
        ports.destination >= 1024 && ports.destination != 8080 && ports.destination != 8554) {
        return;
    }
    if (ports.either(23)) return;
    if (ports.either(25)) return print_named(out, text, {"SMTP", "smtp", {}}, verbose);
    if (ports.either(43)) return print_named(out, text, {"WHOIS", "whois", {}}, verbose);
    if (ports.either(22)) return print_ssh(out, text);
    if (ports.either(21)) return print_named(out, text, {"FTP", "ftp", {}}, verbose);
    if (ports.either(80) || ports.either(8080)) {
        return print_named(out, text, {"HTTP", "http", http_methods, true}, verbose);
    }
    if (ports.either(554) || ports.either(8554)) {
        return print_named(out, text, {"RTSP", "rtsp", rtsp_methods, true}, verbose);
    }
    if (ports.either(53)) return print_dns(out, text);
    if (ports.either(179) && !verbose) out.add(": BGP");
}

void print_sip(TextBuffer& out, Part text, bool verbose) {
    print_lines(out, text, {"SIP", "sip", sip_methods, true}, verbose);
}

}  // namespace estab::observe::dump
