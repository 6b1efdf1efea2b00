// Connections that CMD opens to anywhere, carried on to the host's network: estab's TCP ends them
// here, a socket of the host's goes on. CMD's SYN is answered only when the host's connection
// stands, so CMD sees what the host saw: refused, unreachable, or silence.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "cli/gate.hpp"
#include "drivers/private_network.hpp"
#include "runtime/lent_blocks.hpp"
#include "runtime/reactor.hpp"
#include "socket/listener.hpp"

namespace estab::cli {

// One connection, when it is over (or CMD is). A published one comes from the host, to CMD.
struct Forwarded {
    wire::Endpoint from, wanted;
    bool is_published = false;
    Instant began{}, ended{};
    Duration host_connect{};         // how long the host's network took to connect
    int refused = 0;                 // errno of the host's connect(); 0: it stood
    std::uint64_t up = 0, down = 0;  // octets that went through; up: from CMD
    Duration host_is_slow{};         // the host's socket took no more
    bool is_broken = false;          // it ended with a reset
    bool is_open = false;            // it has not ended
    tcp::Info info{};                // estab's end, the last time it was looked at
    std::optional<tcp::Info> near{};  // CMD's end, where that is estab's too
};

// All of them together.
struct Totals {
    std::uint64_t connections = 0;   // that stood
    std::uint64_t refused = 0;       // that the host, or CMD, did not take
    std::uint64_t up = 0, down = 0;  // octets that went through
};

// To a server of CMD's: its endpoint, and the address of ours that speaks to it.
struct InsideWay {
    wire::Address from;
    wire::Endpoint to;
};

// Packets to anywhere are for `stack` to answer; the addresses there that stand for the host, those
// with a name first.
std::vector<wire::Address> stand_for_everybody(stack::Stack& stack,
                                               const drivers::PrivateAddresses& addresses);

class TcpForwarder {
public:
    static constexpr std::size_t connections_max = 16'384;  // beyond: refused

    TcpForwarder(runtime::Reactor& reactor, Gate& gate);
    ~TcpForwarder();

    // Carries whatever is opened to the stack, at any address and port, until the reactor ends.
    // Throws what cannot be listened to. At the first turn, when CMD has started with the limit
    // that it was given, ours on descriptors goes up.
    void start();
    // What `listening`, a socket of the host's, accepts goes to CMD, by the first way on which a
    // server is. Where none is it is reset.
    socket::Task<> let_in(drivers::Fd listening, std::vector<InsideWay> ways);

    void reset_all();  // every connection, on both sides
    std::size_t open() const { return open_; }
    const Totals& totals() const { return totals_; }

    // All that have ended, and those that are still open as they are now.
    std::vector<Forwarded> take_report();

private:
    // Until the reactor ends.
    socket::Task<> open_all();    // what is held
    socket::Task<> accept_all();  // what is accepted
    struct Flow;
    struct Waiting {
        drivers::Fd host;
        Forwarded record;
        egress::Decision decision;
        socket::TimerId patience;  // for CMD's side of the handshake
    };
    using Key = std::pair<wire::Endpoint, wire::Endpoint>;

    socket::Task<> open(socket::HeldSyn syn);
    void forget(std::map<Key, Waiting>::iterator waiting);
    socket::Task<> bring_in(drivers::Fd host, std::vector<InsideWay> ways);
    void carry(socket::Stream stream, Waiting waiting);
    void finish(const std::shared_ptr<Flow>& flow);
    void keep(Forwarded record);

    runtime::Reactor& reactor_;
    Gate& gate_;
    socket::Listener listener_;
    // What is on its way between two sockets is here only while it is moved: an idle connection
    // holds no buffer of ours, and one that waits leaves all but a little where it came from.
    std::vector<std::uint8_t> scratch_;
    runtime::LentBlocks blocks_;       // but where much comes at once
    std::map<Key, Waiting> waiting_;   // connected on the host's side, not yet accepted on ours
    std::set<std::shared_ptr<Flow>> flows_;
    std::vector<Forwarded> ended_;     // the slowest, see keep()
    std::size_t open_ = 0;
    Totals totals_;
};

}  // namespace estab::cli
