#include "cli/forward_tcp.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "cli/descriptor.hpp"
#include "cli/forward_flow.hpp"
#include "cli/relay.hpp"

namespace estab::cli {
namespace {

using socket::Task;

constexpr std::size_t scratch_bytes = 256 << 10;
constexpr std::size_t records_max = 1000;   // what the report at the end can be about
constexpr Duration connect_timeout = 25s;   // before the held SYN is forgotten
constexpr Duration accept_timeout = 60s;    // for CMD's side of a handshake

wire::IcmpReason reason_of(int error) {
    if (error == ENETUNREACH) return wire::IcmpReason::network_unreachable;
    if (error == EACCES || error == EPERM) return wire::IcmpReason::prohibited;
    return wire::IcmpReason::host_unreachable;
}

}  // namespace

std::vector<wire::Address> stand_for_everybody(stack::Stack& stack,
                                               const drivers::PrivateAddresses& addresses) {
    std::vector<wire::Address> hosts = addresses.gateways;
    ip::Routes& routes = stack.routes();
    for (const wire::Address& gateway : hosts) {
        const std::uint8_t whole = gateway.is_v4() ? 32 : 128;
        (void)routes.add_address({gateway, whole});
    }
    for (const char* everything : {"0.0.0.0/0", "::/0"})
        (void)routes.accept(*wire::Prefix::parse(everything));
    for (const wire::Prefix& own : addresses.own) hosts.push_back(own.address);
    return hosts;
}

TcpForwarder::TcpForwarder(runtime::Reactor& reactor, Gate& gate)
    : reactor_(reactor), gate_(gate), scratch_(scratch_bytes) {}
TcpForwarder::~TcpForwarder() = default;

void TcpForwarder::start() {
    auto listener =
        socket::Listener::listen(reactor_, {.any_address = true, .any_port = true, .hold = true});
    if (!listener)
        throw std::runtime_error(fmt::format("cannot listen: {}", to_string(listener.error())));
    listener_ = std::move(*listener);
    socket::spawn(reactor_, open_all());
    socket::spawn(reactor_, accept_all());
    reactor_.at({}, [] { drivers::raise_descriptor_limit(); });
}

Task<> TcpForwarder::open_all() {
    for (;;) {
        const auto syn = co_await listener_.async_next_held();
        if (!syn) co_return;
        socket::spawn(reactor_, open(*syn));
    }
}

Task<> TcpForwarder::open(socket::HeldSyn syn) {
    const Gate::Way way = gate_.find(egress::Transport::tcp, syn.wanted);
    if (!way.there) {
        gate_.record(egress::Transport::tcp, syn.from, syn.wanted, way.decision);
        (void)listener_.unreachable_held(syn, wire::IcmpReason::prohibited);
        co_return;
    }
    const int family = way.there->address.is_v4() ? AF_INET : AF_INET6;
    drivers::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || open_ >= connections_max) {
        (void)listener_.refuse_held(syn);
        co_return;
    }
    ++open_;
    Forwarded record{.from = syn.from, .wanted = syn.wanted, .began = reactor_.now()};
    {
        Descriptor host(reactor_, *fd);
        const Instant deadline = reactor_.now() + connect_timeout;
        record.refused = co_await connect_kernel(host, *way.there, deadline);
    }
    record.host_connect = reactor_.now() - record.began;
    if (record.refused != 0) {
        --open_;
        ++totals_.refused;
        record.ended = reactor_.now();
        if (record.refused == ECONNREFUSED) {
            (void)listener_.refuse_held(syn);
        } else if (record.refused == ETIMEDOUT) {
            (void)listener_.drop_held(syn);
        } else {
            (void)listener_.unreachable_held(syn, reason_of(record.refused));
        }
        gate_.record(egress::Transport::tcp, syn.from, syn.wanted, way.decision,
                     {.lasted = record.host_connect});
        keep(std::move(record));
        co_return;
    }
    const Key key{syn.wanted, syn.from};
    if (!listener_.accept_held(syn)) {  // CMD has given up
        --open_;
        co_return;
    }
    if (const auto before = waiting_.find(key); before != waiting_.end()) forget(before);
    const auto at = waiting_.emplace(
        key, Waiting{std::move(fd), std::move(record), way.decision, {}}).first;
    at->second.patience = reactor_.after(accept_timeout, [this, at] { forget(at); });
}

// CMD's side of its handshake has not come to an end.
void TcpForwarder::forget(std::map<Key, Waiting>::iterator waiting) {
    reactor_.cancel(waiting->second.patience);
    waiting_.erase(waiting);
    --open_;
}

Task<> TcpForwarder::accept_all() {
    for (;;) {
        auto stream = co_await listener_.async_accept();
        if (!stream) co_return;
        const auto found = waiting_.find({stream->local(), stream->remote()});
        if (found == waiting_.end()) {
            stream->abort();
            continue;
        }
        Waiting waiting = std::move(found->second);
        waiting_.erase(found);
        reactor_.cancel(waiting.patience);
        carry(std::move(*stream), std::move(waiting));
    }
}

Task<> TcpForwarder::let_in(drivers::Fd listening, std::vector<InsideWay> ways) {
    Descriptor listener(reactor_, std::move(listening));
    for (;;) {
        drivers::Fd host = co_await accept_kernel(listener, never);
        socket::spawn(reactor_, bring_in(std::move(host), ways));
    }
}

Task<> TcpForwarder::bring_in(drivers::Fd host, std::vector<InsideWay> ways) {
    if (open_ >= connections_max) {
        reset_when_closed(*host);
        co_return;
    }
    ++open_;
    SocketAddress peer;
    ::getpeername(*host, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size);
    Forwarded record{.from = peer.endpoint(),
                     .wanted = ways.front().to,
                     .is_published = true,
                     .began = reactor_.now()};
    const Instant deadline = record.began + connect_timeout;
    for (const InsideWay& way : ways) {
        auto stream = co_await socket::Stream::async_connect(
            reactor_, way.to, {.local_address = way.from, .deadline = deadline});
        if (stream) {
            record.wanted = way.to;
            carry(std::move(*stream),
                  {std::move(host), std::move(record), {.why = "published"}, {}});
            co_return;
        }
        record.refused = stream.error() == Error::timed_out ? ETIMEDOUT : ECONNREFUSED;
        if (record.refused == ETIMEDOUT) break;
    }
    --open_;
    ++totals_.refused;
    reset_when_closed(*host);
    record.ended = reactor_.now();
    keep(std::move(record));
}

void TcpForwarder::carry(socket::Stream stream, Waiting waiting) {
    const auto flow = std::make_shared<Flow>(*this, std::move(stream), std::move(waiting));
    (void)flow->stream.set_nodelay(true);  // when to send is for the host's side to decide
    flows_.insert(flow);
    ++totals_.connections;
    flow->start();
}

void TcpForwarder::reset_all() {
    const std::vector<std::shared_ptr<Flow>> flows(flows_.begin(), flows_.end());
    for (const std::shared_ptr<Flow>& flow : flows) {
        flow->break_off();
        flow->turn();
    }
}

void TcpForwarder::finish(const std::shared_ptr<Flow>& flow) {
    flow->ended = true;
    --open_;
    Forwarded& record = flow->record;
    record.ended = reactor_.now();
    if (flow->stream.is_open()) record.info = flow->stream.info();
    (void)flow->stream.close();
    gate_.record(egress::Transport::tcp, record.from, record.wanted, flow->decision,
                 {.lasted = record.ended - record.began, .up = record.up, .down = record.down});
    keep(std::move(record));
    flows_.erase(flow);
}

// The longest are what a report can be about.
void TcpForwarder::keep(Forwarded record) {
    ended_.push_back(std::move(record));
    if (ended_.size() < 2 * records_max) return;
    std::ranges::sort(ended_, std::ranges::greater{},
                      [](const Forwarded& f) { return f.ended - f.began; });
    ended_.resize(records_max);
}

std::vector<Forwarded> TcpForwarder::take_report() {
    std::vector<Forwarded> report = std::move(ended_);
    for (const auto& flow : flows_) {
        report.push_back(flow->record);
        Forwarded& record = report.back();
        record.ended = reactor_.now();
        record.is_open = true;
        if (flow->stream.is_open()) record.info = flow->stream.info();
        gate_.record(egress::Transport::tcp, record.from, record.wanted, flow->decision,
                     {.lasted = record.ended - record.began, .up = record.up, .down = record.down});
    }
    return report;
}

}  // namespace estab::cli
