// Datagram sockets without a stack: packets as bytes, in and out.
#include <gtest/gtest.h>

#include "udp/sockets.hpp"

namespace estab::udp {
namespace {

using wire::Address;
using wire::Endpoint;

const Address us = Address::v4(10, 0, 0, 1), us_too = Address::v4(10, 0, 0, 3);
const Endpoint peer{Address::v4(10, 0, 0, 2), 5000};

Bytes bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text(const Datagram& d) { return {d.payload.begin(), d.payload.end()}; }

struct Host : testing::Test {
    event::Counters counters;
    Rng rng{7};
    Sockets sockets{counters, rng};

    std::vector<std::uint8_t> packet(const Endpoint& from, const Endpoint& to,
                                     std::string_view payload) {
        Sockets other(others, rng);
        const auto id = other.open({.local = from});
        std::vector<std::uint8_t> room(Sockets::packet_bytes(to.address, payload.size()));
        EXPECT_EQ(other.write(*id, room, from, to, bytes(payload)), room.size());
        return room;
    }
    std::optional<Sockets::Delivered> receive(const std::vector<std::uint8_t>& packet) {
        const auto parsed = wire::IpPacket::parse(packet);
        EXPECT_TRUE(parsed);
        return sockets.receive(*parsed, false);
    }
    event::Counters others;
};

using Demux = Host;

TEST_F(Demux, ConnectedBeforeAddressBeforeAny) {
    const auto any = sockets.open({.local = {{}, 53}});
    ASSERT_TRUE(any);
    EXPECT_EQ(sockets.open({.local = {us, 53}}).error(), Error::address_in_use);
    sockets.close(*any);
    const auto one = sockets.open({.local = {us, 53}});
    const auto two = sockets.open({.local = {us_too, 53}});
    ASSERT_TRUE(one && two);
    EXPECT_EQ(receive(packet(peer, {us, 53}, "a"))->to, *one);
    EXPECT_EQ(receive(packet(peer, {us_too, 53}, "b"))->to, *two);
    EXPECT_FALSE(receive(packet(peer, {us, 54}, "c")));
    ASSERT_TRUE(sockets.connect(*two, peer, us_too));
    EXPECT_TRUE(receive(packet(peer, {us_too, 53}, "d"))->to);
    EXPECT_FALSE(receive(packet({peer.address, 5001}, {us_too, 53}, "e")));
    EXPECT_EQ(text(*sockets.next(*two)), "b");
    EXPECT_EQ(text(*sockets.next(*two)), "d");
    EXPECT_EQ(sockets.next(*two).error(), Error::would_block);
    EXPECT_EQ(counters.Udp_InDatagrams, 3u);
}

TEST_F(Demux, PortsAreDrawnUntilNoneIsLeft) {
    std::vector<bool> seen(65'536);
    for (int i = 0; i < 200; ++i) {
        const auto id = sockets.open({});
        ASSERT_TRUE(id);
        const std::uint16_t port = sockets.local(*id)->port;
        EXPECT_TRUE(port >= 32'768 && port < 61'000);
        EXPECT_FALSE(seen[port]);
        seen[port] = true;
    }
}

TEST_F(Demux, AClosedSocketIsNeverMistakenForAnother) {
    const auto first = sockets.open({.local = {us, 53}});
    sockets.close(*first);
    const auto second = sockets.open({.local = {us, 53}});
    EXPECT_EQ(first->index, second->index);
    EXPECT_EQ(sockets.next(*first).error(), Error::not_found);
    EXPECT_EQ(sockets.in_use(), 1u);
}

using Queue = Host;

TEST_F(Queue, DropsTheNewestWhenFull) {
    const auto id = sockets.open({.local = {us, 53}, .queue_max = 2 * (64 + 10)});
    for (const char* t : {"0123456789", "abcdefghij", "lost......"}) {
        EXPECT_TRUE(receive(packet(peer, {us, 53}, t)));
    }
    EXPECT_EQ(counters.Udp_RcvbufErrors, 1u);
    EXPECT_EQ(text(*sockets.next(*id)), "0123456789");
    EXPECT_TRUE(receive(packet(peer, {us, 53}, "room again")));
    EXPECT_EQ(text(*sockets.next(*id)), "abcdefghij");
    EXPECT_EQ(text(*sockets.next(*id)), "room again");
    EXPECT_EQ(counters.Udp_RcvbufErrors, 1u);
}

TEST_F(Queue, EmptyDatagramsCountToo) {
    const auto id = sockets.open({.local = {us, 53}, .queue_max = 64});
    EXPECT_TRUE(receive(packet(peer, {us, 53}, ""))->to);
    EXPECT_FALSE(receive(packet(peer, {us, 53}, ""))->to);
    EXPECT_EQ(sockets.next(*id)->payload.size(), 0u);
}

TEST_F(Queue, WrongChecksumIsDroppedAndCounted) {  // RFC 1122 4.1.3.4
    const auto id = sockets.open({.local = {us, 53}});
    auto p = packet(peer, {us, 53}, "text");
    p.back() ^= 1;
    const auto delivered = receive(p);
    ASSERT_TRUE(delivered);  // no ICMP for it
    EXPECT_FALSE(delivered->to);
    EXPECT_EQ(counters.Udp_InErrors, 1u);
    EXPECT_EQ(sockets.next(*id).error(), Error::would_block);
    const auto parsed = wire::IpPacket::parse(p);
    EXPECT_TRUE(sockets.receive(*parsed, true)->to);  // somebody below has checked it
}

TEST_F(Queue, NoChecksumIsFineOverIpv4Only) {  // RFC 8200 8.1
    const auto id = sockets.open({.local = {{}, 53}});
    ASSERT_TRUE(id);
    auto v4 = packet(peer, {us, 53}, "text");
    v4[20 + 6] = v4[20 + 7] = 0;
    EXPECT_TRUE(receive(v4)->to);
    auto v6 = packet({*Address::parse("fd00::2"), 1}, {*Address::parse("fd00::1"), 53}, "text");
    v6[40 + 6] = v6[40 + 7] = 0;
    EXPECT_FALSE(receive(v6)->to);
}

using Icmp = Host;

TEST_F(Icmp, TroubleIsKeptForItsSocketUpToALimit) {  // RFC 1122 4.1.3.3
    const auto id = sockets.open({.local = {us, 53}});
    EXPECT_FALSE(sockets.on_icmp({us, 54}, {.remote = peer}));
    for (std::uint8_t i = 0; i < 17; ++i) {
        EXPECT_EQ(sockets.on_icmp({us, 53}, {.remote = peer, .error = Error::refused, .code = i}),
                  *id);
    }
    EXPECT_EQ(sockets.next_trouble(*id)->code, 1);  // the oldest went
    for (int i = 0; i < 15; ++i) EXPECT_TRUE(sockets.next_trouble(*id));
    EXPECT_EQ(sockets.next_trouble(*id).error(), Error::would_block);
}

}  // namespace
}  // namespace estab::udp
