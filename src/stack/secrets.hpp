// What a peer must not be able to guess: initial sequence numbers (RFC 6528), the offset of
// timestamps, and SYN cookies (RFC 4987 3.6). All are keyed hashes of the four-tuple.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/siphash.hpp"
#include "base/time.hpp"
#include "wire/address.hpp"
#include "wire/tcp.hpp"

namespace estab::stack {

// What a cookie carries. MSS in the sequence number; the rest in the low six bits of the timestamp,
// so that a peer without timestamps loses window scale, SACK and ECN, and no other does.
struct Cookie {
    std::uint16_t mss = 536;
    bool scaling = false;
    std::uint8_t snd_shift = 0;
    bool sack = false;
    bool ecn = false;
};

class Secrets {
public:
    explicit Secrets(std::uint64_t seed);

    // ISN = clock of 4 us + F(four-tuple, key): MUST-8, MUST-9, SHLD-1.
    wire::SeqNum initial_sequence(Instant now, const wire::FourTuple& tuple) const;
    // One offset for each pair of addresses: TIME-WAIT can compare clocks (RFC 6191), others
    // cannot.
    std::uint32_t timestamp_offset(const wire::FourTuple& tuple) const;

    // The sequence number of a SYN-ACK that nobody remembers; the MSS is rounded down to a class.
    wire::SeqNum cookie(Instant now, const wire::FourTuple& tuple, wire::SeqNum irs,
                        std::uint16_t mss) const;
    // The MSS, if `iss` is a cookie of ours that is at most two periods of 64 s old.
    std::optional<std::uint16_t> open_cookie(Instant now, const wire::FourTuple& tuple,
                                             wire::SeqNum irs, wire::SeqNum iss) const;
    // The classes of MSS for a family, ascending; the last that is not above `mss`.
    static std::uint16_t mss_class(bool v4, std::uint16_t mss);

    // A timestamp not after `ts` whose low six bits say what the cookie cannot.
    static std::uint32_t timestamp_with(std::uint32_t ts, const Cookie& cookie);
    static void read_timestamp(std::uint32_t ts, Cookie& cookie);

    SipKey table_key() const { return table_; }

private:
    std::uint32_t cookie_hash(const wire::FourTuple& tuple, wire::SeqNum irs, std::uint32_t period,
                              std::uint32_t mss_index) const;

    SipKey isn_, timestamp_, cookie_, table_;
    // Each connection asks more than once, and the next one is often between the same two hosts.
    struct Offset {
        wire::Address local, remote;
        std::uint32_t value = 0;
        bool known = false;
    };
    mutable std::array<Offset, 256> offsets_;  // where the addresses' fingerprints say
};

}  // namespace estab::stack
