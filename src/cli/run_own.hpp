// estab run --own-tcp: CMD's own TCP is estab's, by system calls that are answered here.
#pragma once

#include <map>

#include "cli/own_network.hpp"
#include "cli/run_place.hpp"

namespace estab::cli {

class OwnPlace final : public RunPlace {
public:
    // `why`: "own-tcp", and what forced it. `names`: those that are asked about at the start.
    // `world`: nullptr for none. Throws UsageError, SystemError.
    OwnPlace(const NetworkOptions& options, std::string why, std::vector<std::string> names,
             std::unique_ptr<OwnWorld> world);

    runtime::Reactor& reactor() override { return network_->reactor(); }
    stack::Stack& counted() override { return network_->near(); }
    link::PathLanes* lanes() override { return network_->lanes(); }
    std::string reason() const override;
    drivers::PrivateAddresses addresses() const override { return network_->addresses(); }
    void forward_port(std::uint16_t port) override { forwarded_.push_back(port); }
    void learn_names(egress::Policy& policy) override;
    int run(const Words& command, const Destinations& destinations, bool close_inherited) override;
    void reset_all(TcpForwarder& tcp) override {
        world_ ? world_->reset_all() : tcp.reset_all();
    }
    std::vector<Forwarded> report(TcpForwarder& tcp) override;
    const Totals& totals(const TcpForwarder& tcp) const override {
        return world_ ? world_->totals() : tcp.totals();
    }

private:
    std::vector<drivers::ReplacedFile> files(const Destinations& destinations) const;
    std::optional<wire::Endpoint> forwarded(const wire::Endpoint& wanted) const;

    std::string why_;
    bool quiet_;
    std::vector<std::string> names_;
    std::vector<std::uint16_t> forwarded_;
    std::unique_ptr<OwnWorld> world_;
    std::unique_ptr<OwnNetwork> network_;
    // What CMD's ends knew, of those connections that a report can be about.
    std::map<wire::Endpoint, tcp::Info> near_;
};

}  // namespace estab::cli
