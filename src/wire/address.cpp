#include "wire/address.hpp"

#include <algorithm>

namespace estab::wire {
namespace {

int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

// A number of 1 to `digits_max` digits and nothing else. No leading zeros in base 10: they read as
// octal elsewhere.
std::optional<std::uint32_t> number(std::string_view text, int base, std::size_t digits_max) {
    if (text.empty() || text.size() > digits_max) return std::nullopt;
    if (base == 10 && text.size() > 1 && text[0] == '0') return std::nullopt;
    std::uint32_t value = 0;
    for (const char c : text) {
        const int digit = digit_value(c);
        if (digit >= base) return std::nullopt;
        value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
    }
    return value;
}

bool parse_v4(std::string_view text, std::uint8_t* four) {
    for (int i = 0; i < 4; ++i) {
        const std::size_t dot = i < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos) return false;
        const auto value = number(text.substr(0, dot), 10, 3);
        if (!value || *value > 255) return false;
        four[i] = static_cast<std::uint8_t>(*value);
        text.remove_prefix(std::min(dot + 1, text.size()));
    }
    return true;
}

// One side of "::": groups of hex digits, the last of which may be a dotted quad when `last_side`.
// How many octets were written, or nothing when it is not that.
std::optional<std::size_t> parse_groups(std::string_view text, std::uint8_t* to, bool last_side) {
    std::size_t written = 0;
    while (!text.empty()) {
        const std::size_t colon = std::min(text.find(':'), text.size());
        const std::string_view group = text.substr(0, colon);
        if (colon == text.size() && last_side && group.find('.') != std::string_view::npos) {
            if (written > 12 || !parse_v4(group, to + written)) return std::nullopt;
            return written + 4;
        }
        const auto value = number(group, 16, 4);
        if (!value || written > 14) return std::nullopt;
        store_be16(to + written, static_cast<std::uint16_t>(*value));
        written += 2;
        if (colon + 1 == text.size()) return std::nullopt;  // ends in a single ':'
        text.remove_prefix(std::min(colon + 1, text.size()));
    }
    return written;
}

bool parse_v6(std::string_view text, std::uint8_t* sixteen) {
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) return parse_groups(text, sixteen, true) == 16;
    std::array<std::uint8_t, 16> left{}, right{};
    const auto before = parse_groups(text.substr(0, gap), left.data(), false);
    const auto behind = parse_groups(text.substr(gap + 2), right.data(), true);
    if (!before || !behind || *before + *behind > 14)
        return false;  // "::" stands for at least one group
    std::copy_n(left.data(), *before, sixteen);
    std::fill_n(sixteen + *before, 16 - *before - *behind, std::uint8_t{0});
    std::copy_n(right.data(), *behind, sixteen + 16 - *behind);
    return true;
}

void append_hex(std::string& text, std::uint32_t value, int digits_min) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        const std::uint32_t digit = value >> shift & 15;
        if (digit == 0 && shift >= 4 * digits_min && (value >> shift) == 0) continue;
        text += "0123456789abcdef"[digit];
    }
}

std::string v4_text(const std::uint8_t* four) {
    std::string text;
    for (int i = 0; i < 4; ++i) {
        if (i != 0) text += '.';
        text += std::to_string(four[i]);
    }
    return text;
}

// RFC 5952 4: no leading zeros, lower case, the longest run of at least two zero groups as "::",
// the first one of equals.
std::string v6_text(const std::uint8_t* sixteen) {
    int best = 8, best_length = 1;
    for (int i = 0; i < 8; ++i) {
        int length = 0;
        while (i + length < 8 && load_be16(sixteen + 2 * (i + length)) == 0) ++length;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    std::string text;
    for (int i = 0; i < 8; ++i) {
        if (i == best) {
            text += "::";
            i += best_length - 1;
            continue;
        }
        if (i != 0 && text.back() != ':') text += ':';
        append_hex(text, load_be16(sixteen + 2 * i), 1);
    }
    return text;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
    Address x = v4(0, 0, 0, 0);
    if (text.find(':') == std::string_view::npos) {
        if (!parse_v4(text, x.octets_.data() + 12)) return std::nullopt;
    } else {
        if (!parse_v6(text, x.octets_.data())) return std::nullopt;
    }
    return x;
}

bool Address::is_loopback() const {
    if (is_v4()) return octets_[12] == 127;
    Address one;
    one.octets_[15] = 1;
    return *this == one;
}

bool Address::is_link_local() const {
    if (is_v4()) return octets_[12] == 169 && octets_[13] == 254;
    return octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80;
}

std::string Address::text() const {
    return is_v4() ? v4_text(octets_.data() + 12) : v6_text(octets_.data());
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto address = Address::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    const std::uint8_t length_max = address->is_v4() ? 32 : 128;
    if (slash == text.size()) return Prefix{*address, length_max};
    const auto length = number(text.substr(slash + 1), 10, 3);
    if (!length || *length > length_max) return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

bool Prefix::contains(const Address& other) const {
    if (address.is_v4() != other.is_v4()) return false;
    const std::uint8_t *ours = address.octets().data(), *theirs = other.octets().data();
    const int bits = address.is_v4() ? 96 + length : length;  // of 128
    const std::uint64_t upper = load_be64(ours) ^ load_be64(theirs);
    const std::uint64_t lower = load_be64(ours + 8) ^ load_be64(theirs + 8);
    if (bits <= 64) return bits == 0 || upper >> (64 - bits) == 0;
    return upper == 0 && lower >> (128 - bits) == 0;
}

bool Prefix::is_broadcast(const Address& other) const {
    const auto ours = broadcast();
    return ours && *ours == other;
}

std::optional<Address> Prefix::broadcast() const {
    // Prefixes of 31 bits have no broadcast address (RFC 3021), hosts neither.
    if (!address.is_v4() || length > 30) return std::nullopt;
    std::array<std::uint8_t, 4> octets;
    store_be32(octets.data(), load_be32(address.bytes().data()) | 0xffffffff >> length);
    return Address::from_v4(octets.data());
}

std::string Prefix::text() const { return address.text() + '/' + std::to_string(length); }

std::string Endpoint::text() const {
    const std::string host = address.is_v4() ? address.text() : '[' + address.text() + ']';
    return host + ':' + std::to_string(port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const auto port = number(text.substr(colon + 1), 10, 5);
    if (!port || *port > 0xffff) return std::nullopt;
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = Address::parse(host);
    if (!address || bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::optional<Mac> Mac::parse(std::string_view text) {
    Mac mac;
    for (std::size_t i = 0; i < 6; ++i) {
        const std::size_t colon = i < 5 ? text.find(':') : text.size();
        if (colon == std::string_view::npos) return std::nullopt;
        const auto value = number(text.substr(0, colon), 16, 2);
        if (!value) return std::nullopt;
        mac.octets[i] = static_cast<std::uint8_t>(*value);
        text.remove_prefix(std::min(colon + 1, text.size()));
    }
    return mac;
}

std::string Mac::text() const {
    std::string text;
    for (const std::uint8_t octet : octets) {
        if (!text.empty()) text += ':';
        append_hex(text, octet, 2);
    }
    return text;
}

bool Mac::is_broadcast() const {
    return std::all_of(octets.begin(), octets.end(), [](std::uint8_t o) { return o == 0xff; });
}

}  // namespace estab::wire
