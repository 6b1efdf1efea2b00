// Two hosts in memory with the described path between them, in real time: the near one is CMD's own
// TCP, the far one stands for everyone else and goes on through sockets of the host's.
#pragma once

#include <memory>

#include "cli/network.hpp"
#include "owntcp/supervisor.hpp"

namespace estab::cli {

class OwnNetwork {
public:
    // Throws UsageError, SystemError.
    static std::unique_ptr<OwnNetwork> open(const NetworkOptions& options);
    virtual ~OwnNetwork() = default;

    virtual runtime::Reactor& reactor() = 0;  // of the far host
    virtual stack::Stack& near() = 0;
    // From now on a supervisor hears what near() has to tell; nullptr: nobody.
    virtual void tell(owntcp::Supervisor* supervisor) = 0;
    // Whatever was said has been heard, on both sides.
    virtual bool is_quiet() = 0;
};

}  // namespace estab::cli
