#include "ip/path_mtu.hpp"

#include <gtest/gtest.h>

namespace estab::ip {
namespace {

using wire::Address;
constexpr Instant start{};
constexpr Address peer = Address::v4(198, 51, 100, 7);

Address v6(int last) {
    return *Address::parse("2001:db8::" + std::to_string(last));
}

TEST(PathMtu, IsTheLinksUntilARouterSaysLess) {  // RFC 1191 3
    PathMtu paths;
    EXPECT_EQ(paths.find(start, peer, 1500), 1500u);
    EXPECT_EQ(paths.learn(start, peer, 1400, 1500), 1400u);
    EXPECT_EQ(paths.find(start, peer, 1500), 1400u);
    EXPECT_EQ(paths.find(start, peer, 1300), 1300u);
    EXPECT_EQ(paths.find(start, Address::v4(198, 51, 100, 8), 1500), 1500u);
}

TEST(PathMtu, NeverRises) {  // RFC 1191 5, RFC 8201 4
    PathMtu paths;
    paths.learn(start, peer, 1400, 1500);
    EXPECT_EQ(paths.learn(start, peer, 1450, 1500), std::nullopt);
    EXPECT_EQ(paths.learn(start, peer, 1400, 1400), std::nullopt);
    EXPECT_EQ(paths.learn(start, peer, 1300, 1200), std::nullopt);
    EXPECT_EQ(paths.learn(start, v6(1), 9000, 1500), std::nullopt);
    EXPECT_EQ(paths.size(), 1u);
}

TEST(PathMtu, StopsAtTheSmallestThatIsBelievable) {
    PathMtu paths;
    EXPECT_EQ(paths.learn(start, peer, 68, 1500), 552u);
    EXPECT_EQ(paths.learn(start, v6(1), 1279, 1500), 1280u);
    EXPECT_EQ(paths.learn(start, v6(2), 1280, 1500), 1280u);
    EXPECT_EQ(paths.learn(start, v6(3), 1281, 1500), 1281u);
}

TEST(PathMtu, TakesTheNextPlateauFromAnOldRouter) {  // RFC 1191 7.1
    PathMtu paths;
    EXPECT_EQ(paths.learn(start, peer, 0, 1500), 1492u);
    EXPECT_EQ(paths.learn(start, peer, 0, 1492), 1006u);
    EXPECT_EQ(paths.learn(start, peer, 0, 1006), 552u);
    EXPECT_EQ(paths.learn(start, peer, 0, 552), std::nullopt);
}

TEST(PathMtu, IsForgottenAfterTenMinutes) {  // RFC 1191 6.3
    PathMtu paths;
    paths.learn(start, peer, 1400, 1500);
    EXPECT_EQ(paths.deadline(), start + 10min);
    EXPECT_EQ(paths.find(start + 10min - 1ns, peer, 1500), 1400u);
    EXPECT_EQ(paths.find(start + 10min, peer, 1500), 1500u);
    paths.expire(start + 10min - 1ns);
    EXPECT_EQ(paths.size(), 1u);
    paths.expire(start + 10min);
    EXPECT_EQ(paths.size(), 0u);
    EXPECT_EQ(paths.deadline(), never);
}

TEST(PathMtu, ForgetsTheOneNotUsedForLongestWhenFull) {
    PathMtu paths({.entries_max = 2});
    paths.learn(start, v6(1), 1400, 1500);
    paths.learn(start + 1s, v6(2), 1400, 1500);
    EXPECT_EQ(paths.find(start + 2s, v6(1), 1500), 1400u);
    paths.learn(start + 3s, v6(3), 1400, 1500);
    EXPECT_EQ(paths.size(), 2u);
    EXPECT_EQ(paths.find(start + 4s, v6(1), 1500), 1400u);
    EXPECT_EQ(paths.find(start + 4s, v6(2), 1500), 1500u);
    EXPECT_EQ(paths.find(start + 4s, v6(3), 1500), 1400u);
}

}  // namespace
}  // namespace estab::ip
