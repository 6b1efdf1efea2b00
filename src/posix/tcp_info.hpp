// Linux's struct tcp_info (TCP_INFO, <linux/tcp.h>) as a connection of ours would fill it in.
#pragma once

#include <linux/tcp.h>

#include "posix/sockets.hpp"

namespace estab::posix {

// `connection` may be none: then what the socket's state alone says.
tcp_info make_tcp_info(const Socket& socket, const tcp::Connection* connection, Instant now);

// Linux's number of a state: TCP_ESTABLISHED is 1, TCP_LISTEN 10, …
std::uint8_t linux_state(tcp::State state);

}  // namespace estab::posix
