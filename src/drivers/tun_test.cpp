#include "drivers/tun.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "drivers/host_tun.hpp"
#include "drivers/in_child.hpp"
#include "drivers/namespaces.hpp"
#include "drivers/netlink.hpp"
#include "drivers/probe.hpp"

namespace estab::drivers {
namespace {

using device::LinkType;

constexpr int patience_ms = 10'000;  // only a test that fails ever waits for so long

// Datagram sockets have a short queue that is easy to fill: a device that becomes full.
struct Full {
    Fd writer;
    Fd reader;
    Full() {
        std::array<int, 2> fds;
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) !=
            0)
            throw_system("socketpair");
        writer.reset(fds[0]);
        reader.reset(fds[1]);
    }
};

TEST(SendSlot, KeepsTheFrameThatFoundNoRoomAndSendsItLater) {
    const Full full;
    SendSlot slot(false, 1500);
    std::uint32_t sent = 0;
    while (!slot.is_pending()) {
        const MutableBytes room = slot.reserve(1000);
        ASSERT_EQ(room.size(), 1000U);
        store_be32(room.data(), sent++);
        slot.commit(*full.writer, Instant{}, 1000, {});
    }
    EXPECT_TRUE(slot.reserve(10).empty());
    EXPECT_GT(slot.deadline(), Instant{});
    EXPECT_LT(slot.deadline(), never);
    slot.flush(*full.writer, Instant{});
    EXPECT_TRUE(slot.is_pending());

    std::array<std::uint8_t, 2000> got;
    std::uint32_t received = 0;
    while (received != sent) {
        ASSERT_EQ(::read(*full.reader, got.data(), got.size()), 1000);
        EXPECT_EQ(load_be32(got.data()), received++);
        slot.flush(*full.writer, Instant{});
    }
    EXPECT_FALSE(slot.is_pending());
    EXPECT_EQ(slot.deadline(), never);
    EXPECT_EQ(slot.counters.tx_frames, sent);
    EXPECT_EQ(slot.counters.tx_lost, 0U);
    EXPECT_GE(slot.counters.tx_busy, 2U);
}

TEST(SendSlot, CountsWhatTheKernelRefuses) {
    SendSlot slot(true, 1500);
    slot.reserve(1500);
    slot.commit(-1, Instant{}, 1500, {});
    EXPECT_FALSE(slot.is_pending());
    EXPECT_EQ(slot.counters.tx_lost, 1U);
    EXPECT_EQ(slot.counters.last_error, EBADF);
    EXPECT_TRUE(slot.reserve(1501).empty());
    slot.reserve(10);
    slot.commit(-1, Instant{}, 0, {});  // gives the room back
    EXPECT_EQ(slot.counters.tx_lost, 1U);
}

class Namespaces : public ::testing::Test {
   protected:
    void SetUp() override {
        try {
            in_child([] {
                enter_new_user_and_network();
                return Answer{};
            });
        } catch (const SystemError& e) {
            GTEST_SKIP() << e.what();
        }
    }
    // `work` in namespaces of its own.
    static Answer inside(const std::function<Answer()>& work) {
        return in_child([&] {
            enter_new_user_and_network();
            return work();
        });
    }
};

class Tun : public Namespaces {
   protected:
    void SetUp() override {
        if (::access("/dev/net/tun", R_OK | W_OK) != 0)
            GTEST_SKIP() << "/dev/net/tun: " << error_text(errno);
        Namespaces::SetUp();
    }
    static Answer made(TunDevice tun) {
        Answer answer{.text = tun.name(), .fds = {}};
        answer.fds.emplace_back(tun.release());
        return answer;
    }
};

TEST_F(Tun, TapIsEthernetAndTellsTheKernelsAddress) {
    Answer answer = inside([] { return made(TunDevice::open({.name = "tap7", .tap = true})); });
    EXPECT_EQ(answer.text, "tap7");
    const TunDevice tap = TunDevice::adopt(std::move(answer.fds[0]), 9000);
    EXPECT_EQ(tap.name(), "tap7");
    EXPECT_EQ(tap.caps().link, LinkType::ethernet);
    EXPECT_EQ(tap.caps().mtu, 9000U);
    EXPECT_EQ(tap.caps().frame_max, 65'535U + 14);
    EXPECT_TRUE(tap.has_offloads());
    EXPECT_TRUE(tap.peer_mac().has_value());
}

TEST_F(Tun, WithoutOffloadsFramesAreAsOnTheWire) {
    Answer answer =
        inside([] { return made(TunDevice::open({.name = "tun%d", .offloads = false})); });
    EXPECT_EQ(answer.text, "tun0");
    const TunDevice tun = TunDevice::adopt(std::move(answer.fds[0]), 1280);
    EXPECT_EQ(tun.caps().link, LinkType::ip);
    EXPECT_FALSE(tun.has_offloads() || tun.caps().tso4 || tun.caps().tso6 || tun.caps().checksum);
    EXPECT_EQ(tun.caps().frame_max, 1280U);
    EXPECT_FALSE(tun.peer_mac().has_value());
}

// In a dialogue the answer goes out before anyone looks for more; what waits is taken together.
TEST_F(Tun, AFrameThatComesAloneIsGivenAtOnce) {
    Answer answer = inside([] {
        Answer result = made(open_host_tun({.name = "estab8",
                                            .own = {wire::Prefix::parse("10.9.0.2/24").value()},
                                            .host = {wire::Prefix::parse("10.9.0.1/24").value()}}));
        result.fds.emplace_back(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        return result;
    });
    TunDevice tun = TunDevice::adopt(std::move(answer.fds[0]), 1500);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    ::inet_pton(AF_INET, "10.9.0.2", &to.sin_addr);
    const auto send = [&](int count, std::size_t size) {
        const std::vector<std::uint8_t> text(size);
        for (int i = 0; i < count; ++i)
            ASSERT_EQ(::sendto(*answer.fds[1], text.data(), size, 0,
                               reinterpret_cast<const sockaddr*>(&to), sizeof to),
                      static_cast<ssize_t>(size));
    };
    std::array<device::Frame, 8> frames;
    while (tun.receive(Instant(1s), frames) != 0) {  // what the interface says by itself
    }
    const auto receive = [&](Instant now) { return tun.receive(now, frames); };
    send(1, 10);
    EXPECT_EQ(receive(Instant(2s)), 1U);
    send(3, 10);
    EXPECT_EQ(receive(Instant(3s)), 1U);
    EXPECT_EQ(receive(Instant(3s) + 1us), 2U);  // so soon: they had been waiting
    send(2, 10);
    EXPECT_EQ(receive(Instant(4s)), 2U);        // the last ones did not come alone
    send(1, 10);
    EXPECT_EQ(receive(Instant(5s)), 1U);
    send(2, 1000);
    EXPECT_EQ(receive(Instant(6s)), 2U);        // no dialogue has such frames
}

TEST_F(Tun, InterfaceThatIsDownLosesFramesAndCountsThem) {
    Answer answer = inside([] { return made(TunDevice::open({})); });
    TunDevice tun = TunDevice::adopt(std::move(answer.fds[0]), 1500);
    const MutableBytes room = tun.reserve(40);
    std::memset(room.data(), 0, room.size());
    room[0] = 0x45;
    tun.commit(Instant{}, 40, {});
    EXPECT_EQ(tun.counters().tx_lost, 1U);
    std::array<device::Frame, 2> frames;
    EXPECT_EQ(tun.receive(Instant{}, frames), 0U);
}

TEST_F(Tun, NameThatIsTooLongIsASentence) {
    try {
        inside([] { return made(TunDevice::open({.name = "a-name-of-sixteen"})); });
        FAIL();
    } catch (const SystemError& e) {
        EXPECT_STREQ(e.what(), "cannot use interface name a-name-of-sixteen: File name too long");
    }
}

TEST_F(Tun, HostTunNumbersTheHostAndRoutesToUs) {
    const auto prefix = [](const char* text) { return wire::Prefix::parse(text).value(); };
    Answer answer = inside([&] {
        Answer result = made(open_host_tun({.name = "estab7",
                                            .mtu = 1400,
                                            .own = {prefix("10.9.0.2/24"), prefix("192.0.2.7/24")},
                                            .host = {prefix("10.9.0.1/24")}}));
        for (const char* to : {"10.9.0.2", "192.0.2.7"}) {
            result.fds.emplace_back(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(9);
            ::inet_pton(AF_INET, to, &address.sin_addr);
            if (::connect(*result.fds.back(), reinterpret_cast<sockaddr*>(&address),
                          sizeof address) != 0)
                throw_system(to);
        }
        return result;
    });
    TunDevice tun = TunDevice::adopt(std::move(answer.fds[0]), 1400);
    std::vector<std::uint32_t> to;
    for (std::size_t i : {1U, 2U}) ASSERT_EQ(::send(*answer.fds[i], "x", 1, 0), 1);
    while (to.size() < 2) {
        std::array<device::Frame, 4> frames;
        const std::size_t count = tun.receive(Instant{}, frames);
        for (std::size_t i = 0; i < count; ++i) {
            const Bytes ip = frames[i].bytes;
            if (ip[0] != 0x45 || ip[9] != IPPROTO_UDP) continue;
            EXPECT_EQ(load_be32(&ip[12]), 0x0a090001U);
            to.push_back(load_be32(&ip[16]));
        }
        pollfd entry{.fd = tun.fd(), .events = POLLIN, .revents = 0};
        if (count == 0) {
            ASSERT_EQ(::poll(&entry, 1, patience_ms), 1);
        }
    }
    EXPECT_EQ(to, (std::vector<std::uint32_t>{0x0a090002, 0xc0000207}));
}

TEST_F(Namespaces, NetlinkSaysWhatItCouldNotDo) {
    const Answer answer = inside([] {
        Netlink netlink;
        Answer result;
        const auto note = [&](const std::function<void()>& work) {
            try {
                work();
                result.text += "done\n";
            } catch (const SystemError& e) {
                result.text += std::string(e.what()) + "\n";
            }
        };
        const auto prefix = wire::Prefix::parse("10.77.0.1/24").value();
        note([&] { netlink.add_address("estab0", prefix); });
        note([&] { netlink.create_veth({.name = "a", .peer = "b"}); });
        note([&] { netlink.create_veth({.name = "a", .peer = "c"}); });
        note([&] { netlink.set_mac("a", wire::Mac{{2, 0, 0, 0, 0, 7}}); });
        note([&] { netlink.set_mac("a", wire::Mac{{1, 0, 0, 0, 0, 7}}); });
        note([&] { netlink.set_mtu("a", 9000); });
        note([&] { netlink.add_address("a", prefix); });
        note([&] { netlink.add_address("a", prefix); });  // there already
        note([&] { netlink.add_default_route("a", wire::Address::v4(10, 77, 0, 2)); });
        note([&] { netlink.set_up("a"); });
        note([&] { netlink.add_default_route("a", wire::Address::v4(192, 0, 2, 1)); });
        note([&] { netlink.remove_link("b"); });
        note([&] { netlink.set_up("a"); });
        return result;
    });
    const auto line = [&](int number) {
        std::size_t at = 0;
        for (; number > 0; --number) at = answer.text.find('\n', at) + 1;
        return answer.text.substr(at, answer.text.find('\n', at) - at);
    };
    EXPECT_EQ(line(0), "cannot add 10.77.0.1/24 to estab0: No such device");
    EXPECT_EQ(line(1), "done");
    EXPECT_EQ(line(2), "cannot make the veth pair a, c: File exists");
    EXPECT_EQ(line(3), "done");
    EXPECT_EQ(line(4).find(
                  "cannot give a the address 01:00:00:00:00:07: Cannot assign requested address"),
              0U);
    for (int number : {5, 6, 7}) EXPECT_EQ(line(number), "done");
    EXPECT_EQ(line(8).find("cannot add a default route by 10.77.0.2 over a: Network is down"), 0U)
        << line(8);
    for (int number : {9, 10, 11}) EXPECT_EQ(line(number), "done");
    EXPECT_EQ(line(12), "cannot set a up: No such device");
}

TEST(Probe, EveryFailureSaysWhatToChange) {
    const Probe result = probe();
    EXPECT_EQ(result.uid, ::geteuid());
    EXPECT_FALSE(result.kernel.empty());
    for (const Fact* fact : result.facts()) {
        EXPECT_FALSE(fact->name.empty() || fact->found.empty());
        EXPECT_EQ(fact->ok, fact->change.empty()) << fact->name << ": " << fact->found;
        EXPECT_EQ(fact->found.find('\n'), std::string::npos);
    }
    EXPECT_TRUE(result.tun_open.ok || !result.private_tun.ok);
    EXPECT_EQ(result.private_veth.ok, result.private_veth.found == "netns+veth works");
}

TEST(Probe, MissingNodeIsAFact) {
    const Probe result = probe("/no/such/node");
    EXPECT_FALSE(result.tun_node.ok || result.tun_open.ok || result.private_tun.ok);
    EXPECT_EQ(result.tun_node.found, "/no/such/node: No such file or directory");
}

}  // namespace
}  // namespace estab::drivers
