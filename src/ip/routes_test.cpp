#include "ip/routes.hpp"

#include <gtest/gtest.h>

namespace estab::ip {
namespace {

using wire::Address;
using wire::Prefix;

Address address(const char* text) { return *Address::parse(text); }
Prefix prefix(const char* text) { return *Prefix::parse(text); }

Routes usual() {
    Routes routes;
    EXPECT_TRUE(routes.add_address(prefix("10.77.0.2/24")));
    EXPECT_TRUE(routes.add_address(prefix("fd77::2/64")));
    EXPECT_TRUE(routes.add(
        {.destination = prefix("0.0.0.0/0"), .gateway = address("10.77.0.1"), .source = {}}));
    return routes;
}

TEST(Routes, SendToTheLinkOrToTheGateway) {  // RFC 1122 3.3.1.1
    const Routes routes = usual();
    EXPECT_EQ(routes.find(address("10.77.0.9"))->next, address("10.77.0.9"));
    EXPECT_EQ(routes.find(address("192.0.2.1"))->next, address("10.77.0.1"));
    EXPECT_EQ(routes.find(address("fd77::9"))->next, address("fd77::9"));
    EXPECT_FALSE(routes.find(address("2001:db8::1")));
}

TEST(Routes, TakeTheLongestPrefix) {  // RFC 1812 5.2.4.3
    Routes routes = usual();
    ASSERT_TRUE(routes.add(
        {.destination = prefix("192.0.0.0/8"), .gateway = address("10.77.0.8"), .source = {}}));
    ASSERT_TRUE(routes.add({.destination = prefix("192.0.2.0/24"),
                            .gateway = address("10.77.0.24"),
                            .source = {},
                            .mtu = 1400}));
    ASSERT_TRUE(routes.add(
        {.destination = prefix("192.0.0.0/16"), .gateway = address("10.77.0.16"), .source = {}}));
    EXPECT_EQ(routes.find(address("192.0.2.255"))->next, address("10.77.0.24"));
    EXPECT_EQ(routes.find(address("192.0.2.255"))->mtu, 1400u);
    EXPECT_EQ(routes.find(address("192.0.3.0"))->next, address("10.77.0.16"));
    EXPECT_EQ(routes.find(address("192.1.0.0"))->next, address("10.77.0.8"));
    EXPECT_EQ(routes.find(address("193.0.0.0"))->next, address("10.77.0.1"));
    EXPECT_TRUE(routes.remove(prefix("192.0.2.0/24")));
    EXPECT_FALSE(routes.remove(prefix("192.0.2.0/24")));
    EXPECT_EQ(routes.find(address("192.0.2.255"))->next, address("10.77.0.16"));
}

TEST(Routes, ReplaceTheSamePrefix) {
    Routes routes = usual();
    ASSERT_TRUE(routes.add(
        {.destination = prefix("0.0.0.0/0"), .gateway = address("10.77.0.3"), .source = {}}));
    EXPECT_EQ(routes.find(address("192.0.2.1"))->next, address("10.77.0.3"));
    EXPECT_EQ(routes.routes().size(), 3u);
}

TEST(Routes, KnowOurAddresses) {
    const Routes routes = usual();
    EXPECT_TRUE(routes.is_local(address("10.77.0.2")));
    EXPECT_TRUE(routes.is_local(address("fd77::2")));
    EXPECT_FALSE(routes.is_local(address("10.77.0.3")));
    EXPECT_FALSE(routes.is_local(address("::2")));
}

TEST(Routes, FindEachOfAsManyAsThereCanBe) {  // and no neighbour of one
    Routes routes;
    const auto one = [](std::uint32_t i) {
        return wire::Address::v4(10, 9, static_cast<std::uint8_t>(i / 64),
                                 static_cast<std::uint8_t>(4 * (i % 64) + 1));
    };
    for (std::uint32_t i = 0; i < Routes::entries_max; ++i) {
        EXPECT_FALSE(routes.is_own(one(i)));
        ASSERT_TRUE(routes.add_address({one(i), 16}));
        EXPECT_FALSE(routes.add_address({one(i), 16}));
    }
    for (std::uint32_t i = 0; i < Routes::entries_max; ++i) {
        EXPECT_TRUE(routes.is_own(one(i)));
        std::array<std::uint8_t, 4> next;
        store_be32(next.data(), load_be32(one(i).bytes().data()) + 1);
        EXPECT_FALSE(routes.is_own(wire::Address::from_v4(next.data())));
    }
    EXPECT_TRUE(routes.is_broadcast(address("10.9.255.255")));
}

TEST(Routes, AcceptAny) {
    Routes routes = usual();
    ASSERT_TRUE(routes.accept(prefix("0.0.0.0/0")));
    EXPECT_TRUE(routes.is_local(address("192.0.2.1")));
    EXPECT_FALSE(routes.is_own(address("192.0.2.1")));
    EXPECT_FALSE(routes.is_local(address("2001:db8::1")));
    EXPECT_FALSE(routes.is_local(address("10.77.0.255")));
    EXPECT_FALSE(routes.is_local(address("255.255.255.255")));
    EXPECT_FALSE(routes.is_local(address("224.0.0.1")));
    EXPECT_FALSE(routes.is_local(address("0.0.0.0")));
}

TEST(Routes, TellUnicastFromTheRest) {  // RFC 1122 3.2.1.3
    const Routes routes = usual();
    EXPECT_TRUE(routes.is_broadcast(address("10.77.0.255")));
    EXPECT_FALSE(routes.is_broadcast(address("10.77.1.255")));
    EXPECT_TRUE(routes.is_broadcast(address("255.255.255.255")));
    EXPECT_TRUE(routes.is_unicast(address("10.77.0.254")));
    EXPECT_FALSE(routes.is_unicast(address("ff02::1")));
    EXPECT_FALSE(routes.is_unicast(address("::")));
}

TEST(Routes, SpeakFromTheRightAddress) {  // RFC 6724 5
    Routes routes = usual();
    ASSERT_TRUE(routes.add_address(prefix("10.77.0.3/24")));
    ASSERT_TRUE(routes.add_address(prefix("172.16.5.1/16")));
    ASSERT_TRUE(routes.add_address(prefix("fe80::2/64")));
    ASSERT_TRUE(routes.add_address(prefix("2001:db8::2/64")));
    ASSERT_TRUE(
        routes.add({.destination = prefix("::/0"), .gateway = address("fe80::1"), .source = {}}));
    ASSERT_TRUE(routes.add({.destination = prefix("198.51.100.0/24"),
                            .gateway = address("10.77.0.1"),
                            .source = address("10.77.0.3")}));
    EXPECT_EQ(routes.source_for(address("10.77.0.9")), address("10.77.0.2"));
    EXPECT_EQ(routes.source_for(address("172.16.9.9")), address("172.16.5.1"));
    EXPECT_EQ(routes.source_for(address("192.0.2.1")), address("10.77.0.2"));  // the gateway's link
    EXPECT_EQ(routes.source_for(address("198.51.100.1")),
              address("10.77.0.3"));  // the route says so
    EXPECT_EQ(routes.source_for(address("172.16.5.1")), address("172.16.5.1"));     // rule 1
    EXPECT_EQ(routes.source_for(address("fe80::9")), address("fe80::2"));           // rule 2
    EXPECT_EQ(routes.source_for(address("2001:db8:0:1::9")),
              address("2001:db8::2"));                                              // rules 2 and 8
    EXPECT_EQ(routes.source_for(address("fd77:0:0:1::9")), address("fd77::2"));     // rule 8
}

TEST(Routes, HaveNoSourceWithoutARouteOrAnAddress) {
    Routes routes;
    EXPECT_FALSE(routes.source_for(address("192.0.2.1")));
    ASSERT_TRUE(routes.add({.destination = prefix("0.0.0.0/0"), .gateway = {}, .source = {}}));
    EXPECT_FALSE(routes.source_for(address("192.0.2.1")));
    EXPECT_EQ(usual().source_for(address("2001:db8::1")), std::nullopt);
}

TEST(Routes, RefuseWhatCannotBe) {
    Routes routes = usual();
    EXPECT_EQ(routes.add_address(prefix("10.77.0.2/24")).error(), Error::address_in_use);
    EXPECT_EQ(routes.add_address(prefix("10.78.0.255/24")).error(), Error::invalid_argument);
    EXPECT_EQ(routes.add_address(prefix("224.0.0.1/24")).error(), Error::invalid_argument);
    EXPECT_EQ(routes.add_address(prefix("0.0.0.0/0")).error(), Error::invalid_argument);
    EXPECT_EQ(
        routes
            .add({.destination = prefix("0.0.0.0/0"), .gateway = address("fd77::1"), .source = {}})
            .error(),
        Error::invalid_argument);
    EXPECT_EQ(
        routes
            .add({.destination = prefix("0.0.0.0/0"), .gateway = {}, .source = address("fd77::2")})
            .error(),
        Error::invalid_argument);
}

TEST(Routes, HoldNoMoreThanTheirLimit) {
    Routes routes;
    for (std::size_t i = 0; i < Routes::entries_max; ++i) {
        ASSERT_TRUE(routes.accept(prefix("10.0.0.0/8")));
        const Address host = Address::v4(10, 0, 1, static_cast<std::uint8_t>(i));
        ASSERT_TRUE(routes.add({.destination = {host, 32}, .gateway = {}, .source = {}}));
    }
    EXPECT_EQ(routes.accept(prefix("10.0.0.0/8")).error(), Error::no_memory);
    EXPECT_EQ(
        routes.add({.destination = prefix("10.9.0.0/16"), .gateway = {}, .source = {}}).error(),
        Error::no_memory);
    EXPECT_EQ(routes.add_address(prefix("10.0.0.5/8")).error(), Error::no_memory);
}

}  // namespace
}  // namespace estab::ip
