// A TCP connection for people (RFC 9293 3.9.1). Three faces over one object: try_... never wait,
// the plain calls drive the reactor until they are done, async_... are awaited in a coroutine.
// Nothing raises a signal: writing to a finished stream is Error::broken_pipe.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "socket/operation.hpp"
#include "socket/task.hpp"

namespace estab::socket {

struct ConnectOptions {
    std::optional<wire::Address> local_address;  // MUST-43; else the routes choose
    std::uint16_t local_port = 0;                // 0: drawn (RFC 6056)
    const tcp::Config* config = nullptr;         // copied; nullptr: the stack's
    Instant deadline = never;                    // of connect() and async_connect(): timed_out
};

// How a stream ended, as far as it has.
struct Ending {
    bool peer_finished = false;       // its FIN arrived: after what is unread comes the end
    std::optional<Error> error;       // refused, reset, timed_out, aborted, host_unreachable, ...
    std::optional<Error> soft_error;  // last trouble that did not end it (SHLD-25)
    std::uint8_t icmp_type = 0, icmp_code = 0;  // of the ICMP message behind either, if one was
};

class Stream {
public:
    Stream() = default;  // closed
    // Takes over a connection that the caller owns, e.g. one from Stack::accept().
    Stream(Reactor& reactor, stack::ConnectionId id);
    Stream(Stream&&) noexcept = default;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream();  // as close(), but never waits

    // Errors: network_unreachable, address_unavailable, address_in_use, invalid_argument,
    // no_memory; then refused, timed_out, host_unreachable ...
    static Result<Stream> connect(Reactor& reactor, const wire::Endpoint& remote,
                                  const ConnectOptions& options = {});
    // The SYN is on its way; is_connected() or on_ready() tell the rest.
    static Result<Stream> start_connect(Reactor& reactor, const wire::Endpoint& remote,
                                        const ConnectOptions& options = {});
    static Task<Result<Stream>> async_connect(Reactor& reactor, wire::Endpoint remote,
                                              ConnectOptions options = {});

    // --- Octets
    // ------------------------------------------------------------------------------------ How
    // many; 0: the peer has finished. would_block: nothing there.
    Result<std::size_t> try_read(MutableBytes into);
    // How many were taken, at least 1. would_block: no room in the send buffer, or not connected
    // yet.
    Result<std::size_t> try_write(Bytes octets);
    // What has arrived, without copying: the first run of it, lent until the next call on any
    // stream of this stack. consume() at most so much.
    Bytes peek() const;
    void consume(std::size_t octets);
    // Room of the send buffer to write into, at least one octet, lent until the next call on any
    // stream of this stack. commit() queues the first `octets` of it; 0 gives it back.
    Result<MutableBytes> try_reserve();
    Result<void> commit(std::size_t octets);
    // Queues octets of the caller's where they are, without a copy; how many, at least 1. They must
    // stay as they are until `done(context)`, which is called once: when the peer has acknowledged
    // these, or the connection gives them up, or its stack is destroyed. Never when this fails.
    // `done` must not use the stack.
    using Release = tcp::SendBuffer::Release;
    Result<std::size_t> try_write_external(Bytes octets, Release done, void* context);
    Result<std::size_t> try_write_urgent(Bytes octets);     // RFC 6093
    std::optional<std::uint64_t> urgent_ahead() const;      // MUST-33: octets up to the urgent mark

    // `deadline`: timed_out when it has passed; what was done stays done. would_deadlock inside a
    // callback or coroutine; interrupted when the reactor stops.
    Result<std::size_t> read(MutableBytes into, Instant deadline = never);
    Result<std::size_t> write(Bytes octets, Instant deadline = never);
    Result<void> write_all(Bytes octets, Instant deadline = never);
    Result<void> wait_connected(Instant deadline = never);
    // Until the peer has acknowledged everything, our FIN included if it was sent.
    Result<void> wait_acknowledged(Instant deadline = never);

    // The buffers must live until the operation ends. A second reader waits behind the first.
    auto async_read(MutableBytes into, Instant deadline = never) {
        return operation(deadline, [s = source_, into] { return Stream::try_read(s.get(), into); });
    }
    auto async_write(Bytes octets, Instant deadline = never) {
        return operation(deadline,
                         [s = source_, octets] { return Stream::try_write(s.get(), octets); });
    }
    auto async_write_all(Bytes octets, Instant deadline = never) {
        return operation(deadline, [s = source_, octets]() mutable {
            return Stream::try_write_all(s.get(), octets);
        });
    }
    // Until one of the calls that write would do something, or say why not.
    auto async_writable(Instant deadline = never) {
        return operation(deadline, [s = source_] { return Stream::try_writable(s.get()); });
    }
    auto async_connected(Instant deadline = never) {
        return operation(deadline, [s = source_] { return Stream::try_connected(s.get()); });
    }

    // Called from run_once() when something happened since the last call, and once soon after this
    // one if there is something already. Edge-triggered: read and write until would_block. The
    // callback may do anything but block; destroying the stream is fine. Empty: no more calls.
    void on_ready(std::function<void(Ready)> callback);

    // --- The end
    Result<void> shutdown_write();   // FIN after what is queued; reading goes on
    // FIN after what is queued, or RST if octets are unread (SHLD-3). With linger waits, unless in
    // a callback, until everything is acknowledged: timed_out means it was not, and goes on without
    // us.
    Result<void> close();
    void abort();                    // RST; what was queued is gone
    bool is_open() const { return source_ && source_->is_open(); }
    bool is_connected() const;       // the handshake is complete and the end has not come
    Ending ending() const;

    // --- Options: at once, for this connection only
    Result<void> set_nodelay(bool on);
    Result<void> set_cork(bool on);          // holds what is less than a segment, 200 ms at most
    Result<void> set_quick_ack(bool on);
    // idle: until the first probe; interval: between probes; probes: unanswered, until timed_out.
    Result<void> set_keepalive(bool on, Duration idle = 7200s, Duration interval = 75s,
                               std::uint8_t probes = 9);
    Result<void> set_user_timeout(Duration timeout);        // 0: R2 decides; RFC 9293 3.8.3
    Result<void> set_congestion_control(const congestion::Table& table);
    Result<void> configure(const std::function<void(tcp::Config&)>& change);
    // nullopt: close() does not wait. 0: close() aborts. Else: waits at most so long.
    void set_linger(std::optional<Duration> linger) { linger_ = linger; }

    // --- Questions
    tcp::Info info() const;
    wire::Endpoint local() const;    // with accept-any: where the peer wanted to go
    wire::Endpoint remote() const;
    stack::ConnectionId id() const { return source_ ? source_->id : stack::ConnectionId{}; }
    tcp::Connection* connection() const { return connection(source_.get()); }  // nullptr: closed
    // Gives the connection away; the stream is closed without a word.
    stack::ConnectionId release();

private:
    struct Connected : Source {
        Connected(Reactor& r, stack::ConnectionId i) : Source(r), id(i) {}
        stack::ConnectionId id;
    };
    template <class Attempt>
    Operation<Attempt> operation(Instant deadline, Attempt attempt) {
        return {source_, deadline, std::move(attempt)};
    }
    static tcp::Connection* connection(const Connected* source);
    static Result<std::size_t> try_read(Connected* source, MutableBytes into);
    static Result<std::size_t> try_write(Connected* source, Bytes octets);
    static Result<void> try_write_all(Connected* source, Bytes& octets);
    static Result<void> try_writable(Connected* source);
    static Result<void> try_connected(Connected* source);
    static Result<void> try_acknowledged(Connected* source);
    void let_go();
    void touch();

    std::shared_ptr<Connected> source_;
    std::optional<Duration> linger_;
};

}  // namespace estab::socket
