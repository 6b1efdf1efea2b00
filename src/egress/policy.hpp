// Who may be reached: rules, the names that DNS has given to addresses, and what a connection says
// of itself. Decides; touches nothing.
//
// A name holds for the addresses that DNS answered for it (they are pinned), and since many names
// share an address, TLS and HTTP must also ask for an allowed name: see check_greeting.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "egress/dns.hpp"
#include "egress/greeting.hpp"
#include "egress/rule.hpp"
#include "wire/address.hpp"

namespace estab::egress {

enum class Transport : std::uint8_t { tcp, udp, icmp };
const char* to_string(Transport);

struct Decision {
    bool allowed = true;
    bool check_greeting = false;  // first hear the first octets, then ask on_greeting()
    std::string why;              // "allow api.example.com:443", "nothing allows it"
};

struct PolicyOptions {
    std::vector<Rule> allow, deny;  // deny counts more
    bool deny_all = false;          // what nothing allows is denied
};

class Policy {
public:
    static constexpr std::size_t addresses_max = 16'384;  // pinned; beyond: not pinned
    static constexpr std::size_t names_max = 32;          // of one address; the same

    explicit Policy(PolicyOptions options = {}) : options_(std::move(options)) {}

    // Nothing is ever denied.
    bool is_open() const { return options_.deny.empty() && !options_.deny_all; }

    void pin(std::string_view name, const wire::Address& address);
    std::span<const std::string> names(const wire::Address& address) const;
    bool knows(std::string_view name) const;  // an address of it

    // port 0 with Transport::icmp: any rule for the host holds.
    Decision on_connection(Transport transport, const wire::Endpoint& to) const;
    Decision on_greeting(const wire::Endpoint& to, const Addressee& whom) const;
    // `how` says which refusal to send where it is denied.
    Decision on_query(const DnsQuestion& question, DnsRefusal& how) const;

    // A link-local host, closed by default, that a rule names itself: not one for everything.
    bool opens(const wire::Address& link_local) const;

private:
    const Rule* find(const std::vector<Rule>& rules, const wire::Endpoint& to) const;
    const Rule* find_by_name(const std::vector<Rule>& rules, const wire::Endpoint& to) const;
    bool has_name_rules(std::uint16_t port) const;

    PolicyOptions options_;
    std::map<wire::Address, std::vector<std::string>> names_;
};

}  // namespace estab::egress
