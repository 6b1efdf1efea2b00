// A TCP socket as the program has it: one end of a pair of Unix sockets whose other end is ours.
// What the program writes comes out here, what TCP has received goes in, and the kernel does the
// waiting, polling, duplicating and inheriting.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "base/time.hpp"
#include "drivers/system.hpp"
#include "stack/stack.hpp"

namespace estab::owntcp {

// An address as a call gives it.
struct Address {
    sockaddr_storage octets{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&octets); }
};

// A call that has its answer later: connect() or accept().
struct Waiter {
    std::uint64_t call = 0;
    pid_t thread = 0;
    int fd = -1;  // by which it names the socket
    // of accept()
    std::uint64_t address = 0, address_size = 0;
    int flags = 0;
    Instant deadline = never;
};

struct End {
    enum class Phase : std::uint8_t {
        fresh,
        connecting,
        connected,
        listening,
        over,  // our end is closed; only names, options and the error are left
    };

    std::uint64_t inode = 0;  // of the program's end: its name, whatever descriptors it has
    drivers::Fd ours;
    int socket = -1;  // of posix::Sockets
    Phase phase = Phase::fresh;
    pid_t thread = 0;  // that has named it last, and how
    int fd = -1;
    std::vector<Waiter> waiting;  // at most one for each thread of the program

    // Connecting
    Address wanted;
    Address asked;  // what the program knows it by, where that is another address; else empty
    std::size_t filler = 0;  // octets of ours in it, so that it is not writable
    bool in_progress_told = false;
    int error = 0;  // for SO_ERROR

    // Connected
    stack::ConnectionId connection{};
    std::vector<std::uint8_t> surplus;  // read from the program, and no memory for it in TCP
    std::int64_t before_poison = -1;    // octets to read; then comes one that is never read
    bool brings_much = false;  // the last look at the pair has
    bool half_closed = false;  // by shutdown(SHUT_WR)
    bool up_done = false, down_done = false;
    bool closed = false;       // the program has no descriptor for it any more
    bool lost_unread = false;  // and what it had not read was lost

    // Listening
    stack::ListenerId listener{};
    std::deque<int> accepted;  // connections whose accept() was interrupted; at most the waiters
    std::size_t told = 0;      // octets in the pair: one for each connection that waits
};

}  // namespace estab::owntcp
