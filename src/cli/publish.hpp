// Ports of the host's behind which CMD's servers are (--publish), and ports of CMD's own loopback
// behind which the host's are (--forward).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/forward_tcp.hpp"
#include "cli/forward_udp.hpp"
#include "drivers/private_network.hpp"

namespace estab::cli {

struct Published {
    std::optional<wire::Address> address;  // of the host's; none: its loopback, both families
    std::uint16_t port = 0;                // 0: one that is free
    std::uint16_t inside = 0;
    egress::Transport transport = egress::Transport::tcp;

    // [ADDR:]PORT[:PORT][/tcp|/udp]; an IPv6 ADDR in []. Throws UsageError.
    static Published parse(std::string_view text);
};

// [ADDR:]PORT, an IPv6 ADDR in []; without ADDR 127.0.0.1.
std::optional<wire::Endpoint> parse_endpoint(std::string_view text);

// PORT of --forward. Throws UsageError.
std::uint16_t parse_forward(std::string_view text);

// Listens and starts to carry; what it listens on, one for each address, with the port that was
// chosen. Throws SystemError. `network` is where CMD will run.
std::vector<wire::Endpoint> publish(const Published& what, runtime::Reactor& reactor,
                                    const drivers::PrivateAddresses& network, TcpForwarder& tcp,
                                    UdpForwarder& udp);

// 127.0.0.1:PORT and [::1]:PORT of CMD's, through the link, to the gateway's PORT. Throws
// SystemError.
void forward_port(std::uint16_t port, runtime::Reactor& reactor,
                  const drivers::PrivateNetwork& network);

}  // namespace estab::cli
