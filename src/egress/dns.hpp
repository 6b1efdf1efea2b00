// As much of DNS as a gate needs: what a query asks, what an answer pins, and how to refuse
// (RFC 1035, RFC 6891).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "wire/address.hpp"

namespace estab::egress {

inline constexpr std::uint16_t dns_port = 53;

enum class QueryType : std::uint16_t {
    a = 1,
    cname = 5,
    ptr = 12,
    txt = 16,
    aaaa = 28,
    https = 65,
};

// Exactly one question: more are not asked in practice, and could hide one behind another.
struct DnsQuestion {
    std::uint16_t id = 0;
    std::string name;    // normal; empty: the root, or no host's name
    std::uint16_t type = 0;
    std::uint16_t dns_class = 1;
    std::size_t end = 0;  // octets of header and question
};

std::optional<DnsQuestion> parse_dns_query(Bytes message);

// The addresses that the answer to `question` gives for its name, aliases followed. Empty where it
// is not the answer to it, malformed or without any.
std::vector<wire::Address> dns_addresses(const DnsQuestion& question, Bytes answer);

enum class DnsRefusal : std::uint8_t {
    refused = 5,   // RCODE 5: not to be asked here
    no_data = 0,   // the name may be asked about, but not so
};
std::vector<std::uint8_t> refuse_dns(const DnsQuestion& question, Bytes query, DnsRefusal how);

}  // namespace estab::egress
