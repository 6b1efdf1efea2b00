// One connection that is carried: a stream of estab's TCP on CMD's side, a socket on the host's.
#pragma once

#include "cli/forward_tcp.hpp"

namespace estab::cli {

// Both directions of one connection. turn() moves what can be moved, whoever called for it.
struct TcpForwarder::Flow : std::enable_shared_from_this<Flow> {
    Flow(TcpForwarder& o, socket::Stream s, Waiting w)
        : owner(o),
          stream(std::move(s)),
          host(std::move(w.host)),
          record(std::move(w.record)),
          decision(std::move(w.decision)) {}
    ~Flow() { owner.reactor_.loop().close(std::move(host)); }

    void start();
    static void turn(const std::weak_ptr<Flow>& weak) {
        if (const std::shared_ptr<Flow> flow = weak.lock()) flow->turn();
    }
    void turn_later(Duration wait);  // once, however often it is asked for

    void turn();
    bool move_down();  // true: there may be more
    bool move_up();
    bool hear(Bytes first_octets, bool is_all);
    void write_down(Bytes octets, runtime::LentBlocks::Taken block = {});  // that they are in
    void break_off();
    void hear_of(runtime::Ready ready);

    TcpForwarder& owner;
    socket::Stream stream;
    drivers::Fd host;
    Forwarded record;
    egress::Decision decision;
    std::vector<std::uint8_t> surplus;  // read from the host, and no room in the stream
    Instant blocked_since = never;      // the host's socket takes no more
    // What the poller has said of the host's socket, and no call has taken back.
    bool host_has_more = false, host_is_ending = false, host_takes_more = true;
    bool is_write_watched = false;  // from the first time on that it took no more
    bool is_turn_due = false;
    bool brings_much = false;  // the last look at the host's socket has
    bool down_done = false, up_done = false;
    bool ended = false;
};

}  // namespace estab::cli
