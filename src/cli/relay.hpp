// Kernel sockets in coroutines, and joining two of them: how a connection of estab's TCP gets out
// of its private network. The kernel's TCP at the other end of the private network hands what
// arrives to a socket of the host's.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/descriptor.hpp"
#include "drivers/private_network.hpp"
#include "wire/address.hpp"

namespace estab::cli {

struct SocketAddress {
    SocketAddress() = default;
    explicit SocketAddress(const wire::Endpoint& endpoint);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    wire::Endpoint endpoint() const;

    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);
};

// Addresses of a name, as this host knows them; a literal is itself. Throws: one line.
std::vector<wire::Address> resolve(const std::string& host);

// 0, or the errno of why it could not connect.
socket::Task<int> connect_kernel(Descriptor& socket, wire::Endpoint remote, Instant deadline);

// Listens on it; the endpoint that it has. Throws SystemError.
wire::Endpoint listen_kernel(const drivers::Fd& socket, const wire::Endpoint& local);
// An invalid Fd: the deadline has come. Out of descriptors or memory, it tries again later.
socket::Task<drivers::Fd> accept_kernel(Descriptor& listener, Instant deadline);

// Until nothing is left of `octets`; false: the other side has broken off. `waited` grows by the
// time in which the socket took nothing.
socket::Task<bool> send_all(Descriptor& to, Bytes& octets, Duration& waited);

// Closing it is a reset.
void reset_when_closed(int socket);
// And nothing more in either direction.
void break_off(int socket);

// What one says the other hears, until both have finished. 64 KiB wait in each direction at most. A
// half-close and a reset are passed on.
socket::Task<> join(runtime::Reactor& reactor, drivers::Fd one, drivers::Fd other);

// Each connection that `listening` accepts is joined to one of the private network's to `remote`;
// where that fails the first is reset, and `who` says so. Without end.
socket::Task<> join_each(runtime::Reactor& reactor, const drivers::PrivateNetwork& network,
                         drivers::Fd listening, wire::Endpoint remote, std::string who);

}  // namespace estab::cli
