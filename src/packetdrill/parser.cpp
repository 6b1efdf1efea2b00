// A script's outline: options, the commands around it, and events with their times.
#include "packetdrill/parser.hpp"

#include <algorithm>

namespace estab::packetdrill {
namespace {

// What stands between #ifdef or #ifndef and its #else or #endif, blanked where it does not count:
// lines keep their numbers. The dialect of FreeBSD's suite.
std::string preprocess(std::string_view text, const std::vector<Define>& defines) {
    std::string out(text);
    std::vector<bool> counts;
    std::size_t line = 0;
    while (line < out.size()) {
        const std::size_t end = std::min(out.find('\n', line), out.size());
        const std::string_view whole = std::string_view(out).substr(line, end - line);
        const std::size_t first = std::min(whole.find_first_not_of(" \t"), whole.size());
        std::string_view directive = whole.substr(first);
        bool blank = std::ranges::find(counts, false) != counts.end();
        if (directive.starts_with("#")) {
            const std::size_t space = std::min(directive.find_first_of(" \t"), directive.size());
            const std::string_view verb = directive.substr(0, space);
            std::string_view name = directive.substr(space);
            name.remove_prefix(std::min(name.find_first_not_of(" \t"), name.size()));
            name = name.substr(0, name.find_first_of(" \t\r/"));
            const Position at{
                static_cast<int>(std::ranges::count(
                    out.begin(), out.begin() + static_cast<std::ptrdiff_t>(line), '\n')) +
                    1,
                static_cast<int>(first) + 1};
            const bool known =
                std::ranges::any_of(defines, [&](const Define& d) { return d.name == name; });
            bool known_verb = true;
            if (verb == "#ifdef") {
                counts.push_back(known);
            } else if (verb == "#ifndef") {
                counts.push_back(!known);
            } else if (verb == "#else" && !counts.empty()) {
                counts.back() = !counts.back();
            } else if (verb == "#endif" && !counts.empty()) {
                counts.pop_back();
            } else if (verb == "#else" || verb == "#endif") {
                throw ScriptError(at, "misplaced directive '" + std::string(verb) + "'");
            } else {
                known_verb = false;  // a comment of a shell command, or an error further on
            }
            blank = blank || known_verb;
        }
        if (blank)
            std::fill(out.begin() + static_cast<std::ptrdiff_t>(line),
                      out.begin() + static_cast<std::ptrdiff_t>(end), ' ');
        line = end + 1;
    }
    if (!counts.empty()) throw ScriptError({}, "#ifdef without #endif");
    return out;
}

// What the runner of the public suites defines for them, where nobody says otherwise.
const Define suite_words[] = {
    {"CMSG_LEVEL_IP", "SOL_IP"},
    {"CMSG_TYPE_RECVERR", "IP_RECVERR"},
    {"TFO_COOKIE", "3021b9d889017eeb"},
    {"TFO_COOKIE_ZERO", "b7c12350a90dc8f5"},
};

ScriptOption parse_option(Scanner& in) {
    ScriptOption option{.at = in.position()};
    in.want("--");
    option.name = in.word();
    if (option.name.empty()) in.expected("the name of an option");
    if (in.peek() != '=') return option;
    in.next();
    if (in.peek() == '"') {
        option.value = in.quoted();
        return option;
    }
    const std::size_t from = in.offset();
    bool is_quoted = false;
    while (static_cast<unsigned char>(in.peek()) > ' ' || (is_quoted && in.peek() != '\0')) {
        if (in.peek() == '/' && in.peek(1) == '/') break;
        if (in.peek() == '"' || in.peek() == '`') is_quoted = !is_quoted;
        in.next();
    }
    option.value = std::string(in.since(from));
    if (option.value.empty()) in.expected("the value of --" + option.name);
    return option;
}

When parse_when(Scanner& in) {
    When when;
    if (in.take("*")) {
        when.kind = When::Kind::any;
        return when;
    }
    const bool relative = in.take("+");
    when.kind = relative ? When::Kind::relative : When::Kind::absolute;
    when.at = in.seconds();
    if (in.take("...")) {
        in.take("+");
        when.ends = in.seconds();
        if (*when.ends < when.at) in.fail("this call would end before it begins");
    } else if (in.take("~")) {
        if (in.take("+") && !relative) in.fail("both ends of a range are relative, or neither is");
        when.until = in.seconds();
        if (*when.until < when.at) in.fail("this range ends before it begins");
    }
    return when;
}

std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool space = static_cast<unsigned char>(c) <= ' ';
        if (!space) out += c;
        if (space && !out.empty() && out.back() != ' ') out += ' ';
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

bool begins_event(Scanner& in) {
    in.space();
    const char c = in.peek();
    return Scanner::is_digit(c) || c == '+' || c == '*' ||
           (c == '.' && Scanner::is_digit(in.peek(1)));
}

Event parse_event(Scanner& in, const std::vector<Define>& defines) {
    Event event;
    in.space();
    const std::size_t from = in.offset();
    event.at = in.position();
    event.when = parse_when(in);
    in.space();
    const Position at = in.position();
    if (in.take("<")) {
        event.what = parse_packet(in, true, defines);
    } else if (in.take(">")) {
        event.what = parse_packet(in, false, defines);
    } else if (in.take("`")) {
        event.what = CommandLine{in.until("`")};
    } else if (in.take("%{")) {
        event.what = CodeLine{in.until("}%")};
    } else {
        const std::string name = in.word();
        if (name.empty()) in.expected("a packet, a system call, a command or code");
        event.what = parse_call(in, name, defines);
    }
    const bool is_call = std::holds_alternative<CallLine>(event.what);
    const auto* packet = std::get_if<Packet>(&event.what);
    if (event.when.ends && !is_call) throw ScriptError(at, "only a system call takes time");
    const bool vague = event.when.until || event.when.kind == When::Kind::any;
    if (vague && (packet == nullptr || packet->inbound))
        throw ScriptError(event.at, "only an outbound packet may come at a vague time");
    event.source = one_line(in.since(from));
    return event;
}

}  // namespace

Script parse(std::string_view text, const std::vector<Define>& defines) {
    Scanner in(preprocess(text, defines));
    Script script;
    std::vector<Define> all = defines;
    all.insert(all.end(), std::begin(suite_words), std::end(suite_words));
    while (in.sees("--")) {
        ScriptOption option = parse_option(in);
        if (option.name == "define") {
            const std::size_t is = option.value.find('=');
            Define define{option.value.substr(0, is),
                          is == std::string::npos ? "" : option.value.substr(is + 1)};
            if (std::ranges::none_of(defines,
                                     [&](const Define& d) { return d.name == define.name; }))
                all.push_back(std::move(define));
        }
        script.options.push_back(std::move(option));
    }
    in.space();
    script.before_at = in.position();
    if (in.take("`")) script.before = CommandLine{in.until("`")};
    while (!in.at_end()) {
        if (in.sees("`")) {
            in.want("`");
            script.after = CommandLine{in.until("`")};
            if (!in.at_end()) in.expected("the end of the script behind its last command");
            break;
        }
        if (!begins_event(in)) in.expected("the time of an event");
        script.events.push_back(parse_event(in, all));
    }
    if (script.events.empty()) in.fail("there is no event in this script");
    return script;
}

}  // namespace estab::packetdrill
