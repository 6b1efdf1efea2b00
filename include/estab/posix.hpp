// posix::Sockets: descriptors, blocking and non-blocking calls, errno, options with Linux's names
// and numbers, poll and epoll. For programs that were written for the kernel's sockets, in real
// time over a runtime::Reactor, or in virtual time over a MemoryWorld:
//
//     posix::ReactorWorld world(reactor);
//     posix::Sockets os(world);
//     const int fd = os.socket(AF_INET, SOCK_STREAM, 0);
//     if (os.connect(fd, address, length) < 0) complain(os.last_error());
#pragma once

#include "posix/reactor_world.hpp"
#include "posix/sockets.hpp"
