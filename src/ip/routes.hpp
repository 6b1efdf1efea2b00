// Which addresses are ours, where a packet goes next, and from which address we speak. Small
// vectors, read often and changed rarely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "wire/address.hpp"

namespace estab::ip {

struct Route {
    wire::Prefix destination;               // 0.0.0.0/0 or ::/0: the default
    std::optional<wire::Address> gateway;   // none: the destination is on the link
    std::optional<wire::Address> source;    // preferred, among ours
    std::uint32_t mtu = 0;                  // bytes of an IP packet; 0: the link's
};

// What find() answers.
struct Hop {
    wire::Address next;                     // whom to ask for on the link
    std::optional<wire::Address> source;
    std::uint32_t mtu = 0;                  // 0: the link's
};

class Routes {
public:
    // Of each kind. Policy when full: Error::no_memory.
    static constexpr std::size_t entries_max = 256;

    // "10.77.0.2/24": an address of ours, and a link on which its network is. invalid_argument for
    // one that cannot be a host's; address_in_use when it is ours already.
    Result<void> add_address(const wire::Prefix& address);
    // Every address in `prefix` counts as ours: accept-any. It is nobody's source by default.
    Result<void> accept(const wire::Prefix& prefix);
    // Replaces a route to the same prefix. invalid_argument when the families differ.
    Result<void> add(const Route& route);
    bool remove(const wire::Prefix& destination);

    bool is_local(const wire::Address& address) const;    // packets to it are for us
    bool is_own(const wire::Address& address) const {     // one of the addresses, not just accepted
        const std::size_t mask = own_.size() - 1;
        for (std::size_t at = address.fingerprint() & mask; own_[at] != none; at = (at + 1) & mask)
            if (addresses_[own_[at]].address == address) return true;
        return false;
    }
    // 255.255.255.255, or all ones behind the prefix of a link of ours (RFC 1122 3.2.1.3).
    bool is_broadcast(const wire::Address& address) const;
    // Neither broadcast nor multicast nor unspecified: may be a source, may be answered.
    // RFC 1122 3.2.2.
    bool is_unicast(const wire::Address& address) const;

    // By the longest prefix that matches (RFC 1122 3.3.1, RFC 1812 5.2.4.3).
    std::optional<Hop> find(const wire::Address& destination) const;
    // nullptr: none. For use at once.
    const Route* route_to(const wire::Address& destination) const {
        for (const Route& route : routes_)
            if (route.destination.contains(destination)) return &route;
        return nullptr;
    }

    // The address to speak from to `destination`: its own if it is ours, the route's, that on the
    // link of the next hop, else of the right scope and with the longest common prefix (RFC 6724 5,
    // rules 1, 2 and 8). Nothing if there is no address of that family or no route.
    std::optional<wire::Address> source_for(const wire::Address& destination) const;

    const std::vector<wire::Prefix>& addresses() const { return addresses_; }
    const std::vector<wire::Prefix>& accepted() const { return accepted_; }
    const std::vector<Route>& routes() const { return routes_; }

private:
    void index_own();

    std::vector<wire::Prefix> addresses_;
    // Every packet asks for some: a hash table of indices of addresses_, and the directed
    // broadcasts of their links, each once.
    static constexpr std::uint16_t none = 0xffff;
    std::vector<std::uint16_t> own_ = std::vector<std::uint16_t>(8, none);
    std::vector<wire::Address> broadcasts_;
    std::vector<wire::Prefix> accepted_;
    std::vector<Route> routes_;  // the longest prefixes first
};

}  // namespace estab::ip
