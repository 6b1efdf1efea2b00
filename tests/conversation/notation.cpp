#include "conversation/notation.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "wire/tcp_options.hpp"

namespace estab::conversation {

using wire::Flags;

namespace {

struct Letter {
    char letter;
    std::uint16_t flag;
};
constexpr Letter letters[] = {{'F', Flags::fin}, {'S', Flags::syn}, {'R', Flags::rst},
                              {'P', Flags::psh}, {'.', Flags::ack}, {'U', Flags::urg},
                              {'E', Flags::ece}, {'W', Flags::cwr}, {'e', Flags::ae}};

std::optional<std::uint16_t> flags_of(std::string_view word) {
    if (word == "none") return std::uint16_t{0};
    std::uint16_t bits = 0;
    for (const char c : word) {
        const auto* it = std::find_if(std::begin(letters), std::end(letters),
                                      [c](const Letter& l) { return l.letter == c; });
        if (it == std::end(letters)) return std::nullopt;
        bits |= it->flag;
    }
    return word.empty() ? std::nullopt : std::optional(bits);
}

std::uint32_t number(std::string_view word) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) {
        throw std::invalid_argument("'" + std::string(word) + "' is not a number");
    }
    return static_cast<std::uint32_t>(value);
}

wire::SackBlock block(std::string_view word) {
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos) throw std::invalid_argument("a SACK block is BEGIN:END");
    return {{number(word.substr(0, colon))}, {number(word.substr(colon + 1))}};
}

// Words with a place to stand; the next() of a missing word is an error that names the one before.
class Reader {
public:
    explicit Reader(std::vector<std::string> words) : words_(std::move(words)) {}
    bool done() const { return at_ == words_.size(); }
    const std::string& peek() const { return words_[at_]; }
    const std::string& next() {
        if (done()) throw std::invalid_argument("something is missing at the end");
        return words_[at_++];
    }

private:
    std::vector<std::string> words_;
    std::size_t at_ = 0;
};

void read_option(Reader& in, const std::string& word, SegmentLine& line) {
    wire::TcpOptions& o = line.options;
    if (word == "mss") {
        o.mss = static_cast<std::uint16_t>(number(in.next()));
    } else if (word == "wscale") {
        o.window_scale = static_cast<std::uint8_t>(number(in.next()));
    } else if (word == "sackOK") {
        o.sack_permitted = true;
    } else if (word == "TS") {  // TS val V ecr E
        in.next();
        const std::uint32_t val = number(in.next());
        in.next();
        o.timestamps = wire::Timestamps{val, number(in.next())};
    } else if (word == "ts") {  // ts V E
        const std::uint32_t val = number(in.next());
        o.timestamps = wire::Timestamps{val, number(in.next())};
    } else if (word == "sack") {  // sack 2 {A:B}{C:D}, or sack A:B C:D
        line.sack_said = true;
        if (in.peek().find(':') == std::string::npos) in.next();
        while (!in.done() && in.peek().find(':') != std::string::npos) {
            o.sack[o.sack_count++] = block(in.next());
        }
    } else if (word != "nop" && word != "eol") {
        throw std::invalid_argument("what is '" + word + "'?");
    }
}

void read_numbers(const std::string& word, SegmentLine& line) {
    const std::size_t colon = word.find(':');
    line.seq = number(std::string_view(word).substr(0, colon));
    if (colon != std::string::npos) line.end = number(std::string_view(word).substr(colon + 1));
}

}  // namespace

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> result;
    std::string word;
    for (const char c : text) {
        if (c == ' ' || c == ',' || c == '\t' || c == '{' || c == '}') {
            if (!word.empty()) result.push_back(std::move(word));
            word.clear();
        } else {
            word += c;
        }
    }
    if (!word.empty()) result.push_back(std::move(word));
    return result;
}

SegmentLine SegmentLine::parse(std::string_view text) {
    SegmentLine line;
    std::string rest(text);
    if (const std::size_t begin = rest.find("options ["); begin != std::string::npos) {
        const std::size_t end = rest.find(']', begin);
        if (end == std::string::npos) throw std::invalid_argument("'options [' without its ']'");
        line.option_text = rest.substr(begin + 9, end - begin - 9);
        rest.erase(begin, end + 1 - begin);
        Reader options(words(*line.option_text));
        while (!options.done()) {
            const std::string word = options.next();
            read_option(options, word, line);
        }
    }
    Reader in(words(rest));
    while (!in.done()) {
        const std::string word = in.next();
        if (word == "Flags") {
            const std::string& f = in.next();
            if (f.size() < 3 || !(line.flags = flags_of(f.substr(1, f.size() - 2)))) {
                throw std::invalid_argument("no such flags: " + f);
            }
        } else if (word == "seq") {
            read_numbers(in.next(), line);
        } else if (word == "ack") {
            line.ack = number(in.next());
        } else if (word == "win") {
            line.window = static_cast<std::uint16_t>(number(in.next()));
        } else if (word == "urg") {
            line.urgent = static_cast<std::uint16_t>(number(in.next()));
        } else if (word == "length") {
            line.length = number(in.next());
        } else if (word == "ect0") {
            line.ecn = wire::Ecn::ect0;
        } else if (word == "ce") {
            line.ecn = wire::Ecn::ce;
        } else if (word == "not-ect") {
            line.ecn = wire::Ecn::not_ect;
        } else if (!line.flags && !line.seq && flags_of(word)) {
            line.flags = flags_of(word);
        } else if (word.find_first_not_of("-0123456789:") == std::string::npos) {
            read_numbers(word, line);
        } else {
            read_option(in, word, line);
        }
    }
    return line;
}

std::uint32_t SegmentLine::payload_octets() const {
    if (length) return *length;
    return end && seq ? *end - *seq : 0;
}

namespace {

std::string said(const char* what, std::int64_t wanted, std::int64_t came) {
    return std::string(what) + " " + std::to_string(came) + " instead of " + std::to_string(wanted);
}

// A number as it is on the wire is as good as a relative one: a trace shows its SYN absolutely.
bool is_number(std::uint32_t wanted, std::uint32_t wire, std::uint32_t base) {
    return wire - base == wanted || wire == wanted;
}

std::optional<std::string> options_differ(const SegmentLine& line, const tcp::Segment& s,
                                          Base base) {
    const wire::TcpOptions& want = line.options;
    const wire::TcpOptions& came = s.options;
    if (line.option_text) {
        const std::string text = option_text(came, base);
        return text == *line.option_text ? std::nullopt : std::optional("options [" + text + "]");
    }
    if (want.mss && came.mss != want.mss) return "mss";
    if (want.window_scale && came.window_scale != want.window_scale) return "wscale";
    if (want.sack_permitted && !came.sack_permitted) return "no sackOK";
    if (want.timestamps && came.timestamps != want.timestamps) return "timestamps";
    if (!line.sack_said) return std::nullopt;
    bool same = want.sack_count == came.sack_count;
    for (std::uint8_t i = 0; same && i < want.sack_count; ++i) {
        same = is_number(want.sack[i].begin.raw, came.sack[i].begin.raw, base.ack) &&
               is_number(want.sack[i].end.raw, came.sack[i].end.raw, base.ack);
    }
    return same ? std::nullopt : std::optional<std::string>("SACK blocks");
}

}  // namespace

std::optional<std::string> SegmentLine::differs_from(const tcp::Segment& s, Base base) const {
    constexpr std::uint16_t ends =
        Flags::syn | Flags::fin | Flags::rst | Flags::urg | Flags::ece | Flags::cwr;
    if (flags ? s.flags.bits != *flags : s.has(ends))
        return "flags [" + flag_text(s.flags.bits) + "]";
    const std::uint32_t from = s.seq.wire().raw;
    if (seq && !is_number(*seq, from, base.seq)) return said("seq", *seq, from - base.seq);
    const std::uint32_t octets = s.payload.size();
    if (end && *end - *seq != octets) return said("length", *end - *seq, octets);
    if (length && *length != octets) return said("length", *length, octets);
    if (!length && !end && flags && seq && octets != 0) return said("length", 0, octets);
    if (ack && (!s.has(Flags::ack) || !is_number(*ack, s.ack.wire().raw, base.ack))) {
        return said("ack", *ack, s.ack.wire().raw - base.ack);
    }
    if (window && s.window_field != *window) return said("win", *window, s.window_field);
    if (urgent && s.urgent != *urgent) return said("urg", *urgent, s.urgent);
    if (ecn && s.ecn != *ecn) return "another ECN field";
    return options_differ(*this, s, base);
}

std::string flag_text(std::uint16_t flags) {
    std::string text;
    for (const Letter& l : letters) {
        if ((flags & l.flag) != 0) text += l.letter;
    }
    return text.empty() ? "none" : text;
}

// From the octets that our writer makes, so that order and padding are what the wire will see.
std::string option_text(const wire::TcpOptions& options, Base base) {
    std::uint8_t room[wire::tcp_options_max];
    const std::size_t size = wire::write_tcp_options(room, options, base.order);
    std::string text;
    const auto u32 = [&room](std::size_t at) { return std::to_string(load_be32(room + at)); };
    for (std::size_t at = 0; at < size;) {
        if (!text.empty()) text += ",";
        const std::uint8_t kind = room[at];
        if (kind <= 1) {
            text += kind == 1 ? "nop" : "eol";
            ++at;
            continue;
        }
        const std::uint8_t length = room[at + 1];
        if (kind == 2) text += "mss " + std::to_string(load_be16(room + at + 2));
        if (kind == 3) text += "wscale " + std::to_string(room[at + 2]);
        if (kind == 4) text += "sackOK";
        if (kind == 8) text += "TS val " + u32(at + 2) + " ecr " + u32(at + 6);
        if (kind == 5) {
            text += "sack " + std::to_string(length / 8) + " ";
            for (std::size_t i = at + 2; i < at + length; i += 8) {
                text += "{" + std::to_string(load_be32(room + i) - base.ack) + ":" +
                        std::to_string(load_be32(room + i + 4) - base.ack) + "}";
            }
        }
        at += length;
    }
    return text;
}

std::string segment_text(const tcp::Segment& s, Base base) {
    std::string text = "Flags [" + flag_text(s.flags.bits) + "]";
    const std::uint32_t from = s.seq.wire().raw - base.seq;
    text += ", seq " + std::to_string(from);
    if (!s.payload.empty()) text += ":" + std::to_string(from + s.payload.size());
    if (s.has(Flags::ack)) text += ", ack " + std::to_string(s.ack.wire().raw - base.ack);
    text += ", win " + std::to_string(s.window_field);
    if (s.has(Flags::urg)) text += ", urg " + std::to_string(s.urgent);
    if (const std::string o = option_text(s.options, base); !o.empty())
        text += ", options [" + o + "]";
    return text + ", length " + std::to_string(s.payload.size());
}

}  // namespace estab::conversation
