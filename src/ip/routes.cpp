#include "ip/routes.hpp"

#include <algorithm>
#include <bit>

namespace estab::ip {
namespace {

bool same_network(const wire::Prefix& a, const wire::Prefix& b) {
    return a.length == b.length && a.contains(b.address);
}

// How many bits of the prefix are those of `other` too; both of one family.
int matching_bits(const wire::Prefix& prefix, const wire::Address& other) {
    const Bytes ours = prefix.address.bytes(), theirs = other.bytes();
    int bits = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        const auto differing = static_cast<std::uint8_t>(ours[i] ^ theirs[i]);
        bits += std::countl_zero(differing);
        if (differing != 0) break;
    }
    return std::min<int>(bits, prefix.length);
}

// RFC 6724 3.1, as far as hosts differ by it: loopback and link-local addresses mean nothing
// elsewhere.
int scope(const wire::Address& address) {
    if (address.is_loopback()) return 0;
    if (address.is_link_local()) return 1;
    if (address.is_v6() && address.is_multicast()) return (address.octets()[1] & 15) <= 2 ? 1 : 2;
    return 2;
}

// Is `a` a better source for `destination` than `b`? RFC 6724 5.
bool is_better(const wire::Prefix& a, const wire::Prefix& b, const wire::Address& destination) {
    const int wanted = scope(destination), sa = scope(a.address), sb = scope(b.address);
    if (sa != sb) return sa < sb ? sa >= wanted : sb < wanted;             // rule 2
    return matching_bits(a, destination) > matching_bits(b, destination);  // rule 8
}

}  // namespace

Result<void> Routes::add_address(const wire::Prefix& address) {
    if (!is_unicast(address.address) || address.is_broadcast(address.address)) {
        return fail(Error::invalid_argument);
    }
    if (is_own(address.address)) return fail(Error::address_in_use);
    if (addresses_.size() == entries_max) return fail(Error::no_memory);
    // A second address on a link leaves the route, and the first as its source, alone.
    if (!std::ranges::any_of(
            routes_, [&](const Route& r) { return same_network(r.destination, address); })) {
        const auto added = add({.destination = address, .gateway = {}, .source = address.address});
        if (!added) return added;
    }
    addresses_.push_back(address);
    index_own();
    return {};
}

// Most places are empty, so that most addresses of others are found out at the first look. Only we
// choose what is in it: it needs no key.
void Routes::index_own() {
    own_.assign(std::bit_ceil(addresses_.size() * 8), none);
    broadcasts_.clear();
    for (std::size_t i = 0; i < addresses_.size(); ++i) {
        std::size_t at = addresses_[i].address.fingerprint() % own_.size();
        while (own_[at] != none) at = (at + 1) % own_.size();
        own_[at] = static_cast<std::uint16_t>(i);
        const auto broadcast = addresses_[i].broadcast();
        if (broadcast && std::ranges::find(broadcasts_, *broadcast) == broadcasts_.end())
            broadcasts_.push_back(*broadcast);
    }
}

Result<void> Routes::accept(const wire::Prefix& prefix) {
    if (accepted_.size() == entries_max) return fail(Error::no_memory);
    accepted_.push_back(prefix);
    return {};
}

Result<void> Routes::add(const Route& route) {
    const bool v4 = route.destination.address.is_v4();
    if (route.gateway && (route.gateway->is_v4() != v4 || !is_unicast(*route.gateway))) {
        return fail(Error::invalid_argument);
    }
    if (route.source && route.source->is_v4() != v4) return fail(Error::invalid_argument);
    for (Route& known : routes_) {
        if (!same_network(known.destination, route.destination)) continue;
        known = route;
        return {};
    }
    if (routes_.size() == entries_max) return fail(Error::no_memory);
    const auto place = std::find_if(routes_.begin(), routes_.end(), [&](const Route& known) {
        return known.destination.length < route.destination.length;
    });
    routes_.insert(place, route);
    return {};
}

bool Routes::remove(const wire::Prefix& destination) {
    return std::erase_if(routes_, [&](const Route& route) {
               return same_network(route.destination, destination);
           }) != 0;
}

bool Routes::is_local(const wire::Address& address) const {
    if (is_own(address)) return true;
    return std::ranges::any_of(accepted_,
                               [&](const wire::Prefix& p) { return p.contains(address); }) &&
           is_unicast(address);
}

bool Routes::is_broadcast(const wire::Address& address) const {
    if (address.is_broadcast()) return true;
    return std::ranges::find(broadcasts_, address) != broadcasts_.end();
}

bool Routes::is_unicast(const wire::Address& address) const {
    return !address.is_multicast() && !address.is_unspecified() && !is_broadcast(address);
}

std::optional<Hop> Routes::find(const wire::Address& destination) const {
    const Route* route = route_to(destination);
    if (route == nullptr) return std::nullopt;
    return Hop{
        .next = route->gateway.value_or(destination), .source = route->source, .mtu = route->mtu};
}

std::optional<wire::Address> Routes::source_for(const wire::Address& destination) const {
    if (is_own(destination)) return destination;  // RFC 6724 5, rule 1
    const auto hop = find(destination);
    if (!hop) return std::nullopt;
    if (hop->source) return hop->source;
    const wire::Prefix* best = nullptr;
    for (const wire::Prefix& own : addresses_) {
        if (own.address.is_v4() != destination.is_v4()) continue;
        // The address on the gateway's link: the answer comes back the same way (RFC 1122 3.3.4.3).
        if (hop->next != destination && own.contains(hop->next) &&
            scope(own.address) >= scope(destination)) {
            return own.address;
        }
        if (best == nullptr || is_better(own, *best, destination)) best = &own;
    }
    if (best == nullptr) return std::nullopt;
    return best->address;
}

}  // namespace estab::ip
