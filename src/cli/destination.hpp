// Where on the host what CMD asks for is to be found, and what it may not have.
#pragma once

#include <optional>
#include <vector>

#include "wire/address.hpp"

namespace estab::cli {

struct OpenLoopback {
    bool host_loopback = false;
    std::vector<std::uint16_t> forwarded{};  // ports of it, even without all of it
};

class Destinations {
public:
    // `gateways`: addresses that stand for the host itself, in each family the one with a name
    // first. With `host_loopback` they are its 127.0.0.1 and ::1; without, only its resolver is
    // there (port 53) and what is forwarded.
    Destinations(std::vector<wire::Address> gateways, OpenLoopback open);

    // Where to connect to; nullopt: closed to CMD. Link-local and loopback addresses are.
    std::optional<wire::Endpoint> find(const wire::Endpoint& wanted) const;
    // The host's resolver, under the address that CMD knows.
    bool is_resolver(const wire::Endpoint& wanted) const;
    bool opens_host() const { return open_.host_loopback; }
    // What CMD's resolv.conf and hosts are to say.
    std::string resolv_conf() const;
    std::string hosts() const;

private:
    bool is_gateway(const wire::Address& address) const;

    std::vector<wire::Address> gateways_;
    OpenLoopback open_;
    wire::Address resolver_;
    std::string resolver_options_;  // search, options, … lines of the host's
};

}  // namespace estab::cli
