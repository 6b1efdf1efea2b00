// TCP options from the names that tcpdump gives them back to octets.
#include "observe/dump_line_cursor.hpp"

namespace estab::observe {
namespace {

constexpr std::size_t options_bytes_max = 40;  // RFC 9293 3.1

void add(DumpLine& into, std::initializer_list<std::uint8_t> octets) {
    into.options.insert(into.options.end(), octets);
}
void add_be16(DumpLine& into, std::uint64_t value) {
    add(into, {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)});
}
void add_be32(DumpLine& into, std::uint64_t value) {
    add_be16(into, value >> 16);
    add_be16(into, value & 0xffff);
}
std::uint64_t number32(LineCursor& at, const char* what) { return at.number(0xffffffff, what); }

std::vector<std::uint8_t> octets(LineCursor& at) {
    std::vector<std::uint8_t> found;
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    while (digit(at.peek()) >= 0) {
        const int high = digit(at.next());
        if (digit(at.peek()) < 0) {
            at.fail("octets have two digits each");
            break;
        }
        found.push_back(static_cast<std::uint8_t>(high << 4 | digit(at.next())));
    }
    return found;
}

void add_unknown(DumpLine& into, std::uint64_t kind, const std::vector<std::uint8_t>& value) {
    add(into, {static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(value.size() + 2)});
    into.options.insert(into.options.end(), value.begin(), value.end());
}

// " 2 {1449:2897}{4345:5793}"
void read_sack(LineCursor& at, DumpLine& into) {
    at.skip_spaces();
    if (at.take("sack ")) at.skip_spaces();  // the old form says it twice
    const std::uint64_t count = at.number(4, "the number of SACK blocks");
    at.skip_spaces();
    add(into, {5, static_cast<std::uint8_t>(2 + 8 * count)});
    for (std::uint64_t i = 0; i < count && at.good(); ++i) {
        if (!at.take('{')) return at.fail("{ is expected here");
        into.sack_at.push_back(into.options.size());
        add_be32(into, number32(at, "a sequence number"));
        if (!at.take(':')) return at.fail("a colon is expected here");
        into.sack_at.push_back(into.options.size());
        add_be32(into, number32(at, "a sequence number"));
        if (!at.take('}')) return at.fail("} is expected here");
    }
}

void read_option(LineCursor& at, DumpLine& into) {
    if (at.take("mss ")) {
        add(into, {2, 4});
        add_be16(into, at.number(0xffff, "an MSS"));
    } else if (at.take("nop")) {
        add(into, {1});
    } else if (at.take("eol")) {
        add(into, {0});
    } else if (at.take("wscale ")) {
        const std::uint64_t scale = at.number(255, "a window scale");
        add(into, {3, 3, static_cast<std::uint8_t>(scale)});
    } else if (at.take("sackOK")) {
        add(into, {4, 2});
    } else if (at.take("sack")) {
        read_sack(at, into);
    } else if (at.take("TS val ") || at.take("timestamp ")) {
        add(into, {8, 10});
        add_be32(into, number32(at, "a timestamp"));
        at.skip_spaces();
        at.take("ecr ");
        add_be32(into, number32(at, "the echo of a timestamp"));
    } else if (at.take("tfo ")) {
        at.skip_spaces();
        if (!at.take("cookiereq") && !at.take("cookie ")) return at.fail("a cookie is expected");
        add_unknown(into, 34, octets(at));
    } else if (at.take("unknown-")) {
        const std::uint64_t kind = at.number(255, "the kind of an option");
        at.take(" 0x");
        add_unknown(into, kind, octets(at));
    } else {
        at.fail("an option that cannot be made again");
    }
}

}  // namespace

void read_options(LineCursor& at, char end, DumpLine& into) {
    while (at.good() && !at.take(end)) {
        if (at.at_end()) return at.fail("the bracket of the options is not closed");
        read_option(at, into);
        if (at.good() && !at.take(',') && at.peek() != end) {
            at.fail("a comma is expected here");
        }
    }
    if (at.good() && into.options.size() > options_bytes_max) {
        at.fail("more options than a header has room for");
    }
    while (into.options.size() % 4 != 0) into.options.push_back(0);
}

}  // namespace estab::observe
