// The greeting client of many a TCP tutorial on estab's sockets, with blocking calls: names from
// standard input, one greeting each.
#include <cstdio>
#include <string>

#include "network.hpp"

using namespace estab;

namespace {

Bytes bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool print_answer(Stream& stream) {
    std::uint8_t buffer[1024];
    const auto octets = stream.read(buffer);
    if (!octets) {
        std::fprintf(stderr, "greeting_client: %s\n", to_string(octets.error()));
        return false;
    }
    std::printf("%.*s\n", static_cast<int>(*octets), reinterpret_cast<const char*>(buffer));
    return true;
}

// A server that is our own command may need a moment to listen.
Result<Stream> connect(Reactor& reactor, const Endpoint& to, Instant give_up) {
    for (;;) {
        auto stream = Stream::connect(reactor, to);
        if (stream || stream.error() != Error::refused || reactor.now() >= give_up) return stream;
        const Instant again = reactor.now() + 100ms;
        reactor.at(again, [] {});
        if (!reactor.run_until([&] { return reactor.now() >= again; }))
            return fail(Error::interrupted);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const auto arguments = example::Arguments::parse(
        argc, argv, "[ADDRESS:PORT] [--tun NAME --addr A/len --host-addr B/len] [-- CMD...]");
    const auto to =
        Endpoint::parse(arguments.words.empty() ? "10.77.0.100:5000" : arguments.words[0]);
    if (!to) {
        std::fprintf(stderr, "greeting_client: not ADDRESS:PORT: %s\n", arguments.words[0].c_str());
        return 2;
    }
    example::Network network(arguments);
    network.start_command();
    const Instant give_up = after(network.reactor().now(), arguments.command.empty() ? 0s : 10s);
    auto stream = connect(network.reactor(), *to, give_up);
    if (!stream) {
        std::fprintf(stderr, "greeting_client: %s: %s\n", to->text().c_str(),
                     to_string(stream.error()));
        return 1;
    }
    if (!print_answer(*stream)) return 1;
    example::Lines lines(network.reactor());
    for (;;) {
        const auto name = lines.next();
        if (!name || name->empty() || *name == "exit") break;
        if (!stream->write_all(bytes(*name)) || !print_answer(*stream)) return 1;
    }
    (void)stream->write_all(bytes("exit"));
    stream->set_linger(5s);  // the network ends with us
    (void)stream->close();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "greeting_client: %s\n", e.what());
    return 1;
}
