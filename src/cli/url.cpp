#include "cli/url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "cli/console.hpp"

namespace estab::cli {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
    throw std::runtime_error(fmt::format("{}: {}", printable(text), why));
}

bool is_scheme(std::string_view text) {
    for (const char c : text)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '.' || c == '-'))
            return false;
    return !text.empty();
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// What may not stand in a request line is written as %XX; a fragment stays here.
std::string as_target(std::string_view text) {
    text = text.substr(0, text.find('#'));
    std::string out = text.starts_with('/') ? "" : "/";
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet <= 0x20 || octet >= 0x7f)
            out += fmt::format("%{:02X}", octet);
        else
            out += c;
    }
    return out;
}

std::optional<unsigned> hex_value(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return {};
}

std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto high = i + 2 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
        const auto low = i + 2 < text.size() ? hex_value(text[i + 2]) : std::nullopt;
        if (text[i] == '%' && high && low) {
            out += static_cast<char>(*high * 16 + *low);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

// RFC 3986 5.2.4: without "." and "..".
std::string without_dots(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t end = path.find('/', 1);
        const std::string_view part = path.substr(0, end);
        path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
        if (part == "/.." || part == "/.") {
            if (part == "/..") out.erase(std::min(out.size(), out.rfind('/')));
            if (path.empty()) out += '/';
        } else {
            out += part;
        }
    }
    return out.empty() ? "/" : out;
}

}  // namespace

Url Url::parse(std::string_view text) {
    std::string_view rest = text;
    if (const std::size_t at = rest.find("://");
        at != std::string_view::npos && is_scheme(rest.substr(0, at))) {
        const std::string scheme = lower(rest.substr(0, at));
        if (scheme == "https") refuse(text, "https is not spoken here, only http");
        if (scheme != "http")
            refuse(text, fmt::format("{} is not spoken here, only http", printable(scheme)));
        rest.remove_prefix(at + 3);
    }
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view authority = rest.substr(0, end);
    Url url;
    url.target = as_target(rest.substr(end));
    if (authority.find('@') != std::string_view::npos)
        refuse(text, "user names in URLs are not supported");
    std::string_view port;
    if (authority.starts_with('[')) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) refuse(text, "not a URL: ] is missing");
        url.host = authority.substr(1, close - 1);
        port = authority.substr(close + 1);
    } else {
        const std::size_t colon = std::min(authority.find(':'), authority.size());
        url.host = authority.substr(0, colon);
        port = authority.substr(colon);
    }
    if (url.host.empty() || as_target(url.host) != "/" + url.host)
        refuse(text, "not a URL: no host");
    if (port.empty() || port == ":") return url;
    const auto parsed = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    if (port[0] != ':' || parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() ||
        url.port == 0)
        refuse(text, "not a URL: the port is not one of 1 to 65535");
    return url;
}

Url Url::resolve(std::string_view reference) const {
    if (const std::size_t at = reference.find(':'); at != std::string_view::npos &&
                                                    at < reference.find_first_of("/?#") &&
                                                    is_scheme(reference.substr(0, at)))
        return parse(reference);
    if (reference.starts_with("//")) return parse(fmt::format("http:{}", reference));
    Url url = *this;
    const std::string_view path = std::string_view(target).substr(0, target.find('?'));
    const std::size_t query = std::min(reference.find_first_of("?#"), reference.size());
    std::string there;
    if (query == 0)
        there = path;
    else if (reference.starts_with('/'))
        there = reference.substr(0, query);
    else
        there = std::string(path.substr(0, path.rfind('/') + 1)) +
                std::string(reference.substr(0, query));
    url.target = as_target(without_dots(there) + std::string(reference.substr(query)));
    return url;
}

std::string Url::authority() const {
    std::string out = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
    if (port != 80) out += fmt::format(":{}", port);
    return out;
}

std::string Url::text() const { return fmt::format("http://{}{}", authority(), target); }

std::string Url::file_name() const {
    const std::string_view path = std::string_view(target).substr(0, target.find('?'));
    const std::string name = decoded(path.substr(path.rfind('/') + 1));
    if (name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos)
        return {};
    return name;
}

}  // namespace estab::cli
