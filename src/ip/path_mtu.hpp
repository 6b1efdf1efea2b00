// What the paths to single destinations can carry, learnt from "fragmentation needed" (RFC 1191)
// and "packet too big" (RFC 8201). Whoever calls has already proven the message (RFC 5927: the
// sequence number is in flight), and asks only for destinations where the path may be narrower than
// the link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "wire/address.hpp"

namespace estab::ip {

class PathMtu {
public:
    struct Limits {
        std::size_t entries_max = 256;  // policy when full: the one not used for longest goes
        Duration lifetime = 10min;   // RFC 1191 6.3, RFC 8201 4: then the link's MTU is tried again
        std::uint16_t v4_min = 552;  // bytes; RFC 1191 3 has 68, but nothing real is below this
        std::uint16_t v6_min = 1280;       // bytes; RFC 8200 5
    };

    PathMtu() : PathMtu(Limits{}) {}
    explicit PathMtu(const Limits& limits) : limits_(limits) {}

    // A router could not pass a packet of `tried_bytes` to `destination`, and named `mtu` bytes; 0
    // where an old router named none (RFC 1191 5: the next plateau below is taken). The new MTU if
    // the path became narrower by it; a value that is not below `tried_bytes` and what held before
    // changes nothing.
    std::optional<std::uint32_t> learn(Instant now, const wire::Address& destination,
                                       std::uint32_t mtu, std::uint32_t tried_bytes);

    // The largest IP packet for `destination` over a link of `link_mtu` bytes.
    std::uint32_t find(Instant now, const wire::Address& destination, std::uint32_t link_mtu);

    // The next time at which a learnt MTU ends, or `never`; then expire() forgets it, and the owner
    // may tell its connections to try bigger packets.
    Instant deadline() const;
    void expire(Instant now);

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        wire::Address destination;
        std::uint32_t mtu;
        Instant ends;
        Instant used;
    };
    std::vector<Entry>::iterator place(const wire::Address& destination);
    void make_room();

    Limits limits_;
    std::vector<Entry> entries_;  // by destination; at most entries_max
};

}  // namespace estab::ip
