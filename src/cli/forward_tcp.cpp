#include "cli/forward_tcp.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/descriptor.hpp"
#include "cli/relay.hpp"

namespace estab::cli {
namespace {

using socket::Task;

constexpr std::size_t piece_bytes = 256 << 10;
constexpr std::size_t records_max = 1000;   // what the report at the end can be about
constexpr Duration connect_timeout = 25s;   // before the held SYN is forgotten
constexpr Duration accept_timeout = 60s;    // for CMD's side of a handshake

wire::IcmpReason reason_of(int error) {
    if (error == ENETUNREACH) return wire::IcmpReason::network_unreachable;
    if (error == EACCES || error == EPERM) return wire::IcmpReason::prohibited;
    return wire::IcmpReason::host_unreachable;
}

}  // namespace

struct TcpForwarder::Flow {
    Flow(runtime::Reactor& reactor, socket::Stream s, Waiting w)
        : stream(std::move(s)), host(reactor, std::move(w.host)), record(std::move(w.record)) {}
    // Both sides learn that it did not end well.
    void break_off() {
        if (stream.is_open()) record.info = stream.info();
        stream.abort();
        cli::break_off(host.fd());
    }
    socket::Stream stream;
    Descriptor host;
    Forwarded record;
    int directions = 2;  // that have not finished
};

Task<> TcpForwarder::open_all(socket::Listener& listener) {
    for (;;) {
        const auto syn = co_await listener.async_next_held();
        if (!syn) co_return;
        socket::spawn(reactor_, open(listener, *syn));
    }
}

Task<> TcpForwarder::open(socket::Listener& listener, socket::HeldSyn syn) {
    const auto there = destinations_.find(syn.wanted);
    if (!there) {
        (void)listener.unreachable_held(syn, wire::IcmpReason::prohibited);
        co_return;
    }
    const int family = there->address.is_v4() ? AF_INET : AF_INET6;
    drivers::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || open_ >= connections_max) {
        (void)listener.refuse_held(syn);
        co_return;
    }
    ++open_;
    Forwarded record{.from = syn.from, .wanted = syn.wanted, .began = reactor_.now()};
    {
        Descriptor host(reactor_, *fd);
        record.refused = co_await connect_kernel(host, *there, reactor_.now() + connect_timeout);
    }
    record.host_connect = reactor_.now() - record.began;
    if (record.refused != 0) {
        --open_;
        record.ended = reactor_.now();
        if (record.refused == ECONNREFUSED) {
            (void)listener.refuse_held(syn);
        } else if (record.refused == ETIMEDOUT) {
            (void)listener.drop_held(syn);
        } else {
            (void)listener.unreachable_held(syn, reason_of(record.refused));
        }
        keep(std::move(record));
        co_return;
    }
    const Key key{syn.wanted, syn.from};
    if (!listener.accept_held(syn)) {  // CMD has given up
        --open_;
        co_return;
    }
    waiting_.insert_or_assign(key, Waiting{std::move(fd), std::move(record)});
    reactor_.after(accept_timeout, [this, key] {
        const auto found = waiting_.find(key);
        if (found == waiting_.end() || reactor_.now() - found->second.record.began < accept_timeout)
            return;
        waiting_.erase(found);
        --open_;
    });
}

Task<> TcpForwarder::accept_all(socket::Listener& listener) {
    for (;;) {
        auto stream = co_await listener.async_accept();
        if (!stream) co_return;
        const auto found = waiting_.find({stream->local(), stream->remote()});
        if (found == waiting_.end()) {
            stream->abort();
            continue;
        }
        const auto flow =
            std::make_shared<Flow>(reactor_, std::move(*stream), std::move(found->second));
        waiting_.erase(found);
        (void)flow->stream.set_nodelay(true);  // when to send is for the host's side to decide
        std::erase_if(flows_, [](const auto& old) { return old.expired(); });
        flows_.push_back(flow);
        socket::spawn(reactor_, from_host(flow));
        socket::spawn(reactor_, to_host(flow));
    }
}

Task<> TcpForwarder::from_host(std::shared_ptr<Flow> flow) {
    std::vector<std::uint8_t> buffer(piece_bytes);
    for (;;) {
        const ssize_t n = ::recv(flow->host.fd(), buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            co_await flow->host.readable();
            continue;
        }
        if (n == 0) {
            (void)flow->stream.shutdown_write();
            break;
        }
        if (n < 0 ||
            !co_await flow->stream.async_write_all(
                Bytes(buffer.data(), static_cast<std::size_t>(n)))) {
            flow->break_off();
            break;
        }
        flow->record.down += static_cast<std::uint64_t>(n);
    }
    finish(*flow);
}

Task<> TcpForwarder::to_host(std::shared_ptr<Flow> flow) {
    std::vector<std::uint8_t> buffer(piece_bytes);
    for (;;) {
        const auto n = co_await flow->stream.async_read(buffer);
        if (!n) {
            flow->break_off();
            break;
        }
        if (*n == 0) {
            ::shutdown(flow->host.fd(), SHUT_WR);
            break;
        }
        Bytes left(buffer.data(), *n);
        const bool sent = co_await send_all(flow->host, left, flow->record.host_is_slow);
        flow->record.up += *n - left.size();
        if (!sent) {
            flow->break_off();
            break;
        }
    }
    finish(*flow);
}

void TcpForwarder::finish(Flow& flow) {
    if (--flow.directions != 0) return;
    --open_;
    flow.record.ended = reactor_.now();
    if (flow.stream.is_open()) flow.record.info = flow.stream.info();
    (void)flow.stream.close();
    keep(std::move(flow.record));
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
    for (const auto& weak : flows_) {
        const auto flow = weak.lock();
        if (!flow || flow->directions == 0) continue;
        report.push_back(flow->record);
        report.back().ended = reactor_.now();
        if (flow->stream.is_open()) report.back().info = flow->stream.info();
    }
    return report;
}

}  // namespace estab::cli
