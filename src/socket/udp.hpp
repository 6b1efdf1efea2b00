// Datagrams for people (RFC 768): a bounded queue in, whole packets out. Datagrams that the link
// cannot carry in one packet are refused (message_too_long); nothing here makes fragments, but
// received ones have been put together.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "socket/datagram_host.hpp"
#include "socket/operation.hpp"

namespace estab::socket {

class Udp {
public:
    using Datagram = udp::Datagram;

    Udp() = default;  // closed
    Udp(Udp&&) noexcept = default;
    Udp& operator=(Udp&& other) noexcept;
    ~Udp() { close(); }

    // Errors: address_unavailable, address_in_use, no_memory.
    static Result<Udp> bind(Reactor& reactor, const udp::Options& options = {});
    // Hears and speaks to one remote endpoint only, and is told what ICMP says about it.
    static Result<Udp> connected(Reactor& reactor, const wire::Endpoint& remote,
                                 const udp::Options& options = {});
    Result<void> connect(const wire::Endpoint& remote);

    // would_block: too many packets wait for the device; message_too_long, network_unreachable,
    // not_connected (send), invalid_argument.
    Result<void> send_to(const wire::Endpoint& to, Bytes payload);
    Result<void> send(Bytes payload);

    // The oldest that waits. On a connected socket an ICMP error comes first, once, as the call's
    // error: refused (port unreachable), host_unreachable, ... On others ask next_trouble().
    Result<Datagram> try_recv() { return try_recv(source_.get()); }
    Result<Datagram> recv(Instant deadline = never);      // drives the reactor
    auto async_recv(Instant deadline = never) {
        return operation(deadline, [s = source_] { return Udp::try_recv(s.get()); });
    }
    Result<udp::Trouble> next_trouble();                  // would_block: none
    // Called from run_once() when there may be something to receive; edge-triggered.
    void on_ready(std::function<void()> callback);

    void close();
    bool is_open() const { return source_ && source_->is_open(); }
    wire::Endpoint local() const;
    std::optional<wire::Endpoint> remote() const;

private:
    template <class Attempt>
    Operation<Attempt> operation(Instant deadline, Attempt attempt) {
        return {source_, deadline, std::move(attempt)};
    }
    static Result<Datagram> try_recv(Bound* source);

    std::shared_ptr<Bound> source_;
};

}  // namespace estab::socket
