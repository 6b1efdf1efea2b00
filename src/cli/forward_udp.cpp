#include "cli/forward_udp.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "cli/relay.hpp"
#include "udp/sockets.hpp"
#include "wire/udp.hpp"

namespace estab::cli {

using socket::Task;

struct UdpForwarder::Flow {
    Flow(runtime::Reactor& reactor, drivers::Fd fd, const Key& k)
        : host(reactor, std::move(fd)), key(k) {}
    Descriptor host;
    Key key;
    Instant last{};
    bool is_over = false;
};

UdpForwarder::UdpForwarder(runtime::Reactor& reactor, const Destinations& destinations)
    : reactor_(reactor), destinations_(destinations) {
    reactor_.stack().on_packet(wire::protocol_udp, on_packet, this);
    sweep();
}

UdpForwarder::~UdpForwarder() {
    reactor_.stack().on_packet(wire::protocol_udp, nullptr, nullptr);
}

bool UdpForwarder::on_packet(void* self, Instant now, const wire::IpPacket& packet,
                             const device::Offload& offload) {
    const bool verified = offload.checksum != device::Checksum::complete;
    return static_cast<UdpForwarder*>(self)->take(now, packet, verified);
}

// False: answered as a closed port.
bool UdpForwarder::take(Instant now, const wire::IpPacket& packet, bool verified) {
    const auto view = wire::UdpView::parse(packet.payload);
    if (!view || (!verified && !view->checksum_is_valid(packet.source, packet.destination)))
        return true;
    if (packet.destination.is_multicast()) return true;
    const Key key{{packet.source, view->source_port()},
                  {packet.destination, view->destination_port()}};
    const auto found = flows_.find(key);
    const std::shared_ptr<Flow> flow = found != flows_.end() ? found->second : open(now, key);
    if (!flow) return false;
    flow->last = now;
    const Bytes text = view->payload();
    // Full or refused: a datagram may be lost, and what ICMP said is told by the next receive.
    (void)::send(flow->host.fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return true;
}

std::shared_ptr<UdpForwarder::Flow> UdpForwarder::open(Instant now, const Key& key) {
    const auto there = destinations_.find(key.second);
    if (!there) return nullptr;
    if (flows_.size() >= flows_max) {
        const auto oldest = std::ranges::min_element(
            flows_, {}, [](const auto& entry) { return entry.second->last; });
        oldest->second->is_over = true;
        flows_.erase(oldest);
    }
    const int family = there->address.is_v4() ? AF_INET : AF_INET6;
    drivers::Fd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const SocketAddress address(*there);
    if (!fd || ::connect(*fd, address.get(), address.size) != 0) return nullptr;
    const auto flow = std::make_shared<Flow>(reactor_, std::move(fd), key);
    flow->last = now;
    flows_.emplace(key, flow);
    socket::spawn(reactor_, answers(flow));
    return flow;
}

Task<> UdpForwarder::answers(std::shared_ptr<Flow> flow) {
    std::vector<std::uint8_t> buffer(65'536);
    while (!flow->is_over) {
        const ssize_t n = ::recv(flow->host.fd(), buffer.data(), buffer.size(), 0);
        if (n >= 0) {
            flow->last = reactor_.now();
            answer(*flow, Bytes(buffer.data(), static_cast<std::size_t>(n)));
        } else if (errno == EAGAIN) {
            co_await flow->host.readable(reactor_.now() + idle);
        } else if (errno != EINTR && errno != ECONNREFUSED) {
            break;
        }
    }
    const auto found = flows_.find(flow->key);
    if (found != flows_.end() && found->second == flow) flows_.erase(found);
}

// One that the link cannot carry in one packet is lost, as on a path that drops fragments.
void UdpForwarder::answer(const Flow& flow, Bytes payload) {
    const auto& [to, from] = flow.key;
    const std::size_t octets = udp::Sockets::packet_bytes(to.address, payload.size());
    stack::Stack& stack = reactor_.stack();
    if (octets > stack.interface_mtu()) return;
    const MutableBytes room = stack.reserve_packet(octets);
    if (room.empty()) return;
    stack.commit_packet(udp::Sockets::write_packet(room, from, to, payload));
}

void UdpForwarder::sweep() {
    std::erase_if(flows_, [this](const auto& entry) {
        const bool silent = reactor_.now() - entry.second->last >= idle;
        if (silent) entry.second->is_over = true;
        return silent;
    });
    reactor_.after(idle / 4, [this] { sweep(); });
}

}  // namespace estab::cli
