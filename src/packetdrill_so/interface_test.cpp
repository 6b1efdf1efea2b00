// A caller as the original interpreter is one: it loads the shared object, and uses its table only.
#include "packetdrill_so/interface.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab {
namespace {

using wire::Flags;

class SharedObject : public ::testing::Test {
protected:
    void SetUp() override {
        void* handle = ::dlopen(ESTAB_SHARED_OBJECT, RTLD_NOW | RTLD_LOCAL);
        ASSERT_NE(handle, nullptr) << ::dlerror();
        auto init = reinterpret_cast<decltype(&packetdrill_interface_init)>(
            ::dlsym(handle, "packetdrill_interface_init"));
        ASSERT_NE(init, nullptr);
        init("mtu=1500,timestamps=off", &t_);
    }
    void TearDown() override {
        if (t_.userdata != nullptr) t_.free(t_.userdata);
    }

    void inject(std::uint16_t flags, std::uint32_t seq, std::uint32_t ack, Bytes payload = {}) {
        std::vector<std::uint8_t> packet(2000);
        const wire::TcpHeader header{.source_port = 40'000,
                                     .destination_port = 8080,
                                     .seq = {seq},
                                     .ack = {ack},
                                     .flags = {flags},
                                     .window = 65'535,
                                     .urgent = 0,
                                     .options = {}};
        const Bytes parts[] = {payload};
        const std::size_t size =
            wire::write_tcp(MutableBytes(packet).subspan(20), header,
                            {.source = remote, .destination = local, .payload = parts});
        wire::write_ip(packet, {.source = remote,
                                .destination = local,
                                .protocol = wire::protocol_tcp,
                                .payload_bytes = static_cast<std::uint32_t>(size)});
        ASSERT_EQ(t_.netdev_send(t_.userdata, packet.data(), 20 + size), 0);
    }
    struct Came {
        std::uint32_t seq = 0, ack = 0;
        std::uint16_t flags = 0;
        std::size_t length = 0;
        long long at_us = 0;
    };
    Came next() {
        std::uint8_t packet[65'536];
        std::size_t size = sizeof packet;
        Came came;
        EXPECT_EQ(t_.netdev_receive(t_.userdata, packet, &size, &came.at_us), 0);
        const auto ip = wire::IpPacket::parse({packet, size});
        if (!ip) return came;
        const auto tcp = wire::TcpView::parse(ip->payload);
        came.seq = tcp->seq().raw;
        came.ack = tcp->ack().raw;
        came.flags = tcp->flags().bits;
        came.length = tcp->payload().size();
        return came;
    }
    int listener() {
        const int fd = t_.socket(t_.userdata, AF_INET, SOCK_STREAM, IPPROTO_TCP);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(8080);
        EXPECT_EQ(t_.bind(t_.userdata, fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
        EXPECT_EQ(t_.listen(t_.userdata, fd, 1), 0);
        return fd;
    }

    const wire::Address local = wire::Address::v4(192, 168, 0, 1);
    const wire::Address remote = wire::Address::v4(192, 0, 2, 1);
    packetdrill_interface t_{};
};

TEST_F(SharedObject, AConversation) {
    const int fd = listener();
    inject(Flags::syn, 0, 0);
    const Came syn_ack = next();
    EXPECT_EQ(syn_ack.flags, Flags::syn | Flags::ack);
    EXPECT_EQ(syn_ack.ack, 1u);
    inject(Flags::ack, 1, syn_ack.seq + 1);
    const int connection = t_.accept(t_.userdata, fd, nullptr, nullptr);
    ASSERT_GE(connection, 0);
    const std::uint8_t text[10] = {};
    inject(Flags::ack | Flags::psh, 1, syn_ack.seq + 1, text);
    EXPECT_EQ(next().ack, 11u);
    char into[100];
    EXPECT_EQ(t_.read(t_.userdata, connection, into, sizeof into), 10);
    EXPECT_EQ(t_.write(t_.userdata, connection, text, 5), 5);
    EXPECT_EQ(next().length, 5u);
    EXPECT_EQ(t_.close(t_.userdata, connection), 0);
    EXPECT_EQ(t_.close(t_.userdata, connection), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST_F(SharedObject, TimeIsOfTheStack) {  // three SYN-ACKs, seconds apart, and no waiting
    (void)listener();
    inject(Flags::syn, 0, 0);
    const Came first = next(), second = next(), third = next();
    EXPECT_EQ(second.seq, first.seq);
    EXPECT_EQ(second.at_us - first.at_us, 1'000'000);
    EXPECT_EQ(third.at_us - second.at_us, 2'000'000);
    timeval before{}, after{};
    t_.gettimeofday(t_.userdata, &before, nullptr);
    t_.usleep(t_.userdata, 500'000);
    t_.gettimeofday(t_.userdata, &after, nullptr);
    const auto us = [](const timeval& t) { return t.tv_sec * 1'000'000LL + t.tv_usec; };
    EXPECT_GE(us(after) - us(before), 500'000);
    EXPECT_LT(us(after) - us(before), 500'100);
}

TEST_F(SharedObject, ABlockingCallWaitsInItsOwnThread) {
    const int fd = listener();
    int connection = -1;
    std::thread blocked([&] { connection = t_.accept(t_.userdata, fd, nullptr, nullptr); });
    inject(Flags::syn, 0, 0);
    const Came syn_ack = next();
    inject(Flags::ack, 1, syn_ack.seq + 1);
    blocked.join();
    EXPECT_GE(connection, 0);
}

TEST_F(SharedObject, NothingToReceiveIsToldAfterTwoSeconds) {
    (void)listener();
    std::uint8_t packet[100];
    std::size_t size = sizeof packet;
    long long at_us = 0;
    EXPECT_EQ(t_.netdev_receive(t_.userdata, packet, &size, &at_us), 0);
    EXPECT_EQ(size, 0u);
}

TEST_F(SharedObject, ErrorsAreErrno) {
    EXPECT_EQ(t_.listen(t_.userdata, 12'345, 1), -1);
    EXPECT_EQ(errno, EBADF);
    const int fd = t_.socket(t_.userdata, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(80);
    to.sin_addr.s_addr = htonl(0xc0000201);
    EXPECT_EQ(t_.connect(t_.userdata, fd, reinterpret_cast<sockaddr*>(&to), sizeof to), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    EXPECT_EQ(next().flags, Flags::syn);
}

}  // namespace
}  // namespace estab
