// The way out for CMD: where on the host's network what it asks for is, whether the rules let it
// there, and the record of every such decision (docs/formats/egress.md).
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/time.hpp"
#include "cli/destination.hpp"
#include "drivers/system.hpp"
#include "egress/policy.hpp"

namespace estab::cli {

struct Traffic {
    Duration lasted{};
    std::uint64_t up = 0, down = 0;  // octets; up: from CMD
};

class Gate {
public:
    // `log`: a file, empty for none. Throws SystemError when it cannot be written.
    Gate(const Destinations& destinations, egress::PolicyOptions rules, const std::string& log);

    struct Way {
        std::optional<wire::Endpoint> there;  // nullopt: closed
        egress::Decision decision;
        bool is_dns = false;  // the host's resolver: queries are looked at one by one
    };
    Way find(egress::Transport transport, const wire::Endpoint& wanted) const;

    egress::Policy& policy() { return policy_; }
    bool looks_at_dns() const { return remembers_names_ || log_ || !policy_.is_open(); }
    // Names are asked for by somebody at the end, even if nothing is decided or logged by them.
    void remember_names() { remembers_names_ = true; }
    std::span<const std::string> names(const wire::Address& address) const {
        return policy_.names(address);
    }
    std::uint64_t denied() const { return denied_; }  // connections and queries

    // One connection (UDP: one pair of endpoints) that was denied, or is over.
    void record(egress::Transport transport, const wire::Endpoint& from,
                const wire::Endpoint& wanted, const egress::Decision& decision,
                const Traffic& traffic = {});
    void record_query(const egress::DnsQuestion& question, const egress::Decision& decision);

private:
    void write(const std::string& line);

    const Destinations& destinations_;
    egress::Policy policy_;
    drivers::Fd log_;
    bool remembers_names_ = false;
    std::uint64_t denied_ = 0;
};

}  // namespace estab::cli
