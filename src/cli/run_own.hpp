// estab run --own-tcp: CMD's own TCP is estab's, by system calls that are answered here.
#pragma once

#include "cli/network.hpp"
#include "cli/run_report.hpp"

namespace estab::cli {

struct OwnRun {
    const NetworkOptions& network;
    bool host_loopback = false;
    std::string log;
};

// CMD's exit status. Throws UsageError, SystemError.
int run_with_own_tcp(const OwnRun& options, const Words& command,
                     const std::function<void(std::vector<Forwarded>)>& report);

}  // namespace estab::cli
