// Addresses of both families in one 16-byte form: IPv4 is kept as ::ffff:a.b.c.d.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace estab::wire {

class Address {
public:
    constexpr Address() = default;  // :: (unspecified)
    static constexpr Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
        Address x;
        x.octets_ = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
        return x;
    }
    static Address from_v4(const std::uint8_t* four_octets) {
        Address x = v4(0, 0, 0, 0);
        std::memcpy(x.octets_.data() + 12, four_octets, 4);
        return x;
    }
    static Address from_v6(const std::uint8_t* sixteen_octets) {
        Address x;
        std::memcpy(x.octets_.data(), sixteen_octets, 16);
        return x;
    }

    // "192.0.2.1", "2001:db8::1"; nothing else (no port, no zone).
    static std::optional<Address> parse(std::string_view text);

    bool is_v4() const {
        return upper() == 0 && (lower() & v4_mask) == v4_bits;
    }
    bool is_v6() const { return !is_v4(); }
    bool is_unspecified() const {  // 0.0.0.0 or ::
        return upper() == 0 && (lower() == 0 || lower() == v4_bits);
    }
    bool is_loopback() const;     // 127/8 or ::1
    bool is_multicast() const {   // 224/4 or ff00::/8
        return is_v4() ? octets_[12] >> 4 == 14 : octets_[0] == 0xff;
    }
    bool is_broadcast() const { return *this == v4(255, 255, 255, 255); }
    bool is_link_local() const;   // 169.254/16 or fe80::/10

    const std::array<std::uint8_t, 16>& octets() const { return octets_; }
    // 4 or 16 octets, as on the wire.
    Bytes bytes() const { return Bytes(octets_).subspan(is_v4() ? 12 : 0); }
    std::string text() const;  // RFC 5952 for IPv6
    // A number that mostly differs where addresses do. Anyone can foresee it.
    std::uint32_t fingerprint() const {
        const Word x = upper() ^ lower();
        return static_cast<std::uint32_t>((x ^ x >> 32) * 0x9e37'79b9'7f4a'7c15 >> 32);
    }

    friend constexpr auto operator<=>(const Address&, const Address&) = default;
    // Two words instead of a call of memcmp: every segment compares several.
    friend constexpr bool operator==(const Address& a, const Address& b) {
        return a.upper() == b.upper() && a.lower() == b.lower();
    }

private:
    using Word = std::uint64_t;
    static constexpr Word v4_mask = 0xffff'ffff, v4_bits = 0xffff'0000;  // octets 00 00 ff ff

    constexpr Word upper() const { return std::bit_cast<std::array<Word, 2>>(octets_)[0]; }
    constexpr Word lower() const { return std::bit_cast<std::array<Word, 2>>(octets_)[1]; }

    std::array<std::uint8_t, 16> octets_{};
};

// An address and the length of its network part, in bits of its own family (0..32 or 0..128).
struct Prefix {
    Address address;
    std::uint8_t length = 0;

    static std::optional<Prefix> parse(std::string_view text);  // "10.77.0.0/24"; no length: a host
    bool contains(const Address&) const;
    bool is_broadcast(
        const Address&) const;  // the directed broadcast of an IPv4 prefix of at most /30
    std::optional<Address> broadcast() const;  // that one, where there is one
    std::string text() const;
    friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct Endpoint {
    Address address;
    std::uint16_t port = 0;
    std::string text() const;  // "192.0.2.1:80", "[2001:db8::1]:80"
    static std::optional<Endpoint> parse(std::string_view text);
    friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// A connection's name. `local` is ours.
struct FourTuple {
    Endpoint local;
    Endpoint remote;
    friend constexpr auto operator<=>(const FourTuple&, const FourTuple&) = default;
};

struct Mac {
    std::array<std::uint8_t, 6> octets{};
    static std::optional<Mac> parse(std::string_view text);
    std::string text() const;
    bool is_broadcast() const;
    friend constexpr auto operator<=>(const Mac&, const Mac&) = default;
};

}  // namespace estab::wire
