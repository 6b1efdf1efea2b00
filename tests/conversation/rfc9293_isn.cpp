// RFC 9293 3.4.1: where initial sequence numbers come from.
#include <gtest/gtest.h>

#include "stack/secrets.hpp"

namespace estab {
namespace {

using wire::Address;

constexpr Instant start{Duration{1'000'000s}};

wire::FourTuple tuple_to(std::uint16_t port) {
    return {{Address::v4(192, 0, 2, 1), 40'000}, {Address::v4(192, 0, 2, 2), port}};
}

TEST(Rfc9293, Must8_TheClockTicksEveryFourMicroseconds) {  // S2-8a: 250,000 a second
    const stack::Secrets secrets(1);
    const auto isn = [&secrets](Duration later) {
        return secrets.initial_sequence(start + later, tuple_to(80)).raw;
    };
    EXPECT_EQ(isn(4us) - isn(0us), 1u);
    EXPECT_EQ(isn(1s) - isn(0s), 250'000u);
    EXPECT_EQ(isn(17'179'869'184us), isn(0us)) << "a cycle takes about 4.77 hours";
}

TEST(Rfc9293,
     Must9_OutsidersCannotComputeIt) {  // SHLD-1: the key is a secret, and so is each offset
    const stack::Secrets one(1), other(2);
    EXPECT_NE(one.initial_sequence(start, tuple_to(80)),
              other.initial_sequence(start, tuple_to(80)));
    const std::uint32_t first = one.initial_sequence(start, tuple_to(80)).raw;
    const std::uint32_t second = one.initial_sequence(start, tuple_to(81)).raw;
    const std::uint32_t third = one.initial_sequence(start, tuple_to(82)).raw;
    EXPECT_NE(first, second);
    EXPECT_NE(second - first, third - second);
}

}  // namespace
}  // namespace estab
