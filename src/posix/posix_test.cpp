// Descriptors over two stacks in memory, in virtual time.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "posix/reactor_world.hpp"
#include "posix/sockets.hpp"
#include "posix/tcp_info.hpp"
#include "socket/memory_world.hpp"

namespace estab::posix {
namespace {

using socket::MemoryWorld;

sockaddr_in address(std::size_t host, std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    std::memcpy(&a.sin_addr, MemoryWorld::address(host).octets().data() + 12, 4);
    return a;
}
const sockaddr* generic(const sockaddr_in& a) { return reinterpret_cast<const sockaddr*>(&a); }

struct Posix : testing::Test {
    MemoryWorld world;
    ReactorWorld client_world{world.host(0)}, server_world{world.host(1)};
    Sockets client{client_world}, server{server_world};
    int listener = -1;

    int listen(std::uint16_t port = 80, int backlog = 8) {
        listener = server.socket(AF_INET, SOCK_STREAM, 0);
        const sockaddr_in at = address(1, port);
        EXPECT_EQ(server.bind(listener, generic(at), sizeof at), 0);
        EXPECT_EQ(server.listen(listener, backlog), 0);
        return listener;
    }
    int connect(std::uint16_t port = 80) {
        const int fd = client.socket(AF_INET, SOCK_STREAM, 0);
        const sockaddr_in to = address(1, port);
        EXPECT_EQ(client.connect(fd, generic(to), sizeof to), 0) << std::strerror(client.last_error());
        return fd;
    }
    std::pair<int, int> pair() {
        listen();
        const int c = connect();
        const int s = server.accept(listener, nullptr, nullptr);
        EXPECT_GE(s, 0);
        return {c, s};
    }
    static std::string text(Sockets& os, int fd, std::size_t most = 100, int flags = 0) {
        std::string into(most, '\0');
        const ssize_t n = os.recv(fd, into.data(), most, flags);
        if (n < 0) return std::strerror(os.last_error());
        into.resize(static_cast<std::size_t>(n));
        return into;
    }
    template <class T>
    static int set(Sockets& os, int fd, int level, int name, T value) {
        return os.setsockopt(fd, level, name, &value, sizeof value);
    }
    static int get(Sockets& os, int fd, int level, int name) {
        int value = -1;
        socklen_t length = sizeof value;
        EXPECT_EQ(os.getsockopt(fd, level, name, &value, &length), 0);
        return value;
    }
};

TEST_F(Posix, BlockingCallsLetTheWorldGoOn) {
    const auto [c, s] = pair();
    EXPECT_EQ(client.write(c, "hello", 5), 5);
    EXPECT_EQ(text(server, s), "hello");
    EXPECT_EQ(server.shutdown(s, SHUT_WR), 0);
    EXPECT_EQ(text(client, c), "");
    EXPECT_EQ(client.write(c, "late", 4), 4);  // half closed
    EXPECT_EQ(text(server, s), "late");
    EXPECT_EQ(server.write(s, "no", 2), -1);
    EXPECT_EQ(server.last_error(), EPIPE);
    EXPECT_EQ(client.close(c), 0);
    EXPECT_EQ(text(server, s), "");
    EXPECT_EQ(server.close(s), 0);
}

TEST_F(Posix, DescriptorsAreTheLowestFreeNumbers) {
    EXPECT_EQ(client.socket(AF_INET, SOCK_STREAM, 0), 3);
    EXPECT_EQ(client.socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP), 4);
    EXPECT_EQ(client.close(3), 0);
    EXPECT_EQ(client.dup(4), 3);
    EXPECT_EQ(client.close(5), -1);
    EXPECT_EQ(client.last_error(), EBADF);
    EXPECT_EQ(client.socket(AF_UNIX, SOCK_STREAM, 0), -1);
    EXPECT_EQ(client.last_error(), EAFNOSUPPORT);
}

TEST_F(Posix, ANonBlockingConnectIsInProgressThenConnected) {
    listen();
    const int fd = client.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in to = address(1, 80);
    EXPECT_EQ(client.connect(fd, generic(to), sizeof to), -1);
    EXPECT_EQ(client.last_error(), EINPROGRESS);
    EXPECT_EQ(client.connect(fd, generic(to), sizeof to), -1);
    EXPECT_EQ(client.last_error(), EALREADY);
    pollfd p{fd, POLLOUT, 0};
    EXPECT_EQ(client.poll(&p, 1, -1), 1);
    EXPECT_EQ(p.revents, POLLOUT);
    EXPECT_EQ(get(client, fd, SOL_SOCKET, SO_ERROR), 0);
    EXPECT_EQ(client.connect(fd, generic(to), sizeof to), 0);  // told once
    EXPECT_EQ(client.connect(fd, generic(to), sizeof to), -1);
    EXPECT_EQ(client.last_error(), EISCONN);
}

TEST_F(Posix, NobodyListensIsRefusedAndMayBeTriedAgain) {
    const int fd = client.socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in to = address(1, 80);
    EXPECT_EQ(client.connect(fd, generic(to), sizeof to), -1);
    EXPECT_EQ(client.last_error(), ECONNREFUSED);
    listen();
    EXPECT_EQ(client.connect(fd, generic(to), sizeof to), 0);
}

TEST_F(Posix, NonBlockingReadsAndAcceptsSayEagain) {
    listen();
    EXPECT_EQ(server.fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(server.accept(listener, nullptr, nullptr), -1);
    EXPECT_EQ(server.last_error(), EAGAIN);
    const int c = connect();
    EXPECT_EQ(text(client, c, 10, MSG_DONTWAIT), std::strerror(EAGAIN));
}

TEST_F(Posix, AResetIsToldOnceThenPipesAreBroken) {
    const auto [c, s] = pair();
    EXPECT_EQ(set(client, c, SOL_SOCKET, SO_LINGER, linger{1, 0}), 0);
    EXPECT_EQ(client.close(c), 0);
    EXPECT_EQ(text(server, s), std::strerror(ECONNRESET));
    EXPECT_EQ(text(server, s), "");
    EXPECT_EQ(server.write(s, "x", 1), -1);
    EXPECT_EQ(server.last_error(), EPIPE);
}

TEST_F(Posix, PeekLeavesTruncThrowsAwayAndWaitallWaits) {
    const auto [c, s] = pair();
    EXPECT_EQ(client.write(c, "abcdef", 6), 6);
    EXPECT_EQ(text(server, s, 3, MSG_PEEK), "abc");
    EXPECT_EQ(text(server, s, 3, MSG_TRUNC), std::string(3, '\0'));
    Call rest = server.start_recv(s, {}, 0);
    std::string all(5, '\0');
    const iovec part{all.data(), all.size()};
    rest = server.start_recv(s, {&part, 1}, MSG_WAITALL);
    EXPECT_FALSE(rest.try_now(world.now()));
    EXPECT_EQ(client.write(c, "gh", 2), 2);
    EXPECT_EQ(server.wait(rest), 5);
    EXPECT_EQ(all, "defgh");
}

TEST_F(Posix, ATimeOutGivesWhatThereIs) {
    const auto [c, s] = pair();
    EXPECT_EQ(set(server, s, SOL_SOCKET, SO_RCVTIMEO, timeval{2, 0}), 0);
    const Instant before = world.now();
    EXPECT_EQ(text(server, s), std::strerror(EAGAIN));
    EXPECT_EQ(world.now() - before, 2s);
    EXPECT_EQ(client.write(c, "ab", 2), 2);
    EXPECT_EQ(text(server, s, 10, MSG_WAITALL), "ab");
}

TEST_F(Posix, ABlockingWriteWaitsForTheReader) {
    const auto [c, s] = pair();
    const std::string much(3'000'000, 'x');
    const iovec part{const_cast<char*>(much.data()), much.size()};
    Call writing = client.start_send(c, {&part, 1}, 0);
    EXPECT_FALSE(writing.try_now(world.now()));
    std::size_t got = 0;
    while (!writing.try_now(world.now())) got += text(server, s, 100'000).size();
    EXPECT_EQ(writing.value(), 3'000'000);
    while (got < much.size()) got += text(server, s, 100'000).size();
    EXPECT_EQ(got, much.size());
}

TEST_F(Posix, VectorsAreOneStream) {
    const auto [c, s] = pair();
    char one[] = "one", two[] = "two";
    const iovec out[] = {{one, 3}, {nullptr, 0}, {two, 3}};
    EXPECT_EQ(client.writev(c, out, 3), 6);
    char a[4] = {}, b[3] = {};
    const iovec in[] = {{a, 4}, {b, 3}};
    EXPECT_EQ(server.readv(s, in, 2), 6);
    EXPECT_EQ(std::string(a, 4) + std::string(b, 2), "onetwo");
    EXPECT_EQ(client.write(c, nullptr, 3), -1);
    EXPECT_EQ(client.last_error(), EFAULT);
}

TEST_F(Posix, NamesAreThoseOfBothEnds) {
    const auto [c, s] = pair();
    sockaddr_in name{}, peer{};
    socklen_t length = sizeof name;
    EXPECT_EQ(client.getsockname(c, reinterpret_cast<sockaddr*>(&name), &length), 0);
    length = sizeof peer;
    EXPECT_EQ(server.getpeername(s, reinterpret_cast<sockaddr*>(&peer), &length), 0);
    EXPECT_EQ(length, sizeof peer);
    EXPECT_EQ(name.sin_port, peer.sin_port);
    EXPECT_EQ(name.sin_addr.s_addr, peer.sin_addr.s_addr);
}

TEST_F(Posix, ABoundAddressIsTakenOnce) {
    listen();
    const int other = server.socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in at = address(1, 80);
    EXPECT_EQ(server.bind(other, generic(at), sizeof at), -1);
    EXPECT_EQ(server.last_error(), EADDRINUSE);
    const sockaddr_in elsewhere = address(0, 80);
    EXPECT_EQ(server.bind(other, generic(elsewhere), sizeof elsewhere), -1);
    EXPECT_EQ(server.last_error(), EADDRNOTAVAIL);
}

TEST_F(Posix, OptionsComeBackAsLinuxTellsThem) {
    const int fd = client.socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(set(client, fd, SOL_SOCKET, SO_RCVBUF, 20'000), 0);
    EXPECT_EQ(get(client, fd, SOL_SOCKET, SO_RCVBUF), 40'000);
    EXPECT_EQ(set(client, fd, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    EXPECT_EQ(get(client, fd, IPPROTO_TCP, TCP_KEEPIDLE), 10);
    EXPECT_EQ(set(client, fd, IPPROTO_TCP, TCP_KEEPCNT, 0), -1);
    EXPECT_EQ(client.last_error(), EINVAL);
    EXPECT_EQ(set(client, fd, IPPROTO_IP, IP_TOS, 0xb9), 0);
    EXPECT_EQ(get(client, fd, IPPROTO_IP, IP_TOS), 0xb8);
    EXPECT_EQ(set(client, fd, IPPROTO_TCP, 1000, 1), -1);
    EXPECT_EQ(client.last_error(), ENOPROTOOPT);
    char name[16] = {};
    socklen_t length = sizeof name;
    EXPECT_EQ(client.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    EXPECT_EQ(client.getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
    EXPECT_STREQ(name, "reno");
    EXPECT_EQ(client.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), -1);
    EXPECT_EQ(client.last_error(), ENOENT);
}

TEST_F(Posix, TcpInfoKnowsTheConnection) {
    const auto [c, s] = pair();
    EXPECT_EQ(client.write(c, "hello", 5), 5);
    EXPECT_EQ(text(server, s), "hello");
    tcp_info info{};
    socklen_t length = sizeof info;
    EXPECT_EQ(server.getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    EXPECT_EQ(info.tcpi_state, 1);
    EXPECT_EQ(info.tcpi_bytes_received, 5u);
    EXPECT_EQ(info.tcpi_snd_cwnd, 10u);
    EXPECT_NE(info.tcpi_options & TCPI_OPT_SACK, 0);
    int unread = -1;
    EXPECT_EQ(client.ioctl(c, FIONREAD, &unread), 0);
    EXPECT_EQ(unread, 0);
}

TEST_F(Posix, KeepaliveEndsAConnectionWhosePeerIsGone) {
    const auto [c, s] = pair();
    EXPECT_EQ(set(client, c, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    EXPECT_EQ(set(client, c, IPPROTO_TCP, TCP_KEEPIDLE, 5), 0);
    EXPECT_EQ(set(client, c, IPPROTO_TCP, TCP_KEEPINTVL, 1), 0);
    world.run_for(10s);
    tcp_info info{};
    socklen_t length = sizeof info;
    EXPECT_EQ(server.getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    EXPECT_GE(info.tcpi_segs_in, 3u);  // it was asked, and it lives
    EXPECT_EQ(info.tcpi_state, 1);
}

TEST_F(Posix, PollWaitsForItsTimeOnly) {
    const auto [c, s] = pair();
    pollfd p{s, POLLIN, 0};
    const Instant before = world.now();
    EXPECT_EQ(server.poll(&p, 1, 1500), 0);
    EXPECT_EQ(world.now() - before, 1500ms);
    EXPECT_EQ(client.close(c), 0);
    EXPECT_EQ(server.poll(&p, 1, -1), 1);
    EXPECT_EQ(p.revents, POLLIN);
    pollfd none{77, POLLIN, 0};
    EXPECT_EQ(server.poll(&none, 1, 0), 1);
    EXPECT_EQ(none.revents, POLLNVAL);
}

TEST_F(Posix, EdgesAreToldOnceLevelsAsLongAsTheyLast) {
    const auto [c, s] = pair();
    const int level = server.epoll_create1(0), edge = server.epoll_create1(0);
    epoll_event in{.events = EPOLLIN, .data = {.fd = s}};
    EXPECT_EQ(server.epoll_ctl(level, EPOLL_CTL_ADD, s, &in), 0);
    EXPECT_EQ(server.epoll_ctl(level, EPOLL_CTL_ADD, s, &in), -1);
    EXPECT_EQ(server.last_error(), EEXIST);
    in.events |= EPOLLET;
    EXPECT_EQ(server.epoll_ctl(edge, EPOLL_CTL_ADD, s, &in), 0);
    EXPECT_EQ(client.write(c, "a", 1), 1);
    epoll_event got[2] = {};
    EXPECT_EQ(server.epoll_wait(level, got, 2, -1), 1);
    EXPECT_EQ(got[0].data.fd, s);
    EXPECT_EQ(server.epoll_wait(level, got, 2, 0), 1);
    EXPECT_EQ(server.epoll_wait(edge, got, 2, 0), 1);
    EXPECT_EQ(server.epoll_wait(edge, got, 2, 0), 0);
    EXPECT_EQ(client.write(c, "b", 1), 1);
    EXPECT_EQ(server.epoll_wait(edge, got, 2, -1), 1);
    EXPECT_EQ(server.close(s), 0);  // leaves the sets it was in
    EXPECT_EQ(server.epoll_wait(level, got, 2, 0), 0);
}

TEST_F(Posix, OneShotFiresOnceUntilItIsArmedAgain) {
    const auto [c, s] = pair();
    const int set = server.epoll_create1(0);
    epoll_event in{.events = EPOLLIN | EPOLLONESHOT, .data = {.u32 = 7}};
    EXPECT_EQ(server.epoll_ctl(set, EPOLL_CTL_ADD, s, &in), 0);
    EXPECT_EQ(client.write(c, "a", 1), 1);
    epoll_event got{};
    EXPECT_EQ(server.epoll_wait(set, &got, 1, -1), 1);
    EXPECT_EQ(server.epoll_wait(set, &got, 1, 0), 0);
    EXPECT_EQ(server.epoll_ctl(set, EPOLL_CTL_MOD, s, &in), 0);
    EXPECT_EQ(server.epoll_wait(set, &got, 1, 0), 1);
}

TEST_F(Posix, LingerWaitsForTheLastAcknowledgment) {
    const auto [c, s] = pair();
    EXPECT_EQ(set(client, c, SOL_SOCKET, SO_LINGER, linger{1, 5}), 0);
    EXPECT_EQ(client.write(c, "bye", 3), 3);
    Call closing = client.start_close(c);
    EXPECT_FALSE(closing.try_now(world.now()));
    EXPECT_EQ(client.wait(closing), 0);
    EXPECT_EQ(client.find(c), nullptr);
    EXPECT_EQ(text(server, s), "bye");
}

TEST_F(Posix, ShutdownForReadingEndsReadsOnly) {
    const auto [c, s] = pair();
    EXPECT_EQ(server.shutdown(s, SHUT_RD), 0);
    EXPECT_EQ(text(server, s), "");
    EXPECT_EQ(server.write(s, "x", 1), 1);
    EXPECT_EQ(text(client, c), "x");
}

TEST_F(Posix, APipeIsAQueueWithTwoEnds) {
    int ends[2] = {};
    ASSERT_EQ(client.pipe2(ends, O_NONBLOCK), 0);
    char into[16] = {};
    EXPECT_EQ(client.read(ends[0], into, 4), -1);
    EXPECT_EQ(client.last_error(), EAGAIN);
    EXPECT_EQ(client.write(ends[1], "hello", 5), 5);
    EXPECT_EQ(client.read(ends[1], into, 4), -1);
    EXPECT_EQ(client.last_error(), EBADF);
    EXPECT_EQ(client.read(ends[0], into, 3), 3);
    EXPECT_EQ(std::string(into, 3), "hel");
    EXPECT_EQ(client.close(ends[1]), 0);
    EXPECT_EQ(client.read(ends[0], into, 9), 2);
    EXPECT_EQ(client.read(ends[0], into, 9), 0);  // nobody writes any more
    EXPECT_EQ(client.recv(ends[0], into, 1, MSG_PEEK), -1);
    EXPECT_EQ(client.last_error(), ENOTSOCK);
    EXPECT_EQ(client.pipe2(ends, 0x40), -1);
    EXPECT_EQ(client.last_error(), EINVAL);
}

TEST_F(Posix, AFullPipeTakesNoMoreAndABrokenOneNothing) {
    int ends[2] = {};
    ASSERT_EQ(client.pipe2(ends, O_NONBLOCK), 0);
    const std::string much(100'000, 'x');
    EXPECT_EQ(client.write(ends[1], much.data(), much.size()), 65'536);
    EXPECT_EQ(client.write(ends[1], "x", 1), -1);
    EXPECT_EQ(client.last_error(), EAGAIN);
    EXPECT_EQ(client.close(ends[0]), 0);
    EXPECT_EQ(client.write(ends[1], "x", 1), -1);
    EXPECT_EQ(client.last_error(), EPIPE);
}

TEST_F(Posix, SendfileGoesOnWhereItStopped) {
    const auto [c, s] = pair();
    const std::string whole = "twenty octets of a file, and more";
    const int file = client.open_memory({whole.begin(), whole.end()});
    ASSERT_GE(file, 0);
    std::uint64_t offset = 7;
    EXPECT_EQ(client.sendfile(c, file, &offset, 6), 6);
    EXPECT_EQ(offset, 13U);
    EXPECT_EQ(text(server, s), whole.substr(7, 6));
    EXPECT_EQ(client.sendfile(c, file, nullptr, 1000), static_cast<ssize_t>(whole.size()));
    EXPECT_EQ(text(server, s), whole);
    EXPECT_EQ(client.sendfile(c, file, nullptr, 1000), 0);  // its end
    EXPECT_EQ(client.sendfile(c, c, nullptr, 1), -1);
    EXPECT_EQ(client.last_error(), EINVAL);
    EXPECT_EQ(client.sendfile(file, file, nullptr, 1), -1);
}

TEST_F(Posix, SendfileLargerThanTheBufferWaitsForTheReader) {
    const auto [c, s] = pair();
    const int small = 8192;
    set(client, c, SOL_SOCKET, SO_SNDBUF, small);
    const int file = client.open_memory(std::vector<std::uint8_t>(300'000, 7));
    Call sends = client.start_sendfile(c, file, nullptr, 300'000);
    std::size_t got = 0;
    for (int turns = 0; turns < 10'000 && !sends.try_now(client_world.now()); ++turns) {
        client_world.run_once(client_world.now() + 1ms);
        std::vector<char> into(50'000);
        const ssize_t n = server.recv(s, into.data(), into.size(), MSG_DONTWAIT);
        if (n > 0) got += static_cast<std::size_t>(n);
    }
    EXPECT_EQ(sends.result(), 300'000);
    EXPECT_GT(got, 200'000U);
}

TEST_F(Posix, SpliceMovesFromSocketToSocketThroughAPipe) {
    const auto [c, s] = pair();
    int ends[2] = {};
    ASSERT_EQ(server.pipe2(ends, 0), 0);
    EXPECT_EQ(server.splice(s, ends[1], 100, 2), -1);  // SPLICE_F_NONBLOCK
    EXPECT_EQ(server.last_error(), EAGAIN);
    EXPECT_EQ(client.write(c, "there and back", 14), 14);
    EXPECT_EQ(server.splice(s, ends[1], 100, 0), 14);
    EXPECT_EQ(server.splice(ends[0], s, 5, 0), 5);
    EXPECT_EQ(server.splice(ends[0], s, 100, 0), 9);
    std::string got;
    while (got.size() < 14) got += text(client, c);
    EXPECT_EQ(got, "there and back");
    EXPECT_EQ(server.splice(s, s, 1, 0), -1);  // no pipe
    EXPECT_EQ(server.last_error(), EINVAL);
    EXPECT_EQ(client.close(c), 0);
    EXPECT_EQ(server.splice(s, ends[1], 100, 0), 0);  // the end of the stream
}

// As BSD: whoever names a destination with the first octets connects to it.
TEST_F(Posix, SendtoConnectsWhereThatIsImplied) {
    Sockets bsd{client_world, {.buffer_overhead = 1, .implied_connect = true}};
    listen();
    const int fd = bsd.socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in to = address(1, 80);
    tcp::Config config = world.host(0).stack().config();
    config.queue_before_open = true;
    bsd.set_defaults(config);
    const int other = bsd.socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(bsd.sendto(other, "at once", 7, 0, generic(to), sizeof to), 7);
    const int s = server.accept(listener, nullptr, nullptr);
    EXPECT_EQ(text(server, s), "at once");
    EXPECT_EQ(client.sendto(client.socket(AF_INET, SOCK_STREAM, 0), "x", 1, 0, generic(to),
                            sizeof to),
              -1);
    EXPECT_EQ(client.last_error(), EPIPE);
    EXPECT_EQ(bsd.close(fd), 0);
}

}  // namespace
}  // namespace estab::posix
