#include "cli/perf_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace estab::cli {

PerfServer::PerfServer(socket::Reactor& reactor, const PerfPorts& ports) {
    const std::array wanted = {ports.sink, ports.source, ports.echo};
    const std::array services = {&PerfServer::discard, &PerfServer::send, &PerfServer::echo};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto listener = socket::Listener::listen(reactor, {.port = wanted[i]});
        if (!listener)
            throw std::runtime_error(
                fmt::format("port {}: {}", wanted[i], to_string(listener.error())));
        listeners_[i] = std::move(*listener);
        listeners_[i].on_ready([this, i, service = services[i]] {
            accept(listeners_[i], service);
        });
    }
}

void PerfServer::accept(socket::Listener& listener, Service service) {
    while (auto stream = listener.try_accept()) {
        (void)stream->set_nodelay(true);
        const std::uint64_t serial = ++serial_;
        Peer& peer = peers_[serial];
        peer.stream = std::move(*stream);
        peer.stream.on_ready([this, serial, service](socket::Ready) { serve(serial, service); });
    }
}

void PerfServer::serve(std::uint64_t serial, Service service) {
    const auto found = peers_.find(serial);
    if (found == peers_.end()) return;
    Peer& peer = found->second;
    (this->*service)(peer);
    const socket::Ending ending = peer.stream.ending();
    const bool has_read_all = ending.peer_finished && peer.stream.peek().empty();
    const bool has_sent_all = peer.count_octets == peer.count.size() && peer.left == 0;
    if (ending.error || has_read_all || has_sent_all) peers_.erase(found);  // closes it
}

void PerfServer::discard(Peer& peer) {
    for (Bytes there = peer.stream.peek(); !there.empty(); there = peer.stream.peek())
        peer.stream.consume(there.size());
}

void PerfServer::send(Peer& peer) {
    static constexpr std::uint8_t page[1 << 20] = {};  // lent again and again
    while (peer.count_octets < peer.count.size()) {
        const auto n = peer.stream.try_read(MutableBytes(peer.count).subspan(peer.count_octets));
        if (!n || *n == 0) return;
        peer.count_octets += *n;
        if (peer.count_octets < peer.count.size()) continue;
        for (std::size_t i = 0; i < peer.count.size(); ++i)
            peer.left |= std::uint64_t{peer.count[i]} << (8 * i);
    }
    while (peer.left != 0) {
        const auto wanted = std::min<std::uint64_t>(sizeof page, peer.left);
        const auto n = peer.stream.try_write_external({page, wanted}, [](void*) {}, nullptr);
        if (!n) return;
        peer.left -= *n;
    }
}

void PerfServer::echo(Peer& peer) {
    for (Bytes there = peer.stream.peek(); !there.empty(); there = peer.stream.peek()) {
        const auto n = peer.stream.try_write(there);
        if (!n) return;
        peer.stream.consume(*n);
    }
}

}  // namespace estab::cli
