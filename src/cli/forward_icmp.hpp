// Pings that CMD sends to anywhere, carried on by ping sockets of the host's, which it lets groups
// of users have (net.ipv4.ping_group_range); where it does not, they stay unanswered.
#pragma once

#include <map>
#include <memory>

#include "cli/descriptor.hpp"
#include "cli/gate.hpp"
#include "wire/ip.hpp"

namespace estab::cli {

class IcmpForwarder {
public:
    static constexpr std::size_t flows_max = 256;  // beyond: the one that was silent longest goes
    static constexpr Duration idle = 60s;          // RFC 5508, REQ-2

    IcmpForwarder(runtime::Reactor& reactor, Gate& gate);
    ~IcmpForwarder();

private:
    struct Key {
        wire::Address from, to;
        std::uint16_t id = 0;  // CMD's; the host's socket has another
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    struct Flow;

    static bool on_packet(void* self, Instant now, const wire::IpPacket& packet,
                          const device::Offload& offload);
    void take(Instant now, const wire::IpPacket& packet);
    std::shared_ptr<Flow> open(Instant now, const Key& key);
    socket::Task<> answers(std::shared_ptr<Flow> flow);
    void answer(const Key& key, Bytes reply);
    void end(Flow& flow);

    runtime::Reactor& reactor_;
    Gate& gate_;
    std::map<Key, std::shared_ptr<Flow>> flows_;
};

}  // namespace estab::cli
