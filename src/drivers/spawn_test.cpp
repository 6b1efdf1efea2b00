#include "drivers/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "drivers/private_network_testing.hpp"

namespace estab::drivers {
namespace {

class Command : public EachBackend {};

INSTANTIATE_TEST_SUITE_P(Private, Command, ::testing::Values(Backend::tun, Backend::veth),
                         [](const auto& each) { return std::string(to_string(each.param)); });

TEST_P(Command, EndsWithTheCommandsStatus) {
    const PrivateNetwork network = start();
    const auto code = [&](const std::vector<std::string>& argv) {
        return exit_code(network.spawn(argv).wait());
    };
    EXPECT_EQ(code({"true"}), 0);
    EXPECT_EQ(code({"false"}), 1);
    EXPECT_EQ(code({"sh", "-c", "exit 42"}), 42);
    EXPECT_EQ(code({"sh", "-c", "kill -TERM $$"}), 128 + SIGTERM);
    EXPECT_EQ(code({"sh", "-c", "kill -KILL $$"}), 128 + SIGKILL);
}

TEST_P(Command, HasNoCapabilitiesButRawSocketsForRoot) {
    if (has_only_network_namespaces()) GTEST_SKIP() << "CMD is the real root here";
    const PrivateNetwork network = start();
    const std::string script =
        "grep -q '^CapEff:[[:space:]]*000000000000[02]000$' /proc/self/status";
    EXPECT_EQ(exit_code(network.spawn({"sh", "-c", script}).wait()), 0);
}

TEST_P(Command, MayServeOnLowPorts) {
    struct statvfs mounted {};
    if (::statvfs("/proc/sys", &mounted) != 0 || (mounted.f_flag & ST_RDONLY) != 0)
        GTEST_SKIP() << "/proc/sys is read-only";
    const PrivateNetwork network = start();
    const std::string script = "test $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start) = 0";
    EXPECT_EQ(exit_code(network.spawn({"sh", "-c", script}).wait()), 0);
}

// estab's own death, however sudden, must end CMD.
TEST_P(Command, DiesWhenWeAreKilled) {
    const SocketPair pair = packet_socket_pair();
    const pid_t owner = ::fork();
    ASSERT_GE(owner, 0);
    if (owner == 0) {
        const PrivateNetwork network = start();
        const Child child = network.spawn({"sleep", "1000"});
        send_message(*pair.theirs, "x", {child.pidfd()});
        for (;;) ::pause();
    }
    const Message message = receive_message(*pair.ours);
    ASSERT_EQ(message.fds.size(), 1U);
    pollfd entry{.fd = *message.fds[0], .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0) << "CMD runs";
    ::kill(owner, SIGKILL);
    ::waitpid(owner, nullptr, 0);
    EXPECT_TRUE(wait_readable(*message.fds[0])) << "CMD outlives us";
}

// A caller that reads our output through a pipe sees its end when CMD and we are done, not later.
TEST_P(Command, NobodyHoldsTheStandardStreams) {
    std::array<int, 2> ends;
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const PrivateNetwork network = start();
    Child child = network.spawn({"true"}, {-1, *writer, *writer});
    writer.reset();
    EXPECT_EQ(exit_code(child.wait()), 0);
    ASSERT_TRUE(wait_readable(*reader));
    char byte;
    EXPECT_EQ(::read(*reader, &byte, 1), 0);
}

TEST_P(Command, OwnerWhoForgetsTheCommandEndsIt) {
    const PrivateNetwork network = start();
    Fd watch;
    {
        const Child child = network.spawn({"sleep", "1000"});
        watch.reset(::fcntl(child.pidfd(), F_DUPFD_CLOEXEC, 0));
    }
    pollfd entry{.fd = *watch, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 1);
}

TEST_F(Private, CommandThatCannotRun) {
    const PrivateNetwork network = PrivateNetwork::start({});
    const auto code = [&](const std::vector<std::string>& argv) {
        try {
            network.spawn(argv);
            return 0;
        } catch (const SpawnError& e) {
            return e.exit_code();
        }
    };
    EXPECT_EQ(code({"no-such-program-anywhere"}), 127);
    EXPECT_EQ(code({"/etc/passwd"}), 126);
    EXPECT_EQ(code({"/"}), 126);
    EXPECT_EQ(code({}), 125);
}

}  // namespace
}  // namespace estab::drivers
