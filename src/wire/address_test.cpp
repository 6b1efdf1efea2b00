#include "wire/address.hpp"

#include <gtest/gtest.h>

namespace estab::wire {
namespace {

std::string normal(std::string_view text) {
    const auto address = Address::parse(text);
    return address ? address->text() : "-";
}

TEST(Address, Ipv4TextBothWays) {
    EXPECT_EQ(normal("192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(normal("0.0.0.0"), "0.0.0.0");
    EXPECT_EQ(normal("255.255.255.255"), "255.255.255.255");
    EXPECT_EQ(Address::parse("10.77.0.2"), Address::v4(10, 77, 0, 2));
}

TEST(Address, WhatIsNotIpv4) {
    for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.",
                             ".1.2.3", "1..2.3", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/8", "1.2.3.4:80",
                             "0x1.2.3.4", "1.2.3.-4", "1.2.3.1000"}) {
        EXPECT_EQ(normal(text), "-") << text;
    }
}

TEST(Address, Ipv6TextIsThatOfRfc5952) {
    EXPECT_EQ(normal("::"), "::");
    EXPECT_EQ(normal("::1"), "::1");
    EXPECT_EQ(normal("1::"), "1::");
    EXPECT_EQ(normal("2001:0DB8:0000:0000:0000:0000:0000:0001"), "2001:db8::1");
    EXPECT_EQ(normal("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // 4.2.2: one group stays
    EXPECT_EQ(normal("2001:db8::1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
    EXPECT_EQ(normal("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");        // 4.2.3: the longest
    EXPECT_EQ(normal("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");  // the first of equals
    EXPECT_EQ(normal("1:0:0:0:0:0:0:0"), "1::");
    EXPECT_EQ(normal("fd77::100"), "fd77::100");
    EXPECT_EQ(normal("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
    EXPECT_EQ(normal("1:2:3:4:5:6:1.2.3.4"), "1:2:3:4:5:6:102:304");
}

TEST(Address, MappedIsIpv4) {
    const auto address = Address::parse("::ffff:192.0.2.1");
    EXPECT_EQ(address, Address::v4(192, 0, 2, 1));
    EXPECT_TRUE(address->is_v4());
}

TEST(Address, WhatIsNotIpv6) {
    for (const char* text : {":",
                             ":::",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:8:9",
                             "1::2::3",
                             "1:2:3:4:5:6:7:8::",
                             "::1:2:3:4:5:6:7:8",
                             "12345::",
                             "g::",
                             "1:",
                             ":1",
                             "1:2:3:4:5:6:7:",
                             "::1%eth0",
                             "[::1]",
                             "1:2:3:4:5:6:7:1.2.3.4",
                             "::1.2.3",
                             "1.2.3.4::",
                             "::1.2.3.4:1",
                             "fe80::1 ",
                             "1:2:3:4::5:6:7:8"}) {
        EXPECT_EQ(normal(text), "-") << text;
    }
}

TEST(Address, WireBytesOfEachFamily) {
    EXPECT_EQ(Address::v4(1, 2, 3, 4).bytes().size(), 4U);
    EXPECT_EQ(Address::from_v4(Address::v4(1, 2, 3, 4).bytes().data()), Address::v4(1, 2, 3, 4));
    const Address v6 = *Address::parse("2001:db8::1");
    EXPECT_EQ(v6.bytes().size(), 16U);
    EXPECT_EQ(Address::from_v6(v6.bytes().data()), v6);
}

TEST(Address, Kinds) {
    const auto at = [](std::string_view text) { return *Address::parse(text); };
    EXPECT_TRUE(Address{}.is_unspecified() && at("0.0.0.0").is_unspecified() &&
                !at("::1").is_unspecified());
    EXPECT_TRUE(at("127.3.2.1").is_loopback() && at("::1").is_loopback());
    EXPECT_FALSE(at("128.0.0.1").is_loopback() || at("::2").is_loopback() ||
                 at("1::1").is_loopback());
    EXPECT_TRUE(at("224.0.0.1").is_multicast() && at("239.255.255.255").is_multicast() &&
                at("ff02::1").is_multicast());
    EXPECT_FALSE(at("223.255.255.255").is_multicast() || at("240.0.0.0").is_multicast() ||
                 at("fe02::1").is_multicast());
    EXPECT_TRUE(at("255.255.255.255").is_broadcast());
    EXPECT_FALSE(at("255.255.255.254").is_broadcast());
    EXPECT_TRUE(at("169.254.1.1").is_link_local() && at("fe80::1").is_link_local() &&
                at("febf::1").is_link_local());
    EXPECT_FALSE(at("169.253.1.1").is_link_local() || at("fec0::1").is_link_local());
}

TEST(Prefix, TextBothWays) {
    EXPECT_EQ(Prefix::parse("10.77.0.0/24")->text(), "10.77.0.0/24");
    EXPECT_EQ(Prefix::parse("10.77.0.2")->text(), "10.77.0.2/32");
    EXPECT_EQ(Prefix::parse("fd77::/64")->text(), "fd77::/64");
    EXPECT_EQ(Prefix::parse("::1")->length, 128);
    EXPECT_EQ(Prefix::parse("0.0.0.0/0")->length, 0);
    for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "/8", "10.0.0.0/-1",
                             "10.0.0.0/08", "10.0.0.0/8/8"}) {
        EXPECT_FALSE(Prefix::parse(text)) << text;
    }
}

TEST(Prefix, ContainsToTheBit) {
    const auto contains = [](std::string_view prefix, std::string_view address) {
        return Prefix::parse(prefix)->contains(*Address::parse(address));
    };
    EXPECT_TRUE(contains("10.77.0.0/23", "10.77.1.255"));
    EXPECT_FALSE(contains("10.77.0.0/23", "10.77.2.0"));
    EXPECT_TRUE(contains("10.77.0.9/24", "10.77.0.200"));  // bits of the host do not matter
    EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
    EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
    EXPECT_FALSE(contains("::/0", "1.2.3.4"));
    EXPECT_TRUE(contains("192.0.2.1", "192.0.2.1"));
    EXPECT_FALSE(contains("192.0.2.1", "192.0.2.0"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(Prefix, DirectedBroadcast) {
    EXPECT_TRUE(Prefix::parse("10.77.0.0/24")->is_broadcast(Address::v4(10, 77, 0, 255)));
    EXPECT_FALSE(Prefix::parse("10.77.0.0/24")->is_broadcast(Address::v4(10, 77, 1, 255)));
    EXPECT_TRUE(Prefix::parse("10.77.0.0/30")->is_broadcast(Address::v4(10, 77, 0, 3)));
    EXPECT_FALSE(Prefix::parse("10.77.0.0/31")->is_broadcast(Address::v4(10, 77, 0, 1)));
    EXPECT_FALSE(Prefix::parse("10.77.0.3")->is_broadcast(Address::v4(10, 77, 0, 3)));
    EXPECT_FALSE(Prefix::parse("fd77::/120")->is_broadcast(*Address::parse("fd77::ff")));
}

TEST(Endpoint, TextBothWays) {
    for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:65535", "0.0.0.0:0"}) {
        EXPECT_EQ(Endpoint::parse(text)->text(), text);
    }
    for (const char* text : {"192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", ":80", "2001:db8::1:80",
                             "[192.0.2.1]:80", "[::1]", "[::1]80", "[::1:80", "1.2.3.4:+1"}) {
        EXPECT_FALSE(Endpoint::parse(text)) << text;
    }
}

TEST(Mac, TextBothWays) {
    EXPECT_EQ(Mac::parse("02:00:5e:10:00:0A")->text(), "02:00:5e:10:00:0a");
    EXPECT_TRUE(Mac::parse("ff:ff:ff:ff:ff:ff")->is_broadcast());
    EXPECT_FALSE(Mac::parse("ff:ff:ff:ff:ff:fe")->is_broadcast());
    for (const char* text :
         {"", "02:00:5e:10:00", "02:00:5e:10:00:0a:0b", "02-00-5e-10-00-0a", "02:00:5e:10:00:"}) {
        EXPECT_FALSE(Mac::parse(text)) << text;
    }
}

}  // namespace
}  // namespace estab::wire
