// TCP Fast Open as Linux offers it: MSG_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN and its keys.
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "posix/sockets.hpp"

namespace estab::posix {

using tcp::FastOpenMode;

// sendto(MSG_FASTOPEN), or the first write() after a connect() that has waited for it.
std::int64_t Sockets::begin_fast_open(Socket& s, const sockaddr* to, socklen_t length,
                                      std::span<const iovec> parts, std::size_t& sent) {
    if (s.deferred) return open(s, s.peer, parts, sent);
    if (!options_.implied_connect && (defaults_.fast_open & FastOpenMode::client) == 0)
        return -EOPNOTSUPP;
    if (to == nullptr || length < sizeof to->sa_family) return -EINVAL;
    if (to->sa_family == AF_UNSPEC) return -EOPNOTSUPP;  // there is nothing to be undone
    const std::size_t wanted =
        to->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (length < wanted) return -EINVAL;
    if (to->sa_family != AF_INET && to->sa_family != s.domain) return -EAFNOSUPPORT;
    static constexpr iovec nothing{};
    if (parts.data() == nullptr) parts = std::span(&nothing, 1);
    return open(s, to_endpoint(to, length), parts, sent);
}

// Which parts of Fast Open there are is the host's to say, at the moment when it is asked for.
void Sockets::refresh_fast_open(Socket& s) const {
    constexpr std::uint32_t without =
        FastOpenMode::client_no_cookie | FastOpenMode::server_no_cookie;
    s.config.fast_open = defaults_.fast_open | (s.fast_open_no_cookie ? without : 0);
}

// A listener takes part if the socket has asked for it, or all do (bit 0x400 of tcp_fastopen).
tcp::Config Sockets::listener_config(const Socket& s) const {
    tcp::Config config = s.config;
    if (s.backlog > 0)
        config.backlog = std::min(config.backlog, static_cast<std::uint32_t>(s.backlog));
    const bool all = (config.fast_open & FastOpenMode::all_listeners) != 0;
    if (s.fast_open > 0) {
        config.fast_open_pending = static_cast<std::uint32_t>(s.fast_open);
    } else if (!all) {
        config.fast_open &= ~FastOpenMode::server;
    }
    return config;
}

namespace {

SipKey to_key(Bytes octets) {
    SipKey key;
    for (std::size_t i = 8; i-- != 0;) {
        key.k0 = key.k0 << 8 | octets[i];
        key.k1 = key.k1 << 8 | octets[i + 8];
    }
    return key;
}

}  // namespace

void Sockets::give_fast_open_key(const Socket& s) {
    const Bytes key(s.fast_open_key);
    std::optional<SipKey> backup;
    if (key.empty()) return;
    if (key.size() == 32) backup = to_key(key.subspan(16));
    world_.stack().set_fast_open_keys(s.listener, to_key(key), backup);
}

std::int64_t Sockets::set_fast_open(Socket& s, int name, Bytes value) {
    const bool idle = s.state == Socket::State::fresh;
    if (name == TCP_FASTOPEN_KEY) {
        if (value.size() != 16 && value.size() != 32) return -EINVAL;
        s.fast_open_key.assign(value.begin(), value.end());
        if (s.state == Socket::State::listening) give_fast_open_key(s);
        return 0;
    }
    int v = 0;
    if (value.size() < sizeof v) return -EINVAL;
    std::memcpy(&v, value.data(), sizeof v);
    switch (name) {
    case TCP_FASTOPEN:
        if (v < 0 || (!idle && s.state != Socket::State::listening)) return -EINVAL;
        s.fast_open = std::min(v, static_cast<int>(s.config.backlog));
        break;
    case TCP_FASTOPEN_CONNECT:
        if (v != 0 && v != 1) return -EINVAL;
        if ((defaults_.fast_open & FastOpenMode::client) == 0) return -EOPNOTSUPP;
        if (!idle) return -EINVAL;
        s.fast_open_connect = v != 0;
        return 0;
    case TCP_FASTOPEN_NO_COOKIE: {
        if (v != 0 && v != 1) return -EINVAL;
        if (!idle && s.state != Socket::State::listening) return -EINVAL;
        s.fast_open_no_cookie = v != 0;
        refresh_fast_open(s);
        break;
    }
    default: return -ENOPROTOOPT;
    }
    if (s.state == Socket::State::listening) apply(s);
    return 0;
}

}  // namespace estab::posix
