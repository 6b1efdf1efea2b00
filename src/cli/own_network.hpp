// Two hosts in memory with the described path between them, in real time: the near one is CMD's own
// TCP, the far one stands for everyone else and goes on through sockets of the host's. Or a whole
// world is there in its place.
#pragma once

#include <memory>

#include "cli/network.hpp"
#include "cli/own_world.hpp"
#include "owntcp/supervisor.hpp"

namespace estab::cli {

class OwnNetwork {
public:
    // `world`: nullptr for none, and outlives it. Throws UsageError, SystemError.
    static std::unique_ptr<OwnNetwork> open(const NetworkOptions& options, OwnWorld* world);
    virtual ~OwnNetwork() = default;

    virtual runtime::Reactor& reactor() = 0;  // of the far host
    virtual stack::Stack& near() = 0;
    virtual const drivers::PrivateAddresses& addresses() const = 0;
    virtual link::PathLanes* lanes() = 0;  // nullptr: no path
    // From now on a supervisor hears what near() has to tell; nullptr: nobody.
    virtual void tell(owntcp::Supervisor* supervisor) = 0;
    // Whatever was said has been heard, on both sides.
    virtual bool is_quiet() = 0;
};

}  // namespace estab::cli
