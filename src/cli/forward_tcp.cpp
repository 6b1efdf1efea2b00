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

constexpr std::size_t scratch_bytes = 256 << 10;
constexpr std::size_t turn_bytes = 1 << 20;   // of one direction, before others have a turn
constexpr std::size_t surplus_bytes = 4096;   // read beyond a stream's room, to wait with
constexpr Duration memory_patience = 10ms;    // before a full budget is asked again
constexpr std::size_t records_max = 1000;   // what the report at the end can be about
constexpr Duration connect_timeout = 25s;   // before the held SYN is forgotten
constexpr Duration accept_timeout = 60s;    // for CMD's side of a handshake

wire::IcmpReason reason_of(int error) {
    if (error == ENETUNREACH) return wire::IcmpReason::network_unreachable;
    if (error == EACCES || error == EPERM) return wire::IcmpReason::prohibited;
    return wire::IcmpReason::host_unreachable;
}

}  // namespace

// Both directions of one connection. turn() moves what can be moved, whoever called for it.
struct TcpForwarder::Flow : std::enable_shared_from_this<Flow> {
    Flow(TcpForwarder& o, socket::Stream s, Waiting w)
        : owner(o),
          stream(std::move(s)),
          host(std::move(w.host)),
          record(std::move(w.record)),
          decision(std::move(w.decision)) {}
    ~Flow() { watch({}); }

    void start() {
        stream.on_ready([weak = weak_from_this()](socket::Ready) { turn(weak); });
        watch({.read = true});
    }
    static void turn(const std::weak_ptr<Flow>& weak) {
        if (const std::shared_ptr<Flow> flow = weak.lock()) flow->turn();
    }
    void turn_later(Duration wait) {
        owner.reactor_.after(wait, [weak = weak_from_this()] { turn(weak); });
    }

    void turn();
    bool move_down();  // true: there may be more
    bool move_up();
    bool hear(Bytes first_octets, bool is_all);
    void write_down(Bytes octets);
    void break_off();
    void watch(runtime::Interest interest);

    TcpForwarder& owner;
    socket::Stream stream;
    drivers::Fd host;
    Forwarded record;
    egress::Decision decision;
    std::vector<std::uint8_t> surplus;  // read from the host, and no room in the stream
    Instant blocked_since = never;      // the host's socket takes no more
    runtime::Interest watched{};
    bool down_done = false, up_done = false;
    bool ended = false;
};

void TcpForwarder::Flow::turn() {
    if (ended) return;
    const bool more_down = move_down();
    const bool more_up = move_up();
    if (down_done && up_done) {
        watch({});
        owner.finish(shared_from_this());
        return;
    }
    watch({.read = !down_done && surplus.empty(), .write = blocked_since != never});
    if (more_down || more_up) turn_later({});
}

// A hang-up is reported whether one wants it or not, so only what is waited for is watched.
void TcpForwarder::Flow::watch(runtime::Interest interest) {
    if (interest.read == watched.read && interest.write == watched.write) return;
    runtime::Loop& loop = owner.reactor_.loop();
    const bool was_watched = watched.read || watched.write;
    watched = interest;
    if (!interest.read && !interest.write)
        loop.forget(*host);
    else if (was_watched)
        loop.change(*host, interest);
    else
        loop.watch(*host, interest,
                   [weak = weak_from_this()](Instant, runtime::Ready) { turn(weak); });
}

bool TcpForwarder::Flow::move_down() {
    if (!surplus.empty()) {
        const std::vector<std::uint8_t> rest = std::exchange(surplus, {});
        write_down(rest);
    }
    for (std::size_t moved = 0; moved < turn_bytes;) {
        if (down_done || !surplus.empty()) return false;
        const tcp::Connection* connection = stream.connection();
        if (connection == nullptr || connection->has_failed()) {
            break_off();
            return false;
        }
        const std::size_t wanted = std::min<std::uint64_t>(
            owner.scratch_.size(), connection->write_room() + surplus_bytes);
        const ssize_t n = ::recv(*host, owner.scratch_.data(), wanted, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return false;
        if (n < 0) {
            break_off();
        } else if (n == 0) {
            (void)stream.shutdown_write();
            down_done = true;
        } else {
            const auto octets = static_cast<std::size_t>(n);
            record.down += octets;
            moved += octets;
            write_down(Bytes(owner.scratch_).first(octets));
            if (octets < wanted) return false;  // that was all
        }
    }
    return true;
}

void TcpForwarder::Flow::write_down(Bytes octets) {
    const auto taken = stream.try_write(octets);
    if (!taken && taken.error() != Error::would_block && taken.error() != Error::no_memory)
        return break_off();
    const Bytes rest = octets.subspan(taken ? *taken : 0);
    surplus.assign(rest.begin(), rest.end());
    if (!taken && taken.error() == Error::no_memory) turn_later(memory_patience);
}

bool TcpForwarder::Flow::move_up() {
    for (std::size_t moved = 0; moved < turn_bytes && !up_done;) {
        const tcp::Connection* connection = stream.connection();
        const auto there = connection == nullptr ? Result<std::size_t>(fail(Error::not_found))
                                                 : connection->peek(0, owner.scratch_);
        if (!there && there.error() == Error::would_block) return false;
        if (!there) {
            break_off();
            return false;
        }
        const Bytes octets = Bytes(owner.scratch_).first(*there);
        if (decision.check_greeting && !hear(octets, octets.empty())) return false;
        if (octets.empty()) {
            ::shutdown(*host, SHUT_WR);
            up_done = true;
            return false;
        }
        const ssize_t n = ::send(*host, octets.data(), octets.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        const Instant now = owner.reactor_.now();
        if (blocked_since != never) record.host_is_slow += now - blocked_since;
        blocked_since = never;
        if (n < 0 && errno != EAGAIN) {
            break_off();
            return false;
        }
        const std::size_t taken = n < 0 ? 0 : static_cast<std::size_t>(n);
        stream.consume(taken);
        record.up += taken;
        moved += taken;
        if (taken < octets.size()) {
            blocked_since = now;
            return false;
        }
    }
    return !up_done;
}

// Whom it asks for, before anything of it goes out; it stays unread until that is clear.
bool TcpForwarder::Flow::hear(Bytes first_octets, bool is_all) {
    egress::Addressee whom = egress::read_greeting(first_octets);
    if (whom.greeting == egress::Greeting::incomplete) {
        if (!is_all) return false;
        whom.greeting = egress::Greeting::nameless;
    }
    decision = owner.gate_.policy().on_greeting(record.wanted, whom);
    if (!decision.allowed) break_off();
    return decision.allowed;
}

// Both sides learn that it did not end well.
void TcpForwarder::Flow::break_off() {
    if (stream.is_open()) record.info = stream.info();
    stream.abort();
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(*host, SOL_SOCKET, SO_LINGER, &now, sizeof now);  // closing it is a reset
    surplus.clear();
    down_done = up_done = true;
}

TcpForwarder::TcpForwarder(runtime::Reactor& reactor, Gate& gate)
    : reactor_(reactor), gate_(gate), scratch_(scratch_bytes) {}
TcpForwarder::~TcpForwarder() = default;

Task<> TcpForwarder::open_all(socket::Listener& listener) {
    for (;;) {
        const auto syn = co_await listener.async_next_held();
        if (!syn) co_return;
        socket::spawn(reactor_, open(listener, *syn));
    }
}

Task<> TcpForwarder::open(socket::Listener& listener, socket::HeldSyn syn) {
    const Gate::Way way = gate_.find(egress::Transport::tcp, syn.wanted);
    if (!way.there) {
        gate_.record(egress::Transport::tcp, syn.from, syn.wanted, way.decision);
        (void)listener.unreachable_held(syn, wire::IcmpReason::prohibited);
        co_return;
    }
    const int family = way.there->address.is_v4() ? AF_INET : AF_INET6;
    drivers::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || open_ >= connections_max) {
        (void)listener.refuse_held(syn);
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
        record.ended = reactor_.now();
        if (record.refused == ECONNREFUSED) {
            (void)listener.refuse_held(syn);
        } else if (record.refused == ETIMEDOUT) {
            (void)listener.drop_held(syn);
        } else {
            (void)listener.unreachable_held(syn, reason_of(record.refused));
        }
        gate_.record(egress::Transport::tcp, syn.from, syn.wanted, way.decision,
                     {.lasted = record.host_connect});
        keep(std::move(record));
        co_return;
    }
    const Key key{syn.wanted, syn.from};
    if (!listener.accept_held(syn)) {  // CMD has given up
        --open_;
        co_return;
    }
    waiting_.insert_or_assign(key, Waiting{std::move(fd), std::move(record), way.decision});
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
            std::make_shared<Flow>(*this, std::move(*stream), std::move(found->second));
        waiting_.erase(found);
        (void)flow->stream.set_nodelay(true);  // when to send is for the host's side to decide
        flows_.insert(flow);
        flow->start();
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
        if (flow->stream.is_open()) record.info = flow->stream.info();
        gate_.record(egress::Transport::tcp, record.from, record.wanted, flow->decision,
                     {.lasted = record.ended - record.began, .up = record.up, .down = record.down});
    }
    return report;
}

}  // namespace estab::cli
