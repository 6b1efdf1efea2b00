// A script's system calls on posix::Sockets: arguments in, the call to be waited for out, and then
// what of its results is not what the script says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "packetdrill/host.hpp"
#include "packetdrill/settings.hpp"

namespace estab::packetdrill {

struct StartedCall {
    posix::Call call{};
    // After it is over: why it is not what was expected, or nothing. `result` is >= 0 or -errno.
    std::function<std::optional<std::string>(std::int64_t result)> check{};
    std::shared_ptr<void> storage{};     // what the call writes to
};

class Calls {
public:
    Calls(Host& host, posix::Sockets& os, const Settings& settings)
        : host_(host), os_(os), settings_(settings) {}

    // Throws ScriptError for arguments that make no sense, Skip for what estab does not have.
    StartedCall start(const CallLine& line, Position at);

    // The descriptor that the last socket(), listen(), connect() or accept() was about; -1: none.
    int under_test() const { return under_test_; }
    void set_under_test(int fd) { under_test_ = fd; }

private:
    friend struct CallTable;
    using Check = std::function<std::optional<std::string>(std::int64_t)>;

    const Value& argument(std::size_t i) const;
    int integer(std::size_t i) const;
    int fd(std::size_t i) const;         // of ours, for the script's
    int fd_of(const Value& v) const;
    StartedCall finish(posix::Call call, std::shared_ptr<void> storage = {}, Check more = {});
    posix::Call immediate(int result) const;
    std::optional<std::string> check_result(const CallLine& line, std::int64_t result) const;

    StartedCall socket();
    StartedCall bind();
    StartedCall listen();
    StartedCall accept();
    StartedCall connect();
    StartedCall close();
    StartedCall shutdown();
    StartedCall fcntl();
    StartedCall ioctl();
    StartedCall read();
    StartedCall recv();
    StartedCall recvmsg();
    StartedCall write();
    StartedCall send();
    StartedCall sendmsg();
    StartedCall vectors();
    StartedCall setsockopt();
    StartedCall getsockopt();
    StartedCall poll();
    StartedCall epoll_create();
    StartedCall epoll_ctl();
    StartedCall epoll_wait();
    StartedCall name();
    StartedCall open();
    StartedCall pipe();
    StartedCall sendfile();
    StartedCall splice();

    std::vector<std::uint8_t> address(const Value& v, std::uint16_t port, bool local) const;
    std::vector<std::uint8_t> octets(const Value& v, std::size_t size) const;
    std::vector<std::uint8_t> option_value(const Value& v) const;
    StartedCall map_new_fd(posix::Call call, std::shared_ptr<void> storage = {});

    Host& host_;
    posix::Sockets& os_;
    const Settings& settings_;
    const CallLine* line_ = nullptr;
    Position at_{};
    std::map<int, int> fds_;             // the script's -> ours
    int under_test_ = -1;
};

}  // namespace estab::packetdrill
