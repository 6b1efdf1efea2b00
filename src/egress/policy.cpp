#include "egress/policy.hpp"

#include <algorithm>

namespace estab::egress {
namespace {

constexpr std::uint16_t quic_port = 443;

bool holds(const Rule& rule, std::uint16_t port) { return port == 0 || rule.has_port(port); }

Decision denied(std::string why) { return {.allowed = false, .why = std::move(why)}; }
Decision denied_by(const Rule& rule) { return denied("deny " + rule.text()); }
Decision nothing_allows() { return denied("nothing allows it"); }

}  // namespace

const char* to_string(Transport transport) {
    switch (transport) {
    case Transport::tcp: return "tcp";
    case Transport::udp: return "udp";
    case Transport::icmp: return "icmp";
    }
    return "tcp";
}

void Policy::pin(std::string_view name, const wire::Address& address) {
    const std::string normal = normal_name(name);
    if (normal.empty()) return;
    auto found = names_.find(address);
    if (found == names_.end()) {
        if (names_.size() >= addresses_max) return;
        found = names_.try_emplace(address).first;
    }
    std::vector<std::string>& names = found->second;
    if (names.size() < names_max && std::ranges::find(names, normal) == names.end())
        names.push_back(normal);
}

std::span<const std::string> Policy::names(const wire::Address& address) const {
    const auto found = names_.find(address);
    return found == names_.end() ? std::span<const std::string>() : found->second;
}

bool Policy::knows(std::string_view name) const {
    return std::ranges::any_of(names_, [&](const auto& entry) {
        return std::ranges::find(entry.second, name) != entry.second.end();
    });
}

const Rule* Policy::find(const std::vector<Rule>& rules, const wire::Endpoint& to) const {
    const auto matches = [&](const Rule& rule) {
        return holds(rule, to.port) && rule.has_address(to.address);
    };
    const auto found = std::ranges::find_if(rules, matches);
    return found == rules.end() ? nullptr : &*found;
}

const Rule* Policy::find_by_name(const std::vector<Rule>& rules, const wire::Endpoint& to) const {
    const auto matches = [&](const Rule& rule) {
        return rule.is_by_name() && holds(rule, to.port) &&
               std::ranges::any_of(names(to.address),
                                   [&](const std::string& name) { return rule.has_name(name); });
    };
    const auto found = std::ranges::find_if(rules, matches);
    return found == rules.end() ? nullptr : &*found;
}

bool Policy::has_name_rules(std::uint16_t port) const {
    return std::ranges::any_of(options_.deny, [port](const Rule& rule) {
        return rule.is_by_name() && holds(rule, port);
    });
}

Decision Policy::on_connection(Transport transport, const wire::Endpoint& to) const {
    if (const Rule* rule = find(options_.deny, to)) return denied_by(*rule);
    // A denied name may share its address with others: only where it is alone that says enough.
    const Rule* by_name = find_by_name(options_.deny, to);
    if (by_name != nullptr && (names(to.address).size() == 1 || transport != Transport::tcp))
        return denied_by(*by_name);
    const bool check = transport == Transport::tcp && has_name_rules(to.port);
    if (const Rule* rule = find(options_.allow, to))
        return {.check_greeting = check, .why = "allow " + rule->text()};
    if (!options_.deny_all) return {.check_greeting = check, .why = "nothing denies it"};
    const Rule* rule = find_by_name(options_.allow, to);
    if (rule == nullptr) return nothing_allows();
    if (transport == Transport::udp && to.port == quic_port)
        return denied("QUIC hides whom it asks for");
    return {.check_greeting = transport == Transport::tcp, .why = "allow " + rule->text()};
}

Decision Policy::on_greeting(const wire::Endpoint& to, const Addressee& whom) const {
    const bool by_address = find(options_.allow, to) != nullptr;
    switch (whom.greeting) {
    case Greeting::incomplete: return {.check_greeting = true, .why = {}};
    case Greeting::other: return {.why = "neither TLS nor HTTP"};
    case Greeting::nameless:
        if (!options_.deny_all || by_address) return {.why = "it names nobody"};
        return denied("it names nobody");
    case Greeting::named: break;
    }
    const auto literal = wire::Address::parse(whom.name);
    const auto matches = [&](const Rule& rule) {
        return holds(rule, to.port) &&
               (literal ? rule.has_address(*literal) : rule.has_name(whom.name));
    };
    if (const auto rule = std::ranges::find_if(options_.deny, matches); rule != options_.deny.end())
        return denied_by(*rule);
    if (!options_.deny_all || by_address) return {.why = "it asks for " + whom.name};
    if (const auto rule = std::ranges::find_if(options_.allow, matches);
        rule != options_.allow.end())
        return {.why = "allow " + rule->text()};
    return denied("it asks for " + whom.name);
}

Decision Policy::on_query(const DnsQuestion& question, DnsRefusal& how) const {
    how = DnsRefusal::refused;
    if (is_open()) return {.why = "no rules"};
    const auto has_name = [&](const Rule& rule) { return rule.has_name(question.name); };
    // The name as such is denied where all of its ports are.
    const auto denies = [&](const Rule& rule) {
        return has_name(rule) && rule.has_port(0) && rule.has_port(65'535);
    };
    const auto deny = std::ranges::find_if(options_.deny, denies);
    if (deny != options_.deny.end()) return denied_by(*deny);
    if (!options_.deny_all) return {.why = "nothing denies it"};
    const auto allow = std::ranges::find_if(options_.allow, has_name);
    if (question.name.empty() || allow == options_.allow.end()) return nothing_allows();
    const auto type = static_cast<QueryType>(question.type);
    if (type != QueryType::a && type != QueryType::aaaa) {
        how = DnsRefusal::no_data;
        return denied("only addresses are asked for");
    }
    return {.why = "allow " + allow->text()};
}

bool Policy::opens(const wire::Address& address) const {
    return std::ranges::any_of(options_.allow, [&](const Rule& rule) {
        const auto prefix = rule.prefix();
        return prefix && prefix->address.is_link_local() && prefix->contains(address) &&
               prefix->length >= (address.is_v4() ? 16 : 10);
    });
}

}  // namespace estab::egress
