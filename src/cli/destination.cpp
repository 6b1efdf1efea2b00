#include "cli/destination.hpp"

#include <algorithm>
#include <sstream>

#include "cli/text_file.hpp"

namespace estab::cli {
namespace {

constexpr std::uint16_t dns = 53;

}  // namespace

Destinations::Destinations(std::vector<wire::Address> gateways, OpenLoopback open)
    : gateways_(std::move(gateways)),
      open_(std::move(open)),
      resolver_(wire::Address::v4(127, 0, 0, 1)) {
    std::istringstream lines(read_file("/etc/resolv.conf").value_or(""));
    bool found = false;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key, value;
        words >> key >> value;
        if (key == "nameserver") {
            const auto address = wire::Address::parse(value.substr(0, value.find('%')));
            if (address && !found) resolver_ = *address;
            found = found || address.has_value();
        } else if (key == "search" || key == "domain" || key == "options" || key == "sortlist") {
            resolver_options_ += line + "\n";
        }
    }
}

bool Destinations::is_gateway(const wire::Address& address) const {
    return std::ranges::find(gateways_, address) != gateways_.end();
}

bool Destinations::is_resolver(const wire::Endpoint& wanted) const {
    return wanted.port == dns && is_gateway(wanted.address);
}

std::optional<wire::Endpoint> Destinations::find(const wire::Endpoint& wanted) const {
    if (is_gateway(wanted.address)) {
        if (is_resolver(wanted)) return wire::Endpoint{resolver_, dns};
        if (!open_.host_loopback &&
            std::ranges::find(open_.forwarded, wanted.port) == open_.forwarded.end())
            return std::nullopt;
        const wire::Address v6 = *wire::Address::parse("::1");
        return wire::Endpoint{
            wanted.address.is_v4() ? wire::Address::v4(127, 0, 0, 1) : v6, wanted.port};
    }
    static const wire::Prefix local4 = *wire::Prefix::parse("169.254.0.0/16");
    static const wire::Prefix local6 = *wire::Prefix::parse("fe80::/10");
    static const wire::Prefix this_host = *wire::Prefix::parse("0.0.0.0/8");
    const wire::Address& a = wanted.address;
    const bool closed = a.is_loopback() || a.is_unspecified() || a.is_multicast() ||
                        local4.contains(a) || local6.contains(a) || this_host.contains(a);
    return closed ? std::nullopt : std::optional(wanted);
}

std::string Destinations::resolv_conf() const {
    return "nameserver " + gateways_.front().text() + "\n" + resolver_options_;
}

std::string Destinations::hosts() const {
    std::string text = read_file("/etc/hosts").value_or("");
    if (!text.empty() && text.back() != '\n') text += '\n';
    if (!open_.host_loopback) return text;
    for (const bool v4 : {true, false}) {
        const auto first = std::ranges::find(gateways_, v4, &wire::Address::is_v4);
        if (first != gateways_.end()) text += first->text() + " host.estab\n";
    }
    return text;
}

}  // namespace estab::cli
