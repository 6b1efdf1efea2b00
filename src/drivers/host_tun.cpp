#include "drivers/host_tun.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <functional>

#include "base/check.hpp"
#include "drivers/netlink.hpp"

namespace estab::drivers {
namespace {

struct State {
    bool is_up = false;
    std::vector<wire::Address> addresses;
};

State state_of(const std::string& name) {
    State state;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return state;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (name != entry->ifa_name) continue;
        state.is_up = (entry->ifa_flags & IFF_UP) != 0;
        const sockaddr* address = entry->ifa_addr;
        if (address == nullptr) continue;
        if (address->sa_family == AF_INET) {
            const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
            state.addresses.push_back(
                wire::Address::from_v4(reinterpret_cast<const std::uint8_t*>(&v4->sin_addr)));
        } else if (address->sa_family == AF_INET6) {
            const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
            state.addresses.push_back(wire::Address::from_v6(v6->sin6_addr.s6_addr));
        }
    }
    ::freeifaddrs(list);
    return state;
}

bool is_on_link(const wire::Address& address, const std::vector<wire::Prefix>& prefixes) {
    return std::ranges::any_of(prefixes,
                               [&](const wire::Prefix& p) { return p.contains(address); });
}

}  // namespace

TunDevice open_host_tun(const HostTunOptions& options) {
    HostTunOptions one = options;
    one.queues = 1;
    return std::move(open_host_tun_queues(one).front());
}

std::vector<TunDevice> open_host_tun_queues(const HostTunOptions& options) {
    CHECK(options.queues != 0);
    std::vector<TunDevice> queues = TunDevice::open_queues(
        {.path = options.path, .name = options.name, .tap = options.tap}, options.queues);
    const std::string& name = queues.front().name();
    const State state = state_of(name);
    Netlink netlink;
    if (options.mtu != 0 && options.mtu != queues.front().caps().mtu) {
        netlink.set_mtu(name, options.mtu);
        for (TunDevice& queue : queues) queue.set_mtu(options.mtu);
    }
    for (const wire::Prefix& prefix : options.host)
        if (std::ranges::find(state.addresses, prefix.address) == state.addresses.end())
            netlink.add_address(name, prefix);
    if (!state.is_up) netlink.set_up(name);
    for (const wire::Prefix& prefix : options.own) {
        if (is_on_link(prefix.address, options.host)) continue;
        const std::uint8_t whole = prefix.address.is_v4() ? 32 : 128;
        netlink.add_route(name, {prefix.address, whole});
    }
    return queues;
}

}  // namespace estab::drivers
