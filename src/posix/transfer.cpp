// Octets in and out: recv and send in all their forms.
#include <sys/socket.h>
#include <linux/errqueue.h>
// (it needs what the former defines)

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "posix/sockets.hpp"

namespace estab::posix {
namespace {

// Calls with MSG_ZEROCOPY that wait for their ACK; those beyond it are not told of.
constexpr std::size_t zero_copies_max = 4096;
constexpr std::size_t fragments_max = 17;
constexpr int tcp_inq = 36;  // TCP_INQ, TCP_CM_INQ of <linux/tcp.h>

std::size_t size_of(std::span<const iovec> parts) {
    std::size_t size = 0;
    for (const iovec& part : parts) size += part.iov_len;
    return size;
}

bool has_bad_pointer(std::span<const iovec> parts) {
    return std::ranges::any_of(parts, [](const iovec& p) {
        return p.iov_base == nullptr && p.iov_len != 0;
    });
}

// What is left of `parts` behind `offset`, as one run.
std::span<std::uint8_t> run_at(std::span<const iovec> parts, std::size_t offset) {
    for (const iovec& part : parts) {
        if (offset < part.iov_len) {
            return {static_cast<std::uint8_t*>(part.iov_base) + offset, part.iov_len - offset};
        }
        offset -= part.iov_len;
    }
    return {};
}

}  // namespace

// The reason why the connection ended, told once; afterwards it is just closed.
int Sockets::take_error(Socket& s) {
    if (s.pending_error != 0) return std::exchange(s.pending_error, 0);
    if (s.error_taken) return 0;
    const int why = ending_of(s);
    if (why != 0) s.error_taken = true;
    return why;
}

int Sockets::ending_of(const Socket& s) const {
    const tcp::Connection* c = live(s);
    if (c == nullptr || !c->has_failed() || c->error() == Error::aborted) return 0;
    // A RST behind the peer's FIN: whoever writes hears of a broken pipe (as Linux).
    if (c->error() == Error::reset && c->peer_finished() && !options_.implied_connect) return EPIPE;
    return to_errno(c->error());
}

// --- In

Call Sockets::start_recv(int fd, std::span<const iovec> parts, int flags, msghdr* message) {
    Socket* s = socket_of(fd);
    if (const auto f = file(fd); f != nullptr && s == nullptr && f->epoll == nullptr) {
        if (flags != 0 || message != nullptr) return Call(-ENOTSOCK);
        std::vector<iovec> into(parts.begin(), parts.end());
        return Call([f, into](Instant) { return try_read_file(*f, into); }, never, -EAGAIN);
    }
    if (s == nullptr) return Call(why_no_socket(fd));
    auto copied = std::make_shared<std::size_t>(0);
    std::vector<iovec> kept(parts.begin(), parts.end());
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        Socket* now = socket_of(fd);
        if (now == nullptr) return *copied != 0 ? static_cast<std::int64_t>(*copied) : -EBADF;
        auto result = try_recv(*now, kept, flags, *copied, message);
        if (result && *result >= 0 && (flags & MSG_ERRQUEUE) == 0) tell_inq(*now, message);
        return result;
    };
    return Call(attempt, s->recv_timeout > 0s ? after(world_.now(), s->recv_timeout) : never,
                -EAGAIN, copied);
}

std::optional<std::int64_t> Sockets::try_recv(Socket& s, std::span<const iovec> parts, int flags,
                                              std::size_t& copied, msghdr* message) {
    look_at_stamps();
    if ((flags & MSG_ERRQUEUE) != 0)
        return s.stamped.empty() ? read_error_queue(s, message)
                                 : read_stamp(s, size_of(parts), message);
    if ((flags & MSG_OOB) != 0) return -EINVAL;
    if (s.state == Socket::State::fresh || s.state == Socket::State::listening) {
        const int why = take_error(s);
        return why != 0 ? -why : -ENOTCONN;
    }
    if (has_bad_pointer(parts)) return -EFAULT;
    const std::size_t size = size_of(parts);
    tcp::Connection* c = live(s);
    const bool is_peek = (flags & MSG_PEEK) != 0;
    const bool discards = (flags & MSG_TRUNC) != 0 && !is_peek;
    bool has_read = false;
    if (is_peek) copied = 0;
    const bool early = c != nullptr && c->state() == tcp::State::syn_received && !c->serves_early();
    while (c != nullptr && !early && copied < size && c->unread() > (is_peek ? copied : 0)) {
        const std::span<std::uint8_t> into = run_at(parts, copied);
        if (is_peek) {
            copied += c->peek(copied, into).value_or(0);
        } else if (discards) {
            const std::uint64_t octets = std::min<std::uint64_t>(size - copied, c->unread());
            world_.stack().consume(world_.now(), s.connection, octets);
            copied += octets;
        } else {
            copied += world_.stack().read(world_.now(), s.connection, into).value_or(0);
        }
        has_read = !is_peek;
    }
    if (has_read) world_.speak();
    const std::size_t wanted =
        (flags & MSG_WAITALL) != 0 ? size : std::min<std::size_t>(std::max(s.recv_low, 1u), size);
    if (copied >= std::max<std::size_t>(wanted, 1)) return static_cast<std::int64_t>(copied);
    if (message != nullptr) message->msg_flags = 0;
    const bool opening =
        s.deferred || (c != nullptr && (c->state() == tcp::State::syn_sent ||
                                        c->state() == tcp::State::syn_received));
    const bool ended = c == nullptr ? !s.deferred
                                    : c->peer_finished() ||
                                          (c->state() == tcp::State::closed && !opening);
    const bool over = ended || s.shut_read;
    if (copied != 0 && (over || s.nonblocking || (flags & MSG_DONTWAIT) != 0))
        return static_cast<std::int64_t>(copied);
    if (const int why = take_error(s)) return -why;
    if (over) return 0;
    if (s.nonblocking || (flags & MSG_DONTWAIT) != 0) return -EAGAIN;
    return std::nullopt;
}

// --- Zero copy

// The octets written last are those of a call with MSG_ZEROCOPY.
void Sockets::note_zero_copy(Socket& s) {
    const tcp::Connection* c = live(s);
    const std::uint32_t id = s.zero_copy_next++;
    if (c == nullptr || s.zero_copies.size() >= zero_copies_max) return;
    s.zero_copies.push_back({id, written_octets(*c, world_.now())});
}

void Sockets::take_acknowledged(Socket& s) {
    const tcp::Connection* c = live(s);
    if (s.zero_copies.empty() || c == nullptr) return;
    const auto& snd = c->tcb().snd;
    const std::uint64_t una = snd.una > snd.iss ? tcp::distance(snd.iss + 1, snd.una) : 0;
    const bool over = c->state() == tcp::State::closed;
    while (!s.zero_copies.empty() && (over || s.zero_copies.front().end <= una)) {
        const std::uint32_t id = s.zero_copies.front().id;
        s.zero_copies.pop_front();
        ++s.zero_copies_told;
        if (!s.zero_copied.empty() && s.zero_copied.back().last + 1 == id)
            s.zero_copied.back().last = id;
        else
            s.zero_copied.push_back({id, id});
    }
}

std::int64_t Sockets::read_error_queue(Socket& s, msghdr* message) {
    take_acknowledged(s);
    if (s.zero_copied.empty()) return -EAGAIN;
    const Socket::ZeroCopied told = s.zero_copied.front();
    s.zero_copied.pop_front();
    if (message == nullptr) return 0;
    message->msg_flags = MSG_ERRQUEUE;
    const std::size_t room = message->msg_controllen;
    message->msg_controllen = 0;
    if (message->msg_control == nullptr || room < CMSG_SPACE(sizeof(sock_extended_err))) {
        message->msg_flags |= MSG_CTRUNC;
        return 0;
    }
    message->msg_controllen = room;
    const bool v6 = s.domain == AF_INET6;
    cmsghdr* head = CMSG_FIRSTHDR(message);
    head->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    head->cmsg_type = v6 ? IPV6_RECVERR : IP_RECVERR;
    head->cmsg_len = CMSG_LEN(sizeof(sock_extended_err));
    sock_extended_err error{};
    error.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
    error.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
    error.ee_info = told.first;
    error.ee_data = told.last;
    std::memcpy(CMSG_DATA(head), &error, sizeof error);
    message->msg_controllen = CMSG_SPACE(sizeof error);
    return 0;
}

// TCP_INQ: how much more there is, and 1 when it is the end.
void Sockets::tell_inq(const Socket& s, msghdr* message) {
    if (message == nullptr) return;
    message->msg_flags = 0;
    const std::size_t room = message->msg_controllen;
    message->msg_controllen = 0;
    if (!s.inq || message->msg_control == nullptr || room < CMSG_SPACE(sizeof(int))) return;
    message->msg_controllen = room;
    cmsghdr* head = CMSG_FIRSTHDR(message);
    head->cmsg_level = IPPROTO_TCP;
    head->cmsg_type = tcp_inq;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    const tcp::Connection* c = live(s);
    int left = c != nullptr ? static_cast<int>(c->unread()) : 0;
    if (left == 0 && c != nullptr && c->peer_finished()) left = 1;
    std::memcpy(CMSG_DATA(head), &left, sizeof left);
    message->msg_controllen = CMSG_SPACE(sizeof(int));
}

ssize_t Sockets::recv(int fd, void* into, std::size_t size, int flags) {
    const iovec part{into, size};
    Call call = start_recv(fd, {&part, 1}, flags);
    return wait(call);
}

ssize_t Sockets::recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr*,
                          socklen_t* length) {
    if (length != nullptr) *length = 0;  // a stream's octets come from its peer
    return recv(fd, into, size, flags);
}

ssize_t Sockets::readv(int fd, const iovec* parts, int count) {
    if (count < 0 || count > 1024) return done(-EINVAL);
    Call call = start_recv(fd, {parts, static_cast<std::size_t>(count)}, 0);
    return wait(call);
}

ssize_t Sockets::recvmsg(int fd, msghdr* message, int flags) {
    if (message == nullptr) return done(-EFAULT);
    Call call = start_recv(fd, {message->msg_iov, message->msg_iovlen}, flags, message);
    return wait(call);
}

// --- Out

Call Sockets::start_send(int fd, std::span<const iovec> parts, int flags, const sockaddr* to,
                         socklen_t length) {
    Socket* s = socket_of(fd);
    if (const auto f = file(fd); f != nullptr && s == nullptr && f->epoll == nullptr) {
        if (flags != 0 || to != nullptr) return Call(-ENOTSOCK);
        std::vector<iovec> from(parts.begin(), parts.end());
        return Call([f, from](Instant) { return try_write_file(*f, from); }, never, -EAGAIN);
    }
    if (s == nullptr) return Call(why_no_socket(fd));
    const bool implied = options_.implied_connect && to != nullptr && length != 0;
    const bool is_first = s->deferred || (((flags & MSG_FASTOPEN) != 0 || implied) &&
                                          s->state == Socket::State::fresh);
    if (to != nullptr && length != 0 && s->state == Socket::State::fresh && !is_first)
        return Call(-EPIPE);
    if ((flags & MSG_FASTOPEN) != 0 && s->state == Socket::State::connecting && !s->deferred &&
        !see_connect(*s))
        return Call(-EALREADY);
    auto sent = std::make_shared<std::size_t>(0);
    if (is_first) {
        if (has_bad_pointer(parts)) return Call(-EFAULT);
        const std::int64_t begun = begin_fast_open(*s, to, length, parts, *sent);
        if (begun != 0) return Call(begun);
        if (*sent != 0 && s->zerocopy && (flags & MSG_ZEROCOPY) != 0) note_zero_copy(*s);
        if (*sent != 0) note_stamp(*s, flags);
        const bool waits = !s->nonblocking && (flags & MSG_DONTWAIT) == 0;
        if (!waits || (implied && *sent == size_of(parts)))
            return Call(*sent != 0 ? static_cast<std::int64_t>(*sent) : -EINPROGRESS);
    }
    std::vector<iovec> kept(parts.begin(), parts.end());
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        Socket* now = socket_of(fd);
        if (now == nullptr) return *sent != 0 ? static_cast<std::int64_t>(*sent) : -EBADF;
        if (is_first && now->state != Socket::State::connected) {  // how the opening ends
            const auto seen = see_connect(*now);
            if (!seen || *seen < 0) return seen;
        }
        return try_send(*now, kept, flags, *sent);
    };
    return Call(attempt, s->send_timeout > 0s ? after(world_.now(), s->send_timeout) : never,
                -EAGAIN, sent);
}

std::optional<std::int64_t> Sockets::try_send(Socket& s, std::span<const iovec> parts, int flags,
                                              std::size_t& sent) {
    const bool waits = !s.nonblocking && (flags & MSG_DONTWAIT) == 0;
    const auto so_far = [&](int why) {
        return sent != 0 ? static_cast<std::int64_t>(sent) : -why;
    };
    tcp::Connection* c = live(s);
    const std::size_t size = size_of(parts);
    if (c != nullptr && (c->state() == tcp::State::syn_sent ||
                         (c->state() == tcp::State::syn_received && !c->serves_early()))) {
        return waits ? std::nullopt : std::optional(so_far(EAGAIN));
    }
    if (s.state == Socket::State::connecting) {
        const auto seen = see_connect(s);
        if (seen && *seen < 0 && *seen != -EISCONN) return so_far(static_cast<int>(-*seen));
    }
    if (const int why = take_error(s)) return so_far(why);
    const bool can = c != nullptr && s.state == Socket::State::connected && !s.shut_write &&
                     c->may_write();
    if (!can) return so_far(EPIPE);
    if (has_bad_pointer(parts)) return so_far(EFAULT);
    if (s.cork && !s.corked) c->set_cork(true, world_.now());
    s.corked = s.cork;
    c->set_more((flags & MSG_MORE) != 0, world_.now());
    const bool urgent = (flags & MSG_OOB) != 0;
    const bool in_place = s.zerocopy && (flags & MSG_ZEROCOPY) != 0;
    std::size_t pieces = 0;
    while (sent < size) {
        const std::span<std::uint8_t> run = run_at(parts, sent);
        // Memory that is not copied makes packets of so many pieces in Linux.
        if (in_place && pieces++ == fragments_max) {
            world_.stack().end_record(s.connection);
            pieces = 1;
        }
        const auto taken = urgent ? world_.stack().write_urgent(world_.now(), s.connection, run)
                                  : world_.stack().write(world_.now(), s.connection, run);
        if (!taken) break;
        sent += *taken;
    }
    if (sent == size && (flags & MSG_EOR) != 0) world_.stack().end_record(s.connection);
    if (sent != 0 && in_place && (sent == size || !waits)) note_zero_copy(s);
    if (sent != 0 && (sent == size || !waits)) note_stamp(s, flags);
    touch(s);
    if (sent == size) return static_cast<std::int64_t>(sent);
    if (const int why = take_error(s)) return so_far(why);
    if (!waits) return so_far(EAGAIN);
    return std::nullopt;
}

ssize_t Sockets::send(int fd, const void* octets, std::size_t size, int flags) {
    return sendto(fd, octets, size, flags, nullptr, 0);
}

ssize_t Sockets::sendto(int fd, const void* octets, std::size_t size, int flags,
                        const sockaddr* to, socklen_t length) {
    const iovec part{const_cast<void*>(octets), size};
    Call call = start_send(fd, {&part, 1}, flags, to, length);
    return wait(call);
}

ssize_t Sockets::writev(int fd, const iovec* parts, int count) {
    if (count < 0 || count > 1024) return done(-EINVAL);
    Call call = start_send(fd, {parts, static_cast<std::size_t>(count)}, 0);
    return wait(call);
}

ssize_t Sockets::sendmsg(int fd, const msghdr* message, int flags) {
    if (message == nullptr) return done(-EFAULT);
    Call call = start_send(fd, {message->msg_iov, message->msg_iovlen}, flags,
                           static_cast<const sockaddr*>(message->msg_name), message->msg_namelen);
    return wait(call);
}

}  // namespace estab::posix
