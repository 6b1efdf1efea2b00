// Waits for connections (RFC 9293 3.9.1, passive OPEN): one address and port, a network, or
// anything that the stack counts as its own. With `hold` nothing is answered until the owner has
// decided.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "socket/stream.hpp"

namespace estab::socket {

// A SYN that waits for a word, at most Config::held_syn_timeout; then it counts as dropped.
struct HeldSyn {
    stack::HeldSynId id;
    wire::Endpoint wanted;   // where it wanted to go
    wire::Endpoint from;
};

class Listener {
public:
    Listener() = default;  // closed
    Listener(Listener&&) noexcept = default;
    Listener& operator=(Listener&& other) noexcept;
    ~Listener() { close(); }

    // Errors: invalid_argument (no port), address_unavailable, address_in_use (MUST-41), no_memory.
    // options.config is copied. Accept-any: any_address, any_port, and Routes::accept() for the
    // prefixes.
    static Result<Listener> listen(Reactor& reactor, const stack::ListenOptions& options);

    // Connections come with their handshake complete. Stream::local() is where the peer wanted to
    // go.
    Result<Stream> try_accept();                          // would_block: none waits
    Result<Stream> accept(Instant deadline = never);      // drives the reactor
    auto async_accept(Instant deadline = never) {
        return operation(deadline, [s = source_] { return Listener::try_accept(s.get()); });
    }
    // Called from run_once() when there may be something to accept or held; edge-triggered.
    void on_ready(std::function<void()> callback);

    // --- With `hold`
    // --------------------------------------------------------------------------------- Each is
    // told once, oldest first.
    Result<HeldSyn> try_next_held();
    auto async_next_held(Instant deadline = never) {
        return operation(deadline, [s = source_] { return Listener::try_next_held(s.get()); });
    }
    // not_found: it has been forgotten meanwhile.
    Result<void> accept_held(const HeldSyn& syn);  // SYN-ACK; it is accepted as any other, later
    Result<void> refuse_held(const HeldSyn& syn);         // RST
    Result<void> drop_held(const HeldSyn& syn);           // silence
    Result<void> unreachable_held(const HeldSyn& syn, wire::IcmpReason reason);

    void close();                                         // what nobody accepted is reset
    bool is_open() const { return source_ && source_->is_open(); }
    std::size_t waiting() const;                          // connections in the accept queue
    stack::ListenerId id() const { return source_ ? source_->id : stack::ListenerId{}; }

private:
    struct Listening : Source {
        Listening(Reactor& r, stack::ListenerId i) : Source(r), id(i) {}
        stack::ListenerId id;
    };
    template <class Attempt>
    Operation<Attempt> operation(Instant deadline, Attempt attempt) {
        return {source_, deadline, std::move(attempt)};
    }
    static Result<Stream> try_accept(Listening* source);
    static Result<HeldSyn> try_next_held(Listening* source);

    std::shared_ptr<Listening> source_;
};

}  // namespace estab::socket
