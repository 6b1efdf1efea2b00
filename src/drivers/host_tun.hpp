// A TUN in the namespace where we are (`--tun NAME --addr A/len --host-addr B/len`): the host's
// side gets addresses and is set up, the stack's side is ours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drivers/tun.hpp"
#include "wire/address.hpp"

namespace estab::drivers {

struct HostTunOptions {
    std::string path = "/dev/net/tun";
    std::string name = "estab%d";
    bool tap = false;
    std::uint32_t mtu = 0;  // 0: as it is
    std::size_t queues = 1;
    // The stack's addresses; the host gets a route to those that are not on its link.
    std::vector<wire::Prefix> own;
    std::vector<wire::Prefix> host;  // the host's addresses, IPv4 and IPv6
};

// Makes the interface, which vanishes with the device, or attaches to one that was made for us.
// What is as wanted already needs no permission: an administrator can prepare it for an ordinary
// user. Throws SystemError.
std::vector<TunDevice> open_host_tun_queues(const HostTunOptions& options);
TunDevice open_host_tun(const HostTunOptions& options);  // of one queue

}  // namespace estab::drivers
