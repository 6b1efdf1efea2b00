#include "socket/stream.hpp"

#include <utility>

namespace estab::socket {

Stream::Stream(Reactor& reactor, stack::ConnectionId id)
    : source_(std::make_shared<Connected>(reactor, id)) {
    reactor.watch(id, source_);
}

Stream& Stream::operator=(Stream&& other) noexcept {
    if (this == &other) return *this;
    let_go();
    source_ = std::move(other.source_);
    linger_ = other.linger_;
    return *this;
}

Stream::~Stream() { let_go(); }

// As close() without waiting. Who still waits for the stream learns that it is gone.
void Stream::let_go() {
    if (!is_open()) return;
    Reactor& reactor = *source_->reactor();
    const stack::ConnectionId id = release();
    if (linger_ == Duration::zero()) {
        reactor.stack().abort(reactor.now(), id);
    } else {
        reactor.stack().close(reactor.now(), id);
    }
}

stack::ConnectionId Stream::release() {
    if (!is_open()) return {};
    const auto source = std::exchange(source_, nullptr);
    source->reactor()->forget(source->id);
    source->detach(Error::aborted);
    return source->id;
}

// --- Opening

Result<Stream> Stream::start_connect(Reactor& reactor, const wire::Endpoint& remote,
                                     const ConnectOptions& options) {
    stack::Stack& stack = reactor.stack();
    const auto id = stack.connect(reactor.now(), remote,
                                  {.local_address = options.local_address,
                                   .local_port = options.local_port,
                                   .config = options.config});
    if (!id) return fail(id.error());
    Stream stream(reactor, *id);
    // The stack keeps a pointer, and we promised a copy.
    if (options.config != nullptr &&
        stack.find(*id)->own_config(stack.environment()) == nullptr) {
        stream.abort();
        return fail(Error::no_memory);
    }
    return stream;
}

Result<Stream> Stream::connect(Reactor& reactor, const wire::Endpoint& remote,
                               const ConnectOptions& options) {
    if (reactor.is_busy()) return fail(Error::would_deadlock);
    auto stream = start_connect(reactor, remote, options);
    if (!stream) return stream;
    const auto done = stream->wait_connected(options.deadline);
    if (!done) return fail(done.error());
    return stream;
}

Task<Result<Stream>> Stream::async_connect(Reactor& reactor, wire::Endpoint remote,
                                           ConnectOptions options) {
    auto stream = start_connect(reactor, remote, options);
    if (!stream) co_return stream;
    const auto done = co_await stream->async_connected(options.deadline);
    if (!done) co_return fail(done.error());
    co_return stream;
}

// --- Attempts

tcp::Connection* Stream::connection(const Connected* source) {
    if (source == nullptr || !source->is_open()) return nullptr;
    return source->reactor()->stack().find(source->id);
}

Result<std::size_t> Stream::try_read(Connected* source, MutableBytes into) {
    if (source == nullptr || !source->is_open()) return fail(Error::not_found);
    if (into.empty()) return std::size_t{0};
    Reactor& reactor = *source->reactor();
    return reactor.stack().read(reactor.now(), source->id, into);
}

Result<std::size_t> Stream::try_write(Connected* source, Bytes octets) {
    if (source == nullptr || !source->is_open()) return fail(Error::not_found);
    Reactor& reactor = *source->reactor();
    return reactor.stack().write(reactor.now(), source->id, octets);
}

Result<void> Stream::try_write_all(Connected* source, Bytes& octets) {
    while (!octets.empty()) {
        const auto taken = try_write(source, octets);
        if (!taken) return fail(taken.error());
        octets = octets.subspan(*taken);
    }
    return {};
}

Result<void> Stream::try_writable(Connected* source) {
    const tcp::Connection* c = connection(source);
    if (c == nullptr) return fail(Error::not_found);
    const bool opening =
        c->state() == tcp::State::syn_sent || c->state() == tcp::State::syn_received;
    if (c->write_room() != 0 || !(opening || c->may_write())) return {};
    // It is asked for, so that the connection tells when there is some.
    Reactor& reactor = *source->reactor();
    return fail(reactor.stack().reserve(reactor.now(), source->id).error());
}

Result<void> Stream::try_connected(Connected* source) {
    const tcp::Connection* c = connection(source);
    if (c == nullptr) return fail(Error::not_found);
    if (c->has_failed()) return fail(c->error());
    switch (c->state()) {
    case tcp::State::closed:
    case tcp::State::listen: return fail(Error::not_connected);
    case tcp::State::syn_sent:
    case tcp::State::syn_received: return fail(Error::would_block);
    case tcp::State::established:
    case tcp::State::fin_wait_1:
    case tcp::State::fin_wait_2:
    case tcp::State::close_wait:
    case tcp::State::closing:
    case tcp::State::last_ack:
    case tcp::State::time_wait: return {};
    }
    return {};
}

Result<void> Stream::try_acknowledged(Connected* source) {
    const tcp::Connection* c = connection(source);
    if (c == nullptr) return fail(Error::not_found);
    if (c->has_failed()) return fail(c->error());
    switch (c->state()) {
    case tcp::State::fin_wait_1:
    case tcp::State::closing:
    case tcp::State::last_ack: return fail(Error::would_block);  // our FIN is not acknowledged
    case tcp::State::closed:
    case tcp::State::fin_wait_2:
    case tcp::State::time_wait: return {};
    case tcp::State::listen:
    case tcp::State::syn_sent:
    case tcp::State::syn_received: return fail(Error::would_block);
    case tcp::State::established:
    case tcp::State::close_wait: break;
    }
    const tcp::Info i = c->info(source->reactor()->now());
    if (i.unacked + i.not_sent != 0) return fail(Error::would_block);
    return {};
}

// --- Octets

Result<std::size_t> Stream::try_read(MutableBytes into) { return try_read(source_.get(), into); }
Result<std::size_t> Stream::try_write(Bytes octets) { return try_write(source_.get(), octets); }

Result<MutableBytes> Stream::try_reserve() {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().reserve(reactor.now(), source_->id);
}

Result<void> Stream::commit(std::size_t octets) {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().commit(reactor.now(), source_->id, octets);
}

Result<std::size_t> Stream::try_write_external(Bytes octets, Release done, void* context) {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().write_external(reactor.now(), source_->id, octets, done, context);
}

Bytes Stream::peek() const {
    return is_open() ? source_->reactor()->stack().peek(source_->id) : Bytes{};
}

void Stream::consume(std::size_t octets) {
    if (!is_open()) return;
    source_->reactor()->stack().consume(source_->reactor()->now(), source_->id, octets);
}

Result<std::size_t> Stream::try_write_urgent(Bytes octets) {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().write_urgent(reactor.now(), source_->id, octets);
}

std::optional<std::uint64_t> Stream::urgent_ahead() const {
    const tcp::Connection* c = connection();
    return c != nullptr ? c->urgent_ahead() : std::nullopt;
}

Result<std::size_t> Stream::read(MutableBytes into, Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_read(s.get(), into); });
}

Result<std::size_t> Stream::write(Bytes octets, Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_write(s.get(), octets); });
}

Result<void> Stream::write_all(Bytes octets, Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_write_all(s.get(), octets); });
}

Result<void> Stream::wait_connected(Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_connected(s.get()); });
}

Result<void> Stream::wait_acknowledged(Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_acknowledged(s.get()); });
}

void Stream::on_ready(std::function<void(Ready)> callback) {
    if (!is_open()) return;
    const bool wanted = static_cast<bool>(callback);
    source_->set_on_ready(std::move(callback));
    if (!wanted) return;
    // What happened before somebody asked is told as if it happened now.
    source_->reactor()->after(0s, [weak = std::weak_ptr<Connected>(source_)] {
        const auto s = weak.lock();
        const tcp::Connection* c = connection(s.get());
        if (c == nullptr) return;
        const bool over = c->state() == tcp::State::closed;
        const Ready ready{.connected = !over && c->state() != tcp::State::syn_sent,
                          .readable = c->can_read(),
                          .writable = over || c->write_room() != 0,
                          .urgent = c->urgent_ahead().has_value(),
                          .closed = over};
        if (ready.any()) s->notify(ready);
    });
}

// --- The end

Result<void> Stream::shutdown_write() {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().shutdown_write(reactor.now(), source_->id);
}

Result<void> Stream::close() {
    if (!is_open()) return fail(Error::not_found);
    Result<void> result;
    Reactor& reactor = *source_->reactor();
    const bool unread = connection() != nullptr && connection()->unread() != 0;
    if (linger_ && *linger_ > Duration::zero() && !unread && !reactor.is_busy()) {
        (void)shutdown_write();
        result = wait_acknowledged(after(reactor.now(), *linger_));
    }
    let_go();
    return result;
}

void Stream::abort() {
    if (!is_open()) return;
    Reactor& reactor = *source_->reactor();
    const stack::ConnectionId id = release();
    reactor.stack().abort(reactor.now(), id);
}

bool Stream::is_connected() const {
    return is_open() && try_connected(source_.get()).has_value();
}

Ending Stream::ending() const {
    const tcp::Connection* c = connection();
    Ending e;
    if (c == nullptr) return e;
    e.peer_finished = c->peer_finished();
    if (c->has_failed()) e.error = c->error();
    e.soft_error = c->soft_error();
    e.icmp_type = c->icmp_type();
    e.icmp_code = c->icmp_code();
    return e;
}

// --- Options

// It may have something to say now that it was holding back.
void Stream::touch() {
    Reactor& reactor = *source_->reactor();
    reactor.stack().touch(reactor.now(), source_->id);
}

Result<void> Stream::set_nodelay(bool on) {
    tcp::Connection* c = connection();
    if (c == nullptr) return fail(Error::not_found);
    c->set_nodelay(on);
    touch();
    return {};
}

Result<void> Stream::set_cork(bool on) {
    tcp::Connection* c = connection();
    if (c == nullptr) return fail(Error::not_found);
    c->set_cork(on, source_->reactor()->now());
    touch();
    return {};
}

Result<void> Stream::set_quick_ack(bool on) {
    tcp::Connection* c = connection();
    if (c == nullptr) return fail(Error::not_found);
    c->set_quick_ack(on);
    touch();
    return {};
}

Result<void> Stream::configure(const std::function<void(tcp::Config&)>& change) {
    tcp::Connection* c = connection();
    if (c == nullptr) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    tcp::Config* config = c->own_config(reactor.stack().environment());
    if (config == nullptr) return fail(Error::no_memory);
    change(*config);
    c->apply_config(reactor.now());
    touch();
    return {};
}

Result<void> Stream::set_keepalive(bool on, Duration idle, Duration interval, std::uint8_t probes) {
    if (on && (idle <= 0s || interval <= 0s || probes == 0)) return fail(Error::invalid_argument);
    return configure([&](tcp::Config& config) {
        config.keepalive = on;
        if (!on) return;
        config.keepalive_idle = idle;
        config.keepalive_interval = interval;
        config.keepalive_probes = probes;
    });
}

Result<void> Stream::set_user_timeout(Duration timeout) {
    if (timeout < 0s) return fail(Error::invalid_argument);
    return configure([&](tcp::Config& config) { config.user_timeout = timeout; });
}

Result<void> Stream::set_congestion_control(const congestion::Table& table) {
    tcp::Connection* c = connection();
    if (c == nullptr) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    c->set_congestion_control(reactor.stack().environment(), reactor.now(), table);
    touch();
    return {};
}

// --- Questions

tcp::Info Stream::info() const {
    const tcp::Connection* c = connection();
    return c != nullptr ? c->info(source_->reactor()->now()) : tcp::Info{};
}

wire::Endpoint Stream::local() const {
    const tcp::Connection* c = connection();
    return c != nullptr ? c->tuple().local : wire::Endpoint{};
}

wire::Endpoint Stream::remote() const {
    const tcp::Connection* c = connection();
    return c != nullptr ? c->tuple().remote : wire::Endpoint{};
}

}  // namespace estab::socket
