#include "stack/secrets.hpp"

#include <array>
#include <cstring>

#include "base/rng.hpp"

namespace estab::stack {
namespace {

// The first is mss_min: no class is above what the peer can take (MUST-16).
constexpr std::array<std::uint16_t, 8> classes_v4{48, 536, 1300, 1360, 1400, 1440, 1460, 8960};
constexpr std::array<std::uint16_t, 8> classes_v6{48, 1220, 1300, 1360, 1400, 1420, 1440, 8940};

const std::array<std::uint16_t, 8>& classes(bool v4) { return v4 ? classes_v4 : classes_v6; }

std::uint32_t class_index(bool v4, std::uint16_t mss) {
    std::uint32_t index = 0;
    while (index < 7 && classes(v4)[index + 1] <= mss) ++index;
    return index;
}

std::uint32_t period_of(Instant now) {
    return static_cast<std::uint32_t>(now.time_since_epoch() / 64s);
}

struct Packed {
    std::array<std::uint8_t, 48> octets{};
    std::size_t used = 0;
    void add(const wire::Address& a) {
        std::memcpy(octets.data() + used, a.octets().data(), 16);
        used += 16;
    }
    void add(std::uint32_t v) {
        store_be32(octets.data() + used, v);
        used += 4;
    }
    Bytes bytes() const { return Bytes(octets).first(used); }
};

Packed pack(const wire::FourTuple& t) {
    Packed p;
    p.add(t.local.address);
    p.add(t.remote.address);
    p.add(std::uint32_t{t.local.port} << 16 | t.remote.port);
    return p;
}

}  // namespace

Secrets::Secrets(std::uint64_t seed) {
    Rng rng(seed);
    for (SipKey* key : {&isn_, &timestamp_, &cookie_, &table_}) *key = {rng.next(), rng.next()};
}

wire::SeqNum Secrets::initial_sequence(Instant now, const wire::FourTuple& tuple) const {
    const auto clock = static_cast<std::uint32_t>(now.time_since_epoch() / 4us);
    return {clock + static_cast<std::uint32_t>(siphash_2_4(isn_, pack(tuple).bytes()))};
}

std::uint32_t Secrets::timestamp_offset(const wire::FourTuple& tuple) const {
    const wire::Address &local = tuple.local.address, &remote = tuple.remote.address;
    Offset& o = offsets_[(local.fingerprint() + remote.fingerprint()) % offsets_.size()];
    if (!o.known || local != o.local || remote != o.remote) {
        Packed p;
        p.add(local);
        p.add(remote);
        o = {local, remote, static_cast<std::uint32_t>(siphash_2_4(timestamp_, p.bytes())), true};
    }
    return o.value;
}

std::uint32_t Secrets::cookie_hash(const wire::FourTuple& tuple, wire::SeqNum irs,
                                   std::uint32_t period, std::uint32_t mss_index) const {
    Packed p = pack(tuple);
    p.add(irs.raw);
    p.add(period << 3 | mss_index);
    return static_cast<std::uint32_t>(siphash_2_4(cookie_, p.bytes())) & 0x00ff'ffff;
}

// 5 bits of the period, 3 of the MSS class, 24 of proof.
wire::SeqNum Secrets::cookie(Instant now, const wire::FourTuple& tuple, wire::SeqNum irs,
                             std::uint16_t mss) const {
    const std::uint32_t period = period_of(now);
    const std::uint32_t index = class_index(tuple.remote.address.is_v4(), mss);
    return {(period & 31) << 27 | index << 24 | cookie_hash(tuple, irs, period, index)};
}

std::optional<std::uint16_t> Secrets::open_cookie(Instant now, const wire::FourTuple& tuple,
                                                  wire::SeqNum irs, wire::SeqNum iss) const {
    const std::uint32_t now_period = period_of(now);
    const std::uint32_t age = (now_period - (iss.raw >> 27)) & 31;
    if (age > 2) return std::nullopt;
    const std::uint32_t index = iss.raw >> 24 & 7;
    if (cookie_hash(tuple, irs, now_period - age, index) != (iss.raw & 0x00ff'ffff))
        return std::nullopt;
    return classes(tuple.remote.address.is_v4())[index];
}

std::uint16_t Secrets::mss_class(bool v4, std::uint16_t mss) {
    return classes(v4)[class_index(v4, mss)];
}

std::uint32_t Secrets::timestamp_with(std::uint32_t ts, const Cookie& c) {
    const std::uint32_t bits =
        (c.scaling ? c.snd_shift & 15u : 15u) | (c.sack ? 16u : 0u) | (c.ecn ? 32u : 0u);
    const std::uint32_t with = (ts & ~63u) | bits;
    return static_cast<std::int32_t>(with - ts) > 0 ? with - 64 : with;
}

void Secrets::read_timestamp(std::uint32_t ts, Cookie& c) {
    c.scaling = (ts & 15) != 15;  // 15 is no legal shift (RFC 7323 2.3)
    c.snd_shift = c.scaling ? static_cast<std::uint8_t>(ts & 15) : 0;
    c.sack = (ts & 16) != 0;
    c.ecn = (ts & 32) != 0;
}

}  // namespace estab::stack
