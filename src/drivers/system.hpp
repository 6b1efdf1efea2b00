// What every driver needs of the operating system: a file descriptor with an owner, errors that say
// what could not be done and why in one line, and passing descriptors over a Unix socket.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace estab::drivers {

// Set-up that failed. what() is one line for people: "cannot add 10.77.0.1/24 to estab0: Operation
// not permitted". Only set-up throws; nothing that moves frames does.
class SystemError : public std::runtime_error {
public:
    SystemError(const std::string& what, int error) : std::runtime_error(what), error_(error) {}
    int error() const { return error_; }  // an errno value, 0 when there is none

private:
    int error_;
};

// Throws SystemError: "<what>: <text of error>".
[[noreturn]] void throw_system(std::string_view what, int error = errno);
std::string error_text(int error);

class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~Fd() { reset(); }

    int operator*() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1);

private:
    int fd_ = -1;
};

struct SocketPair {
    Fd ours;
    Fd theirs;
};
SocketPair packet_socket_pair();  // AF_UNIX, SOCK_SEQPACKET, close-on-exec

// One message with descriptors attached. False when the other side is gone.
bool send_message(int socket, std::string_view text, const std::vector<int>& fds);
struct Message {
    bool ended = false;   // the other side closed without a word
    std::string text;     // at most 4 KiB
    std::vector<Fd> fds;  // at most 64
};
Message receive_message(int socket);

// Writes a whole small file such as a sysctl; 0 or the errno.
int write_file(const char* path, std::string_view text);
std::string read_file(const char* path);  // without the last newline; empty when it cannot be read

void set_nonblocking(int fd);

// In a fresh child: die when `parent` dies. Again after anything that may gain capabilities,
// because the kernel then forgets it. Ends the process at once when the parent is already gone.
void die_with(int parent);
// As many open descriptors as this process may have.
void raise_descriptor_limit();

}  // namespace estab::drivers
