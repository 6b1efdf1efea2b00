#include "analysis/analyzer.hpp"

#include <bit>
#include <utility>

#include "analysis/rules.hpp"

namespace estab::analysis {
namespace {

constexpr std::int64_t second = 1'000'000'000;
// How long copies of a closed connection's segments may be under way: twice Linux's TIME-WAIT.
constexpr std::int64_t linger = 120 * second;
// A connection that was silent for longer is over, whatever its ends may think of it.
constexpr std::int64_t silence_max = 24 * 3600 * second;
constexpr std::int64_t half_open_max = 300 * second;

// A SYN for a pair of ports that was used before opens another connection: the old one has ended,
// or its number is not the one that the old SYN had.
bool begins_anew(const Connection& c, const Segment& segment, std::size_t side) {
    if (!segment.has(flag::syn)) return false;
    const Side& from = c.sides[side];
    if (segment.has(flag::ack)) {
        // The answer to a SYN that the capture has, or to none.
        return from.syn && from.base != segment.seq && c.closed;
    }
    if (!from.spoke && !from.syn) return c.closed;
    return from.base != segment.seq || !from.syn;
}

}  // namespace

Analyzer::Analyzer(const Settings& settings, Ended ended)
    : settings_(settings),
      ended_(std::move(ended)),
      buckets_(std::bit_ceil(2 * settings.live_max), none) {}

std::uint32_t& Analyzer::bucket(const End& a, const End& b) {
    // The same for both directions.
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    const auto mix = [](const End& e) {
        std::uint64_t h = (e.host.high ^ e.host.low * odd) + e.port;
        h ^= h >> 29;
        return h * odd;
    };
    std::uint64_t h = mix(a) + mix(b);
    h ^= h >> 32;
    return buckets_[h & (buckets_.size() - 1)];
}

std::uint32_t Analyzer::find(const Segment& s) {
    std::uint32_t i = bucket(s.source, s.destination);
    while (i != none) {
        const Connection& c = slot(i).connection;
        if ((c.ends[0] == s.source && c.ends[1] == s.destination) ||
            (c.ends[1] == s.source && c.ends[0] == s.destination)) {
            return i;
        }
        i = c.next_in_bucket;
    }
    return none;
}

std::uint32_t Analyzer::open(const Segment& segment) {
    if (live_.count >= settings_.live_max) {
        ++forgotten_;
        end(live_.oldest);
    }
    std::uint32_t index = static_cast<std::uint32_t>(slots_.size());
    if (free_.empty()) {
        slots_.push_back(std::make_unique<Slot>());
    } else {
        index = free_.back();
        free_.pop_back();
    }
    Connection& c = slot(index).connection;
    c.number = numbers_++;
    // Who answers a SYN did not open, even where the SYN is missing. In the middle of a
    // connection the lower port is taken for the server's.
    const bool answers = segment.has(flag::syn) && segment.has(flag::ack);
    const bool swapped =
        answers || (!segment.has(flag::syn) && segment.source.port < segment.destination.port);
    c.ends[swapped ? 1 : 0] = segment.source;
    c.ends[swapped ? 0 : 1] = segment.destination;
    c.v6 = segment.v6;
    c.midstream = !segment.has(flag::syn) || answers;
    c.first_ns = c.last_ns = to_ns(segment.time.time_since_epoch());
    c.first_frame = segment.frame;
    std::uint32_t& head = bucket(segment.source, segment.destination);
    c.next_in_bucket = head;
    head = index;
    append(live_, index);
    return index;
}

void Analyzer::end(std::uint32_t index) {
    Connection& c = slot(index).connection;
    remove(list_of(c), index);
    std::uint32_t* at = &bucket(c.ends[0], c.ends[1]);
    while (*at != index) at = &slot(*at).connection.next_in_bucket;
    *at = c.next_in_bucket;
    conclude(c);
    ended_(c);
    slot(index) = Slot{};
    free_.push_back(index);
}

void Analyzer::append(List& list, std::uint32_t index) {
    Slot& s = slot(index);
    s.older = list.newest;
    s.newer = none;
    (list.newest == none ? list.oldest : slot(list.newest).newer) = index;
    list.newest = index;
    ++list.count;
}

void Analyzer::remove(List& list, std::uint32_t index) {
    Slot& s = slot(index);
    (s.older == none ? list.oldest : slot(s.older).newer) = s.newer;
    (s.newer == none ? list.newest : slot(s.newer).older) = s.older;
    --list.count;
}

void Analyzer::end_old_ones(std::int64_t now_ns) {
    if (closed_.count > 0) {
        const Connection& c = slot(closed_.oldest).connection;
        if (closed_.count > settings_.closed_max || now_ns - c.last_ns > linger) {
            end(closed_.oldest);
        }
    }
    if (live_.count > 0) {
        const Connection& c = slot(live_.oldest).connection;
        const std::int64_t most = c.established || c.midstream ? silence_max : half_open_max;
        if (now_ns - c.last_ns > most) end(live_.oldest);
    }
}

const Verdict* Analyzer::on_packet(std::uint64_t frame, Instant time,
                                   const observe::NetworkPacket& packet) {
    if (!read_segment(packet, segment_)) return nullptr;
    segment_.frame = frame;
    segment_.time = time;
    ++segments_;
    const std::int64_t now_ns = to_ns(time.time_since_epoch());
    end_old_ones(now_ns);
    verdict_ = {};
    verdict_.segment = &segment_;
    std::uint32_t index = find(segment_);
    if (index != none) {
        const Connection& known = slot(index).connection;
        const bool same = known.ends[0] == segment_.source;
        if (begins_anew(known, segment_, same ? 0 : 1)) {
            end(index);
            index = none;
            verdict_.labels.add(Label::port_reuse);
        }
    }
    if (index == none) {
        index = open(segment_);
    } else {
        List& list = list_of(slot(index).connection);
        if (list.newest != index) {
            remove(list, index);
            append(list, index);
        }
    }
    Connection& c = slot(index).connection;
    verdict_.connection = &c;
    verdict_.side = c.ends[0] == segment_.source ? 0 : 1;
    if (c.ends[0] == c.ends[1]) verdict_.side = 0;
    Judge(c, segment_, verdict_).judge();
    if (c.closed && !c.released) {
        remove(live_, index);
        release(c);
        append(closed_, index);
    }
    return &verdict_;
}

void Analyzer::finish() {
    while (closed_.count > 0) end(closed_.oldest);
    while (live_.count > 0) end(live_.oldest);
}

}  // namespace estab::analysis
