// Where CMD of `estab run` lives: behind an interface in namespaces of its own, or on a TCP of its
// own. What stands for everybody else, and what is told at the end, is the same for both.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/destination.hpp"
#include "cli/forward_tcp.hpp"
#include "cli/network.hpp"

namespace estab::cli {

class RunPlace {
public:
    virtual ~RunPlace() = default;

    virtual runtime::Reactor& reactor() = 0;  // of the stack that stands for everybody else
    virtual stack::Stack& counted() = 0;      // whose counters --metrics shows
    virtual link::PathLanes* lanes() = 0;     // nullptr: no path
    virtual std::string reason() const = 0;   // which backend, and why
    virtual drivers::PrivateAddresses addresses() const = 0;
    // CMD's own 127.0.0.1:PORT and [::1]:PORT are the gateway's, through the link. Throws
    // SystemError.
    virtual void forward_port(std::uint16_t port) = 0;
    // Names for addresses that CMD will not ask DNS about where we see it.
    virtual void learn_names(egress::Policy&) {}
    // CMD's exit status. Throws SpawnError.
    virtual int run(const Words& command, const Destinations& destinations,
                    bool close_inherited) = 0;
    virtual void reset_all(TcpForwarder& tcp) { tcp.reset_all(); }
    // What `tcp` has carried, and what else is known of it.
    virtual std::vector<Forwarded> report(TcpForwarder& tcp) { return tcp.take_report(); }
    virtual const Totals& totals(const TcpForwarder& tcp) const { return tcp.totals(); }
};

// In a private network.
class NetworkPlace final : public RunPlace {
public:
    explicit NetworkPlace(std::unique_ptr<Network> network) : network_(std::move(network)) {}

    runtime::Reactor& reactor() override { return network_->reactor(); }
    stack::Stack& counted() override { return network_->stack(); }
    link::PathLanes* lanes() override { return network_->lanes(); }
    std::string reason() const override { return network_->reason(); }
    drivers::PrivateAddresses addresses() const override {
        return network_->private_network()->addresses();
    }
    void forward_port(std::uint16_t port) override;
    int run(const Words& command, const Destinations& destinations, bool close_inherited) override;

private:
    std::unique_ptr<Network> network_;
};

}  // namespace estab::cli
