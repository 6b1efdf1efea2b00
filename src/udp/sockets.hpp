// The datagram sockets of one stack (RFC 768, RFC 1122 4.1): who gets a datagram, what waits for
// its reader, and how one is written. No I/O; packets go in and are written into room that is
// given.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/rng.hpp"
#include "event/counters.hpp"
#include "wire/ip.hpp"
#include "wire/udp.hpp"

namespace estab::udp {

struct SocketId {
    std::uint32_t index = 0xffff'ffff;
    std::uint32_t generation = 0;
    friend constexpr bool operator==(SocketId, SocketId) = default;
};

struct Options {
    wire::Endpoint local{};  // address unspecified: any; port 0: drawn (RFC 6056)
    std::size_t queue_max = 212'992;  // octets that wait, each datagram counted 64 more.
                                      // Policy when full: the newest is dropped, counted
                                      // as Udp_RcvbufErrors
    std::uint8_t hop_limit = 64;
    std::uint8_t dscp = 0;
};

struct Datagram {
    wire::Endpoint from, to;                      // `to`: what it was sent to, of ours
    wire::Ecn ecn = wire::Ecn::not_ect;
    std::vector<std::uint8_t> payload;
};

// What ICMP said about a datagram that this socket sent.
struct Trouble {
    wire::Endpoint remote;
    Error error = Error::host_unreachable;
    std::uint8_t type = 0, code = 0;              // as on the wire
    std::uint32_t mtu = 0;                        // octets of an IP packet; of message_too_long
};

class Sockets {
public:
    static constexpr std::size_t sockets_max = 65'536;  // policy when full: Error::no_memory

    Sockets(event::Counters& counters, Rng& rng) : counters_(counters), rng_(rng) {}

    // address_in_use: the same address and port is taken, or every port.
    Result<SocketId> open(const Options& options);
    void close(SocketId id);
    // From now on only `remote` is heard; `local_address` becomes the socket's if it had none.
    Result<void> connect(SocketId id, const wire::Endpoint& remote,
                         const wire::Address& local_address);

    // A packet of protocol 17 for us. The socket that something happened to, or nullopt: nobody
    // there.
    struct Delivered {
        std::optional<SocketId> to;               // nullopt: taken, but dropped
    };
    std::optional<Delivered> receive(const wire::IpPacket& packet, bool checksum_is_verified);
    // Whose it was; it can be read by next_trouble().
    std::optional<SocketId> on_icmp(const wire::Endpoint& local, const Trouble& trouble);

    // would_block: nothing waits; not_found: closed. Trouble comes first, once each (the last 16).
    Result<Datagram> next(SocketId id);
    Result<Trouble> next_trouble(SocketId id);

    // How large the IP packet for a payload is.
    static std::size_t packet_bytes(const wire::Address& remote, std::size_t payload) {
        return wire::ip_header_bytes(remote.is_v4()) + wire::udp_header_bytes + payload;
    }
    // Writes it; packet_bytes(). Both ends are complete. For those who speak without a socket, too.
    static std::size_t write_packet(MutableBytes room, const wire::Endpoint& from,
                                    const wire::Endpoint& to, Bytes payload,
                                    std::uint8_t hop_limit = 64, std::uint8_t dscp = 0);
    // The same as a datagram of the socket's. `from` is complete.
    std::size_t write(SocketId id, MutableBytes room, const wire::Endpoint& from,
                      const wire::Endpoint& to, Bytes payload);

    std::optional<wire::Endpoint> local(SocketId id) const;
    std::optional<wire::Endpoint> remote(SocketId id) const;  // nullopt: not connected
    std::size_t in_use() const { return in_use_; }

private:
    static constexpr std::size_t troubles_max = 16;
    struct Socket {
        Options options;
        std::optional<wire::Endpoint> remote;
        std::deque<Datagram> queue;
        std::size_t queued = 0;                   // octets, as counted against queue_max
        std::deque<Trouble> troubles;
        std::uint32_t generation = 0;
        bool is_used = false;
    };
    static std::size_t cost(const Datagram& d) { return d.payload.size() + 64; }
    Socket* find(SocketId id);
    const Socket* find(SocketId id) const { return const_cast<Sockets*>(this)->find(id); }
    bool is_taken(const wire::Endpoint& local) const;
    std::uint16_t draw_port(const wire::Address& address);
    // The most particular one: connected before bound to an address before any address.
    std::uint32_t match(const wire::Endpoint& local, const wire::Endpoint& remote) const;

    event::Counters& counters_;
    Rng& rng_;
    std::vector<Socket> sockets_;
    std::size_t in_use_ = 0;
    std::uint32_t generation_ = 0;
};

}  // namespace estab::udp
