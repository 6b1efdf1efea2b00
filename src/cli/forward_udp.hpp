// Datagrams that CMD sends to anywhere, carried on by sockets of the host's: one for each pair of
// endpoints, as long as something is heard.
#pragma once

#include <map>
#include <memory>

#include "cli/destination.hpp"
#include "cli/descriptor.hpp"
#include "wire/ip.hpp"

namespace estab::cli {

class UdpForwarder {
public:
    static constexpr std::size_t flows_max = 4096;  // beyond: the one that was silent longest goes
    static constexpr Duration idle = 120s;          // RFC 4787, REQ-5

    UdpForwarder(runtime::Reactor& reactor, const Destinations& destinations);
    ~UdpForwarder();

private:
    using Key = std::pair<wire::Endpoint, wire::Endpoint>;  // CMD's, and where it sent to
    struct Flow;

    static bool on_packet(void* self, Instant now, const wire::IpPacket& packet,
                          const device::Offload& offload);
    bool take(Instant now, const wire::IpPacket& packet, bool verified);
    std::shared_ptr<Flow> open(Instant now, const Key& key);
    socket::Task<> answers(std::shared_ptr<Flow> flow);
    void answer(const Flow& flow, Bytes payload);
    void sweep();

    runtime::Reactor& reactor_;
    const Destinations& destinations_;
    std::map<Key, std::shared_ptr<Flow>> flows_;
};

}  // namespace estab::cli
