#include "ip/reassembler.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/checksum.hpp"
#include "wire/ip_extensions.hpp"

namespace estab::ip {
namespace {

constexpr std::size_t v6_fixed = 40;
constexpr std::size_t v6_fragment_bytes = 8;
constexpr std::size_t length_max = 0xffff;  // of IPv4, or of what follows IPv6's 40 bytes

// What a single fragment can tell. Offsets count in units of 8 bytes, so all but the last must fill
// theirs (RFC 8200 4.5; RFC 791 3.2), and one without bytes says nothing.
bool is_sound(const wire::IpPacket& packet) {
    const wire::Fragment& fragment = *packet.fragment;
    if (packet.payload.empty()) return false;
    if (fragment.more && packet.payload.size() % 8 != 0) return false;
    const bool v4 = packet.source.is_v4();
    const bool nests = packet.protocol == wire::ipv6_fragment_header;
    if (!v4 && fragment.offset == 0 && nests) return false;
    const std::size_t in_front = packet.header.size() - (v4 ? 0 : v6_fixed + v6_fragment_bytes);
    return in_front + fragment.offset + packet.payload.size() <= length_max;
}

// Takes the fragment header, the last eight bytes, out of the chain.
void cut_v6_fragment_header(std::vector<std::uint8_t>& header) {
    const std::size_t fragment_at = header.size() - v6_fragment_bytes;
    std::size_t next_at = 6;  // where the kind of the header at `at` is written
    std::size_t at = v6_fixed;
    while (at < fragment_at) {
        const std::size_t length =
            wire::ipv6_extension_bytes(header[next_at], Bytes(header).subspan(at));
        CHECK(length != 0);
        next_at = at;
        at += length;
    }
    CHECK(at == fragment_at);  // IpPacket::parse has followed the same chain
    header[next_at] = header[fragment_at];
    header.resize(fragment_at);
}

std::uint8_t bit(wire::Ecn ecn) { return static_cast<std::uint8_t>(1 << static_cast<int>(ecn)); }

}  // namespace

std::optional<Bytes> Reassembler::add(Instant now, const wire::IpPacket& packet) {
    CHECK(packet.fragment.has_value());
    ++counters_.Ip_ReasmReqds;
    std::size_t at = find(packet);
    if (at != none && datagrams_[at].ends <= now) {
        ++counters_.Ip_ReasmTimeout;
        fail(at);
        at = none;
    }
    if (!is_sound(packet)) {
        at == none ? static_cast<void>(++counters_.Ip_ReasmFails) : fail(at);
        return std::nullopt;
    }
    if (at == none) at = open(now, packet);
    if (at == none) return std::nullopt;

    switch (fit(datagrams_[at], packet)) {
    case Fit::fits: break;
    case Fit::duplicate: return std::nullopt;  // RFC 8200 4.5: an exact one may be ignored
    case Fit::conflict: fail(at); return std::nullopt;
    }
    const std::size_t cost = packet.payload.size() + piece_overhead_bytes +
                             (packet.fragment->offset == 0 ? packet.header.size() : 0);
    if (datagrams_[at].pieces.size() == limits_.pieces_max ||
        !make_room(at, packet.source, cost, 0)) {
        fail(at);
        return std::nullopt;
    }
    insert(datagrams_[at], packet);
    if (datagrams_[at].data_bytes != datagrams_[at].total) return std::nullopt;
    if (!assemble(datagrams_[at])) {
        fail(at);
        return std::nullopt;
    }
    ++counters_.Ip_ReasmOKs;
    forget(at);
    return whole_;
}

Instant Reassembler::deadline() const {
    Instant first = never;
    for (const Datagram& datagram : datagrams_) first = std::min(first, datagram.ends);
    return first;
}

std::optional<Bytes> Reassembler::expire(Instant now) {
    const auto due = std::find_if(datagrams_.begin(), datagrams_.end(),
                                  [now](const Datagram& datagram) { return datagram.ends <= now; });
    if (due == datagrams_.end()) return std::nullopt;
    whole_ = due->header;
    if (!whole_.empty()) {
        const Piece& first = due->pieces.front();
        whole_.insert(whole_.end(), first.bytes.begin(), first.bytes.end());
    }
    ++counters_.Ip_ReasmTimeout;
    fail(static_cast<std::size_t>(due - datagrams_.begin()));
    return whole_;
}

std::size_t Reassembler::find(const wire::IpPacket& packet) const {
    for (std::size_t i = 0; i < datagrams_.size(); ++i) {
        const Datagram& datagram = datagrams_[i];
        if (datagram.id == packet.fragment->id && datagram.source == packet.source &&
            datagram.destination == packet.destination &&
            (packet.source.is_v6() || datagram.protocol == packet.protocol)) {
            return i;
        }
    }
    return none;
}

std::size_t Reassembler::open(Instant now, const wire::IpPacket& packet) {
    std::size_t at = none;
    if (!make_room(at, packet.source, 0, 1)) {
        ++counters_.Ip_ReasmFails;
        return none;
    }
    const Duration timeout = packet.source.is_v4() ? limits_.v4_timeout : limits_.v6_timeout;
    datagrams_.push_back({.source = packet.source, .destination = packet.destination,
                          .id = packet.fragment->id, .protocol = packet.protocol,
                          .ends = after(now, timeout), .header = {}, .pieces = {}, .total = {}});
    return datagrams_.size() - 1;
}

// The oldest datagram, of `source` if one is given, that is not at `kept`.
std::size_t Reassembler::oldest_but(std::size_t kept, const wire::Address* source) const {
    for (std::size_t i = 0; i < datagrams_.size(); ++i) {
        if (i != kept && (source == nullptr || datagrams_[i].source == *source)) return i;
    }
    return none;
}

// Drops the oldest until `bytes` and `count` more fit, first within the share of the source. `kept`
// follows its datagram as others go.
bool Reassembler::make_room(std::size_t& kept, const wire::Address& source, std::size_t bytes,
                            std::size_t count) {
    for (;;) {
        std::size_t source_bytes = bytes, source_count = count;
        for (const Datagram& datagram : datagrams_) {
            if (datagram.source != source) continue;
            source_bytes += datagram.cost_bytes;
            ++source_count;
        }
        const bool share_full = source_bytes > limits_.bytes_per_source_max ||
                                source_count > limits_.datagrams_per_source_max;
        const bool all_full = used_bytes_ + bytes > limits_.bytes_max ||
                              datagrams_.size() + count > limits_.datagrams_max;
        if (!share_full && !all_full) return true;
        const std::size_t victim = oldest_but(kept, share_full ? &source : nullptr);
        if (victim == none) return false;
        fail(victim);
        if (kept != none && victim < kept) --kept;
    }
}

Reassembler::Fit Reassembler::fit(const Datagram& datagram, const wire::IpPacket& packet) {
    const std::uint32_t begin = packet.fragment->offset;
    const std::uint32_t end = begin + static_cast<std::uint32_t>(packet.payload.size());
    // Where the datagram ends is said once, and nothing lies beyond.
    if (datagram.total) {
        const bool ends_there = end == *datagram.total;
        if (end > *datagram.total || ends_there == packet.fragment->more) return Fit::conflict;
    }
    if (!packet.fragment->more && !datagram.pieces.empty() && datagram.pieces.back().end() > end) {
        return Fit::conflict;
    }
    const auto next =
        std::lower_bound(datagram.pieces.begin(), datagram.pieces.end(), begin,
                         [](const Piece& piece, std::uint32_t b) { return piece.begin < b; });
    if (next != datagram.pieces.begin() && std::prev(next)->end() > begin) return Fit::conflict;
    if (next == datagram.pieces.end() || next->begin >= end) return Fit::fits;
    // A fragment once more, and saying the same, is what a network may do; anything else that
    // overlaps is an attack on somebody's filter. RFC 5722 4, RFC 8200 4.5; IPv4 as well: nothing
    // good does it.
    const bool same = next->begin == begin && std::ranges::equal(next->bytes, packet.payload) &&
                      (packet.fragment->more || datagram.total == end);
    return same ? Fit::duplicate : Fit::conflict;
}

void Reassembler::insert(Datagram& datagram, const wire::IpPacket& packet) {
    const std::uint32_t begin = packet.fragment->offset;
    const auto next =
        std::lower_bound(datagram.pieces.begin(), datagram.pieces.end(), begin,
                         [](const Piece& piece, std::uint32_t b) { return piece.begin < b; });
    datagram.pieces.insert(next, Piece{begin, {packet.payload.begin(), packet.payload.end()}});
    std::size_t cost = packet.payload.size() + piece_overhead_bytes;
    if (begin == 0) {
        datagram.header.assign(packet.header.begin(), packet.header.end());
        cost += datagram.header.size();
    }
    const auto size = static_cast<std::uint32_t>(packet.payload.size());
    if (!packet.fragment->more) datagram.total = begin + size;
    datagram.data_bytes += size;
    datagram.cost_bytes += cost;
    datagram.ecn_seen = static_cast<std::uint8_t>(datagram.ecn_seen | bit(packet.ecn));
    used_bytes_ += cost;
    CHECK(used_bytes_ <= limits_.bytes_max);
}

// Makes the whole packet. False when the fragments do not go together: too long with the header of
// the first (the "ping of death"), or one marked "congestion experienced" though another says that
// its sender knows no ECN (RFC 3168 5.3).
bool Reassembler::assemble(const Datagram& datagram) {
    CHECK(!datagram.header.empty());
    const bool v4 = datagram.source.is_v4();
    const bool marked = (datagram.ecn_seen & bit(wire::Ecn::ce)) != 0;
    if (marked && (datagram.ecn_seen & bit(wire::Ecn::not_ect)) != 0) return false;

    whole_ = datagram.header;
    if (!v4) cut_v6_fragment_header(whole_);
    const std::size_t header_bytes = whole_.size();
    const std::size_t length = header_bytes + datagram.data_bytes - (v4 ? 0 : v6_fixed);
    if (length > length_max) return false;
    for (const Piece& piece : datagram.pieces) {
        whole_.insert(whole_.end(), piece.bytes.begin(), piece.bytes.end());
    }
    if (!v4) {
        store_be16(&whole_[4], static_cast<std::uint16_t>(length));
        if (marked) whole_[1] = static_cast<std::uint8_t>(whole_[1] | 0x30);
        return true;
    }
    store_be16(&whole_[2], static_cast<std::uint16_t>(length));
    store_be16(&whole_[6], load_be16(&whole_[6]) & 0x4000);  // no fragment any more; DF as it was
    if (marked) whole_[1] = static_cast<std::uint8_t>(whole_[1] | 3);
    store_be16(&whole_[10], 0);
    store_be16(&whole_[10], wire::checksum(Bytes(whole_).first(header_bytes)));
    return true;
}

void Reassembler::forget(std::size_t at) {
    used_bytes_ -= datagrams_[at].cost_bytes;
    datagrams_.erase(datagrams_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Reassembler::fail(std::size_t at) {
    ++counters_.Ip_ReasmFails;
    forget(at);
}

}  // namespace estab::ip
