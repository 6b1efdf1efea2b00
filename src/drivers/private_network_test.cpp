#include "drivers/private_network.hpp"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "drivers/private_network_testing.hpp"

namespace estab::drivers {
namespace {

INSTANTIATE_TEST_SUITE_P(Private, EachBackend, ::testing::Values(Backend::tun, Backend::veth),
                         [](const auto& each) { return std::string(to_string(each.param)); });

TEST_P(EachBackend, ComesUpAndSaysWhichItIs) {
    PrivateNetwork network = start();
    EXPECT_EQ(network.backend(), GetParam());
    EXPECT_EQ(network.reason(), std::string("netns+") + to_string(GetParam()));
    const AnyDevice device = network.take_device();
    EXPECT_EQ(device.caps().mtu, 1500U);
    EXPECT_TRUE(device.caps().tso4 && device.caps().tso6 && device.caps().checksum);
    EXPECT_GE(device.caps().frame_max, 65'535U);
    EXPECT_EQ(device.mac().has_value(), GetParam() == Backend::veth);
}

TEST_P(EachBackend, DatagramFromInsideArrivesAsAFrame) {
    PrivateNetwork network = start();
    Station station(network.take_device());
    const Fd socket = network.socket(AF_INET, SOCK_DGRAM);
    const sockaddr_in to = v4("10.77.0.2", 9);
    ASSERT_EQ(::sendto(*socket, "hello", 5, 0, generic(to), sizeof to), 5);
    const auto got = station.next([](Bytes ip) { return ip[9] == IPPROTO_UDP; });
    ASSERT_TRUE(got);
    EXPECT_EQ(std::string(got->ip.end() - 5, got->ip.end()), "hello");
    EXPECT_EQ(got->offload.checksum, Checksum::partial);
    EXPECT_EQ(got->offload.checksum_start, got->link_header + 20);
    EXPECT_EQ(got->offload.checksum_offset, 6);
}

TEST_P(EachBackend, DatagramBeyondTheGatewayArrivesToo) {
    PrivateNetwork network = start();
    Station station(network.take_device());
    const Fd socket = network.socket(AF_INET, SOCK_DGRAM);
    const sockaddr_in to = v4("192.0.2.1", 53);
    ASSERT_EQ(::sendto(*socket, "?", 1, 0, generic(to), sizeof to), 1);
    const auto got = station.next([](Bytes ip) { return ip[9] == IPPROTO_UDP; });
    ASSERT_TRUE(got);
    EXPECT_EQ(load_be32(&got->ip[16]), 0xc0000201U);
}

TEST_P(EachBackend, FrameThatWeWriteArrivesInside) {
    PrivateNetwork network = start();
    Station station(network.take_device());
    const Fd socket = network.socket(AF_INET, SOCK_DGRAM);
    const sockaddr_in own = v4("10.77.0.100", 4000);
    ASSERT_EQ(::bind(*socket, generic(own), sizeof own), 0);
    const sockaddr_in to = v4("10.77.0.2", 9);
    ASSERT_EQ(::sendto(*socket, "x", 1, 0, generic(to), sizeof to), 1);
    ASSERT_TRUE(station.next([](Bytes ip) { return ip[9] == IPPROTO_UDP; }));

    std::vector<std::uint8_t> packet = ipv4(IPPROTO_UDP, "10.77.0.2", "10.77.0.100", 8 + 3);
    store_be16(&packet[20], 9);
    store_be16(&packet[22], 4000);
    store_be16(&packet[24], 8 + 3);
    std::memcpy(&packet[28], "abc", 3);
    store_be16(&packet[26], pseudo_sum(packet));
    station.send(packet,
                 {.checksum = Checksum::partial, .checksum_start = 20, .checksum_offset = 6});
    ASSERT_TRUE(wait_readable(*socket));
    std::array<char, 16> text{};
    EXPECT_EQ(::recv(*socket, text.data(), text.size(), 0), 3);
    EXPECT_STREQ(text.data(), "abc");
}

TEST_P(EachBackend, Ipv6FromInsideArrives) {
    PrivateNetwork network = start();
    AnyDevice device = network.take_device();
    const Fd socket = network.socket(AF_INET6, SOCK_DGRAM);
    if (network.reason().find(';') != std::string::npos) GTEST_SKIP() << network.reason();
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(9);
    ::inet_pton(AF_INET6, "fd77::2", &to.sin6_addr);
    ASSERT_EQ(::sendto(*socket, "six", 3, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 3);
    // On Ethernet a neighbour solicitation for it comes first, and that is proof enough.
    for (bool found = false; !found;) {
        std::array<Frame, 4> frames;
        const std::size_t count = device.receive(Instant{}, frames);
        for (std::size_t i = 0; i < count; ++i) {
            const Bytes ip =
                frames[i].bytes.subspan(device.caps().link == LinkType::ethernet ? 14 : 0);
            std::array<std::uint8_t, 16> from;
            ::inet_pton(AF_INET6, "fd77::100", from.data());
            found = found || (ip.size() >= 40 && std::memcmp(&ip[8], from.data(), 16) == 0);
        }
        if (count == 0 && !found) {
            ASSERT_TRUE(wait_readable(device.fd()));
        }
    }
}

// A handshake by hand with the kernel's client, then one frame of many segments each way.
TEST_P(EachBackend, BigFramesPassUncutBothWays) {
    PrivateNetwork network = start();
    Station station(network.take_device());
    const Fd socket = network.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    const sockaddr_in to = v4("10.77.0.2", 80);
    ASSERT_NE(::connect(*socket, generic(to), sizeof to), 0);
    ASSERT_EQ(errno, EINPROGRESS);
    const auto is_tcp = [](Bytes ip) { return ip[9] == IPPROTO_TCP; };
    const auto syn = station.next(is_tcp);
    ASSERT_TRUE(syn);
    const std::uint32_t client_isn = load_be32(&syn->ip[24]);

    const auto segment = [&](std::uint32_t seq, std::uint32_t ack, std::uint8_t flags,
                             Bytes options, Bytes text) {
        const std::size_t header = 20 + options.size();
        std::vector<std::uint8_t> packet =
            ipv4(IPPROTO_TCP, "10.77.0.2", "10.77.0.100", header + text.size());
        std::uint8_t* tcp = &packet[20];
        store_be16(tcp, 80);
        std::memcpy(tcp + 2, &syn->ip[20], 2);
        store_be32(tcp + 4, seq);
        store_be32(tcp + 8, ack);
        tcp[12] = static_cast<std::uint8_t>(header / 4 << 4);
        tcp[13] = flags;
        store_be16(tcp + 14, 0xffff);
        if (!options.empty()) std::memcpy(tcp + 20, options.data(), options.size());
        if (!text.empty()) std::memcpy(tcp + header, text.data(), text.size());
        store_be16(tcp + 16, pseudo_sum(packet));
        return packet;
    };
    device::Offload offload{
        .checksum = Checksum::partial, .checksum_start = 20, .checksum_offset = 16};
    const std::array<std::uint8_t, 4> mss{2, 4, 1460 >> 8, 1460 & 0xff};
    station.send(segment(1000, client_isn + 1, 0x12, mss, {}), offload);
    pollfd entry{.fd = *socket, .events = POLLOUT, .revents = 0};
    ASSERT_EQ(::poll(&entry, 1, patience_ms), 1);

    const std::vector<char> data(60'000, 'k');
    ASSERT_GT(::send(*socket, data.data(), data.size(), 0), 10'000);
    const auto big =
        station.next([&](Bytes ip) { return ip[9] == IPPROTO_TCP && ip.size() > 1500; });
    ASSERT_TRUE(big);
    EXPECT_EQ(big->offload.gso, Gso::tcp4);
    EXPECT_EQ(big->offload.gso_size, 1460);
    EXPECT_EQ(big->offload.header_length, big->link_header + 40);
    EXPECT_EQ(big->offload.checksum, Checksum::partial);
    EXPECT_EQ((big->ip.size() - 40) % 1460, 0U);

    const std::vector<std::uint8_t> ours(40'000, 'e');
    offload.gso = Gso::tcp4;
    offload.gso_size = 1460;
    offload.header_length = 40;
    station.send(segment(1001, client_isn + 1, 0x18, {}, ours), offload);
    ASSERT_TRUE(wait_readable(*socket));
    std::vector<char> got(50'000);
    EXPECT_EQ(::recv(*socket, got.data(), got.size(), 0), 40'000);
}

// More than the packet ring has slots for, so that it wraps; in order, none lost.
TEST_P(EachBackend, ManyFramesInOrder) {
    PrivateNetwork network = start();
    Station station(network.take_device());
    const Fd socket = network.socket(AF_INET, SOCK_DGRAM);
    const sockaddr_in to = v4("10.77.0.2", 9);
    for (std::uint32_t i = 0; i < 2'000; ++i) {
        ASSERT_EQ(::sendto(*socket, &i, sizeof i, 0, generic(to), sizeof to), 4);
        if (i % 50 != 0) continue;  // the first answers ARP
        for (std::uint32_t expected = i == 0 ? 0 : i - 49; expected <= i; ++expected) {
            const auto got = station.next([](Bytes ip) { return ip[9] == IPPROTO_UDP; });
            ASSERT_TRUE(got);
            std::uint32_t number;
            std::memcpy(&number, &got->ip[28], sizeof number);
            ASSERT_EQ(number, expected);
        }
    }
}

TEST_F(Private, FallsBackToVethAndSaysWhy) {
    const PrivateNetwork network = PrivateNetwork::start({.tun_path = "/no/such/node"});
    EXPECT_EQ(network.backend(), Backend::veth);
    EXPECT_EQ(network.reason(),
              "netns+veth (TUN unavailable: /no/such/node: No such file or directory)");
}

TEST_F(Private, ForcedTunDoesNotFallBack) {
    try {
        PrivateNetwork::start({.backend = Backend::tun, .tun_path = "/no/such/node"});
        FAIL();
    } catch (const SystemError& e) {
        EXPECT_STREQ(e.what(),
                     "cannot make a private network: /no/such/node: No such file or directory");
        EXPECT_EQ(e.error(), ENOENT);
    }
}

TEST_F(Private, CommandSeesOnlyItsOwnInterface) {
    for (const Backend backend : {Backend::automatic, Backend::veth}) {
        const PrivateNetwork network = PrivateNetwork::start({.backend = backend});
        const std::string script =
            "test \"$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | xargs)\""
            " = \"estab0 lo\"";
        EXPECT_EQ(exit_code(network.spawn({"sh", "-c", script}).wait()), 0);
    }
}

// In a child that is nobody: 65534 without groups, as `setpriv --reuid 65534 --regid 65534` makes
// it.
TEST_F(Private, WorksForAnOrdinaryUser) {
    if (::geteuid() != 0) GTEST_SKIP() << "we are one already";
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a process with threads, such as the sanitizer's own, gets no user namespace";
#endif
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        constexpr unsigned nobody = 65'534;
        if (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
            ::setresuid(nobody, nobody, nobody) != 0 || ::prctl(PR_SET_DUMPABLE, 1) != 0)
            ::_exit(10);
        try {
            PrivateNetwork network = PrivateNetwork::start({});
            if (::access("/dev/net/tun", R_OK | W_OK) != 0 && network.backend() != Backend::veth)
                ::_exit(11);
            if (exit_code(network.spawn({"sh", "-c", "test \"$(id -u)\" = 65534"}).wait()) != 0)
                ::_exit(12);
            Station station(network.take_device());
            const Fd socket = network.socket(AF_INET, SOCK_DGRAM);
            const sockaddr_in to = v4("10.77.0.2", 9);
            if (::sendto(*socket, "hello", 5, 0, generic(to), sizeof to) != 5) ::_exit(13);
            if (!station.next([](Bytes ip) { return ip[9] == IPPROTO_UDP; })) ::_exit(14);
            const std::string script =
                "grep -q '^CapEff:[[:space:]]*0000000000000000$' /proc/self/status";
            if (exit_code(network.spawn({"sh", "-c", script}).wait()) != 0) ::_exit(15);
            ::_exit(0);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
            ::_exit(16);
        }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    if (exit_code(status) == 10) GTEST_SKIP() << "cannot become another user here";
    EXPECT_EQ(exit_code(status), 0);
}

}  // namespace
}  // namespace estab::drivers
