#include "ip/identification.hpp"

#include <set>

#include <gtest/gtest.h>

namespace estab::ip {
namespace {

using wire::Address;
constexpr Address us = Address::v4(192, 0, 2, 1);
constexpr Address peer = Address::v4(198, 51, 100, 7);
constexpr Address other = Address::v4(198, 51, 100, 8);

TEST(Identification, IsZeroWhereNothingMayBeFragmented) {  // RFC 6864 4.1
    Identification ids({1, 2});
    EXPECT_EQ(ids.next(us, peer, 6, true), 0);
    EXPECT_EQ(ids.next(us, peer, 6, true), 0);
}

TEST(Identification, DoesNotRepeatForOneDestinationBeforeItHasTo) {  // RFC 6864 4.3
    Identification ids({1, 2});
    std::set<std::uint16_t> seen;
    for (int i = 0; i < 65'536; ++i) seen.insert(ids.next(us, peer, 17, false));
    EXPECT_EQ(seen.size(), 65'536u);
}

TEST(Identification, StartsElsewhereForAnotherNameOrKey) {
    Identification ids({1, 2}), again({1, 2}), rekeyed({3, 2});
    const std::uint16_t first = ids.next(us, peer, 17, false);
    EXPECT_NE(first, ids.next(us, other, 17, false));
    EXPECT_NE(first, ids.next(us, peer, 6, false));
    EXPECT_EQ(first, again.next(us, peer, 17, false));
    EXPECT_NE(first, rekeyed.next(us, peer, 17, false));
}

}  // namespace
}  // namespace estab::ip
