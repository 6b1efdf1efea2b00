// Sends every datagram back (RFC 862).
#include <estab/udp.hpp>

#include <cstdio>

#include "network.hpp"

using namespace estab;

namespace {

Task<> echo(Udp& socket) {
    for (;;) {
        const auto datagram = co_await socket.async_recv();
        if (!datagram) co_return;
        std::printf("%zu octets from %s\n", datagram->payload.size(),
                    datagram->from.text().c_str());
        (void)socket.send_to(datagram->from, datagram->payload);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const auto arguments = example::Arguments::parse(
        argc, argv, "[PORT] [--tun NAME --addr A/len --host-addr B/len] [-- CMD...]");
    const int port = arguments.words.empty() ? 7 : std::atoi(arguments.words[0].c_str());
    example::Network network(arguments);
    auto socket = Udp::bind(network.reactor(), {.local = {{}, static_cast<std::uint16_t>(port)}});
    if (!socket) {
        std::fprintf(stderr, "udp_echo: port %d: %s\n", port, to_string(socket.error()));
        return 1;
    }
    spawn(network.reactor(), echo(*socket));
    network.start_command();
    return network.run();
} catch (const std::exception& e) {
    std::fprintf(stderr, "udp_echo: %s\n", e.what());
    return 1;
}
