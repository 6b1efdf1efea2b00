// The few rtnetlink requests that set up a link: make it, move it, number it, route over it. Every
// function works in the network namespace in which the Netlink was made, waits for the kernel's
// answer and throws SystemError with a sentence.
#pragma once

#include <cstdint>
#include <string>

#include "drivers/system.hpp"
#include "wire/address.hpp"

namespace estab::drivers {

class Netlink {
public:
    Netlink();

    struct VethPair {
        std::string name;
        std::string peer;
        int peer_namespace = -1;  // a descriptor of where the peer is to be; -1: here
    };
    void create_veth(const VethPair& pair);
    void remove_link(const std::string& name);
    void set_up(const std::string& name);
    void set_mtu(const std::string& name, std::uint32_t mtu);
    void set_mac(const std::string& name, const wire::Mac& mac);
    // Before set_up: no fe80:: address, so nothing waits for duplicate detection and nothing is
    // sent.
    void no_link_local(const std::string& name);

    // prefix.address is the interface's own address. IPv6 is usable at once (no duplicate
    // detection). An address that is already there is not an error.
    void add_address(const std::string& name, const wire::Prefix& prefix);
    void add_route(const std::string& name, const wire::Prefix& destination);
    // 0.0.0.0/0 or ::/0 through a gateway that is taken to be on the link.
    void add_default_route(const std::string& name, const wire::Address& gateway);

private:
    class Request;
    std::uint32_t index_of(const std::string& name, const std::string& purpose);
    void transact(Request& request, const std::string& purpose, int ignored_error = 0);

    Fd socket_;
    std::uint32_t sequence_ = 0;
};

}  // namespace estab::drivers
