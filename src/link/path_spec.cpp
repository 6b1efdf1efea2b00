#include "link/path_spec.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace estab::link {
namespace {

struct Unit {
    std::string_view name;  // lower case
    std::uint64_t factor;
};

constexpr std::uint64_t kib = 1024;
constexpr Unit percents[] = {{"%", 10'000}, {"ppm", 1}};
constexpr Unit times[] = {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}};
constexpr Unit rates[] = {
    {"gbit", 1'000'000'000}, {"mbit", 1'000'000}, {"kbit", 1'000}, {"bit", 1}};
constexpr Unit queues[] = {{"m", kib * kib}, {"mb", kib * kib}, {"mib", kib * kib}, {"k", kib},
                           {"kb", kib},      {"kib", kib},      {"b", 1},           {"", 1}};
constexpr Unit packets[] = {{"p", 1}};
constexpr Unit bdps[] = {{"bdp", 1'000}};
constexpr Unit plain[] = {{"", 1}};

constexpr std::uint64_t ns_max = 3'600'000'000'000;           // an hour
constexpr std::uint64_t rate_max = 1'000'000'000'000'000;     // a petabit: sums stay in 64 bits

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "12.5ms" in `units`, or nothing if it is not a number with one of them, not a whole number of the
// smallest, or above `max`.
std::optional<std::uint64_t> parse_number(std::string_view text, std::span<const Unit> units,
                                          std::uint64_t max) {
    std::size_t end = 0;
    u128 digits = 0;
    u128 scale = 1;  // of the digits behind the point
    bool is_fraction = false, has_digits = false;
    for (; end < text.size() && (is_digit(text[end]) || (text[end] == '.' && !is_fraction));
         ++end) {
        if (text[end] == '.') {
            is_fraction = true;
            continue;
        }
        has_digits = true;
        if (digits > UINT64_MAX || scale > 1'000'000'000'000) return {};
        digits = digits * 10 + static_cast<unsigned>(text[end] - '0');
        if (is_fraction) scale *= 10;
    }
    if (!has_digits) return {};
    std::string name(text.substr(end));
    std::transform(name.begin(), name.end(), name.begin(), lower);
    for (const Unit& unit : units) {
        if (unit.name != name) continue;
        if (digits > UINT64_MAX) return {};
        const u128 value = digits * unit.factor;
        if (value % scale != 0 || value / scale > max) return {};
        return static_cast<std::uint64_t>(value / scale);
    }
    return {};
}

std::string print_number(std::uint64_t value, std::span<const Unit> units) {
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0)
            return std::to_string(value / unit.factor) += unit.name;
    }
    return std::to_string(value / units.back().factor) += units.back().name;
}

// A decimal fraction in the first unit, whose factor is a power of ten.
std::string print_fraction(std::uint64_t value, const Unit& unit) {
    std::string text = std::to_string(value / unit.factor);
    std::string rest = std::to_string(unit.factor + value % unit.factor).substr(1);
    rest.erase(rest.find_last_not_of('0') + 1);
    if (!rest.empty()) (text += '.') += rest;
    return text += unit.name;
}

std::string print_share(Ppm value) { return print_fraction(value, percents[0]); }
std::string print_time(Duration value) {
    return value == Duration::zero()
               ? "0ms"
               : print_number(static_cast<std::uint64_t>(to_ns(value)), times);
}

bool read(std::string_view text, Ppm& share) {
    const auto value = parse_number(text, percents, ppm_all);
    if (value) share = static_cast<Ppm>(*value);
    return value.has_value();
}

bool read(std::string_view text, Duration& time) {
    auto value = parse_number(text, times, ns_max);
    if (!value && text == "0") value = 0;
    if (value) time = Duration{static_cast<std::int64_t>(*value)};
    return value.has_value();
}

// Splits at the first `separator`; the second part is empty if there is none.
std::pair<std::string_view, std::string_view> split(std::string_view text,
                                                    std::string_view separator) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return {text, {}};
    return {text.substr(0, at), text.substr(at + separator.size())};
}

bool read_delay(std::string_view text, Direction& direction) {
    for (const std::string_view sign : {"±", "+-"}) {
        if (text.find(sign) == std::string_view::npos) continue;
        const auto [delay, jitter] = split(text, sign);
        return read(delay, direction.delay) && read(jitter, direction.jitter);
    }
    return read(text, direction.delay);
}

bool read_rate(std::string_view text, Direction& direction) {
    direction.rate_trace = {};
    if (text == "unlimited") {
        direction.rate_bits = 0;
        return true;
    }
    const auto value = parse_number(text, rates, rate_max);
    if (!value || *value == 0) return false;
    direction.rate_bits = *value;
    return true;
}

constexpr std::uint64_t size_max = std::uint64_t{1} << 40;

bool read_limit(std::string_view text, Queue& queue) {
    using enum Queue::Unit;
    const std::pair<Queue::Unit, std::span<const Unit>> forms[] = {
        {Queue::Unit::packets, link::packets}, {bdp_thousandths, bdps}, {bytes, queues}};
    for (const auto& [unit, units] : forms) {
        const auto value = parse_number(text, units, size_max);
        if (!value) continue;
        queue.unit = unit;
        queue.limit = *value;
        return true;
    }
    return false;
}

constexpr std::pair<std::string_view, Queue::Discipline> disciplines[] = {
    {"red", Queue::Discipline::red},           {"codel", Queue::Discipline::codel},
    {"fq_codel", Queue::Discipline::fq_codel}, {"pie", Queue::Discipline::pie},
    {"dualpi2", Queue::Discipline::dualpi2}};

// RED's parts are MIN/MAX and a percentage; times are the target and the interval; a size that is
// left is the limit.
bool read_part(std::string_view text, Queue& queue) {
    if (text == "drop") return queue.drops_only = true;
    Duration time{};
    if (queue.discipline != Queue::Discipline::red && read(text, time)) {
        if (time == Duration{} || queue.interval != Duration{}) return false;
        (queue.target == Duration{} ? queue.target : queue.interval) = time;
        return true;
    }
    if (queue.discipline == Queue::Discipline::red) {
        if (text.ends_with('%') || text.ends_with("ppm")) {
            return read(text, queue.most) && queue.most != 0;
        }
        const auto octets = parse_number(text, queues, size_max);
        if (octets && queue.high_bytes == 0) {
            if (queue.low_bytes != 0 && *octets <= queue.low_bytes) return false;
            (queue.low_bytes == 0 ? queue.low_bytes : queue.high_bytes) = *octets;
            return *octets != 0;
        }
    }
    return queue.unit == Queue::Unit::unlimited && read_limit(text, queue);
}

bool read_queue(std::string_view text, Direction& direction) {
    direction.queue = {};
    if (text == "unlimited") return true;
    auto [name, rest] = split(text, "/");
    for (const auto& [known, discipline] : disciplines) {
        if (name == known) direction.queue.discipline = discipline;
    }
    if (direction.queue.discipline == Queue::Discipline::drop_tail) {
        return read_limit(text, direction.queue);
    }
    while (!rest.empty()) {
        const auto [part, more] = split(rest, "/");
        if (!read_part(part, direction.queue)) return false;
        rest = more;
    }
    const Queue& q = direction.queue;
    return (q.low_bytes == 0) == (q.high_bytes == 0);
}

bool read_police(std::string_view text, Direction& direction) {
    Direction rate;
    const auto [speed, burst] = split(text, "/");
    direction.policer = {};
    if (!read_rate(speed, rate)) return false;
    direction.policer.rate_bits = rate.rate_bits;
    if (burst.empty()) return true;
    const auto octets = parse_number(burst, queues, size_max);
    if (octets) direction.policer.burst_bytes = *octets;
    return octets.has_value();
}

bool read_ce(std::string_view text, Direction& direction) {
    direction.ce = {};
    if (text == "none") return true;
    Duration waited{};
    if (text != "0" && read(text, waited)) {
        direction.ce = {.unit = MarkThreshold::Unit::time,
                        .value = static_cast<std::uint64_t>(to_ns(waited))};
        return true;
    }
    if (const auto count = parse_number(text, link::packets, size_max)) {
        direction.ce = {.unit = MarkThreshold::Unit::packets, .value = *count};
        return true;
    }
    const auto octets = parse_number(text, queues, size_max);
    if (octets) direction.ce = {.unit = MarkThreshold::Unit::bytes, .value = *octets};
    return octets.has_value();
}

bool read_burst_loss(std::string_view text, Direction& direction) {
    BurstLoss burst;
    Ppm* const parts[] = {&burst.enter, &burst.leave, &burst.loss_bad, &burst.loss_good};
    std::size_t count = 0;
    while (!text.empty() && count < std::size(parts)) {
        const auto [part, rest] = split(text, "/");
        if (!read(part, *parts[count++])) return false;
        text = rest;
    }
    if (!text.empty() || count < 2) return false;
    direction.burst_loss = burst;
    return true;
}

bool read_reorder(std::string_view text, Direction& direction) {
    Reorder reorder;
    auto [chance, rest] = split(text, "/");
    if (!read(chance, reorder.chance)) return false;
    while (!rest.empty()) {
        const auto [part, more] = split(rest, "/");
        const auto overtakers = parse_number(part, packets, 65'535);
        if (overtakers) reorder.packets = static_cast<std::uint32_t>(*overtakers);
        if (!overtakers && !read(part, reorder.hold_max)) return false;
        rest = more;
    }
    direction.reorder = reorder;
    return true;
}

bool read_drops(std::string_view text, Direction& direction) {
    std::vector<PacketRange> drops;
    if (text.empty()) return false;
    if (text == "none") text = {};
    while (!text.empty()) {
        const auto [part, rest] = split(text, "+");
        const auto [first_text, last_text] = split(part, "-");
        const auto first = parse_number(first_text, plain, UINT64_MAX);
        const auto last = last_text.empty() ? first : parse_number(last_text, plain, UINT64_MAX);
        if (!first || !last || *first == 0 || *last < *first) return false;
        if (drops.size() == Direction::drops_max) return false;
        drops.push_back({.first = *first, .last = *last});
        text = rest;
    }
    direction.drops = std::move(drops);
    return true;
}

std::string print_octets(std::uint64_t octets) {
    constexpr Unit shown[] = {{"m", kib * kib}, {"k", kib}, {"b", 1}};
    return print_number(octets, shown);
}

std::string print_limit(const Queue& queue) {
    switch (queue.unit) {
    case Queue::Unit::unlimited: break;
    case Queue::Unit::packets: return print_number(queue.limit, packets);
    case Queue::Unit::bdp_thousandths: return print_fraction(queue.limit, bdps[0]);
    case Queue::Unit::bytes: return print_octets(queue.limit);
    }
    return "unlimited";
}

std::string print_queue(const Direction& d) {
    const Queue& q = d.queue;
    if (q.discipline == Queue::Discipline::drop_tail) return print_limit(q);
    std::string text;
    for (const auto& [name, discipline] : disciplines) {
        if (discipline == q.discipline) text = name;
    }
    if (q.low_bytes != 0) {
        ((text += '/') += print_octets(q.low_bytes) + "/") += print_octets(q.high_bytes);
    }
    if (q.most != 0) (text += '/') += print_share(q.most);
    if (q.target != Duration{}) (text += '/') += print_time(q.target);
    if (q.interval != Duration{}) (text += '/') += print_time(q.interval);
    if (q.unit != Queue::Unit::unlimited) (text += '/') += print_limit(q);
    if (q.drops_only) text += "/drop";
    return text;
}

std::string print_police(const Direction& d) {
    const Policer& p = d.policer;
    if (p.rate_bits == 0) return "unlimited";
    std::string text = print_number(p.rate_bits, rates);
    if (p.burst_bytes != Policer{}.burst_bytes) (text += '/') += print_octets(p.burst_bytes);
    return text;
}

std::string print_ce(const Direction& d) {
    switch (d.ce.unit) {
    case MarkThreshold::Unit::none: break;
    case MarkThreshold::Unit::packets: return print_number(d.ce.value, packets);
    case MarkThreshold::Unit::bytes: return print_octets(d.ce.value);
    case MarkThreshold::Unit::time:
        return print_time(Duration(static_cast<std::int64_t>(d.ce.value)));
    }
    return "none";
}

struct Item {
    std::string_view name;
    std::string_view kind;     // "not a ..."
    std::string_view example;
    bool (*read)(std::string_view, Direction&);
    std::string (*print)(const Direction&);  // without the name; compared with that of a default
};

const Item items[] = {
    {"loss", "a percentage", "loss=2%",
     [](std::string_view t, Direction& d) { return read(t, d.loss); },
     [](const Direction& d) { return print_share(d.loss); }},
    {"burst-loss", "two to four percentages ENTER/LEAVE[/LOSS-IN-BURST[/LOSS-BETWEEN]]",
     "burst-loss=0.5%/25%", read_burst_loss,
     [](const Direction& d) {
         const BurstLoss& b = d.burst_loss;
         return print_share(b.enter) + "/" + print_share(b.leave) + "/" + print_share(b.loss_bad) +
                "/" + print_share(b.loss_good);
     }},
    {"drop", "a list of packet numbers (from 1, up to 64 ranges) or none", "drop=3+7-9", read_drops,
     [](const Direction& d) {
         std::string text;
         for (const PacketRange& range : d.drops) {
             if (!text.empty()) text += '+';
             text += std::to_string(range.first);
             if (range.last != range.first) (text += '-') += std::to_string(range.last);
         }
         return text.empty() ? "none" : text;
     }},
    {"rate", "a rate in bit, kbit, mbit or gbit per second above 0, or unlimited", "rate=50mbit",
     read_rate,
     [](const Direction& d) {
         const bool is_given = d.rate_bits != 0 && d.rate_trace.file.empty();
         return is_given ? print_number(d.rate_bits, rates) : "unlimited";
     }},
    {"rate-trace", "the name of a file with the times in ms at which 1500 bytes can leave",
     "rate-trace=lte.trace",
     [](std::string_view t, Direction& d) {
         d.rate_bits = 0;
         d.rate_trace = {.file = std::string(t)};
         return true;
     },
     [](const Direction& d) { return d.rate_trace.file; }},
    {"police", "a rate, then the burst in bytes if wanted, or unlimited", "police=10mbit/64k",
     read_police, print_police},
    {"queue",
     "a limit in bytes (k, m), packets (p) or bandwidth-delay products (bdp), unlimited, or red, "
     "codel, fq_codel, pie or dualpi2 with /-separated parts (times, limit, drop; for red "
     "MIN/MAX/P%)",
     "queue=64k, queue=1bdp, queue=codel/5ms/100ms, queue=fq_codel/1000p", read_queue, print_queue},
    {"ce", "a number of packets (p), bytes (k) or a time from where on packets are marked, or none",
     "ce=20p, ce=1ms", read_ce, print_ce},
    {"delay", "a time, alone or with its jitter", "delay=40ms, delay=40ms±10ms", read_delay,
     [](const Direction& d) { return print_time(d.delay); }},
    {"jitter", "a time", "jitter=2ms",
     [](std::string_view t, Direction& d) { return read(t, d.jitter); },
     [](const Direction& d) { return print_time(d.jitter); }},
    {"reorder", "a percentage, then the packets that overtake and the longest wait if wanted",
     "reorder=1%, reorder=1%/3p/10ms", read_reorder,
     [](const Direction& d) {
         const Reorder defaults;
         std::string text = print_share(d.reorder.chance);
         if (d.reorder.packets != defaults.packets)
             (text += '/') += print_number(d.reorder.packets, packets);
         if (d.reorder.hold_max != defaults.hold_max)
             (text += '/') += print_time(d.reorder.hold_max);
         return text;
     }},
    {"duplicate", "a percentage", "duplicate=1%",
     [](std::string_view t, Direction& d) { return read(t, d.duplicate); },
     [](const Direction& d) { return print_share(d.duplicate); }},
    {"corrupt", "a percentage", "corrupt=0.1%",
     [](std::string_view t, Direction& d) { return read(t, d.corrupt); },
     [](const Direction& d) { return print_share(d.corrupt); }},
};

std::string known_names() {
    std::string names;
    for (const Item& item : items) (names += item.name) += ", ";
    return names += "seed";
}

ParseError error(std::string_view item, std::string problem) {
    return {.item = std::string(item), .problem = std::move(problem)};
}

std::optional<ParseError> read_item(std::string_view text, PathSpec& spec) {
    std::string_view rest = text;
    const bool is_up = rest.starts_with("up:");
    const bool is_down = rest.starts_with("down:");
    if (is_up || is_down) rest = split(rest, ":").second;
    const auto [name, value] = split(rest, "=");
    if (name == "seed") {
        if (is_up || is_down)
            return error(text, "one seed is for both directions (example: seed=7)");
        const auto seed = parse_number(value, plain, UINT64_MAX);
        if (!seed) return error(text, "not a whole number below 2^64 (example: seed=7)");
        spec.seed = *seed;
        return {};
    }
    const auto* item = std::find_if(std::begin(items), std::end(items),
                                    [wanted = name](const Item& i) { return i.name == wanted; });
    if (item == std::end(items)) return error(text, "unknown (possible: " + known_names() + ")");
    Direction parsed;
    const bool is_cut_off = value.empty() || value.find_last_of("/+-") == value.size() - 1;
    if (is_cut_off || !item->read(value, parsed)) {
        return error(text, "not " + std::string(item->kind) +
                               " (example: " + std::string(item->example) + ")");
    }
    if (!is_down) item->read(value, spec.up);
    if (!is_up) item->read(value, spec.down);
    return {};
}

}  // namespace

void follow(Direction& direction, RateTrace trace) {
    direction.rate_bits = trace.rate_bits();
    direction.rate_trace = std::move(trace);
}

Result<PathSpec, ParseError> parse_path(std::string_view text) {
    PathSpec spec;
    if (text.empty()) return spec;
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view item = text.substr(0, comma);
        if (item.empty())
            return fail(error(",", "an item is missing (example: loss=1%,delay=20ms)"));
        if (auto problem = read_item(item, spec)) return fail(std::move(*problem));
        if (comma == std::string_view::npos) return spec;
        text.remove_prefix(comma + 1);
    }
}

std::string print(const PathSpec& spec) {
    std::string text;
    const auto add = [&text](std::string_view prefix, std::string_view name,
                             const std::string& value) {
        if (!text.empty()) text += ',';
        (((text += prefix) += name) += '=') += value;
    };
    const Direction defaults;
    for (const Item& item : items) {
        const std::string up = item.print(spec.up);
        const std::string down = item.print(spec.down);
        const std::string unset = item.print(defaults);
        if (up == down) {
            if (up != unset) add("", item.name, up);
            continue;
        }
        if (up != unset) add("up:", item.name, up);
        if (down != unset) add("down:", item.name, down);
    }
    if (spec.seed != PathSpec{}.seed) add("", "seed", std::to_string(spec.seed));
    return text;
}

}  // namespace estab::link
