#include "observe/undump.hpp"

#include <algorithm>
#include <utility>

#include "wire/checksum.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::observe {
namespace {

using wire::Flags;

constexpr std::size_t hex_max = 65'600;
constexpr std::size_t tcp_header_bytes = 20;

std::uint32_t distance(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t d = a - b;
    return d < 0x8000'0000 ? d : 0 - d;
}

std::uint32_t payload_length(const DumpLine& line) {
    if (line.length) return *line.length;
    return line.seq_end ? *line.seq_end - *line.seq : 0;
}

std::uint16_t tcp_checksum(const DumpLine& line, Bytes segment) {
    wire::Sum sum;
    sum.add(line.source.address.bytes());
    sum.add(line.destination.address.bytes());
    sum.add_be16(wire::protocol_tcp);
    sum.add_be32(static_cast<std::uint32_t>(segment.size()));
    sum.add(segment);
    return sum.checksum();
}

}  // namespace

Undump::Undump(const Settings& settings, Sink sink)
    : settings_(settings), sink_(std::move(sink)) {}

bool Undump::add_line(std::string_view line) {
    if (wrong_) return false;
    ++lines_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    LineError error;
    const LineKind kind = read_dump_line(line, std::exchange(behind_header_, false), line_, error);
    const bool has_text = text_.has_value();
    switch (kind) {
        case LineKind::segment:
            skipping_ = false;
            return emit() && take_segment();
        case LineKind::header_only:
            skipping_ = false;
            behind_header_ = true;
            return emit();
        case LineKind::hex: {
            const auto octets = hex_line_octets(line);
            if (segment_ && hex_.size() < hex_max) {
                hex_.insert(hex_.end(), octets.begin(), octets.end());
            }
            return true;
        }
        case LineKind::other_packet:
            if (!emit()) return false;
            skipping_ = true;
            ++other_packets_;
            if (first_other_line_ == 0) first_other_line_ = lines_;
            return true;
        case LineKind::nothing:
            if (!has_text) return true;
            break;
        case LineKind::unknown:
        case LineKind::wrong: break;
    }
    // What -A shows begins with the first octet of an IP header: E, or a quote for IPv6.
    const bool begins_text = segment_ && !line.empty() && (line[0] == 'E' || line[0] == '`');
    const bool is_text = has_text || (begins_text && hex_.empty());
    if (kind != LineKind::wrong && is_text) {
        if (!text_) {
            text_.emplace(line);
        } else if (text_->size() < hex_max) {
            *text_ += '\n';
            *text_ += line;
        }
        return true;
    }
    if (kind != LineKind::wrong && skipping_) return true;
    return emit() && fail(lines_, error.column, std::move(error.what));
}

bool Undump::finish() { return !wrong_ && emit(); }

bool Undump::fail(std::uint64_t line, std::size_t column, std::string what) {
    wrong_ = Wrong{line, column, std::move(what)};
    segment_.reset();
    return false;
}

bool Undump::take_segment() {
    segment_ = line_;
    segment_line_ = lines_;
    return set_lengths();
}

bool Undump::set_lengths() {
    DumpLine& s = *segment_;
    const std::uint32_t length = payload_length(s);
    if (s.seq_end && *s.seq_end - *s.seq != length) {
        return fail(lines_, 1, "the length does not agree with the sequence numbers");
    }
    const std::size_t headers = wire::ip_header_bytes(s.source.address.is_v4()) +
                                tcp_header_bytes + s.options.size();
    if (length > 65'535 - headers) {
        return fail(lines_, 1, "more octets than an IP packet has room for");
    }
    s.length = length;
    return true;
}

void Undump::set_time() {
    constexpr Duration day = std::chrono::hours(24);
    const LineTime& shown = segment_->time;
    if (shown.kind == LineTime::Kind::none) {
        if (timed_) time_ += std::chrono::milliseconds(1);
    } else if (settings_.differences) {
        time_ = std::min(time_, Duration::max() / 2) + shown.value;  // no later than can be told
    } else if (shown.kind == LineTime::Kind::clock) {
        // The clock has no date: a jump far back is midnight.
        Duration now = shown.value + time_ / day * day;
        if (timed_ && time_ - now > day / 2) now += day;
        time_ = now;
    } else {
        time_ = shown.value;
    }
    timed_ = true;
}

bool Undump::emit() {
    if (!segment_) return true;
    set_time();
    const Numbers numbers = resolve(*segment_);
    std::vector<std::uint8_t> packet;
    if (hex_.empty()) {
        packet = build(numbers);
    } else if (!packet_from_hex(packet)) {
        return fail(segment_line_, 1, "the octets under this line are no IP packet");
    }
    sink_(Instant(time_), packet);
    ++packets_;
    segment_.reset();
    hex_.clear();
    text_.reset();
    return true;
}

// The absolute reading of the numbers lies nearer to what was sent than the relative one.
bool Undump::looks_absolute(const Known& known, const DumpLine& line, std::size_t from) {
    std::uint64_t absolute = 0, relative = 0;
    const auto weigh = [&](std::uint32_t shown, std::size_t end) {
        if (!known.next[end]) return;
        absolute += distance(shown, *known.next[end]);
        relative += distance(shown + known.base[end], *known.next[end]);
    };
    if (line.seq) weigh(*line.seq, from);
    if (line.ack) weigh(*line.ack, 1 - from);
    return absolute < relative;
}

// tcpdump's rule, backwards: see relative_numbers.hpp.
Undump::Numbers Undump::resolve(const DumpLine& line) {
    const bool swapped = line.source.port > line.destination.port ||
                         (line.source.port == line.destination.port &&
                          line.destination.address < line.source.address);
    const Key key = swapped ? Key{line.destination, line.source}
                            : Key{line.source, line.destination};
    if (known_.size() == connections_max && !known_.contains(key)) known_.erase(known_.begin());
    Known& known = known_[key];
    const std::size_t from = swapped ? 1 : 0;
    const bool acks = (line.flags & Flags::ack) != 0;
    Numbers numbers{line.seq.value_or(0), line.ack.value_or(0), 0};
    bool is_absolute = !acks || !known.fixed || (line.flags & Flags::syn) != 0;
    if (!is_absolute) {
        if (known.mode == Known::Mode::unknown) {
            known.mode = settings_.absolute_numbers || looks_absolute(known, line, from)
                             ? Known::Mode::absolute
                             : Known::Mode::relative;
        }
        is_absolute = known.mode == Known::Mode::absolute;
        if (!is_absolute) {
            numbers.seq += known.base[from];
            numbers.ack += known.base[1 - from];
        }
    }
    // A bare ACK shows no number of its own: it is the next to be sent.
    if (!line.seq) numbers.seq = known.next[from].value_or(1);
    if (acks && (!known.fixed || (line.flags & Flags::syn) != 0)) {
        known.fixed = true;
        known.mode = Known::Mode::unknown;
        known.base[from] = numbers.seq;
        known.base[1 - from] = numbers.ack - 1;
        known.next[1 - from] = numbers.ack;
    }
    if (known.mode != Known::Mode::absolute && !settings_.absolute_numbers) {
        numbers.sack_base = known.base[1 - from];
    }
    const std::uint32_t end = numbers.seq + *line.length +
                              ((line.flags & Flags::syn) != 0 ? 1 : 0) +
                              ((line.flags & Flags::fin) != 0 ? 1 : 0);
    std::optional<std::uint32_t>& next = known.next[from];
    const bool begins = (line.flags & Flags::syn) != 0;
    if (!next || begins || end - *next < 0x8000'0000) next = end;
    return numbers;
}

std::vector<std::uint8_t> Undump::build(const Numbers& numbers) const {
    const DumpLine& s = *segment_;
    const bool v4 = s.source.address.is_v4();
    const std::size_t ip_bytes = wire::ip_header_bytes(v4);
    const std::size_t header = tcp_header_bytes + s.options.size();
    const std::vector<std::uint8_t> text = payload();
    std::vector<std::uint8_t> packet(ip_bytes + header + text.size());
    wire::write_ip(packet, {.source = s.source.address,
                            .destination = s.destination.address,
                            .protocol = wire::protocol_tcp,
                            .hop_limit = s.ip.hop_limit,
                            .dscp = static_cast<std::uint8_t>(s.ip.traffic_class >> 2),
                            .ecn = static_cast<wire::Ecn>(s.ip.traffic_class & 3),
                            .dont_fragment = s.ip.dont_fragment,
                            .id = s.ip.id,
                            .flow_label = s.ip.flow_label,
                            .payload_bytes = static_cast<std::uint32_t>(header + text.size())});
    std::uint8_t* p = packet.data() + ip_bytes;
    store_be16(p, s.source.port);
    store_be16(p + 2, s.destination.port);
    store_be32(p + 4, numbers.seq);
    store_be32(p + 8, numbers.ack);
    store_be16(p + 12, static_cast<std::uint16_t>(header / 4 << 12 | s.flags));
    store_be16(p + 14, s.window);
    store_be16(p + 18, s.urgent);
    std::ranges::copy(s.options, p + tcp_header_bytes);
    for (const std::size_t place : s.sack_at) {
        std::uint8_t* number = p + tcp_header_bytes + place;
        store_be32(number, load_be32(number) + numbers.sack_base);
    }
    std::ranges::copy(text, p + header);
    store_be16(p + 16, tcp_checksum(s, Bytes{packet}.subspan(ip_bytes)));
    return packet;
}

// Zeros, but for what the line or -A shows.
std::vector<std::uint8_t> Undump::payload() const {
    const DumpLine& s = *segment_;
    std::vector<std::uint8_t> octets(*s.length);
    std::string_view text = s.text;
    std::string with_ends;
    const std::size_t headers = wire::ip_header_bytes(s.source.address.is_v4()) +
                                tcp_header_bytes + s.options.size();
    if (text_ && text_->size() > headers) {
        // -A leaves out the CR before an LF: as many as are missing.
        const std::string_view shown = std::string_view(*text_).substr(headers);
        std::size_t missing = octets.size() > shown.size() ? octets.size() - shown.size() : 0;
        for (const char c : shown) {
            if (c == '\n' && missing > 0) {
                with_ends += '\r';
                --missing;
            }
            with_ends += c;
        }
        text = with_ends;
    } else if (text.empty() && octets.size() >= 2 &&
               (s.source.port == 53 || s.destination.port == 53)) {
        store_be16(octets.data(), static_cast<std::uint16_t>(octets.size() - 2));  // RFC 1035 4.2.2
    }
    for (std::size_t i = 0; i < text.size() && i < octets.size(); ++i) {
        octets[i] = static_cast<std::uint8_t>(text[i]);
    }
    return octets;
}

// What -x shows is the packet; -xx shows its Ethernet header before it.
bool Undump::packet_from_hex(std::vector<std::uint8_t>& packet) const {
    constexpr std::size_t ethernet_bytes = 14;
    const bool v4 = segment_->source.address.is_v4();
    const std::size_t header = wire::ip_header_bytes(v4);
    for (const std::size_t begin : {std::size_t{0}, ethernet_bytes}) {
        if (hex_.size() < begin + header) return false;
        const std::uint8_t* p = hex_.data() + begin;
        if (p[0] >> 4 != (v4 ? 4 : 6)) continue;
        const Bytes address = segment_->source.address.bytes();
        if (!std::equal(address.begin(), address.end(), p + (v4 ? 12 : 8))) continue;
        const std::size_t length = v4 ? load_be16(p + 2) : load_be16(p + 4) + header;
        packet.assign(p, hex_.data() + hex_.size());
        packet.resize(std::max(length, header));  // what was not captured is zeros
        return true;
    }
    return false;
}

}  // namespace estab::observe
