// What is known of an option of DHCP or BOOTP. RFC 2132.
#pragma once

#include <cstdint>
#include <string_view>

namespace estab::observe::dump {

struct DhcpOption {
    enum class Form : std::uint8_t {
        addresses,
        pairs,         // of addresses
        longs,
        signed_longs,
        shorts,
        octets,
        flags,
        text,
        node,          // RFC 1001's, of NetBIOS
        overload,      // which fields of the header hold options too
        message,
        requested,     // the codes of other options
        client,        // a kind of hardware and its address
        classes,       // RFC 3004
        fqdn,          // RFC 4702
        agent,         // what a relay added, RFC 3046
        routes,        // RFC 3442
    };
    std::uint8_t code;
    Form form;
    std::string_view name;
};
const DhcpOption* dhcp_option(std::uint8_t code);  // nullptr: not known

}  // namespace estab::observe::dump
