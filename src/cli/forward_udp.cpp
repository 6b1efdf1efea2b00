#include "cli/forward_udp.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "cli/relay.hpp"
#include "udp/sockets.hpp"
#include "wire/checksum.hpp"
#include "wire/icmp.hpp"
#include "wire/udp.hpp"

namespace estab::cli {

using socket::Task;

namespace {

constexpr std::size_t questions_max = 64;  // of one flow; the oldest is forgotten
constexpr std::size_t fragment_header_bytes = 8;  // IPv6
constexpr std::uint8_t protocol_fragment = 44;

void put16(MutableBytes at, std::uint32_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

void write_fragment_header(MutableBytes room, const wire::Address& from, const wire::Address& to,
                           std::size_t octets, const wire::Fragment& where) {
    const bool v4 = to.is_v4();
    const std::size_t extension = v4 ? 0 : fragment_header_bytes;
    wire::write_ip(room, {.source = from,
                          .destination = to,
                          .protocol = v4 ? wire::protocol_udp : protocol_fragment,
                          .dont_fragment = false,
                          .id = static_cast<std::uint16_t>(where.id),
                          .payload_bytes = static_cast<std::uint32_t>(extension + octets)});
    if (v4) {
        put16(room.subspan(6), (where.more ? 0x2000U : 0U) | where.offset / 8U);
        put16(room.subspan(10), 0);
        put16(room.subspan(10), wire::checksum(room.first(wire::ip_header_bytes(true))));
        return;
    }
    const MutableBytes header = room.subspan(wire::ip_header_bytes(false), extension);
    header[0] = wire::protocol_udp;
    header[1] = 0;
    put16(header.subspan(2), where.offset | (where.more ? 1U : 0U));
    put16(header.subspan(4), where.id >> 16);
    put16(header.subspan(6), where.id);
}

}  // namespace

struct UdpForwarder::Flow {
    Flow(runtime::Reactor& reactor, drivers::Fd fd, const Key& k)
        : host(reactor, std::move(fd)), key(k) {}
    Descriptor host;
    Key key;
    Instant last{};
    bool is_over = false;
    bool is_dns = false;
    std::deque<egress::DnsQuestion> asked;  // and not answered, the oldest first
    Instant began{};
    egress::Decision decision{};
    Traffic traffic{};
};

UdpForwarder::UdpForwarder(runtime::Reactor& reactor, Gate& gate)
    : reactor_(reactor), gate_(gate) {
    reactor_.stack().on_packet(wire::protocol_udp, on_packet, this);
    sweep();
}

UdpForwarder::~UdpForwarder() {
    reactor_.stack().on_packet(wire::protocol_udp, nullptr, nullptr);
    for (const auto& [key, flow] : flows_) end(*flow);
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
    if (flow->is_dns && gate_.looks_at_dns() && !may_ask(*flow, text)) return true;
    flow->traffic.up += text.size();
    const auto send = [&] {
        return ::send(flow->host.fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    };
    // What ICMP said about an earlier one comes first, once; full: a datagram may be lost.
    if (send() < 0 && errno == ECONNREFUSED) {
        answer_refused(key);
        (void)send();
    }
    return true;
}

// False: it is not to be asked, and has been answered.
bool UdpForwarder::may_ask(Flow& flow, Bytes query) {
    const auto question = egress::parse_dns_query(query);
    if (!question) return gate_.policy().is_open();
    egress::DnsRefusal how{};
    const egress::Decision decision = gate_.policy().on_query(*question, how);
    gate_.record_query(*question, decision);
    if (!decision.allowed) {
        answer(flow.key, egress::refuse_dns(*question, query, how));
        return false;
    }
    if (flow.asked.size() >= questions_max) flow.asked.pop_front();
    flow.asked.push_back(*question);
    return true;
}

// Pins what the answer says; false: it answers nothing that was asked.
bool UdpForwarder::may_hear(Flow& flow, Bytes reply) {
    const auto is_about = [&](const egress::DnsQuestion& asked) {
        return reply.size() >= 2 && asked.id == (reply[0] << 8 | reply[1]);
    };
    const auto found = std::ranges::find_if(flow.asked, is_about);
    if (found == flow.asked.end()) return gate_.policy().is_open();
    for (const wire::Address& address : egress::dns_addresses(*found, reply))
        gate_.policy().pin(found->name, address);
    flow.asked.erase(found);
    return true;
}

std::shared_ptr<UdpForwarder::Flow> UdpForwarder::open(Instant now, const Key& key) {
    const Gate::Way way = gate_.find(egress::Transport::udp, key.second);
    if (!way.there) {
        gate_.record(egress::Transport::udp, key.first, key.second, way.decision);
        return nullptr;
    }
    const int family = way.there->address.is_v4() ? AF_INET : AF_INET6;
    drivers::Fd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const SocketAddress address(*way.there);
    if (!fd || ::connect(*fd, address.get(), address.size) != 0) return nullptr;
    const auto flow = std::make_shared<Flow>(reactor_, std::move(fd), key);
    flow->last = now;
    flow->is_dns = way.is_dns;
    flow->began = now;
    flow->decision = way.decision;
    add(flow);
    return flow;
}

void UdpForwarder::add(const std::shared_ptr<Flow>& flow) {
    if (flows_.size() >= flows_max) {
        const auto oldest = std::ranges::min_element(
            flows_, {}, [](const auto& entry) { return entry.second->last; });
        end(*oldest->second);
        flows_.erase(oldest);
    }
    flows_.emplace(flow->key, flow);
    socket::spawn(reactor_, answers(flow));
}

// A peer's first datagram is read here; from then on a socket connected to it gets the rest.
Task<> UdpForwarder::let_in(drivers::Fd bound, std::vector<InsideWay> ways) {
    Descriptor host(reactor_, std::move(bound));
    std::vector<std::uint8_t> buffer(65'536);
    std::map<wire::Endpoint, std::weak_ptr<Flow>> peers;
    for (;;) {
        SocketAddress from;
        const ssize_t n = ::recvfrom(host.fd(), buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from.storage), &from.size);
        if (n < 0) {
            if (errno == EAGAIN) co_await host.readable();
            continue;
        }
        const wire::Endpoint peer = from.endpoint();
        if (peers.size() >= flows_max)
            std::erase_if(peers, [](const auto& entry) { return entry.second.expired(); });
        std::shared_ptr<Flow> flow = peers[peer].lock();
        if (!flow || flow->is_over)
            peers[peer] = flow = open_inwards(host.fd(), peer, ways.front());
        if (!flow) continue;
        flow->last = reactor_.now();
        flow->traffic.down += static_cast<std::uint64_t>(n);
        answer(flow->key, Bytes(buffer).first(static_cast<std::size_t>(n)));
    }
}

std::shared_ptr<UdpForwarder::Flow> UdpForwarder::open_inwards(int bound,
                                                               const wire::Endpoint& peer,
                                                               const InsideWay& way) {
    SocketAddress local;
    ::getsockname(bound, reinterpret_cast<sockaddr*>(&local.storage), &local.size);
    drivers::Fd fd(
        ::socket(local.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const SocketAddress remote(peer);
    if (!fd || ::setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(*fd, local.get(), local.size) != 0 ||
        ::connect(*fd, remote.get(), remote.size) != 0)
        return nullptr;
    // CMD sees the peer's port where that is free at our address.
    Key key{way.to, {way.from, peer.port}};
    while (flows_.contains(key)) ++key.second.port;
    const auto flow = std::make_shared<Flow>(reactor_, std::move(fd), key);
    flow->last = flow->began = reactor_.now();
    flow->decision.why = "published";
    add(flow);
    return flow;
}

Task<> UdpForwarder::answers(std::shared_ptr<Flow> flow) {
    std::vector<std::uint8_t> buffer(65'536);
    while (!flow->is_over) {
        const ssize_t n = ::recv(flow->host.fd(), buffer.data(), buffer.size(), 0);
        if (n >= 0) {
            flow->last = reactor_.now();
            const Bytes reply(buffer.data(), static_cast<std::size_t>(n));
            if (flow->is_dns && gate_.looks_at_dns() && !may_hear(*flow, reply)) continue;
            flow->traffic.down += reply.size();
            answer(flow->key, reply);
        } else if (errno == EAGAIN) {
            co_await flow->host.readable(reactor_.now() + idle);
        } else if (errno == ECONNREFUSED) {
            answer_refused(flow->key);
        } else if (errno != EINTR) {
            break;
        }
    }
    end(*flow);
    const auto found = flows_.find(flow->key);
    if (found != flows_.end() && found->second == flow) flows_.erase(found);
}

void UdpForwarder::end(Flow& flow) {
    if (std::exchange(flow.is_over, true)) return;
    flow.traffic.lasted = flow.last - flow.began;
    gate_.record(egress::Transport::udp, flow.key.first, flow.key.second, flow.decision,
                 flow.traffic);
}

void UdpForwarder::answer(const Key& key, Bytes payload) {
    const auto& [to, from] = key;
    const std::size_t octets = udp::Sockets::packet_bytes(to.address, payload.size());
    stack::Stack& stack = reactor_.stack();
    if (octets > stack.interface_mtu()) return answer_in_fragments(key, payload);
    const MutableBytes room = stack.reserve_packet(octets);
    if (room.empty()) return;
    stack.commit_packet(udp::Sockets::write_packet(room, from, to, payload));
}

// RFC 791 3.2, RFC 8200 4.5.
void UdpForwarder::answer_in_fragments(const Key& key, Bytes payload) {
    const auto& [to, from] = key;
    const bool v4 = to.address.is_v4();
    stack::Stack& stack = reactor_.stack();
    std::vector<std::uint8_t> datagram(udp::Sockets::packet_bytes(to.address, payload.size()));
    if (datagram.size() > 65'535) return;
    udp::Sockets::write_packet(datagram, from, to, payload);
    const Bytes whole = Bytes(datagram).subspan(wire::ip_header_bytes(v4));
    const std::size_t header = wire::ip_header_bytes(v4) + (v4 ? 0 : fragment_header_bytes);
    const std::size_t piece_max = (stack.interface_mtu() - header) / 8 * 8;
    const std::uint32_t id = next_id_++;
    for (std::size_t offset = 0; offset < whole.size(); offset += piece_max) {
        const Bytes piece = whole.subspan(offset, std::min(piece_max, whole.size() - offset));
        const MutableBytes room = stack.reserve_packet(header + piece.size());
        if (room.empty()) return;
        const wire::Fragment where{.id = id,
                                   .offset = static_cast<std::uint16_t>(offset),
                                   .more = offset + piece.size() < whole.size()};
        write_fragment_header(room, from.address, to.address, piece.size(), where);
        std::ranges::copy(piece, room.begin() + static_cast<std::ptrdiff_t>(header));
        stack.commit_packet(header + piece.size());
    }
}

// About a datagram as CMD's that nobody wanted; which one it was is not known any more.
void UdpForwarder::answer_refused(const Key& key) {
    const auto& [from, to] = key;
    std::vector<std::uint8_t> about(udp::Sockets::packet_bytes(to.address, 0));
    udp::Sockets::write_packet(about, from, to, {});
    const bool v4 = to.address.is_v4();
    const std::size_t header = wire::ip_header_bytes(v4);
    const wire::IcmpErrorWrite error{.source = to.address,
                                     .destination = from.address,
                                     .reason = wire::IcmpReason::port_unreachable,
                                     .about = about};
    const std::size_t octets = wire::icmp_error_bytes(error);
    stack::Stack& stack = reactor_.stack();
    const MutableBytes room = stack.reserve_packet(header + octets);
    if (room.empty()) return;
    wire::write_icmp_error(room.subspan(header), error);
    wire::write_ip(room, {.source = to.address,
                          .destination = from.address,
                          .protocol = v4 ? wire::protocol_icmp : wire::protocol_icmpv6,
                          .payload_bytes = static_cast<std::uint32_t>(octets)});
    stack.commit_packet(header + octets);
}

void UdpForwarder::sweep() {
    std::erase_if(flows_, [this](const auto& entry) {
        const bool silent = reactor_.now() - entry.second->last >= idle;
        if (silent) end(*entry.second);
        return silent;
    });
    reactor_.after(idle / 4, [this] { sweep(); });
}

}  // namespace estab::cli
