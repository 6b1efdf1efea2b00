// The greeting server of many a TCP tutorial on estab's sockets: one coroutine per connection.
#include <estab/listener.hpp>

#include <cstdio>
#include <string>

#include "network.hpp"

using namespace estab;

namespace {

Bytes bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Task<> greet(Reactor& reactor, Stream stream) {
    const Endpoint peer = stream.remote();
    (void)co_await stream.async_write_all(bytes("Welcome!"));
    for (;;) {
        std::uint8_t buffer[1024];
        const auto octets = co_await stream.async_read(buffer);
        co_await sleep_for(reactor, 1s);
        const std::string name(buffer, buffer + octets.value_or(0));
        if (name.empty() || name == "exit") break;
        std::printf("Accept %s, send back: Hello, %s\n", name.c_str(), name.c_str());
        const std::string greeting = "Hello, " + name + "!";
        (void)co_await stream.async_write_all(bytes(greeting));
    }
    (void)stream.close();
    std::printf("Connection from %s:%u closed.\n", peer.address.text().c_str(), peer.port);
}

Task<> serve(Reactor& reactor, Listener& listener) {
    for (;;) {
        auto stream = co_await listener.async_accept();
        if (!stream) co_return;
        spawn(reactor, greet(reactor, std::move(*stream)));
    }
}

}  // namespace

int main(int argc, char** argv) try {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const auto arguments = example::Arguments::parse(
        argc, argv, "[PORT] [--tun NAME --addr A/len --host-addr B/len] [-- CMD...]");
    const int port = arguments.words.empty() ? 5000 : std::atoi(arguments.words[0].c_str());
    example::Network network(arguments);
    auto listener = Listener::listen(network.reactor(),
                                     {.port = static_cast<std::uint16_t>(port), .backlog = 5});
    if (!listener) {
        std::fprintf(stderr, "greeting_server: port %d: %s\n", port, to_string(listener.error()));
        return 1;
    }
    std::printf("Waiting for connection...\n");
    spawn(network.reactor(), serve(network.reactor(), *listener));
    network.start_command();
    return network.run();
} catch (const std::exception& e) {
    std::fprintf(stderr, "greeting_server: %s\n", e.what());
    return 1;
}
