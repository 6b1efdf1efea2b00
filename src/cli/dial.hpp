// Where the other end of a connection is, for commands that are clients: on the host's TUN, beside
// a CMD in the private network, or out on the host's network behind a relay.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "cli/network.hpp"
#include "cli/relay.hpp"
#include "drivers/spawn.hpp"
#include "socket/stream.hpp"

namespace estab::cli {

struct Target {
    std::string host;
    std::uint16_t port = 0;
};

struct DialOptions {
    bool host_loopback = false;
    void setup(Options& options);
};

// Runs CMD if there is one, and finds ways. Errors are exceptions whose what() is one line.
class Dialer {
public:
    // `standard` replaces CMD's stdin, stdout and stderr where >= 0.
    Dialer(Network& network, const Words& command, const DialOptions& options,
           std::array<int, 3> standard);
    ~Dialer();

    // A connection of estab's TCP. CMD is given 30 s to begin to listen.
    socket::Task<socket::Stream> connect(Target target, Instant deadline);
    // For connections from the host: they arrive at `port` of estab's TCP. Returns at once; where
    // it listens.
    std::optional<wire::Endpoint> let_in(const std::optional<wire::Address>& address,
                                         std::uint16_t port);

    // The address of estab's TCP that CMD or the relay talks to.
    wire::Address own_address(bool v4) const;
    bool has_command() const { return child_.has_value(); }
    bool is_relay() const { return way_ == Way::relay; }
    // CMD's exit status, once it has ended.
    std::optional<int> command_status() const { return command_status_; }
    // ... if it ends until then.
    std::optional<int> wait_command(Instant deadline);

    // Runs the reactor until `done`, or a signal that ends programs: its number.
    template <class Done>
    int run_until(Done done) {
        network_.reactor().run_until([&] { return signal_ != 0 || done(); });
        return signal_;
    }
    // Lets what has been said reach the peer: until no connection is left, `wait` at most.
    void drain(Duration wait);

private:
    enum class Way : std::uint8_t { direct, command, relay };

    socket::Task<wire::Endpoint> out_through_relay(Target target, Instant deadline);
    wire::Address command_address(bool v4) const;
    void watch_command();
    void check_loopback(const Target& target, const wire::Address& address) const;

    Network& network_;
    DialOptions options_;
    Way way_;
    std::optional<drivers::Child> child_;
    std::optional<int> command_status_;
    int signal_ = 0;
};

}  // namespace estab::cli
