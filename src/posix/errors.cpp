// Our errors under Linux's names, and addresses in the form of its calls.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "posix/sockets.hpp"

namespace estab::posix {

int to_errno(Error error) {
    switch (error) {
    case Error::invalid_argument: return EINVAL;
    case Error::address_in_use: return EADDRINUSE;
    case Error::address_unavailable: return EADDRNOTAVAIL;
    case Error::not_connected: return ENOTCONN;
    case Error::already_connected: return EISCONN;
    case Error::in_progress: return EINPROGRESS;
    case Error::would_block: return EAGAIN;
    case Error::refused: return ECONNREFUSED;
    case Error::reset: return ECONNRESET;
    case Error::aborted: return ECONNABORTED;
    case Error::timed_out: return ETIMEDOUT;
    case Error::host_unreachable: return EHOSTUNREACH;
    case Error::network_unreachable: return ENETUNREACH;
    case Error::protocol_unreachable: return ENOPROTOOPT;
    case Error::broken_pipe: return EPIPE;
    case Error::no_memory: return ENOBUFS;
    case Error::not_found: return EBADF;
    case Error::message_too_long: return EMSGSIZE;
    case Error::malformed: return EINVAL;
    case Error::not_supported: return EOPNOTSUPP;
    case Error::would_deadlock: return EDEADLK;
    case Error::interrupted: return EINTR;
    }
    return EIO;
}

wire::Endpoint to_endpoint(const sockaddr* address, socklen_t length) {
    wire::Endpoint to;
    if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        sockaddr_in6 in{};
        std::memcpy(&in, address, sizeof in);
        to.address = wire::Address::from_v6(in.sin6_addr.s6_addr);
        to.port = ntohs(in.sin6_port);
    } else if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        std::uint8_t octets[4];
        std::memcpy(octets, &in.sin_addr, 4);
        to.address = wire::Address::from_v4(octets);
        to.port = ntohs(in.sin_port);
    }
    return to;
}

void fill_address(const wire::Endpoint& endpoint, int domain, sockaddr* address,
                  socklen_t* length) {
    if (address == nullptr || length == nullptr) return;
    sockaddr_in6 v6{};
    sockaddr_in v4{};
    const void* from = &v6;
    socklen_t size = sizeof v6;
    if (domain == AF_INET6) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(v6.sin6_addr.s6_addr, endpoint.address.octets().data(), 16);
    } else {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        if (!endpoint.address.is_unspecified()) {
            std::memcpy(&v4.sin_addr, endpoint.address.octets().data() + 12, 4);
        }
        from = &v4;
        size = sizeof v4;
    }
    std::memcpy(address, from, std::min(*length, size));
    *length = size;
}

}  // namespace estab::posix
