#include "ip/neighbours.hpp"

#include <gtest/gtest.h>

#include "wire/ethernet.hpp"

namespace estab::ip {
namespace {

using wire::Address;
using wire::Arp;
using wire::ArpOperation;
using wire::Mac;
constexpr Instant start{};
constexpr Mac our_mac{{2, 0, 0, 0, 0, 2}};
constexpr Mac peer_mac{{2, 0, 0, 0, 0, 9}};
constexpr Mac other_mac{{2, 0, 0, 0, 0, 8}};
constexpr Address us = Address::v4(10, 77, 0, 2);
constexpr Address peer = Address::v4(10, 77, 0, 9);
const Address us6 = *Address::parse("fd77::2");
const Address peer6 = *Address::parse("fd77::9");
const Address unspecified4 = Address::v4(0, 0, 0, 0);

class Link : public testing::Test {
protected:
    Link() {
        EXPECT_TRUE(routes.add_address({us, 24}));
        EXPECT_TRUE(routes.add_address({us6, 64}));
    }
    // The next frame that goes out; empty when the link is quiet.
    std::vector<std::uint8_t> next() {
        std::vector<std::uint8_t> room(neighbours.next_bytes());
        if (!room.empty()) offload = neighbours.write_next(room);
        return room;
    }
    std::optional<Arp> next_arp() {
        frame = next();
        const auto ethernet = wire::EthernetFrame::parse(frame);
        if (!ethernet || ethernet->type != wire::ethertype_arp) return std::nullopt;
        EXPECT_EQ(ethernet->source, our_mac);
        sent_to = ethernet->destination;
        return *Arp::parse(ethernet->payload);
    }
    std::optional<wire::NdpMessage> next_ndp() {
        frame = next();
        const auto ethernet = wire::EthernetFrame::parse(frame);
        if (!ethernet || ethernet->type != wire::ethertype_ipv6) return std::nullopt;
        sent_to = ethernet->destination;
        sent = *wire::IpPacket::parse(ethernet->payload);
        return *wire::parse_ndp(sent);
    }
    bool hold(Instant now, const Address& to, std::size_t bytes = 60, std::uint8_t fill = 7) {
        const std::vector<std::uint8_t> packet(bytes, fill);
        return neighbours.hold(now, {.next_hop = to,
                                     .source = to.is_v4() ? us : us6,
                                     .frame = packet,
                                     .offload = {.checksum = device::Checksum::partial}});
    }
    bool is_held_frame(const std::vector<std::uint8_t>& bytes, const Mac& to,
                       std::uint8_t fill = 7) const {
        return bytes.size() >= 14 &&
               std::equal(to.octets.begin(), to.octets.end(), bytes.begin()) &&
               bytes.back() == fill && offload.checksum == device::Checksum::partial;
    }
    void request(Instant now, const Address& sender, const Address& target,
                 const Mac& mac = peer_mac) {
        neighbours.on_arp(
            now, {.sender_mac = mac, .sender = sender, .target_mac = {}, .target = target});
    }
    void reply(Instant now, const Address& sender, const Mac& mac, const Mac& to = our_mac) {
        neighbours.on_arp(now, {.operation = ArpOperation::reply,
                                .sender_mac = mac,
                                .sender = sender,
                                .target_mac = to,
                                .target = us});
    }
    void solicit(Instant now, const Address& source, const Address& target,
                 std::optional<Mac> mac = peer_mac) {
        wire::IpPacket packet;
        packet.source = source;
        neighbours.on_ndp(now, packet, wire::NeighbourSolicitation{target, mac}, peer_mac);
    }
    void advertise(Instant now, const wire::NeighbourAdvertisement& na) {
        wire::IpPacket packet;
        packet.source = na.target;
        neighbours.on_ndp(now, packet, na, peer_mac);
    }

    Routes routes;
    Neighbours neighbours{our_mac, routes, {.entries_max = 4}};
    std::vector<std::uint8_t> frame;
    Mac sent_to;
    wire::IpPacket sent;
    device::Offload offload;
};

TEST_F(Link, TheFirstPacketIsHeldAndNotLost) {  // RFC 1122 2.3.2.2
    EXPECT_FALSE(neighbours.find(start, peer));
    EXPECT_TRUE(hold(start, peer));
    const auto question = next_arp();
    ASSERT_TRUE(question);
    EXPECT_EQ(question->operation, ArpOperation::request);
    EXPECT_EQ(question->sender, us);
    EXPECT_EQ(question->sender_mac, our_mac);
    EXPECT_EQ(question->target, peer);
    EXPECT_EQ(sent_to, wire::broadcast_mac);
    EXPECT_TRUE(next().empty());
    reply(start + 1ms, peer, peer_mac);
    EXPECT_TRUE(is_held_frame(next(), peer_mac));
    EXPECT_TRUE(next().empty());
    EXPECT_EQ(neighbours.find(start + 1ms, peer), peer_mac);
    EXPECT_EQ(frame.size(), 42u);
}

TEST_F(Link, TheSameOverNeighbourDiscovery) {  // RFC 4861 7.2.2
    EXPECT_TRUE(hold(start, peer6));
    const auto question = next_ndp();
    ASSERT_TRUE(question);
    const auto& ns = std::get<wire::NeighbourSolicitation>(*question);
    EXPECT_EQ(ns.target, peer6);
    EXPECT_EQ(ns.source, our_mac);
    EXPECT_EQ(sent.source, us6);
    EXPECT_EQ(sent.destination.text(), "ff02::1:ff00:9");
    EXPECT_EQ(sent_to.text(), "33:33:ff:00:00:09");
    advertise(start, {.target = peer6, .mac = peer_mac, .solicited = true, .overrides = true});
    EXPECT_TRUE(is_held_frame(next(), peer_mac));
    EXPECT_EQ(neighbours.find(start, peer6), peer_mac);
}

TEST_F(Link, OnlyTheLatestPacketIsHeld) {
    EXPECT_TRUE(hold(start, peer, 60, 1));
    EXPECT_TRUE(hold(start, peer, 60, 2));
    EXPECT_FALSE(hold(start, peer, 2049, 3));
    EXPECT_TRUE(next_arp());
    reply(start, peer, peer_mac);
    EXPECT_TRUE(is_held_frame(next(), peer_mac, 2));
    EXPECT_TRUE(next().empty());
}

TEST_F(Link, NobodyAnswersThreeQuestions) {  // RFC 4861 7.2.2, RFC 1122 2.3.2.1
    hold(start, peer);
    EXPECT_TRUE(next_arp());
    EXPECT_EQ(neighbours.deadline(), start + 1s);
    for (int second = 1; second <= 2; ++second) {
        neighbours.on_time(start + second * 1s - 1ns);
        EXPECT_TRUE(next().empty());
        neighbours.on_time(start + second * 1s);
        EXPECT_TRUE(next_arp());
        EXPECT_TRUE(next().empty());
    }
    EXPECT_FALSE(neighbours.take_unreachable());
    neighbours.on_time(start + 3s);
    EXPECT_TRUE(next().empty());
    EXPECT_EQ(neighbours.take_unreachable(), peer);
    EXPECT_FALSE(neighbours.take_unreachable());
    EXPECT_EQ(neighbours.size(), 0u);
    EXPECT_EQ(neighbours.deadline(), never);
}

TEST_F(Link, AnOldEntryIsUsedAndThenChecked) {  // RFC 4861 7.3.3
    hold(start, peer);
    next();
    reply(start, peer, peer_mac);
    next();
    EXPECT_EQ(neighbours.find(start + 30s - 1ns, peer), peer_mac);
    neighbours.on_time(start + 30s);
    EXPECT_TRUE(next().empty());
    EXPECT_EQ(neighbours.find(start + 30s, peer), peer_mac);
    EXPECT_EQ(neighbours.deadline(), start + 35s);
    neighbours.on_time(start + 35s);
    EXPECT_TRUE(next_arp());
    EXPECT_EQ(sent_to, peer_mac);
    EXPECT_EQ(neighbours.find(start + 35s, peer), peer_mac);
    neighbours.on_time(start + 36s);
    neighbours.on_time(start + 37s);
    EXPECT_TRUE(next_arp());
    neighbours.on_time(start + 38s);
    EXPECT_FALSE(neighbours.find(start + 38s, peer));
}

TEST_F(Link, ProgressOfTcpSavesTheQuestion) {  // RFC 4861 7.3.1
    hold(start, peer);
    next();
    reply(start, peer, peer_mac);
    next();
    neighbours.find(start + 31s, peer);
    neighbours.confirm(start + 32s, peer);
    neighbours.on_time(start + 36s);
    EXPECT_TRUE(next().empty());
    EXPECT_EQ(neighbours.deadline(), never);
    neighbours.confirm(start, us);
    EXPECT_EQ(neighbours.size(), 1u);
}

TEST_F(Link, WeAnswerForOurAddress) {  // RFC 826
    request(start, peer, us);
    const auto answer = next_arp();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->operation, ArpOperation::reply);
    EXPECT_EQ(answer->sender, us);
    EXPECT_EQ(answer->sender_mac, our_mac);
    EXPECT_EQ(answer->target, peer);
    EXPECT_EQ(answer->target_mac, peer_mac);
    EXPECT_EQ(sent_to, peer_mac);
    EXPECT_EQ(neighbours.find(start, peer), peer_mac);  // and know who asked
    request(start, peer, Address::v4(10, 77, 0, 3));
    EXPECT_TRUE(next().empty());
}

TEST_F(Link, WeAdvertiseOurAddress) {  // RFC 4861 7.2.4
    solicit(start, peer6, us6);
    auto answer = next_ndp();
    ASSERT_TRUE(answer);
    const auto na = std::get<wire::NeighbourAdvertisement>(*answer);
    EXPECT_EQ(na.target, us6);
    EXPECT_EQ(na.mac, our_mac);
    EXPECT_TRUE(na.solicited);
    EXPECT_TRUE(na.overrides);
    EXPECT_EQ(sent.destination, peer6);
    EXPECT_EQ(sent_to, peer_mac);
    EXPECT_EQ(neighbours.find(start, peer6), peer_mac);
    solicit(start, *Address::parse("fd77::8"), us6, std::nullopt);  // a check without its address
    EXPECT_TRUE(next_ndp());
    EXPECT_EQ(sent_to, peer_mac);
    EXPECT_EQ(neighbours.size(), 1u);
}

TEST_F(Link, WeDefendOurAddress) {  // RFC 5227 2.1.1, RFC 4862 5.4.3
    request(start, unspecified4, us);
    const auto answer = next_arp();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->sender, us);
    solicit(start, Address{}, us6, std::nullopt);
    const auto advertised = next_ndp();
    ASSERT_TRUE(advertised);
    EXPECT_FALSE(std::get<wire::NeighbourAdvertisement>(*advertised).solicited);
    EXPECT_EQ(sent.destination.text(), "ff02::1");
    EXPECT_EQ(sent_to.text(), "33:33:00:00:00:01");
    EXPECT_EQ(neighbours.size(), 0u);
}

TEST_F(Link, WeAnswerForEverythingAsAGateway) {
    ASSERT_TRUE(neighbours.answer_for(*wire::Prefix::parse("0.0.0.0/0")));
    ASSERT_TRUE(neighbours.answer_for(*wire::Prefix::parse("::/0")));
    request(start, peer, Address::v4(10, 77, 0, 1));
    EXPECT_EQ(next_arp()->sender, Address::v4(10, 77, 0, 1));
    solicit(start, peer6, *Address::parse("fd77::1"));
    const auto answer = next_ndp();
    ASSERT_TRUE(answer);
    EXPECT_FALSE(std::get<wire::NeighbourAdvertisement>(*answer).overrides);
    EXPECT_EQ(sent.source.text(), "fd77::1");
}

TEST_F(Link, AGatewayLeavesTheAddressesOfOthersAlone) {
    ASSERT_TRUE(neighbours.answer_for(*wire::Prefix::parse("0.0.0.0/0")));
    ASSERT_TRUE(neighbours.answer_for(*wire::Prefix::parse("::/0")));
    request(start, unspecified4, peer);                         // may I have it?
    request(start, peer, peer);                                 // I have it now
    solicit(start, Address{}, peer6, std::nullopt);
    EXPECT_TRUE(next().empty());
    request(start, peer, us);
    EXPECT_TRUE(next_arp());
    request(start, Address::v4(10, 77, 0, 8), peer, other_mac);  // the real one will answer
    request(start, peer, Address::v4(10, 77, 0, 255));
    request(start, peer, Address::v4(224, 0, 0, 1));
    EXPECT_TRUE(next().empty());
}

TEST_F(Link, UnaskedRepliesOnlyUpdate) {  // RFC 826; RFC 4861 7.2.5
    reply(start, peer, peer_mac);
    request(start, peer, peer);
    advertise(start, {.target = peer6, .mac = peer_mac, .overrides = true});
    EXPECT_EQ(neighbours.size(), 0u);
    request(start, peer, us);
    next();
    request(start, peer, peer, other_mac);  // it has moved
    EXPECT_EQ(neighbours.find(start, peer), other_mac);
}

TEST_F(Link, AdvertisementsFollowTheirFlags) {  // RFC 4861 7.2.5
    hold(start, peer6);
    next();
    advertise(start,
              {.target = peer6, .mac = {}, .solicited = true});  // says nothing without an address
    EXPECT_FALSE(neighbours.find(start, peer6));
    advertise(start, {.target = peer6, .mac = peer_mac, .solicited = true});
    EXPECT_EQ(neighbours.find(start, peer6), peer_mac);
    EXPECT_TRUE(is_held_frame(next(), peer_mac));
    advertise(start, {.target = peer6, .mac = other_mac, .solicited = true});
    EXPECT_EQ(neighbours.find(start, peer6), peer_mac);      // doubted, to be checked
    neighbours.on_time(start + 1s);
    EXPECT_EQ(neighbours.deadline(), start + 5s);
    advertise(start + 1s, {.target = peer6, .mac = other_mac, .overrides = true});
    EXPECT_EQ(neighbours.find(start + 1s, peer6), other_mac);
    advertise(start + 1s, {.target = peer6, .mac = {}, .solicited = true});
    EXPECT_EQ(neighbours.find(start + 2s, peer6), other_mac);
    neighbours.on_time(start + 20s);
    EXPECT_TRUE(next().empty());
}

TEST_F(Link, NobodyElseIsUs) {
    request(start, us, us, other_mac);
    reply(start, us, other_mac);
    advertise(start, {.target = us6, .mac = other_mac, .overrides = true});
    solicit(start, us6, us6, other_mac);
    EXPECT_EQ(neighbours.size(), 0u);
    EXPECT_TRUE(next().empty());
}

TEST_F(Link, AGroupIsNoNeighbour) {  // RFC 1812 3.3.2
    hold(start, peer);
    EXPECT_TRUE(next_arp());
    reply(start, peer, wire::broadcast_mac);
    reply(start, peer, Mac{});
    reply(start, peer, Mac{{1, 0, 0x5e, 0, 0, 1}});
    EXPECT_FALSE(neighbours.find(start, peer));
    request(start, Address::v4(10, 77, 0, 255), us);
    request(start, Address::v4(224, 0, 0, 1), us);
    EXPECT_EQ(neighbours.size(), 1u);
}

TEST_F(Link, GroupsNeedNoQuestion) {  // RFC 1112 6.4, RFC 2464 7
    EXPECT_EQ(neighbours.find(start, Address::v4(224, 0, 0, 251))->text(), "01:00:5e:00:00:fb");
    EXPECT_EQ(neighbours.find(start, *Address::parse("ff02::fb"))->text(), "33:33:00:00:00:fb");
    EXPECT_EQ(neighbours.find(start, Address::v4(255, 255, 255, 255)), wire::broadcast_mac);
    EXPECT_EQ(neighbours.find(start, Address::v4(10, 77, 0, 255)), wire::broadcast_mac);
}

TEST_F(Link, StaticEntriesStay) {
    ASSERT_TRUE(neighbours.add_static(peer, peer_mac));
    EXPECT_EQ(neighbours.add_static(peer, wire::broadcast_mac).error(), Error::invalid_argument);
    reply(start, peer, other_mac);
    EXPECT_EQ(neighbours.find(start + 24h, peer), peer_mac);
    EXPECT_EQ(neighbours.deadline(), never);
    for (std::uint8_t i = 100; i < 110; ++i) hold(start + 24h, Address::v4(10, 77, 0, i));
    EXPECT_EQ(neighbours.find(start + 25h, peer), peer_mac);
    EXPECT_EQ(neighbours.size(), 4u);
}

TEST_F(Link, AStaticEntryReleasesWhatWaits) {
    hold(start, peer);
    ASSERT_TRUE(neighbours.add_static(peer, peer_mac));
    EXPECT_TRUE(is_held_frame(next(), peer_mac));
    EXPECT_TRUE(next().empty());
}

TEST_F(Link, TheOneNotUsedForLongestGoes) {
    for (std::uint8_t i = 100; i < 104; ++i)
        request(start + i * 10ms, Address::v4(10, 77, 0, i), us);
    while (!next().empty()) {}
    neighbours.find(start + 10s, Address::v4(10, 77, 0, 100));
    hold(start + 11s, peer);
    EXPECT_EQ(neighbours.size(), 4u);
    EXPECT_TRUE(neighbours.find(start + 11s, Address::v4(10, 77, 0, 100)));
    EXPECT_FALSE(neighbours.find(start + 11s, Address::v4(10, 77, 0, 101)));
}

TEST_F(Link, AFloodOfQuestionsPushesNobodyOut) {
    request(start, peer, us);
    for (int i = 0; i < 1000; ++i) {
        request(start + 1s, Address::v4(10, 77, 0, static_cast<std::uint8_t>(10 + i % 200)), us,
                other_mac);
    }
    EXPECT_EQ(neighbours.size(), 4u);
    EXPECT_EQ(neighbours.find(start + 1s, peer), peer_mac);
    int answers = 0;
    while (next_arp()) ++answers;
    EXPECT_EQ(answers, 16);
}

TEST_F(Link, WhenAllAreStaticNothingIsHeld) {
    for (std::uint8_t i = 100; i < 104; ++i)
        ASSERT_TRUE(neighbours.add_static(Address::v4(10, 77, 0, i), peer_mac));
    EXPECT_FALSE(hold(start, peer));
    EXPECT_EQ(neighbours.add_static(peer, peer_mac).error(), Error::no_memory);
    EXPECT_TRUE(next().empty());
}

}  // namespace
}  // namespace estab::ip
