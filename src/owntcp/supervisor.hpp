// Serves the socket calls of a program with our TCP: each of its TCP sockets is an End and a
// descriptor of posix::Sockets, with octets carried between the two. Descriptors are known by the
// inode of their socket, so copies, forks, exec and SCM_RIGHTS need no bookkeeping.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "drivers/system_calls.hpp"
#include "owntcp/end.hpp"
#include "posix/sockets.hpp"
#include "runtime/lent_blocks.hpp"
#include "runtime/loop.hpp"

namespace estab::owntcp {

class Supervisor {
public:
    // Of Ends that are over; policy when full: the oldest is forgotten, and calls about it are the
    // kernel's.
    static constexpr std::size_t over_max = 1024;

    // The last that was known of a connection, when the program lets go of it.
    using OnEnded = std::function<void(const wire::FourTuple&, const tcp::Info&)>;

    // Watches what it needs on `loop` until it is destroyed. Whoever drives `stack` calls on_turn()
    // after each of its turns.
    Supervisor(runtime::Loop& loop, stack::Stack& stack, drivers::Fd stopped_calls,
               OnEnded on_ended);
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Where a connection to `wanted` goes in truth; nothing: there. The program does not see it.
    using Redirect = std::function<std::optional<wire::Endpoint>(const wire::Endpoint& wanted)>;
    void redirect(Redirect where) { redirect_ = std::move(where); }

    // What TCP has to tell goes to the program.
    void on_turn();
    // When on_turn() is wanted, even if nothing happens.
    Instant deadline() const;
    // Nothing that the program has written waits for room in TCP.
    bool is_idle() const;
    std::size_t ends() const { return ends_.size(); }

private:
    using Call = drivers::SystemCall;
    struct World final : posix::World {
        explicit World(stack::Stack& s) : stack_(s) {}
        Instant now() const override { return runtime::Loop::now(); }
        stack::Stack& stack() override { return stack_; }
        bool run_once(Instant) override { return false; }
        stack::Stack& stack_;
    };
    struct Pair {
        drivers::Fd theirs;
        std::unique_ptr<End> end;
    };

    // supervisor.cpp: what happens
    void read_calls();
    void read_ends();
    void on_notification(const stack::Notification& what);
    void on_hang_up(End& end);
    void expire_waiters();
    // calls.cpp: what the program asks for
    void on_call(const Call& call);
    void serve(const Call& call, End& end);
    void make_socket(const Call& call);
    std::int64_t bind(const Call& call, End& end);
    std::int64_t listen(const Call& call, End& end);
    void shut_down(const Call& call, End& end);
    void get_option(const Call& call, End& end);
    void set_option(const Call& call, End& end);
    std::int64_t name(const Call& call, End& end, bool peer);
    void say_queue(const Call& call, End& end);
    std::int64_t result(std::int64_t value) const;
    // opening.cpp: connect() and accept()
    void connect(const Call& call, End& end);
    void send_elsewhere(End& end);
    void begin_connect(const Call& call, End& end, bool nonblocking);
    End* renew(const Call& call, End& end);
    void fill(End& end);
    void check_connect(End& end);
    bool has_caller(const End& end) const;
    void on_connect_failed(End& end, int why);
    void on_connected(End& end);
    void accept(const Call& call, End& end);
    int hand_over(End& listener, const Waiter& waiter);
    void check_accept(End& end);
    void tell_accept(End& end);
    void untell_accept(End& end, const Waiter& waiter);
    std::size_t to_accept(const End& end) const;
    void wait(End& end, Waiter waiter);
    void answer_all(End& end, std::int64_t what);
    // ends.cpp: octets, and the ways in which it all ends
    Pair make_pair(int type, int socket);
    End& adopt(Pair& pair);
    void know_connection(End& end);
    void pump(End& end);
    void pump_up(End& end);
    bool take_up(End& end, Bytes octets, runtime::LentBlocks::Taken block = {});
    void pump_down(End& end);
    void finish_up(End& end);
    void finish(End& end);
    void break_end(End& end);
    void poison(const End& end);
    void put_over(End& end);
    void tell_ended(const End& end);
    void drop(End& end);
    void again(End& end);

    stack::Stack& stack() { return world_.stack_; }
    tcp::Connection* connection(const End& end) { return stack().find(end.connection); }
    Instant now() const { return world_.now(); }

    runtime::Loop& loop_;
    World world_;
    drivers::SystemCalls calls_;
    posix::Sockets sockets_;
    OnEnded on_ended_;
    Redirect redirect_;
    drivers::Fd epoll_;  // of our ends, edge-triggered
    std::unordered_map<std::uint64_t, std::unique_ptr<End>> ends_;  // by inode
    std::vector<std::uint64_t> by_connection_, by_listener_;        // inodes, by index; 0: none
    std::deque<std::uint64_t> over_;
    std::vector<std::uint64_t> again_;  // inodes of Ends that had more than one turn's worth
    std::vector<std::uint8_t> scratch_;
    runtime::LentBlocks blocks_;  // where much comes at once
    Instant wake_ = never;              // the first deadline of those who wait
    bool has_callers_ = true;
};

}  // namespace estab::owntcp
