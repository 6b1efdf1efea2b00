// What the tests of private networks share: a station that speaks just enough ARP and IPv4 by hand.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include "drivers/in_child.hpp"
#include "drivers/namespaces.hpp"
#include "drivers/private_network.hpp"

namespace estab::drivers {

using device::Checksum;
using device::Frame;
using device::Gso;
using device::LinkType;

inline constexpr int patience_ms = 10'000;  // only a test that fails ever waits for so long

inline bool has_user_namespaces() {
    static const bool result = [] {
        try {
            in_child([] {
                enter_new_user_and_network();
                return Answer{};
            });
            return true;
        } catch (const SystemError& e) {
            std::fprintf(stderr, "skipping: %s\n", e.what());
            return false;
        }
    }();
    return result;
}

// Root that is refused a user namespace does with a network namespace alone.
inline bool has_only_network_namespaces() {
    return in_child([] {
               return Answer{.text = enter_new_user_and_network() ? "" : "only", .fds = {}};
           }).text == "only";
}

inline bool wait_readable(int fd) {
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, patience_ms) == 1;
}

inline sockaddr_in v4(const char* address, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &result.sin_addr);
    return result;
}
inline const sockaddr* generic(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// Answers ARP on Ethernet and hands over the first IPv4 packet that `wanted` likes, as an owned
// copy.
struct Received {
    std::vector<std::uint8_t> ip;
    device::Offload offload;
    std::size_t link_header = 0;
};

class Station {
   public:
    explicit Station(AnyDevice device) : device_(std::move(device)) {}

    AnyDevice& device() { return device_; }
    std::size_t link_header() const { return device_.caps().link == LinkType::ethernet ? 14 : 0; }

    std::optional<Received> next(const std::function<bool(Bytes)>& wanted) {
        std::array<Frame, 1> frames;  // the rest stays in the device for the next call
        for (;;) {
            const std::size_t count = device_.receive(Instant{}, frames);
            std::optional<Received> found;
            for (std::size_t i = 0; i < count; ++i) {
                const Frame& frame = frames[i];
                if (link_header() != 0 && answer_arp(frame.bytes)) continue;
                const Bytes ip = frame.bytes.subspan(link_header());
                if (found || ip.size() < 20 || ip[0] >> 4 != 4 || !wanted(ip)) continue;
                found = Received{{ip.begin(), ip.end()}, frame.offload, link_header()};
            }
            if (found) return found;
            if (count == 0 && !wait_readable(device_.fd())) return {};
        }
    }

    // Sends an IPv4 packet; offsets in `offload` count from the IP header.
    void send(Bytes ip, device::Offload offload = {}) {
        const std::size_t header = link_header();
        const MutableBytes room = device_.reserve(header + ip.size());
        ASSERT_EQ(room.size(), header + ip.size());
        if (header != 0) {
            std::memcpy(room.data(), peer_.data(), 6);
            std::memcpy(room.data() + 6, device_.mac()->octets.data(), 6);
            store_be16(room.data() + 12, 0x0800);
        }
        std::memcpy(room.data() + header, ip.data(), ip.size());
        if (offload.checksum == Checksum::partial)
            offload.checksum_start = static_cast<std::uint16_t>(offload.checksum_start + header);
        if (offload.gso != Gso::none)
            offload.header_length = static_cast<std::uint16_t>(offload.header_length + header);
        device_.commit(Instant{}, room.size(), offload);
        device_.flush(Instant{});
    }

   private:
    bool answer_arp(Bytes frame) {
        if (frame.size() < 42 || load_be16(frame.data() + 12) != 0x0806) return false;
        std::array<std::uint8_t, 42> reply;
        std::memcpy(reply.data(), frame.data(), reply.size());
        std::memcpy(peer_.data(), frame.data() + 6, 6);
        const auto own = device_.mac()->octets;
        std::memcpy(reply.data(), peer_.data(), 6);
        std::memcpy(reply.data() + 6, own.data(), 6);
        store_be16(reply.data() + 20, 2);
        std::memcpy(reply.data() + 22, own.data(), 6);
        std::memcpy(reply.data() + 28, frame.data() + 38, 4);
        std::memcpy(reply.data() + 32, frame.data() + 22, 10);
        const MutableBytes room = device_.reserve(reply.size());
        std::memcpy(room.data(), reply.data(), reply.size());
        device_.commit(Instant{}, room.size(), {});
        return true;
    }

    AnyDevice device_;
    std::array<std::uint8_t, 6> peer_{};
};

inline std::uint16_t sum(Bytes bytes, std::uint32_t start = 0) {
    std::uint32_t total = start;
    for (std::size_t i = 0; i < bytes.size(); ++i) total += i % 2 == 0 ? bytes[i] * 256U : bytes[i];
    while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint16_t>(total);
}

inline std::vector<std::uint8_t> ipv4(std::uint8_t protocol, const char* from, const char* to,
                                      std::size_t payload) {
    std::vector<std::uint8_t> packet(20 + payload);
    packet[0] = 0x45;
    store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
    packet[8] = 64;
    packet[9] = protocol;
    ::inet_pton(AF_INET, from, &packet[12]);
    ::inet_pton(AF_INET, to, &packet[16]);
    store_be16(&packet[10], static_cast<std::uint16_t>(~sum({packet.data(), 20})));
    return packet;
}

// The sum of the pseudo-header: what the checksum field holds when the device completes it.
inline std::uint16_t pseudo_sum(Bytes packet) {
    return sum(packet.subspan(12, 8), packet[9] + static_cast<std::uint32_t>(packet.size() - 20));
}

// Runs once for TUN and once for veth, where the machine lets us.
class EachBackend : public ::testing::TestWithParam<Backend> {
   protected:
    void SetUp() override {
        if (!has_user_namespaces()) GTEST_SKIP() << "no user namespaces here";
        if (GetParam() == Backend::tun && ::access("/dev/net/tun", R_OK | W_OK) != 0)
            GTEST_SKIP() << "/dev/net/tun: " << error_text(errno);
    }
    PrivateNetwork start() { return PrivateNetwork::start({.backend = GetParam()}); }
};

class Private : public ::testing::Test {
   protected:
    void SetUp() override {
        if (!has_user_namespaces()) GTEST_SKIP() << "no user namespaces here";
    }
};

}  // namespace estab::drivers
