#include "cli/publish.hpp"

#include <fmt/format.h>

#include <charconv>

#include "cli/command.hpp"
#include "cli/relay.hpp"

namespace estab::cli {
namespace {

constexpr const char* publish_form = "it is [ADDR:]PORT[:PORT][/udp], as 8080:80 or [::1]:53/udp";

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return port;
}

// The last part behind a colon, which is taken off; all, where there is none.
std::string_view take_last(std::string_view& text) {
    const std::size_t colon = text.rfind(':');
    const bool is_inside_brackets = text.ends_with(']');
    const std::string_view last =
        colon == text.npos || is_inside_brackets ? std::exchange(text, {}) : text.substr(colon + 1);
    if (!text.empty()) text = text.substr(0, colon);
    return last;
}

std::optional<wire::Address> address_of(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    return wire::Address::parse(std::string(text));
}

int family_of(const wire::Address& address) { return address.is_v4() ? AF_INET : AF_INET6; }

drivers::Fd host_socket(const wire::Address& address, int type) {
    drivers::Fd fd(::socket(family_of(address), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) drivers::throw_system("cannot make a socket");
    const int on = 1;
    if (!address.is_v4()) ::setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return fd;
}

wire::Endpoint bind_kernel(const drivers::Fd& fd, const wire::Endpoint& local) {
    const int on = 1;
    ::setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const SocketAddress wanted(local);
    if (::bind(*fd, wanted.get(), wanted.size) != 0)
        drivers::throw_system(fmt::format("cannot listen on {}", local.text()));
    SocketAddress have;
    ::getsockname(*fd, reinterpret_cast<sockaddr*>(&have.storage), &have.size);
    return have.endpoint();
}

std::vector<InsideWay> ways_inside(const drivers::PrivateAddresses& network, std::uint16_t port) {
    std::vector<InsideWay> ways;
    for (const wire::Prefix& command : network.command)
        for (const wire::Address& gateway : network.gateways)
            if (gateway.is_v4() == command.address.is_v4())
                ways.push_back({.from = gateway, .to = {command.address, port}});
    return ways;
}

}  // namespace

Published Published::parse(std::string_view text) {
    const auto wrong = [text] {
        return UsageError(fmt::format("--publish: '{}' is not a port; {}", text, publish_form));
    };
    Published result;
    std::string_view rest = text;
    if (const std::size_t slash = rest.rfind('/'); slash != rest.npos) {
        const std::string_view transport = rest.substr(slash + 1);
        if (transport != "tcp" && transport != "udp") throw wrong();
        if (transport == "udp") result.transport = egress::Transport::udp;
        rest = rest.substr(0, slash);
    }
    const auto inside = port_of(take_last(rest));
    if (!inside || *inside == 0) throw wrong();
    result.port = result.inside = *inside;
    if (rest.empty()) return result;
    std::string_view before = rest;
    if (const auto port = port_of(take_last(before))) {
        result.port = *port;
        rest = before;
    }
    if (rest.empty()) return result;
    result.address = address_of(rest);
    if (!result.address) throw wrong();
    return result;
}

std::optional<wire::Endpoint> parse_endpoint(std::string_view text) {
    std::string_view rest = text;
    const auto port = port_of(take_last(rest));
    const auto address =
        rest.empty() ? std::optional(wire::Address::v4(127, 0, 0, 1)) : address_of(rest);
    if (!port || !address) return {};
    return wire::Endpoint{*address, *port};
}

std::uint16_t parse_forward(std::string_view text) {
    const auto port = port_of(text);
    if (!port || *port == 0)
        throw UsageError(fmt::format("--forward: '{}' is not a port (1 to 65535)", text));
    return *port;
}

std::vector<wire::Endpoint> publish(const Published& what, runtime::Reactor& reactor,
                                    const drivers::PrivateAddresses& network, TcpForwarder& tcp,
                                    UdpForwarder& udp) {
    std::vector<wire::Address> addresses;
    if (what.address) addresses = {*what.address};
    else addresses = {wire::Address::v4(127, 0, 0, 1), *wire::Address::parse("::1")};
    const std::vector<InsideWay> ways = ways_inside(network, what.inside);
    std::vector<wire::Endpoint> bound;
    for (const wire::Address& address : addresses) {
        // The second family is given the port that the first one got.
        const wire::Endpoint local{address, bound.empty() ? what.port : bound.front().port};
        try {
            if (what.transport == egress::Transport::tcp) {
                drivers::Fd fd = host_socket(address, SOCK_STREAM);
                bound.push_back(listen_kernel(fd, local));
                socket::spawn(reactor, tcp.let_in(std::move(fd), ways));
            } else {
                drivers::Fd fd = host_socket(address, SOCK_DGRAM);
                bound.push_back(bind_kernel(fd, local));
                socket::spawn(reactor, udp.let_in(std::move(fd), ways));
            }
        } catch (const drivers::SystemError& e) {
            // A host without IPv6 publishes by IPv4.
            const bool is_absent = e.error() == EADDRNOTAVAIL || e.error() == EAFNOSUPPORT;
            if (what.address || bound.empty() || !is_absent) throw;
        }
    }
    return bound;
}

void forward_port(std::uint16_t port, runtime::Reactor& reactor,
                  const drivers::PrivateNetwork& network) {
    const wire::Endpoint gateway{network.addresses().gateways.front(), port};
    for (const char* loopback : {"127.0.0.1", "::1"}) {
        const wire::Address address = *wire::Address::parse(loopback);
        try {
            drivers::Fd fd = network.socket(family_of(address), SOCK_STREAM | SOCK_NONBLOCK);
            listen_kernel(fd, {address, port});
            socket::spawn(reactor, join_each(reactor, network, std::move(fd), gateway,
                                             "estab run: --forward"));
        } catch (const drivers::SystemError&) {
            if (address.is_v4()) throw;
        }
    }
}

}  // namespace estab::cli
