// Two TCP/IP hosts in one process, no permission, no thread, no waiting: time is virtual.
#include <estab/listener.hpp>
#include <estab/memory_world.hpp>

#include <cstdio>

using namespace estab;

Task<> echo(Stream stream) {
    std::uint8_t buffer[4096];
    for (;;) {
        const auto octets = co_await stream.async_read(buffer);
        if (!octets || *octets == 0) co_return;  // reset, or the peer has finished
        (void)co_await stream.async_write_all(Bytes(buffer).first(*octets));
    }
}

int main() {
    MemoryWorld world;
    auto listener = Listener::listen(world.host(1), {.port = 7});
    auto client = Stream::connect(world.host(0), {MemoryWorld::address(1), 7});
    spawn(world.host(1), echo(std::move(*listener->accept())));

    const char text[] = "hello, wire\n";
    std::uint8_t answer[sizeof text];
    (void)client->write_all({reinterpret_cast<const std::uint8_t*>(text), sizeof text - 1});
    const auto octets = client->read(answer);
    if (!octets) return 1;
    std::fwrite(answer, 1, *octets, stdout);
}
