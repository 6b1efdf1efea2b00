// The side of `estab perf` that is measured: discards, sends and echoes, as any peer of the
// benchmarks does.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "socket/listener.hpp"

namespace estab::cli {

// Ports of the three services, from the first one.
struct PerfPorts {
    std::uint16_t sink = 5001;    // reads until the peer's FIN, then closes
    std::uint16_t source = 5002;  // reads 8 octets, a little-endian count, and sends so many
    std::uint16_t echo = 5003;
    static PerfPorts from(std::uint16_t first) {
        return {first, static_cast<std::uint16_t>(first + 1),
                static_cast<std::uint16_t>(first + 2)};
    }
};

class PerfServer {
public:
    // Throws std::runtime_error when a port cannot be had.
    PerfServer(socket::Reactor& reactor, const PerfPorts& ports);

private:
    struct Peer {
        socket::Stream stream;
        std::array<std::uint8_t, 8> count{};
        std::size_t count_octets = 0;  // how much of it has come
        std::uint64_t left = 0;        // to send
    };
    using Service = void (PerfServer::*)(Peer&);

    void accept(socket::Listener& listener, Service service);
    void serve(std::uint64_t serial, Service service);
    void discard(Peer& peer);
    void send(Peer& peer);
    void echo(Peer& peer);

    std::array<socket::Listener, 3> listeners_;
    std::unordered_map<std::uint64_t, Peer> peers_;  // at most as many as the stack has connections
    std::uint64_t serial_ = 0;
};

}  // namespace estab::cli
