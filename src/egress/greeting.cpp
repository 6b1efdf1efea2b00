#include "egress/greeting.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "egress/rule.hpp"
#include "wire/address.hpp"

namespace estab::egress {
namespace {

constexpr std::uint8_t handshake_record = 22, client_hello = 1;
constexpr std::uint16_t server_name = 0;

// Octets of a structure with lengths in front; reads beyond the end make it empty and failed.
class Cursor {
public:
    explicit Cursor(Bytes octets) : octets_(octets) {}
    std::size_t number(std::size_t width) {
        std::size_t value = 0;
        for (const std::uint8_t octet : take(width)) value = value << 8 | octet;
        return value;
    }
    Bytes take(std::size_t octets) {
        if (octets > octets_.size()) {
            failed_ = true;
            octets_ = {};
            return {};
        }
        const Bytes taken = octets_.first(octets);
        octets_ = octets_.subspan(octets);
        return taken;
    }
    Cursor counted(std::size_t width) { return Cursor(take(number(width))); }
    bool empty() const { return octets_.empty(); }
    bool failed() const { return failed_; }

private:
    Bytes octets_;
    bool failed_ = false;
};

Addressee nameless() { return {Greeting::nameless, {}}; }

// A name, or an address as a program may write it there.
Addressee addressed_to(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    if (const auto address = wire::Address::parse(host)) return {Greeting::named, address->text()};
    std::string name = normal_name(host);
    if (name.empty()) return nameless();
    return {Greeting::named, std::move(name)};
}

Addressee read_server_name(Cursor extension) {
    Cursor list = extension.counted(2);
    const bool is_host_name = list.number(1) == 0;
    const std::size_t length = list.number(2);
    const Bytes name = list.take(length);
    if (!is_host_name || list.failed() || name.empty() || !list.empty()) return nameless();
    return addressed_to({reinterpret_cast<const char*>(name.data()), name.size()});
}

Addressee read_client_hello(Cursor hello) {
    (void)hello.take(2 + 32);       // version, random
    (void)hello.counted(1);         // session
    (void)hello.counted(2);         // cipher suites
    (void)hello.counted(1);         // compression
    Cursor extensions = hello.counted(2);
    Addressee found = nameless();
    while (!extensions.empty() && !extensions.failed()) {
        const std::size_t type = extensions.number(2);
        Cursor extension = extensions.counted(2);
        // With ECH only the outer name is seen: browsers send a meaningless ECH to everybody.
        if (type == server_name) found = read_server_name(extension);
    }
    return extensions.failed() ? nameless() : found;
}

// The handshake message may be spread over records.
Addressee read_tls(Bytes octets) {
    std::vector<std::uint8_t> message;
    std::size_t wanted = 4;
    while (message.size() < wanted) {
        if (octets.size() < 5) return {};
        const std::size_t length = static_cast<std::size_t>(octets[3] << 8 | octets[4]);
        if (octets[0] != handshake_record || octets[1] != 3 || length == 0) return nameless();
        const Bytes part = octets.subspan(5, std::min(length, octets.size() - 5));
        message.insert(message.end(), part.begin(), part.end());
        if (message.size() >= 4)
            wanted = 4U + (static_cast<std::size_t>(message[1]) << 16 |
                           static_cast<std::size_t>(message[2] << 8 | message[3]));
        if (!message.empty() && message[0] != client_hello) return nameless();
        if (wanted > greeting_max) return nameless();
        if (part.size() < length && message.size() < wanted) return {};
        octets = octets.subspan(5 + part.size());
    }
    return read_client_hello(Cursor(Bytes(message).subspan(4, wanted - 4)));
}

constexpr std::array<std::string_view, 9> methods{
    "GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "PATCH ", "TRACE "};

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, small, small);
}

std::string_view without_port(std::string_view host) {
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || host.ends_with(']')) return host;
    return host.substr(0, colon);
}

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// The host of an absolute target, as proxies are given: http://user@host:port/path.
std::string_view host_of_target(std::string_view target) {
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) return {};
    target = target.substr(scheme + 3);
    target = target.substr(0, target.find_first_of("/?#"));
    return without_port(target.substr(target.rfind('@') + 1));  // npos + 1 is 0
}

Addressee read_http(std::string_view text) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return {};
    const std::string_view line = text.substr(0, text.find("\r\n"));
    std::string_view rest = text.substr(line.size() + 2, end - line.size());
    std::optional<std::string_view> host;
    while (!rest.empty()) {
        const std::string_view field = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(std::min(rest.size(), field.size() + 2));
        const std::size_t colon = field.find(':');
        if (colon == std::string_view::npos ||
            !equals_ignoring_case(field.substr(0, colon), "host"))
            continue;
        if (host) return nameless();  // two: who knows which one counts (RFC 9112 3.2)
        host = trimmed(field.substr(colon + 1));
    }
    const std::size_t space = line.find(' ');
    const std::string_view target = line.substr(space + 1, line.rfind(' ') - space - 1);
    const bool is_connect = line.starts_with("CONNECT ");
    const std::string_view in_target = is_connect ? without_port(target) : host_of_target(target);
    if (!in_target.empty()) {  // it counts more than Host (RFC 9112 3.2.2), and must not differ
        const Addressee whom = addressed_to(in_target);
        if (host && addressed_to(without_port(*host)).name != whom.name) return nameless();
        return whom;
    }
    return host ? addressed_to(without_port(*host)) : nameless();
}

}  // namespace

Addressee read_greeting(Bytes first) {
    if (first.empty()) return {};
    Addressee result{Greeting::other, {}};
    if (first[0] == handshake_record) {
        result = first.size() >= 2 && first[1] != 3 ? result : read_tls(first);
    } else {
        const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
        for (const std::string_view method : methods) {
            if (text.starts_with(method)) result = read_http(text);
            else if (method.starts_with(text)) result = {};
            else continue;
            break;
        }
    }
    if (result.greeting == Greeting::incomplete && first.size() >= greeting_max) return nameless();
    return result;
}

}  // namespace estab::egress
