// One rule of who may be reached: HOST[:PORT[-PORT]], where HOST is a name (*.name: all below
// it), an address, a network or *; an IPv6 one with a port stands in [].
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "wire/address.hpp"

namespace estab::egress {

inline constexpr std::size_t name_max = 253;  // RFC 1035 2.3.4, without the last dot

// As names are compared: small letters, no dot at the end. Empty: not a name (RFC 1123 2.1, and
// underscores as they are met).
std::string normal_name(std::string_view name);

class Rule {
public:
    static std::expected<Rule, std::string> parse(std::string_view text);

    bool is_by_name() const { return std::holds_alternative<Name>(host_); }
    // The one name that it is about; empty: none, or all below one.
    std::string_view exact_name() const {
        const Name* const name = std::get_if<Name>(&host_);
        return name == nullptr || name->below ? std::string_view() : name->name;
    }
    bool has_port(std::uint16_t port) const { return port >= first_ && port <= last_; }
    bool has_name(std::string_view name) const;              // a normal one
    bool has_address(const wire::Address& address) const;    // never, by name
    std::optional<wire::Prefix> prefix() const;              // of a rule by address
    const std::string& text() const { return text_; }

private:
    struct Anything {};
    struct Name {
        std::string name;
        bool below = false;  // names that end in it; not itself
    };
    std::variant<Anything, Name, wire::Prefix> host_;
    std::uint16_t first_ = 0, last_ = 65'535;
    std::string text_;
};

}  // namespace estab::egress
