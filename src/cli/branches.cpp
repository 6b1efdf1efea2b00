#include "cli/branches.hpp"

#include <algorithm>

#include "wire/ip.hpp"

namespace estab::cli {
namespace {

// 0: neither TCP nor UDP, or a later fragment, which only rules without a port hold for.
std::uint16_t port_of(const wire::IpPacket& packet, bool arrives) {
    const bool has_ports = packet.protocol == wire::protocol_tcp ||
                           packet.protocol == wire::protocol_udp;
    const bool is_later = packet.fragment && packet.fragment->offset != 0;
    if (!has_ports || is_later || packet.payload.size() < 4) return 0;
    const Bytes at = packet.payload.subspan(arrives ? 2 : 0);
    return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}

}  // namespace

// What arrives is CMD's, and on its way to the host in question.
std::size_t Branches::branch_of(Bytes packet, bool arrives) const {
    const auto ip = wire::IpPacket::parse(packet);
    if (!ip) return 0;
    const wire::Address& host = arrives ? ip->destination : ip->source;
    const std::uint16_t port = port_of(*ip, arrives);
    const auto goes_there = [&](const PathOptions::Branch& branch) {
        if (!branch.to.has_port(port)) return false;
        if (branch.to.has_address(host)) return true;
        return branch.to.is_by_name() && policy_ != nullptr &&
               std::ranges::any_of(policy_->names(host), [&](const std::string& name) {
                   return branch.to.has_name(name);
               });
    };
    const auto found = std::ranges::find_if(branches_, goes_there);
    return found == branches_.end() ? 0
                                    : static_cast<std::size_t>(found - branches_.begin()) + 1;
}

}  // namespace estab::cli
