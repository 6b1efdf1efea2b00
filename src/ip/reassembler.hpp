// Puts fragments together (RFC 791 3.2, RFC 815; IPv6: RFC 8200 4.5). Fragments that overlap are
// never trusted: the datagram is dropped (RFC 5722). Everything is bounded: the bytes held, the
// datagrams, the share of one source, and the pieces of one datagram.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "event/counters.hpp"
#include "wire/ip.hpp"

namespace estab::ip {

class Reassembler {
public:
    // Policy when one of the first four is full: the oldest incomplete datagram (of that source) is
    // dropped for the new fragment. Past pieces_max the datagram itself is dropped.
    struct Limits {
        std::size_t bytes_max = 256 * 1024;  // held in fragments, with 64 bytes more for each
        std::size_t bytes_per_source_max = 128 * 1024;
        std::size_t datagrams_max = 64;
        std::size_t datagrams_per_source_max = 16;
        std::size_t pieces_max = 128;                   // of one datagram
        Duration v4_timeout = 30s;                      // from the first fragment that came
        Duration v6_timeout = 60s;                      // RFC 8200 4.5
    };

    explicit Reassembler(event::Counters& counters) : Reassembler(counters, Limits{}) {}
    Reassembler(event::Counters& counters, const Limits& limits)
        : counters_(counters), limits_(limits) {}

    // Takes a fragment (`packet.fragment` is there; an atomic fragment is a whole packet, RFC 6946)
    // and copies what it needs. When it was the last one missing: the whole packet with the header
    // of the first fragment, valid until the next call. It is yet to be parsed, and is never a
    // fragment itself.
    std::optional<Bytes> add(Instant now, const wire::IpPacket& packet);

    // When the next datagram has been incomplete for too long, or `never`.
    Instant deadline() const;

    // Drops one datagram whose time is up; call until there is nothing. What is returned is its
    // first fragment, header and payload, to be quoted in a "time exceeded, code 1", or empty when
    // that never came and nothing may be sent (RFC 1122 3.3.2, RFC 4443 3.3). Valid until the next
    // call.
    std::optional<Bytes> expire(Instant now);

    std::size_t datagrams() const { return datagrams_.size(); }
    std::size_t used_bytes() const { return used_bytes_; }  // never above bytes_max

private:
    struct Piece {
        std::uint32_t begin;
        std::vector<std::uint8_t> bytes;
        std::uint32_t end() const { return begin + static_cast<std::uint32_t>(bytes.size()); }
    };
    struct Datagram {
        wire::Address source, destination;
        std::uint32_t id = 0;
        std::uint8_t protocol = 0;         // IPv6: not a part of the name
        Instant ends;
        std::vector<std::uint8_t> header;  // of the first fragment, as it came
        std::vector<Piece> pieces;         // by offset, disjoint
        std::optional<std::uint32_t> total;
        std::uint32_t data_bytes = 0;
        std::size_t cost_bytes = 0;
        std::uint8_t ecn_seen = 0;         // bit n: a fragment with codepoint n
    };
    enum class Fit : std::uint8_t { fits, duplicate, conflict };

    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    static constexpr std::size_t piece_overhead_bytes = 64;

    std::size_t find(const wire::IpPacket& packet) const;
    std::size_t open(Instant now, const wire::IpPacket& packet);
    std::size_t oldest_but(std::size_t kept, const wire::Address* source) const;
    bool make_room(std::size_t& kept, const wire::Address& source, std::size_t bytes,
                   std::size_t count);
    static Fit fit(const Datagram& datagram, const wire::IpPacket& packet);
    void insert(Datagram& datagram, const wire::IpPacket& packet);
    bool assemble(const Datagram& datagram);
    void forget(std::size_t at);
    void fail(std::size_t at);

    event::Counters& counters_;
    Limits limits_;
    std::vector<Datagram> datagrams_;      // oldest first; at most datagrams_max
    std::size_t used_bytes_ = 0;
    std::vector<std::uint8_t> whole_;      // at most one packet, besides bytes_max
};

}  // namespace estab::ip
