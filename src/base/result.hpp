// A value or the reason why there is none. One alias, so that the error type can be found and
// changed in one place. A caller's fault is a Result; a peer's fault is an event; our own is CHECK.
#pragma once

#include <cstdint>
#include <expected>

namespace estab {

enum class Error : std::uint8_t {
    invalid_argument,     // EINVAL
    address_in_use,       // EADDRINUSE
    address_unavailable,  // EADDRNOTAVAIL
    not_connected,        // ENOTCONN
    already_connected,    // EISCONN
    in_progress,          // EINPROGRESS
    would_block,          // EAGAIN
    refused,              // ECONNREFUSED: RST in answer to our SYN
    reset,                // ECONNRESET: RST on a connection
    aborted,              // ECONNABORTED: we reset it ourselves
    timed_out,            // ETIMEDOUT: R2, user timeout or keepalive
    host_unreachable,     // EHOSTUNREACH
    network_unreachable,  // ENETUNREACH
    protocol_unreachable, // ENOPROTOOPT
    broken_pipe,          // EPIPE: writing after our own FIN
    no_memory,            // ENOMEM, ENOBUFS: the budget is used up
    not_found,            // EBADF: no such connection or listener
    message_too_long,     // EMSGSIZE
    malformed,            // bytes that are not what they should be
    not_supported,        // EOPNOTSUPP
    would_deadlock,       // EDEADLK: a blocking call from inside a callback or coroutine
    interrupted,          // EINTR: whoever drives the world has stopped
};

const char* to_string(Error);

template <class T, class E = Error>
using Result = std::expected<T, E>;

template <class E = Error>
constexpr std::unexpected<E> fail(E error) {
    return std::unexpected<E>(error);
}

}  // namespace estab
