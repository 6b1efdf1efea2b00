// AF_XDP on a veth, in copy mode, in a network namespace of the test's own. Needs root.
#include "drivers/xdp.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <functional>

#include "drivers/any_device.hpp"
#include "drivers/ethtool.hpp"
#include "drivers/in_child.hpp"
#include "drivers/namespaces.hpp"
#include "drivers/netlink.hpp"
#include "stack/turn.hpp"

namespace estab::drivers {
namespace {

Instant clock_now() {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return Instant(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

// In a child with a network of its own: "near" is the kernel's, "far" is ours. What `work` says is
// the answer; empty is good.
std::string in_network(const std::function<std::string()>& work) {
    return in_child([&] {
               enter_new_network();
               Netlink netlink;
               netlink.create_veth({.name = "near", .peer = "far"});
               // Frames that never saw a wire have no checksum yet.
               disable_feature("near", "tx-checksum-ip-generic");
               netlink.no_link_local("near");
               netlink.no_link_local("far");
               netlink.set_up("far");
               netlink.set_up("near");
               netlink.add_address("near", *wire::Prefix::parse("10.9.0.1/24"));
               return Answer{.text = work(), .fds = {}};
           }).text;
}

struct Xdp : testing::Test {
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "AF_XDP needs root";
        if (const std::string why = why_no_xdp(); !why.empty()) GTEST_SKIP() << why;
        try {
            in_network([] { return std::string(); });
        } catch (const SystemError& e) {
            GTEST_SKIP() << e.what();
        }
    }
};

// The kernel connects, sends `octets` and reads them back from an echo on our stack.
std::string echo_over(AnyDevice device, std::size_t octets) {
    stack::Stack stack(clock_now(), {.seed = 1, .mac = *device.mac()});
    stack.attach(device.caps());
    if (!stack.routes().add_address(*wire::Prefix::parse("10.9.0.2/24"))) return "address";
    const auto listener = stack.listen({.port = 7});
    if (!listener) return "listen";
    const Fd peer(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(7);
    ::inet_pton(AF_INET, "10.9.0.2", &address.sin_addr);
    ::connect(*peer, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    std::vector<std::uint8_t> sent(octets), got;
    for (std::size_t i = 0; i < octets; ++i) sent[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    std::size_t done = 0;
    std::optional<stack::ConnectionId> id;
    for (const Instant end = clock_now() + 20s; got.size() < octets;) {
        const Instant now = clock_now();
        if (now > end)
            return "stuck: " + std::to_string(done) + " sent, " + std::to_string(got.size()) +
                   " back, " + std::to_string(device.counters().rx_frames) + " frames in";
        stack::turn(stack, device, now);
        if (!id) {
            if (const auto accepted = stack.accept(*listener)) id = *accepted;
        }
        for (Bytes there = id ? stack.peek(*id) : Bytes{}; !there.empty();
             there = stack.peek(*id)) {
            const auto n = stack.write(now, *id, there);
            if (!n) break;
            stack.consume(now, *id, *n);
        }
        stack::flush(stack, device, now);
        if (done < octets) {
            const ssize_t n = ::send(*peer, &sent[done], octets - done, MSG_NOSIGNAL);
            if (n > 0) done += static_cast<std::size_t>(n);
        }
        std::uint8_t room[65'536];
        const ssize_t n = ::recv(*peer, room, sizeof room, 0);
        if (n > 0) got.insert(got.end(), room, room + n);
        pollfd entries[] = {{.fd = device.fd(), .events = POLLIN, .revents = 0},
                            {.fd = *peer, .events = POLLIN, .revents = 0}};
        ::poll(entries, 2, 1);
    }
    return got == sent ? "" : "other octets came back";
}

TEST_F(Xdp, CarriesAConnectionOfTheKernels) {
    EXPECT_EQ(in_network([] {
                  auto devices = XdpDevice::open({.interface = "far"});
                  if (devices.size() != 1 || devices[0].is_zero_copy()) return std::string("kind");
                  if (devices[0].caps().frame_max != 1514) return std::string("frame_max");
                  return echo_over(std::move(devices[0]), 3'000'000);
              }),
              "");
}

TEST_F(Xdp, TheProgramGoesWithTheDevice) {
    EXPECT_EQ(in_network([]() -> std::string {
                  { const auto first = XdpDevice::open({.interface = "far"}); }
                  try {
                      const auto held = XdpDevice::open({.interface = "far"});
                      XdpDevice::open({.interface = "far"});
                      return "two programs on one interface";
                  } catch (const SystemError& e) {
                      return e.error() == EBUSY ? "" : e.what();
                  }
              }),
              "");
}

TEST_F(Xdp, WhatCannotBeIsSaid) {
    const auto trouble = [](const XdpOptions& options) {
        return in_network([&]() -> std::string {
            try {
                XdpDevice::open(options);
                return "none";
            } catch (const SystemError& e) {
                return e.what();
            }
        });
    };
    EXPECT_EQ(trouble({.interface = "nowhere"}), "cannot ask about nowhere: No such device");
    EXPECT_NE(trouble({.interface = "far", .first_queue = 5}).find("queue 5 of far"),
              std::string::npos);
    EXPECT_NE(trouble({.interface = "far", .may_copy = false}).find("cannot bind"),
              std::string::npos);
    EXPECT_NE(trouble({.interface = "far", .first_queue = 64}).find("queues"), std::string::npos);
    EXPECT_EQ(in_network([]() -> std::string {
                  Netlink().set_mtu("far", 9000);
                  try {
                      XdpDevice::open({.interface = "far"});
                      return "none";
                  } catch (const SystemError& e) {
                      return e.error() == EMSGSIZE ? "" : e.what();
                  }
              }),
              "");
}

// More than a ring holds, at once: what finds no room is not lost.
TEST_F(Xdp, AFullRingIsAFullDevice) {
    EXPECT_EQ(in_network([]() -> std::string {
                  XdpDevice device = std::move(XdpDevice::open({.interface = "far"}).front());
                  std::size_t sent = 0;
                  for (int i = 0; i < 10'000; ++i) {
                      const MutableBytes room = device.reserve(60);
                      if (room.empty()) {
                          device.flush(clock_now());
                          continue;
                      }
                      std::ranges::fill(room, std::uint8_t{0xff});
                      device.commit(clock_now(), room.size(), {});
                      ++sent;
                  }
                  for (int i = 0; i < 1000 && device.deadline() != never; ++i)
                      device.flush(clock_now());
                  if (device.counters().tx_frames != sent) return "count";
                  return sent >= 9'000 && device.deadline() == never ? "" : std::to_string(sent);
              }),
              "");
}

}  // namespace
}  // namespace estab::drivers
