#include "socket/datagram_host.hpp"

#include <algorithm>

namespace estab::socket {

DatagramHost::DatagramHost(Reactor& reactor)
    : reactor_(reactor), stack_(reactor.stack()), sockets_(stack_.counters(), stack_.rng()) {
    stack_.on_packet(wire::protocol_udp, on_packet, this);
    stack_.on_icmp_report(wire::protocol_udp, on_icmp, this);
}

DatagramHost::~DatagramHost() {
    stack_.on_packet(wire::protocol_udp, nullptr, nullptr);
    stack_.on_icmp_report(wire::protocol_udp, nullptr, nullptr);
    for (const auto& weak : bound_) {
        if (const auto socket = weak.lock()) socket->detach(Error::interrupted);
    }
}

Result<std::shared_ptr<Bound>> DatagramHost::open(const udp::Options& options) {
    const wire::Address& local = options.local.address;
    if (!local.is_unspecified() && !stack_.routes().is_local(local)) {
        return fail(Error::address_unavailable);
    }
    const auto id = sockets_.open(options);
    if (!id) return fail(id.error());
    const auto socket = std::make_shared<Bound>(reactor_, *id);
    if (bound_.size() <= id->index) bound_.resize(id->index + 1);
    bound_[id->index] = socket;
    return socket;
}

void DatagramHost::close(Bound& socket) {
    sockets_.close(socket.id);
    socket.detach(Error::aborted);
}

Result<void> DatagramHost::connect(Bound& socket, const wire::Endpoint& remote) {
    const auto source = stack_.routes().source_for(remote.address);
    if (!source) return fail(Error::network_unreachable);
    return sockets_.connect(socket.id, remote, *source);
}

Result<void> DatagramHost::send(Bound& socket, const wire::Endpoint& to, Bytes payload) {
    const auto local = sockets_.local(socket.id);
    if (!local) return fail(Error::not_found);
    if (to.port == 0 || !stack_.routes().is_unicast(to.address))
        return fail(Error::invalid_argument);
    wire::Endpoint from = *local;
    if (from.address.is_unspecified()) {
        const auto source = stack_.routes().source_for(to.address);
        if (!source) return fail(Error::network_unreachable);
        from.address = *source;
    }
    if (from.address.is_v4() != to.address.is_v4()) return fail(Error::invalid_argument);
    const auto hop = stack_.routes().find(to.address);
    std::size_t mtu = stack_.interface_mtu();
    if (hop && hop->mtu != 0) mtu = std::min<std::size_t>(mtu, hop->mtu);
    const std::size_t octets = udp::Sockets::packet_bytes(to.address, payload.size());
    if (octets > mtu) return fail(Error::message_too_long);  // nothing here makes fragments
    const MutableBytes room = stack_.reserve_packet(octets);
    if (room.empty()) return fail(Error::would_block);  // until the device has taken some
    stack_.commit_packet(sockets_.write(socket.id, room, from, to, payload));
    return {};
}

bool DatagramHost::on_packet(void* self, Instant, const wire::IpPacket& packet,
                             const device::Offload& offload) {
    auto& host = *static_cast<DatagramHost*>(self);
    const bool verified = offload.checksum != device::Checksum::complete;
    const auto delivered = host.sockets_.receive(packet, verified);
    if (delivered && delivered->to) host.tell(*delivered->to);
    return delivered.has_value();
}

void DatagramHost::on_icmp(void* self, Instant, const ip::IcmpReport& report) {
    auto& host = *static_cast<DatagramHost*>(self);
    const udp::Trouble trouble{.remote = report.tuple.remote,
                               .error = ip::to_error(report.reason),
                               .type = report.type,
                               .code = report.code,
                               .mtu = report.mtu};
    if (const auto id = host.sockets_.on_icmp(report.tuple.local, trouble)) host.tell(*id);
}

// Not at once: the stack is in the middle of its turn.
void DatagramHost::tell(udp::SocketId id) {
    const auto socket = bound_[id.index].lock();
    if (!socket || socket->told) return;
    socket->told = true;
    reactor_.after(0s, [weak = std::weak_ptr<Bound>(socket)] {
        const auto s = weak.lock();
        if (!s) return;
        s->told = false;
        s->notify({.readable = true});
    });
}

}  // namespace estab::socket
