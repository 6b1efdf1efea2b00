// System calls and their values.
#include <arpa/inet.h>

#include <algorithm>

#include "packetdrill/parser.hpp"
#include "wire/address.hpp"

namespace estab::packetdrill {
namespace {

using Kind = Value::Kind;

Value integer(std::int64_t n) {
    return {.kind = Kind::integer, .number = n};
}

// A word: a symbol of the script's, of Linux's headers, or a function of a few.
Value parse_word(Scanner& in, const std::vector<Define>& defines) {
    const Position at = in.position();
    const std::string name = in.word();
    if (in.sees("(")) {
        Value call{.kind = Kind::function, .text = name};
        in.want("(");
        while (!in.take(")")) {
            call.items.push_back(parse_value(in, defines));
            if (!in.sees(")")) in.want(",");
        }
        if (name == "htons" || name == "htonl" || name == "ntohs") {  // as people write them
            if (call.items.size() != 1 || !call.items[0].is_integer())
                throw ScriptError(at, name + "() wants one number");
            return call.items[0];
        }
        if (name == "inet_addr" || name == "inet6_addr") {
            const bool is_text = call.items.size() == 1 && call.items[0].kind == Kind::text;
            if (!is_text || !wire::Address::parse(call.items[0].text))
                throw ScriptError(at, name + "() wants an address in quotes");
            return call;
        }
        throw ScriptError(at, "unknown function '" + name + "'");
    }
    for (const Define& d : defines) {
        if (d.name != name) continue;
        const bool quoted = d.value.size() >= 2 && d.value.front() == '"';
        if (quoted) return {.kind = Kind::text, .text = d.value.substr(1, d.value.size() - 2)};
        if (!d.value.empty() && Scanner::is_digit(d.value[0]))
            return integer(std::strtoll(d.value.c_str(), nullptr, 0));
        if (const auto n = find_symbol(d.value)) return integer(*n);
        return {.kind = Kind::text, .text = d.value};
    }
    if (const auto n = find_symbol(name)) {
        Value v = integer(*n);
        v.text = name;
        return v;
    }
    throw ScriptError(at, "unknown symbol '" + name + "'");
}

Value parse_structure(Scanner& in, const std::vector<Define>& defines) {
    Value v{.kind = Kind::structure};
    in.want("{");
    while (!in.take("}")) {
        in.space();
        const std::size_t before = in.offset();
        const std::string name = in.word();
        if (!name.empty() && in.sees("(")) (void)in.note();  // msg_iov(2)=, msg_name(...)=
        if (!name.empty() && in.sees("=")) {
            in.want("=");
            v.fields.emplace_back(name, parse_value(in, defines));
        } else {
            in.rewind(before);
            v.items.push_back(parse_value(in, defines));
        }
        if (!in.sees("}")) in.want(",");
    }
    return v;
}

Value parse_primary(Scanner& in, const std::vector<Define>& defines) {
    in.space();
    const char c = in.peek();
    if (in.take("...")) return {.kind = Kind::ellipsis};
    if (c == '"') return {.kind = Kind::text, .text = in.quoted()};
    if (c == '{') return parse_structure(in, defines);
    if (c == '[') {
        Value v{.kind = Kind::list};
        in.want("[");
        while (!in.take("]")) {
            v.items.push_back(parse_value(in, defines));
            if (!in.sees("]")) in.want(",");
        }
        return v;
    }
    if (c == '-') {
        in.want("-");
        return integer(-static_cast<std::int64_t>(in.number()));
    }
    if (c == '~') {
        in.want("~");
        return integer(~static_cast<std::int64_t>(in.number()));
    }
    if (Scanner::is_digit(c)) return integer(static_cast<std::int64_t>(in.number()));
    if (Scanner::is_letter(c)) return parse_word(in, defines);
    in.expected("a value");
    return {};
}

}  // namespace

Value parse_value(Scanner& in, const std::vector<Define>& defines) {
    in.space();
    const Scanner::Deeper deeper(in);
    const Position at = in.position();
    Value value = parse_primary(in, defines);
    value.at = at;
    while (value.is_integer() && (in.sees("|") || in.sees("<<"))) {
        const bool shift = in.take("<<");
        if (!shift) in.want("|");
        in.space();
        const Position right = in.position();
        const Value more = parse_primary(in, defines);
        if (!more.is_integer()) throw ScriptError(right, "a number expected");
        value.number = shift ? static_cast<std::int64_t>(static_cast<std::uint64_t>(value.number)
                                                         << (more.number & 63))
                             : value.number | more.number;
    }
    return value;
}

CallLine parse_call(Scanner& in, const std::string& name, const std::vector<Define>& defines) {
    CallLine call{.name = name};
    in.want("(");
    while (!in.take(")")) {
        call.arguments.push_back(parse_value(in, defines));
        if (!in.sees(")")) in.want(",");
    }
    in.want("=");
    call.result = parse_value(in, defines);
    in.space();
    if (in.peek() == 'E') {
        const Position at = in.position();
        call.error = in.word();
        if (!find_symbol(call.error))
            throw ScriptError(at, "'" + call.error + "' is the name of no errno");
    }
    while (in.sees("(")) (void)in.note();  // what people read
    return call;
}

}  // namespace estab::packetdrill
