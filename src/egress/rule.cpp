#include "egress/rule.hpp"

#include <algorithm>
#include <charconv>

namespace estab::egress {
namespace {

constexpr std::size_t label_max = 63;

std::unexpected<std::string> trouble(std::string_view text, const char* what) {
    return std::unexpected("'" + std::string(text) + "': " + what);
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// 10.0.0.1 and 0x7f.1 are ways to write addresses, not names: the last label is not a number.
bool looks_like_an_address(std::string_view name) {
    const char first = name[name.rfind('.') + 1];  // npos + 1 is 0
    return first >= '0' && first <= '9';
}

bool parse_port(std::string_view text, std::uint16_t& port) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

struct Parts {
    std::string_view host, ports;
};

// Where the port begins: behind ], else behind the only colon.
Parts split(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return {};
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest.front() != ':' && rest.front() != '/') return {};
        // [::1]/64 is not taken: the length belongs inside.
        if (rest.starts_with('/')) return {};
        return {text.substr(1, close - 1), rest.empty() ? rest : rest.substr(1)};
    }
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
        return {text, {}};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

std::string normal_name(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.size() > name_max) return {};
    std::string normal;
    std::size_t label = 0;
    for (char c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const bool is_dot = c == '.';
        if (is_dot ? label == 0 : !is_name_character(c)) return {};
        label = is_dot ? 0 : label + 1;
        if (label > label_max) return {};
        normal += c;
    }
    return label == 0 ? std::string() : normal;
}

std::expected<Rule, std::string> Rule::parse(std::string_view text) {
    const Parts parts = split(text);
    if (parts.host.empty()) return trouble(text, "no host; example: api.example.com:443");
    Rule rule;
    rule.text_ = text;
    const bool has_port_mark = parts.ports.data() != nullptr;
    if (has_port_mark) {
        const std::size_t dash = parts.ports.find('-');
        const std::string_view last =
            dash == std::string_view::npos ? parts.ports : parts.ports.substr(dash + 1);
        if (!parse_port(parts.ports.substr(0, dash), rule.first_) ||
            !parse_port(last, rule.last_) || rule.first_ > rule.last_)
            return trouble(text, "the port is not a number up to 65535, or two with a - between");
    }
    if (parts.host == "*") return rule;
    if (const auto prefix = wire::Prefix::parse(parts.host)) {
        rule.host_ = *prefix;
        return rule;
    }
    const bool below = parts.host.starts_with("*.");
    const std::string name = normal_name(below ? parts.host.substr(2) : parts.host);
    if (name.empty() || looks_like_an_address(name))
        return trouble(text, "the host is not a name, an address, a network or *");
    rule.host_ = Name{name, below};
    return rule;
}

bool Rule::has_name(std::string_view name) const {
    const Name* own = std::get_if<Name>(&host_);
    if (own == nullptr) return std::holds_alternative<Anything>(host_);
    if (!own->below) return name == own->name;
    return name.size() > own->name.size() + 1 && name.ends_with(own->name) &&
           name[name.size() - own->name.size() - 1] == '.';
}

std::optional<wire::Prefix> Rule::prefix() const {
    const wire::Prefix* prefix = std::get_if<wire::Prefix>(&host_);
    return prefix == nullptr ? std::nullopt : std::optional(*prefix);
}

bool Rule::has_address(const wire::Address& address) const {
    if (const wire::Prefix* prefix = std::get_if<wire::Prefix>(&host_))
        return prefix->contains(address);
    return std::holds_alternative<Anything>(host_);
}

}  // namespace estab::egress
