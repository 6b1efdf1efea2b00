#include "socket/udp.hpp"

#include <utility>

namespace estab::socket {

Result<Udp> Udp::bind(Reactor& reactor, const udp::Options& options) {
    auto source = reactor.datagrams().open(options);
    if (!source) return fail(source.error());
    Udp socket;
    socket.source_ = std::move(*source);
    return socket;
}

Result<Udp> Udp::connected(Reactor& reactor, const wire::Endpoint& remote,
                           const udp::Options& options) {
    auto socket = bind(reactor, options);
    if (!socket) return socket;
    const auto done = socket->connect(remote);
    if (!done) return fail(done.error());
    return socket;
}

Udp& Udp::operator=(Udp&& other) noexcept {
    if (this == &other) return *this;
    close();
    source_ = std::move(other.source_);
    return *this;
}

void Udp::close() {
    if (!is_open()) return;
    const auto source = std::exchange(source_, nullptr);
    source->reactor()->datagrams().close(*source);
}

Result<void> Udp::connect(const wire::Endpoint& remote) {
    if (!is_open()) return fail(Error::not_found);
    return source_->reactor()->datagrams().connect(*source_, remote);
}

Result<void> Udp::send_to(const wire::Endpoint& to, Bytes payload) {
    if (!is_open()) return fail(Error::not_found);
    return source_->reactor()->datagrams().send(*source_, to, payload);
}

Result<void> Udp::send(Bytes payload) {
    const auto to = remote();
    if (!to) return fail(is_open() ? Error::not_connected : Error::not_found);
    return send_to(*to, payload);
}

Result<Udp::Datagram> Udp::try_recv(Bound* source) {
    if (source == nullptr || !source->is_open()) return fail(Error::not_found);
    udp::Sockets& sockets = source->reactor()->datagrams().sockets();
    if (sockets.remote(source->id)) {
        if (const auto trouble = sockets.next_trouble(source->id)) return fail(trouble->error);
    }
    return sockets.next(source->id);
}

Result<Udp::Datagram> Udp::recv(Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_recv(s.get()); });
}

Result<udp::Trouble> Udp::next_trouble() {
    if (!is_open()) return fail(Error::not_found);
    return source_->reactor()->datagrams().sockets().next_trouble(source_->id);
}

void Udp::on_ready(std::function<void()> callback) {
    if (!is_open()) return;
    if (!callback) return source_->set_on_ready(nullptr);
    source_->set_on_ready([callback = std::move(callback)](Ready) { callback(); });
    source_->reactor()->after(0s, [weak = std::weak_ptr<Bound>(source_)] {
        if (const auto s = weak.lock()) s->notify({.readable = true});
    });
}

wire::Endpoint Udp::local() const {
    if (!is_open()) return {};
    return source_->reactor()->datagrams().sockets().local(source_->id).value_or(wire::Endpoint{});
}

std::optional<wire::Endpoint> Udp::remote() const {
    if (!is_open()) return std::nullopt;
    return source_->reactor()->datagrams().sockets().remote(source_->id);
}

}  // namespace estab::socket
