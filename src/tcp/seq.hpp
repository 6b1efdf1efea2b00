// Sequence numbers that can be compared. 32-bit wire numbers are extended to 64 bits once, on
// arrival; from there on <, max and subtraction mean what they say (RFC 9293 3.4: the space on the
// wire wraps).
#pragma once

#include <compare>
#include <cstdint>

#include "wire/tcp.hpp"

namespace estab::tcp {

class Seq {
public:
    constexpr Seq() = default;
    constexpr explicit Seq(std::uint64_t value) : value_(value) {}

    // The number nearest to `near` whose low 32 bits are `wire`.
    static constexpr Seq extend(wire::SeqNum wire, Seq near) {
        const auto delta =
            static_cast<std::int32_t>(wire.raw - static_cast<std::uint32_t>(near.value_));
        return Seq(near.value_ + static_cast<std::uint64_t>(static_cast<std::int64_t>(delta)));
    }
    // Where a stream starts: one whole wrap above zero, so that SND.UNA - 1 and a far old number
    // exist.
    static constexpr Seq initial(wire::SeqNum wire) {
        return Seq((std::uint64_t{1} << 32) + wire.raw);
    }

    constexpr wire::SeqNum wire() const { return {static_cast<std::uint32_t>(value_)}; }
    constexpr std::uint64_t value() const { return value_; }

    friend constexpr auto operator<=>(Seq, Seq) = default;
    friend constexpr Seq operator+(Seq s, std::uint64_t n) { return Seq(s.value_ + n); }
    friend constexpr Seq operator-(Seq s, std::uint64_t n) { return Seq(s.value_ - n); }
    friend constexpr std::int64_t operator-(Seq a, Seq b) {
        return static_cast<std::int64_t>(a.value_ - b.value_);
    }
    constexpr Seq& operator+=(std::uint64_t n) {
        value_ += n;
        return *this;
    }

private:
    std::uint64_t value_ = 0;
};

// b - a for a <= b, as a count.
constexpr std::uint64_t distance(Seq a, Seq b) { return b.value() - a.value(); }

struct SeqRange {                // [begin, end)
    Seq begin, end;
};

}  // namespace estab::tcp
