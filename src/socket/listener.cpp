#include "socket/listener.hpp"

#include <utility>

namespace estab::socket {

Result<Listener> Listener::listen(Reactor& reactor, const stack::ListenOptions& options) {
    const auto id = reactor.stack().listen(options);
    if (!id) return fail(id.error());
    Listener listener;
    listener.source_ = std::make_shared<Listening>(reactor, *id);
    reactor.watch(*id, listener.source_);
    return listener;
}

Listener& Listener::operator=(Listener&& other) noexcept {
    if (this == &other) return *this;
    close();
    source_ = std::move(other.source_);
    return *this;
}

void Listener::close() {
    if (!is_open()) return;
    const auto source = std::exchange(source_, nullptr);
    Reactor& reactor = *source->reactor();
    reactor.forget(source->id);
    source->detach(Error::aborted);
    (void)reactor.stack().close_listener(reactor.now(), source->id);
}

Result<Stream> Listener::try_accept(Listening* source) {
    if (source == nullptr || !source->is_open()) return fail(Error::not_found);
    Reactor& reactor = *source->reactor();
    const auto id = reactor.stack().accept(source->id);
    if (!id) return fail(id.error());
    return Stream(reactor, *id);
}

Result<HeldSyn> Listener::try_next_held(Listening* source) {
    if (source == nullptr || !source->is_open()) return fail(Error::not_found);
    const auto held = source->reactor()->stack().next_held(source->id);
    if (!held) return fail(Error::would_block);
    return HeldSyn{held->id, held->tuple.local, held->tuple.remote};
}

Result<Stream> Listener::try_accept() { return try_accept(source_.get()); }
Result<HeldSyn> Listener::try_next_held() { return try_next_held(source_.get()); }

Result<Stream> Listener::accept(Instant deadline) {
    if (!is_open()) return fail(Error::not_found);
    const auto s = source_;
    return wait_for(*s, deadline, [&] { return try_accept(s.get()); });
}

void Listener::on_ready(std::function<void()> callback) {
    if (!is_open()) return;
    if (!callback) return source_->set_on_ready(nullptr);
    source_->set_on_ready([callback = std::move(callback)](Ready) { callback(); });
    source_->reactor()->after(0s, [weak = std::weak_ptr<Listening>(source_)] {
        if (const auto s = weak.lock()) s->notify({.readable = true});
    });
}

Result<void> Listener::accept_held(const HeldSyn& syn) {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().accept_held(reactor.now(), syn.id);
}

Result<void> Listener::refuse_held(const HeldSyn& syn) {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().refuse_held(reactor.now(), syn.id);
}

Result<void> Listener::drop_held(const HeldSyn& syn) {
    if (!is_open()) return fail(Error::not_found);
    return source_->reactor()->stack().drop_held(syn.id);
}

Result<void> Listener::unreachable_held(const HeldSyn& syn, wire::IcmpReason reason) {
    if (!is_open()) return fail(Error::not_found);
    Reactor& reactor = *source_->reactor();
    return reactor.stack().unreachable_held(reactor.now(), syn.id, reason);
}

std::size_t Listener::waiting() const {
    return is_open() ? source_->reactor()->stack().accept_queue(source_->id) : 0;
}

}  // namespace estab::socket
