#include "cli/run_place.hpp"

#include "cli/publish.hpp"

namespace estab::cli {

void NetworkPlace::forward_port(std::uint16_t port) {
    cli::forward_port(port, network_->reactor(), *network_->private_network());
}

int NetworkPlace::run(const Words& command, const Destinations& destinations,
                      bool close_inherited) {
    return run_command(*network_, command,
                       {.files = {{"/etc/resolv.conf", destinations.resolv_conf()},
                                  {"/etc/hosts", destinations.hosts()}},
                        .leftover = {},
                        .close_inherited = close_inherited});
}

}  // namespace estab::cli
