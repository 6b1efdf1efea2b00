// Datagrams that CMD sends to anywhere, carried on by sockets of the host's: one for each pair of
// endpoints, as long as something is heard.
#pragma once

#include <map>
#include <memory>

#include "cli/descriptor.hpp"
#include "cli/forward_tcp.hpp"
#include "cli/gate.hpp"
#include "wire/ip.hpp"

namespace estab::cli {

class UdpForwarder {
public:
    static constexpr std::size_t flows_max = 4096;  // beyond: the one that was silent longest goes
    static constexpr Duration idle = 120s;          // RFC 4787, REQ-5

    UdpForwarder(runtime::Reactor& reactor, Gate& gate);
    ~UdpForwarder();

    // Datagrams for `bound`, a socket of the host's, go to CMD by the first way; so do answers
    // back. Each peer has a flow of its own.
    socket::Task<> let_in(drivers::Fd bound, std::vector<InsideWay> ways);

private:
    using Key = std::pair<wire::Endpoint, wire::Endpoint>;  // CMD's, and where it sent to
    struct Flow;

    static bool on_packet(void* self, Instant now, const wire::IpPacket& packet,
                          const device::Offload& offload);
    bool take(Instant now, const wire::IpPacket& packet, bool verified);
    std::shared_ptr<Flow> open(Instant now, const Key& key);
    std::shared_ptr<Flow> open_inwards(int bound, const wire::Endpoint& peer, const InsideWay& way);
    void add(const std::shared_ptr<Flow>& flow);
    socket::Task<> answers(std::shared_ptr<Flow> flow);
    bool may_ask(Flow& flow, Bytes query);
    bool may_hear(Flow& flow, Bytes reply);
    void answer(const Key& key, Bytes payload);
    void answer_in_fragments(const Key& key, Bytes payload);
    void answer_refused(const Key& key);
    void end(Flow& flow);
    void sweep();

    runtime::Reactor& reactor_;
    Gate& gate_;
    std::uint32_t next_id_ = 1;  // of fragmented answers
    std::map<Key, std::shared_ptr<Flow>> flows_;
};

}  // namespace estab::cli
