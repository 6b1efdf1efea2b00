#include "cli/forward_icmp.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/relay.hpp"
#include "wire/icmp.hpp"

namespace estab::cli {

using socket::Task;

namespace {

constexpr std::uint8_t echo_request_v4 = 8, echo_request_v6 = 128;
constexpr std::uint8_t echo_reply_v4 = 0, echo_reply_v6 = 129;

std::uint16_t get16(Bytes at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

}  // namespace

struct IcmpForwarder::Flow {
    Flow(runtime::Reactor& reactor, drivers::Fd fd, const Key& k)
        : host(reactor, std::move(fd)), key(k) {}
    Descriptor host;
    Key key;
    Instant began{}, last{};
    bool is_over = false;
    egress::Decision decision{};
    Traffic traffic{};
};

IcmpForwarder::IcmpForwarder(runtime::Reactor& reactor, Gate& gate)
    : reactor_(reactor), gate_(gate) {
    reactor_.stack().on_packet(wire::protocol_icmp, on_packet, this);
}

IcmpForwarder::~IcmpForwarder() {
    reactor_.stack().on_packet(wire::protocol_icmp, nullptr, nullptr);
    for (const auto& [key, flow] : flows_) end(*flow);
}

bool IcmpForwarder::on_packet(void* self, Instant now, const wire::IpPacket& packet,
                              const device::Offload&) {
    static_cast<IcmpForwarder*>(self)->take(now, packet);
    return true;
}

// The socket fills in the id and the checksum (and reads neither from us).
void IcmpForwarder::take(Instant now, const wire::IpPacket& packet) {
    const auto message = wire::parse_icmp(packet);
    const auto* echo = message ? std::get_if<wire::IcmpEcho>(&*message) : nullptr;
    if (echo == nullptr || !echo->is_request || packet.destination.is_multicast()) return;
    const Key key{packet.source, packet.destination, echo->id};
    const auto found = flows_.find(key);
    const std::shared_ptr<Flow> flow = found != flows_.end() ? found->second : open(now, key);
    if (!flow) return;
    flow->last = now;
    flow->traffic.up += packet.payload.size();
    std::vector<std::uint8_t> request(packet.payload.begin(), packet.payload.end());
    request[0] = key.to.is_v4() ? echo_request_v4 : echo_request_v6;
    (void)::send(flow->host.fd(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::shared_ptr<IcmpForwarder::Flow> IcmpForwarder::open(Instant now, const Key& key) {
    const Gate::Way way = gate_.find(egress::Transport::icmp, {key.to, 0});
    if (!way.there) {
        gate_.record(egress::Transport::icmp, {key.from, 0}, {key.to, 0}, way.decision);
        return nullptr;
    }
    const bool v4 = way.there->address.is_v4();
    const int protocol = v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    drivers::Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            protocol));
    const SocketAddress address(*way.there);
    if (!fd || ::connect(*fd, address.get(), address.size) != 0) return nullptr;
    if (flows_.size() >= flows_max) {
        const auto oldest = std::ranges::min_element(
            flows_, {}, [](const auto& entry) { return entry.second->last; });
        end(*oldest->second);
        flows_.erase(oldest);
    }
    const auto flow = std::make_shared<Flow>(reactor_, std::move(fd), key);
    flow->began = flow->last = now;
    flow->decision = way.decision;
    flows_.emplace(key, flow);
    socket::spawn(reactor_, answers(flow));
    return flow;
}

Task<> IcmpForwarder::answers(std::shared_ptr<Flow> flow) {
    std::vector<std::uint8_t> buffer(65'536);
    while (!flow->is_over) {
        const ssize_t n = ::recv(flow->host.fd(), buffer.data(), buffer.size(), 0);
        if (n >= static_cast<ssize_t>(wire::icmp_header_bytes)) {
            flow->last = reactor_.now();
            flow->traffic.down += static_cast<std::uint64_t>(n);
            answer(flow->key, Bytes(buffer).first(static_cast<std::size_t>(n)));
        } else if (n < 0 && errno == EAGAIN) {
            if (!co_await flow->host.readable(flow->last + idle) &&
                reactor_.now() - flow->last >= idle)
                break;
        } else if (n < 0 && errno != EINTR && errno != EHOSTUNREACH && errno != ENETUNREACH) {
            break;
        }
    }
    end(*flow);
    const auto found = flows_.find(flow->key);
    if (found != flows_.end() && found->second == flow) flows_.erase(found);
}

void IcmpForwarder::answer(const Key& key, Bytes reply) {
    const bool v4 = key.to.is_v4();
    if (reply[0] != (v4 ? echo_reply_v4 : echo_reply_v6)) return;
    const wire::IcmpEchoWrite echo{
        .source = key.to,
        .destination = key.from,
        .echo = {.is_request = false,
                 .id = key.id,
                 .sequence = get16(reply.subspan(6)),
                 .data = reply.subspan(wire::icmp_header_bytes)}};
    const std::size_t header = wire::ip_header_bytes(v4);
    stack::Stack& stack = reactor_.stack();
    if (header + reply.size() > stack.interface_mtu()) return;
    const MutableBytes room = stack.reserve_packet(header + reply.size());
    if (room.empty()) return;
    const std::size_t octets = wire::write_icmp_echo(room.subspan(header), echo);
    wire::write_ip(room, {.source = key.to,
                          .destination = key.from,
                          .protocol = v4 ? wire::protocol_icmp : wire::protocol_icmpv6,
                          .payload_bytes = static_cast<std::uint32_t>(octets)});
    stack.commit_packet(header + octets);
}

void IcmpForwarder::end(Flow& flow) {
    if (std::exchange(flow.is_over, true)) return;
    flow.traffic.lasted = flow.last - flow.began;
    gate_.record(egress::Transport::icmp, {flow.key.from, 0}, {flow.key.to, 0}, flow.decision,
                 flow.traffic);
}

}  // namespace estab::cli
