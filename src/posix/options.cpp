// Socket options under Linux's names and numbers. What a connection can change while it lives goes
// to its own copy of the configuration; what it cannot change is in the socket's until then.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/tcp.h>
// (the kernel's header, for all of TCP_INFO)

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "congestion/algorithm.hpp"
#include "posix/sockets.hpp"
#include "posix/tcp_info.hpp"

namespace estab::posix {
namespace {

constexpr std::uint32_t buffer_least = 2304;   // SOCK_MIN_RCVBUF of Linux
constexpr std::uint32_t send_least = 4608;
constexpr std::uint32_t buffer_most = 212'992 * 64;
constexpr int tcp_option_max = 64;
constexpr int ip_local_port_range = 51;
// Of FreeBSD, with numbers that Linux does not have.
constexpr int tcp_keepinit = 0x7100;
constexpr int tcp_noopt = 0x7101;
constexpr int tcp_remote_udp_port = 0x7102;

std::int64_t put(std::vector<std::uint8_t>& out, const void* value, std::size_t size) {
    const auto* p = static_cast<const std::uint8_t*>(value);
    out.assign(p, p + size);
    return 0;
}
std::int64_t put_int(std::vector<std::uint8_t>& out, std::int64_t value) {
    const int v = static_cast<int>(value);
    return put(out, &v, sizeof v);
}

Duration to_duration(const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
}
timeval to_timeval(Duration d) {
    timeval t{};
    t.tv_sec = static_cast<decltype(t.tv_sec)>(to_us(d) / 1'000'000);
    t.tv_usec = static_cast<decltype(t.tv_usec)>(to_us(d) % 1'000'000);
    return t;
}

}  // namespace

// What the socket wants, to the connection or listener that is there.
void Sockets::apply(Socket& s) {
    stack::Stack& stack = world_.stack();
    s.config.nagle = !s.nodelay;
    if (s.state == Socket::State::listening) {
        (void)stack.configure(s.listener, listener_config(s));
        return;
    }
    tcp::Connection* c = live(s);
    if (c == nullptr) return;
    if (tcp::Config* own = c->own_config(stack.environment()); own != nullptr) {
        const congestion::Table* before = own->congestion_control;
        *own = s.config;
        own->congestion_control = before;
    }
    c->apply_config(world_.now());
    if (s.cork != s.corked) c->set_cork(s.cork, world_.now());
    s.corked = s.cork;
    touch(s);
}

int Sockets::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
    Socket* s = socket_of(fd);
    if (s == nullptr) return done(why_no_socket(fd));
    if (value == nullptr && length != 0) return done(-EFAULT);
    const Bytes bytes(static_cast<const std::uint8_t*>(value), length);
    switch (level) {
    case SOL_SOCKET: return done(set_socket_level(*s, name, bytes));
    case IPPROTO_TCP: return done(set_tcp(*s, name, bytes));
    case IPPROTO_IP:
    case IPPROTO_IPV6: return done(set_ip(*s, level, name, bytes));
    default: return done(-ENOPROTOOPT);
    }
}

std::int64_t Sockets::set_socket_level(Socket& s, int name, Bytes value) {
    if (name == SO_LINGER) {
        if (value.size() < sizeof(linger)) return -EINVAL;
        std::memcpy(&s.linger_, value.data(), sizeof(linger));
        return 0;
    }
    if (name == SO_RCVTIMEO || name == SO_SNDTIMEO) {
        timeval t{};
        if (value.size() < sizeof t) return -EINVAL;
        std::memcpy(&t, value.data(), sizeof t);
        if (t.tv_usec < 0 || t.tv_usec >= 1'000'000) return -EDOM;
        (name == SO_RCVTIMEO ? s.recv_timeout : s.send_timeout) = to_duration(t);
        return 0;
    }
    int v = 0;
    if (value.size() < sizeof v) return -EINVAL;
    std::memcpy(&v, value.data(), sizeof v);
    const auto u = static_cast<std::uint32_t>(std::max(v, 0));
    switch (name) {
    case SO_REUSEADDR: s.reuse_address = v != 0; return 0;
    case SO_REUSEPORT: s.reuse_port = v != 0; return 0;
    case SO_OOBINLINE: s.oob_inline = v != 0; return 0;
    case SO_BROADCAST: s.broadcast = v != 0; return 0;
    case SO_RCVLOWAT: s.recv_low = v < 0 ? INT32_MAX : std::max(u, 1u); return 0;
    case SO_PRIORITY: s.priority = v; return 0;
    case SO_MARK: s.mark = v; return 0;
    case SO_ZEROCOPY: s.zerocopy = v != 0; return 0;
    case SO_KEEPALIVE: s.config.keepalive = v != 0; break;
    case SO_RCVBUF:  // doubled, for the overhead that Linux counts
        s.recv_buffer = std::clamp(u, buffer_least / 2, buffer_most) * options_.buffer_overhead;
        s.recv_buffer_set = true;
        s.config.recv_buffer = s.config.recv_buffer_max =
            s.recv_buffer / options_.buffer_overhead;
        s.config.recv_autotune = false;
        break;
    case SO_SNDBUF:
        s.send_buffer = std::max(std::min(u, buffer_most) * options_.buffer_overhead, send_least);
        s.send_buffer_set = true;
        s.config.send_buffer = s.config.send_buffer_max = s.send_buffer;
        s.config.send_autotune = false;
        break;
    case SO_TIMESTAMPING: s.noted[name] = v; return set_timestamping(s, v);
    case SO_DEBUG:
    case SO_DONTROUTE:
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_BUSY_POLL:
    case SO_INCOMING_CPU: s.noted[name] = v; return 0;
    case SO_MAX_PACING_RATE:  // all ones: no limit
        s.noted[name] = v;
        s.config.pacing_rate_max = v == -1 ? 0 : static_cast<std::uint32_t>(v);
        break;
    default: return -ENOPROTOOPT;
    }
    apply(s);
    return 0;
}

std::int64_t Sockets::set_tcp(Socket& s, int name, Bytes value) {
    if (name == TCP_CONGESTION) {
        const std::string_view wanted(reinterpret_cast<const char*>(value.data()), value.size());
        const auto* table = congestion::find(wanted.substr(0, wanted.find('\0')));
        if (table == nullptr) return -ENOENT;
        s.config.congestion_control = table;
        if (tcp::Connection* c = live(s); c != nullptr)
            c->set_congestion_control(world_.stack().environment(), world_.now(), *table);
        apply(s);
        return 0;
    }
    if (name == TCP_MD5SIG) return 0;
    if (name == TCP_FASTOPEN || name == TCP_FASTOPEN_CONNECT || name == TCP_FASTOPEN_KEY ||
        name == TCP_FASTOPEN_NO_COOKIE)
        return set_fast_open(s, name, value);
    int v = 0;
    if (value.size() < sizeof v) return -EINVAL;
    std::memcpy(&v, value.data(), sizeof v);
    const auto u8 = static_cast<std::uint8_t>(std::clamp(v, 0, 255));
    tcp::Config& c = s.config;
    switch (name) {
    case TCP_NODELAY:
        s.nodelay = v != 0;
        apply(s);
        if (tcp::Connection* there = live(s); s.nodelay && there != nullptr) {
            there->set_cork(false, world_.now());  // what waits goes; a cork holds what comes
            s.corked = false;
            touch(s);
        }
        return 0;
    case TCP_CORK: s.cork = v != 0; break;
    case TCP_MAXSEG:
        if (v != 0 && (v < 88 || v > 32'767)) return -EINVAL;
        c.mss = static_cast<std::uint16_t>(v);
        break;
    case TCP_KEEPIDLE:
        if (v < 1 || v > 32'767) return -EINVAL;
        c.keepalive_idle = std::chrono::seconds(v);
        break;
    case TCP_KEEPINTVL:
        if (v < 1 || v > 32'767) return -EINVAL;
        c.keepalive_interval = std::chrono::seconds(v);
        break;
    case TCP_KEEPCNT:
        if (v < 1 || v > 127) return -EINVAL;
        c.keepalive_probes = u8;
        break;
    case tcp_remote_udp_port:
        if (v < 0 || v > 65'535 || s.state != Socket::State::fresh) return -EINVAL;
        c.udp_peer_port = static_cast<std::uint16_t>(v);
        break;
    case tcp_noopt: c.syn_options = v == 0; break;
    case tcp_keepinit:
        if (v < 1) return -EINVAL;
        c.syn_timeout = std::chrono::seconds(v);
        break;
    case TCP_SYNCNT:
        if (v < 1 || v > 127) return -EINVAL;
        c.syn_retries = u8;
        break;
    case TCP_LINGER2:
        s.linger2 = v;
        c.fin_wait_2 = v < 0 ? Duration(0) : std::chrono::seconds(v == 0 ? 60 : v);
        break;
    case TCP_DEFER_ACCEPT: s.defer_accept = v; return 0;
    case TCP_WINDOW_CLAMP:
        if (v == 0 && s.state != Socket::State::fresh) return -EINVAL;
        s.window_clamp = v == 0 ? 0 : std::max(v, static_cast<int>(buffer_least / 2));
        if (v != 0) {
            c.recv_buffer = c.recv_buffer_max = static_cast<std::uint32_t>(s.window_clamp);
            c.recv_autotune = false;
        }
        break;
    case TCP_QUICKACK: {
        tcp::Connection* there = live(s);
        if (there != nullptr) there->set_quick_ack(v != 0);
        return 0;
    }
    case TCP_USER_TIMEOUT:
        if (v < 0) return -EINVAL;
        s.user_timeout_ms = v;
        c.user_timeout = std::chrono::milliseconds(v);
        break;
    case TCP_NOTSENT_LOWAT:
        c.notsent_lowat = v == 0 ? 0xffff'ffff : static_cast<std::uint32_t>(v);
        s.noted[0x10000 + name] = v;
        break;
    case TCP_INQ:
        if (v != 0 && v != 1) return -EINVAL;
        s.inq = v != 0;
        return 0;
    default:
        if (name <= 0 || name > tcp_option_max) return -ENOPROTOOPT;
        s.noted[0x10000 + name] = v;
        return 0;
    }
    apply(s);
    return 0;
}

std::int64_t Sockets::set_ip(Socket& s, int level, int name, Bytes value) {
    int v = 0;
    if (value.empty()) return -EINVAL;
    if (value.size() >= sizeof v) {
        std::memcpy(&v, value.data(), sizeof v);
    } else {
        v = value[0];
    }
    const bool v6 = level == IPPROTO_IPV6;
    if (v6 && name == IPV6_V6ONLY) {
        if (s.owns_bound) return -EINVAL;
        s.v6only = v != 0;
        return 0;
    }
    if (!v6 && name == ip_local_port_range) {  // the highest above, the lowest below; 0: the host's
        const auto both = static_cast<std::uint32_t>(v);
        stack::PortRange range;
        if ((both & 0xffff) != 0) range.first = static_cast<std::uint16_t>(both);
        if (both >> 16 != 0) range.last = static_cast<std::uint16_t>(both >> 16);
        if (range.first > range.last) return -EINVAL;
        s.ports = range;
        s.noted[(level << 20) + name] = v;
        return 0;
    }
    if (name == (v6 ? IPV6_TCLASS : IP_TOS)) {  // the two lower bits are ECN's
        s.config.dscp = static_cast<std::uint8_t>((std::max(v, 0) & 0xfc) >> 2);
    } else if (name == (v6 ? IPV6_UNICAST_HOPS : IP_TTL)) {
        if (v != -1 && (v < 1 || v > 255)) return -EINVAL;
        s.config.hop_limit = static_cast<std::uint8_t>(v == -1 ? 64 : v);
    } else if (name == (v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER)) {
        s.config.path_mtu_discovery = v == IP_PMTUDISC_DO || v == IP_PMTUDISC_WANT;
    } else if (name == (v6 ? IPV6_RECVERR : IP_RECVERR)) {
        s.recv_error = v != 0;
        return 0;
    } else {
        s.noted[(level << 20) + name] = v;
        return 0;
    }
    apply(s);
    return 0;
}

int Sockets::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    Socket* s = socket_of(fd);
    if (s == nullptr) return done(why_no_socket(fd));
    if (value == nullptr || length == nullptr) return done(-EFAULT);
    std::vector<std::uint8_t> out;
    std::int64_t result = -ENOPROTOOPT;
    if (level == SOL_SOCKET) result = get_socket_level(*s, name, out);
    if (level == IPPROTO_TCP) result = get_tcp(*s, name, out);
    if (level == IPPROTO_IP || level == IPPROTO_IPV6) result = get_ip(*s, level, name, out);
    if (result < 0) return done(result);
    *length = std::min<socklen_t>(*length, static_cast<socklen_t>(out.size()));
    if (*length != 0) std::memcpy(value, out.data(), *length);
    return 0;
}

std::int64_t Sockets::get_socket_level(Socket& s, int name, std::vector<std::uint8_t>& out) {
    const auto noted = s.noted.find(name);
    switch (name) {
    case SO_TYPE: return put_int(out, SOCK_STREAM);
    case SO_DOMAIN: return put_int(out, s.domain);
    case SO_PROTOCOL: return put_int(out, IPPROTO_TCP);
    case SO_ACCEPTCONN: return put_int(out, s.state == Socket::State::listening);
    case SO_ERROR:
        if (s.state == Socket::State::connecting) {  // the owner learns here how connect() ended
            const auto seen = see_connect(s);
            if (!seen || *seen < 0) return put_int(out, seen ? -*seen : 0);
        }
        return put_int(out, take_error(s));
    case SO_REUSEADDR: return put_int(out, s.reuse_address);
    case SO_REUSEPORT: return put_int(out, s.reuse_port);
    case SO_OOBINLINE: return put_int(out, s.oob_inline);
    case SO_BROADCAST: return put_int(out, s.broadcast);
    case SO_KEEPALIVE: return put_int(out, s.config.keepalive);
    case SO_RCVLOWAT: return put_int(out, s.recv_low);
    case SO_SNDLOWAT: return put_int(out, 1);
    case SO_PRIORITY: return put_int(out, s.priority);
    case SO_MARK: return put_int(out, s.mark);
    case SO_ZEROCOPY: return put_int(out, s.zerocopy);
    case SO_RCVBUF: {
        const tcp::Connection* c = live(s);
        if (s.recv_buffer_set || c == nullptr) return put_int(out, s.recv_buffer);
        return put_int(out,
                       std::int64_t{c->info(world_.now()).rcv_space} * options_.buffer_overhead);
    }
    case SO_SNDBUF: {
        const tcp::Connection* c = live(s);
        if (s.send_buffer_set || c == nullptr) return put_int(out, s.send_buffer);
        return put_int(out, c->info(world_.now()).snd_buffer);
    }
    case SO_LINGER: return put(out, &s.linger_, sizeof s.linger_);
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
        const timeval t = to_timeval(name == SO_RCVTIMEO ? s.recv_timeout : s.send_timeout);
        return put(out, &t, sizeof t);
    }
    default: return noted != s.noted.end() ? put_int(out, noted->second) : -ENOPROTOOPT;
    }
}

std::int64_t Sockets::get_tcp(Socket& s, int name, std::vector<std::uint8_t>& out) {
    const tcp::Connection* c = live(s);
    const auto seconds = [](Duration d) { return to_ms(d) / 1000; };
    switch (name) {
    case TCP_INFO: {
        const tcp_info info = make_tcp_info(s, c, world_.now());
        return put(out, &info, sizeof info);
    }
    case TCP_NODELAY: return put_int(out, s.nodelay);
    case TCP_CORK: return put_int(out, s.cork);
    case TCP_MAXSEG:
        if (s.state == Socket::State::connected && c != nullptr) return put_int(out, c->send_mss());
        return put_int(out, s.config.mss != 0 ? s.config.mss : 536);
    case TCP_KEEPIDLE: return put_int(out, seconds(s.config.keepalive_idle));
    case TCP_KEEPINTVL: return put_int(out, seconds(s.config.keepalive_interval));
    case TCP_KEEPCNT: return put_int(out, s.config.keepalive_probes);
    case tcp_remote_udp_port:
        return put_int(out, c != nullptr ? world_.stack().udp_port(s.connection)
                                         : s.config.udp_peer_port);
    case tcp_noopt: return put_int(out, !s.config.syn_options);
    case tcp_keepinit: return put_int(out, seconds(s.config.syn_timeout));
    case TCP_SYNCNT: return put_int(out, s.config.syn_retries);
    case TCP_LINGER2: return put_int(out, s.linger2);
    case TCP_DEFER_ACCEPT: return put_int(out, s.defer_accept);
    case TCP_WINDOW_CLAMP: return put_int(out, s.window_clamp);
    case TCP_QUICKACK: return put_int(out, 1);
    case TCP_USER_TIMEOUT: return put_int(out, s.user_timeout_ms);
    case TCP_INQ: return put_int(out, s.inq);
    case TCP_FASTOPEN: return put_int(out, s.fast_open);
    case TCP_FASTOPEN_CONNECT: return put_int(out, s.fast_open_connect);
    case TCP_FASTOPEN_NO_COOKIE:
        return put_int(out, s.fast_open_no_cookie);
    case TCP_CONGESTION: {
        char text[16] = {};
        const auto* table = s.config.congestion_control;
        const std::string_view called = table != nullptr ? table->name : "reno";
        std::copy_n(called.begin(), std::min<std::size_t>(called.size(), 15), text);
        return put(out, text, sizeof text);
    }
    default: {
        const auto noted = s.noted.find(0x10000 + name);
        if (noted != s.noted.end()) return put_int(out, noted->second);
        if (name == TCP_NOTSENT_LOWAT) return put_int(out, 0);
        return name > 0 && name <= tcp_option_max ? put_int(out, 0) : -ENOPROTOOPT;
    }
    }
}

std::int64_t Sockets::get_ip(const Socket& s, int level, int name,
                             std::vector<std::uint8_t>& out) {
    const bool v6 = level == IPPROTO_IPV6;
    if (v6 && name == IPV6_V6ONLY) return put_int(out, s.v6only);
    if (name == (v6 ? IPV6_TCLASS : IP_TOS)) return put_int(out, s.config.dscp << 2);
    if (name == (v6 ? IPV6_UNICAST_HOPS : IP_TTL)) return put_int(out, s.config.hop_limit);
    if (name == (v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER))
        return put_int(out, s.config.path_mtu_discovery ? IP_PMTUDISC_WANT : IP_PMTUDISC_DONT);
    if (name == (v6 ? IPV6_RECVERR : IP_RECVERR)) return put_int(out, s.recv_error);
    if (name == (v6 ? IPV6_MTU : IP_MTU)) {
        const tcp::Connection* c = live(s);
        return c != nullptr ? put_int(out, c->path_mtu()) : -ENOTCONN;
    }
    if (!v6 && name == IP_OPTIONS) return put(out, nullptr, 0);  // source routes and such: never
    const auto noted = s.noted.find((level << 20) + name);
    return put_int(out, noted != s.noted.end() ? noted->second : 0);
}

}  // namespace estab::posix
