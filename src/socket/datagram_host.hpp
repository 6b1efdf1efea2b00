// Joins the datagram sockets of a stack to it: packets and ICMP errors come in through its
// handlers, what is sent waits in its queue of packets.
#pragma once

#include <memory>
#include <vector>

#include "socket/reactor.hpp"
#include "udp/sockets.hpp"

namespace estab::socket {

// The shared part of a datagram socket.
struct Bound : Source {
    Bound(Reactor& r, udp::SocketId i) : Source(r), id(i) {}
    udp::SocketId id;
    bool told = false;  // its callbacks are already on their way
};

class DatagramHost {
public:
    explicit DatagramHost(Reactor& reactor);
    ~DatagramHost();

    Result<std::shared_ptr<Bound>> open(const udp::Options& options);
    void close(Bound& socket);
    Result<void> connect(Bound& socket, const wire::Endpoint& remote);
    Result<void> send(Bound& socket, const wire::Endpoint& to, Bytes payload);
    udp::Sockets& sockets() { return sockets_; }

private:
    static bool on_packet(void* self, Instant now, const wire::IpPacket& packet,
                          const device::Offload& offload);
    static void on_icmp(void* self, Instant now, const ip::IcmpReport& report);
    void tell(udp::SocketId id);

    Reactor& reactor_;
    stack::Stack& stack_;
    udp::Sockets sockets_;
    std::vector<std::weak_ptr<Bound>> bound_;  // by index
};

}  // namespace estab::socket
