#include "udp/sockets.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"

namespace estab::udp {

namespace {

constexpr std::uint32_t none = 0xffff'ffff;

}  // namespace

Sockets::Socket* Sockets::find(SocketId id) {
    if (id.index >= sockets_.size()) return nullptr;
    Socket& s = sockets_[id.index];
    return s.is_used && s.generation == id.generation ? &s : nullptr;
}

// Any address collides with every address, as without SO_REUSEADDR.
bool Sockets::is_taken(const wire::Endpoint& local) const {
    return std::any_of(sockets_.begin(), sockets_.end(), [&](const Socket& s) {
        if (!s.is_used || s.options.local.port != local.port) return false;
        const wire::Address& there = s.options.local.address;
        return there == local.address || there.is_unspecified() || local.address.is_unspecified();
    });
}

// RFC 6056 3.3.1: a random start, then the next free one.
std::uint16_t Sockets::draw_port(const wire::Address& address) {
    constexpr std::uint32_t first = 32'768, last = 60'999, count = last - first + 1;
    const auto start = static_cast<std::uint32_t>(rng_.below(count));
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
        if (!is_taken({address, port})) return port;
    }
    return 0;
}

Result<SocketId> Sockets::open(const Options& options) {
    Options with_port = options;
    if (with_port.local.port == 0) with_port.local.port = draw_port(options.local.address);
    if (with_port.local.port == 0 || is_taken(with_port.local)) return fail(Error::address_in_use);
    auto free =
        std::find_if(sockets_.begin(), sockets_.end(), [](const Socket& s) { return !s.is_used; });
    if (free == sockets_.end()) {
        if (sockets_.size() == sockets_max) return fail(Error::no_memory);
        free = sockets_.emplace(sockets_.end());
    }
    *free = Socket{};
    free->options = with_port;
    free->generation = ++generation_;
    free->is_used = true;
    ++in_use_;
    return SocketId{static_cast<std::uint32_t>(free - sockets_.begin()), free->generation};
}

void Sockets::close(SocketId id) {
    Socket* s = find(id);
    if (s == nullptr) return;
    *s = Socket{};
    --in_use_;
}

Result<void> Sockets::connect(SocketId id, const wire::Endpoint& remote,
                              const wire::Address& local_address) {
    Socket* s = find(id);
    if (s == nullptr) return fail(Error::not_found);
    if (remote.port == 0 || remote.address.is_v4() != local_address.is_v4()) {
        return fail(Error::invalid_argument);
    }
    s->remote = remote;
    if (s->options.local.address.is_unspecified()) s->options.local.address = local_address;
    return {};
}

std::uint32_t Sockets::match(const wire::Endpoint& local, const wire::Endpoint& remote) const {
    std::uint32_t best = none;
    int best_rank = -1;
    for (std::uint32_t i = 0; i < sockets_.size(); ++i) {
        const Socket& s = sockets_[i];
        if (!s.is_used || s.options.local.port != local.port) continue;
        const bool any = s.options.local.address.is_unspecified();
        if (!any && s.options.local.address != local.address) continue;
        if (s.remote && *s.remote != remote) continue;
        const int rank = (s.remote ? 2 : 0) + (any ? 0 : 1);
        if (rank > best_rank) {
            best_rank = rank;
            best = i;
        }
    }
    return best;
}

std::optional<Sockets::Delivered> Sockets::receive(const wire::IpPacket& packet,
                                                   bool checksum_is_verified) {
    const auto view = wire::UdpView::parse(packet.payload);
    if (!view ||
        (!checksum_is_verified && !view->checksum_is_valid(packet.source, packet.destination))) {
        ++counters_.Udp_InErrors;
        return Delivered{};
    }
    const wire::Endpoint from{packet.source, view->source_port()};
    const wire::Endpoint to{packet.destination, view->destination_port()};
    const std::uint32_t index = match(to, from);
    if (index == none) return std::nullopt;
    Socket& s = sockets_[index];
    const Bytes text = view->payload();
    Datagram d{.from = from, .to = to, .ecn = packet.ecn, .payload = {}};
    if (s.queued + text.size() + cost(d) > s.options.queue_max) {
        ++counters_.Udp_RcvbufErrors;
        ++counters_.Udp_InErrors;  // as Linux counts: in both
        return Delivered{};
    }
    d.payload.assign(text.begin(), text.end());
    s.queued += cost(d);
    s.queue.push_back(std::move(d));
    ++counters_.Udp_InDatagrams;
    return Delivered{SocketId{index, s.generation}};
}

std::optional<SocketId> Sockets::on_icmp(const wire::Endpoint& local, const Trouble& trouble) {
    const std::uint32_t index = match(local, trouble.remote);
    if (index == none) return std::nullopt;
    Socket& s = sockets_[index];
    if (s.troubles.size() == troubles_max)
        s.troubles.pop_front();  // policy when full: the oldest goes
    s.troubles.push_back(trouble);
    return SocketId{index, s.generation};
}

Result<Datagram> Sockets::next(SocketId id) {
    Socket* s = find(id);
    if (s == nullptr) return fail(Error::not_found);
    if (s->queue.empty()) return fail(Error::would_block);
    Datagram d = std::move(s->queue.front());
    s->queue.pop_front();
    s->queued -= cost(d);
    return d;
}

Result<Trouble> Sockets::next_trouble(SocketId id) {
    Socket* s = find(id);
    if (s == nullptr) return fail(Error::not_found);
    if (s->troubles.empty()) return fail(Error::would_block);
    const Trouble t = s->troubles.front();
    s->troubles.pop_front();
    return t;
}

std::size_t Sockets::write(SocketId id, MutableBytes room, const wire::Endpoint& from,
                           const wire::Endpoint& to, Bytes payload) {
    const Socket* s = find(id);
    CHECK(s != nullptr);
    ++counters_.Udp_OutDatagrams;
    return write_packet(room, from, to, payload, s->options.hop_limit, s->options.dscp);
}

std::size_t Sockets::write_packet(MutableBytes room, const wire::Endpoint& from,
                                  const wire::Endpoint& to, Bytes payload, std::uint8_t hop_limit,
                                  std::uint8_t dscp) {
    const std::size_t ip_bytes = wire::ip_header_bytes(to.address.is_v4());
    const std::array<Bytes, 1> parts{payload};
    const std::size_t udp_bytes = wire::write_udp(
        room.subspan(ip_bytes), {.source = from, .destination = to, .payload = parts});
    // DF is set, so the identification has no meaning (RFC 6864 4.1).
    wire::write_ip(room, {.source = from.address,
                          .destination = to.address,
                          .protocol = wire::protocol_udp,
                          .hop_limit = hop_limit,
                          .dscp = dscp,
                          .payload_bytes = static_cast<std::uint32_t>(udp_bytes)});
    return ip_bytes + udp_bytes;
}

std::optional<wire::Endpoint> Sockets::local(SocketId id) const {
    const Socket* s = find(id);
    return s != nullptr ? std::optional(s->options.local) : std::nullopt;
}

std::optional<wire::Endpoint> Sockets::remote(SocketId id) const {
    const Socket* s = find(id);
    return s != nullptr ? s->remote : std::nullopt;
}

}  // namespace estab::udp
