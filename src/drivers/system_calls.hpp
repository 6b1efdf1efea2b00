// System calls of another program that are answered by us: a seccomp filter in the child stops
// those about TCP sockets, the kernel tells us of each, and the call returns what we say (Linux
// 5.14, no permission needed). What the filter does not name runs as ever. What a call points to is
// read from the program's memory, which its other threads may change meanwhile: good for serving a
// program, useless for confining one.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drivers/system.hpp"

namespace estab::drivers {

// The filter, for the process that calls it and all that it will start: stopped are socket() for
// TCP, the calls that name, connect, listen, accept and shut down, socket options, and the rare
// forms of sending, receiving and ioctl() that a Unix socket would take otherwise. io_uring_setup()
// is ENOSYS. A descriptor that is readable when a call waits (close-on-exec), or -errno.
int stop_socket_calls();

struct SystemCall {
    std::uint64_t id = 0;
    pid_t thread = 0;
    int number = 0;  // __NR_connect, ...
    std::array<std::uint64_t, 6> arguments{};
};

// Where stopped calls come out. A caller that was killed, or interrupted by a signal, is gone:
// every answer to it is false, and a call that is restarted comes again as another.
class SystemCalls {
public:
    explicit SystemCalls(Fd fd);  // of stop_socket_calls()

    int fd() const { return *fd_; }
    // nothing: none waits (any more)
    std::optional<SystemCall> next();
    // False once the last process with the filter is gone.
    bool has_callers();

    bool is_waiting(std::uint64_t id) const;
    bool answer(std::uint64_t id, std::int64_t result) const;  // >= 0, or -errno
    bool let_through(std::uint64_t id) const;                  // the kernel does it after all
    // A copy of `fd` becomes a descriptor of the caller's, and its number the result. 0, or the
    // errno: ENOENT when the caller is gone, EMFILE and such are for it to hear.
    int give(std::uint64_t id, int fd, bool close_on_exec) const;
    // The same in the place of its descriptor `number`; the call goes on waiting.
    int replace(std::uint64_t id, int fd, int number, bool close_on_exec) const;

private:
    Fd fd_;
    std::vector<std::uint8_t> room_;  // of the kernel's record, in its size
};

// Octets of the memory of the process that `thread` belongs to. False: not there.
bool read_memory(pid_t thread, std::uint64_t from, std::span<std::uint8_t> into);
bool write_memory(pid_t thread, std::uint64_t to, std::span<const std::uint8_t> octets);

std::uint64_t socket_inode(pid_t thread, int fd);  // 0: not a socket
int descriptor_flags(pid_t thread, int fd);  // O_NONBLOCK, O_CLOEXEC, ...
// A descriptor of ours for the same open file; none: not allowed, or gone.
Fd copy_descriptor(pid_t thread, int fd);
// The same for a socket that some process of ours holds, whichever.
Fd find_socket(std::uint64_t inode);

}  // namespace estab::drivers
