// The calls of the program, one by one. Whoever asks about a descriptor that is none of ours is let
// through to the kernel.
#include <fcntl.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "owntcp/memory.hpp"
#include "owntcp/supervisor.hpp"

namespace estab::owntcp {
namespace {

constexpr std::size_t option_bytes_max = 4096;

int as_int(std::uint64_t argument) { return static_cast<int>(argument); }

// Reading and writing are the kernel's, and so is how long they wait.
bool is_kernels_too(int level, int name) {
    return level == SOL_SOCKET &&
           (name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_RCVLOWAT);
}

}  // namespace

std::int64_t Supervisor::result(std::int64_t value) const {
    return value >= 0 ? value : -std::int64_t{sockets_.last_error()};
}

void Supervisor::on_call(const Call& call) {
    if (call.number == __NR_socket) return make_socket(call);
    const int fd = as_int(call.arguments[0]);
    const auto found = ends_.find(drivers::socket_inode(call.thread, fd));
    if (found == ends_.end()) {
        calls_.let_through(call.id);
        return;
    }
    End& end = *found->second;
    end.thread = call.thread;
    end.fd = fd;
    serve(call, end);
}

void Supervisor::serve(const Call& call, End& end) {
    const auto answer = [&](std::int64_t what) { calls_.answer(call.id, what); };
    switch (call.number) {
    case __NR_connect: return connect(call, end);
    case __NR_accept:
    case __NR_accept4: return accept(call, end);
    case __NR_bind: return answer(bind(call, end));
    case __NR_listen: return answer(listen(call, end));
    case __NR_shutdown: return shut_down(call, end);
    case __NR_getsockname: return answer(name(call, end, false));
    case __NR_getpeername: return answer(name(call, end, true));
    case __NR_getsockopt: return get_option(call, end);
    case __NR_setsockopt: return set_option(call, end);
    case __NR_ioctl: return say_queue(call, end);
    case __NR_sendto:
    case __NR_sendmsg: {
        const int flags = as_int(call.arguments[call.number == __NR_sendto ? 3 : 2]);
        // No urgent octets, and no text with the SYN: whoever asks connects and writes instead.
        if ((flags & MSG_OOB) != 0 || end.phase != End::Phase::connected)
            return answer(-EOPNOTSUPP);
        break;
    }
    case __NR_recvfrom:
    case __NR_recvmsg: {
        const int flags = as_int(call.arguments[call.number == __NR_recvfrom ? 3 : 2]);
        return answer((flags & MSG_ERRQUEUE) != 0 ? -EAGAIN : -EINVAL);  // nothing is there
    }
    default: break;
    }
    calls_.let_through(call.id);
}

void Supervisor::make_socket(const Call& call) {
    const int domain = as_int(call.arguments[0]), type = as_int(call.arguments[1]);
    const int socket = sockets_.socket(domain, type | SOCK_NONBLOCK, as_int(call.arguments[2]));
    if (socket < 0) {
        calls_.answer(call.id, -sockets_.last_error());
        return;
    }
    Pair pair = make_pair(type, socket);
    if (!pair.end) {
        calls_.answer(call.id, -EMFILE);
        return;
    }
    adopt(pair);
    const int error = calls_.give(call.id, *pair.theirs, (type & SOCK_CLOEXEC) != 0);
    if (error != 0) calls_.answer(call.id, -error);  // the pair hangs up by itself
}

std::int64_t Supervisor::bind(const Call& call, End& end) {
    auto address = read_address(call.thread, call.arguments[1], call.arguments[2]);
    if (!address) return -EFAULT;
    return result(sockets_.bind(end.socket, address->get(), address->size));
}

std::int64_t Supervisor::listen(const Call& call, End& end) {
    if (sockets_.listen(end.socket, as_int(call.arguments[1])) != 0)
        return -sockets_.last_error();
    if (end.phase == End::Phase::listening) return 0;
    end.phase = End::Phase::listening;
    end.listener = sockets_.find(end.socket)->listener;
    if (by_listener_.size() <= end.listener.index) by_listener_.resize(end.listener.index + 1);
    by_listener_[end.listener.index] = end.inode;
    return 0;
}

// The kernel does it to the pair, and the end comes out here. But then a reset could no longer be
// told to a program that goes on reading; so an octet that we never read is put behind its last.
void Supervisor::shut_down(const Call& call, End& end) {
    const int how = as_int(call.arguments[1]);
    switch (end.phase) {
    case End::Phase::fresh:
    case End::Phase::connecting:
    case End::Phase::over: calls_.answer(call.id, -ENOTCONN); return;
    case End::Phase::listening:
        (void)sockets_.shutdown(end.socket, how);
        answer_all(end, -EINVAL);
        end.phase = End::Phase::fresh;
        break;
    case End::Phase::connected:
        if (how != SHUT_WR || std::exchange(end.half_closed, true) || end.down_done) break;
        int waiting = 0;
        const drivers::Fd theirs = drivers::copy_descriptor(call.thread, end.fd);
        if (theirs && ::ioctl(*end.ours, FIONREAD, &waiting) == 0 &&
            ::send(*theirs, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
            end.before_poison = waiting;
        break;
    }
    calls_.let_through(call.id);
    if (end.phase == End::Phase::connected) again(end);
}

void Supervisor::get_option(const Call& call, End& end) {
    const int level = as_int(call.arguments[1]), option = as_int(call.arguments[2]);
    const auto wanted = read_int(call.thread, call.arguments[4]);
    const auto answer = [&](std::int64_t what) { calls_.answer(call.id, what); };
    if (!wanted) return answer(-EFAULT);
    if (*wanted < 0) return answer(-EINVAL);
    std::array<std::uint8_t, option_bytes_max> value;
    auto size = static_cast<socklen_t>(std::min<std::size_t>(option_bytes_max,
                                                             static_cast<std::size_t>(*wanted)));
    if (level == SOL_SOCKET && option == SO_ERROR && end.error != 0) {
        const int error = std::exchange(end.error, 0);
        size = std::min<socklen_t>(size, sizeof error);
        std::memcpy(value.data(), &error, size);
    } else if (sockets_.getsockopt(end.socket, level, option, value.data(), &size) != 0) {
        return answer(-sockets_.last_error());
    }
    const bool told = drivers::write_memory(call.thread, call.arguments[3], {value.data(), size}) &&
                      write_int(call.thread, call.arguments[4], static_cast<int>(size));
    answer(told ? 0 : -EFAULT);
}

void Supervisor::set_option(const Call& call, End& end) {
    const int level = as_int(call.arguments[1]), option = as_int(call.arguments[2]);
    const auto size = static_cast<std::size_t>(
        std::clamp(as_int(call.arguments[4]), 0, static_cast<int>(option_bytes_max)));
    std::array<std::uint8_t, option_bytes_max> value;
    const std::span given(value.data(), size);
    if (size != 0 && !drivers::read_memory(call.thread, call.arguments[3], given)) {
        calls_.answer(call.id, -EFAULT);
        return;
    }
    // TLS in the kernel and the repair of connections would need the kernel's TCP.
    const bool needs_kernel = level == IPPROTO_TCP && (option == TCP_ULP || option == TCP_REPAIR);
    const std::int64_t done =
        needs_kernel ? (option == TCP_ULP ? -ENOENT : -EPERM)
                     : result(sockets_.setsockopt(end.socket, level, option, value.data(),
                                                  static_cast<socklen_t>(size)));
    if (done == 0 && is_kernels_too(level, option))
        calls_.let_through(call.id);
    else
        calls_.answer(call.id, done);
}

std::int64_t Supervisor::name(const Call& call, End& end, bool peer) {
    const auto room = read_int(call.thread, call.arguments[2]);
    if (!room) return -EFAULT;
    if (*room < 0) return -EINVAL;
    if (peer && end.phase == End::Phase::connecting) return -ENOTCONN;
    Address address;
    address.size = sizeof address.octets;
    const int done = peer ? sockets_.getpeername(end.socket, address.get(), &address.size)
                          : sockets_.getsockname(end.socket, address.get(), &address.size);
    if (done != 0) return -sockets_.last_error();
    if (peer && end.asked.size != 0) address = end.asked;
    return write_address(call.thread, call.arguments[1], call.arguments[2], *room, address)
               ? 0
               : -EFAULT;
}

// SIOCOUTQ: what the peer has not acknowledged, whether TCP has it already or not.
void Supervisor::say_queue(const Call& call, End& end) {
    int waiting = 0, in_tcp = 0;
    if (end.ours) ::ioctl(*end.ours, FIONREAD, &waiting);
    waiting = std::max(waiting - static_cast<int>(end.filler), 0);
    (void)sockets_.ioctl(end.socket, TIOCOUTQ, &in_tcp);
    if (end.before_poison >= 0) waiting = static_cast<int>(end.before_poison);
    const int all = waiting + in_tcp + static_cast<int>(end.surplus.size());
    calls_.answer(call.id, write_int(call.thread, call.arguments[2], all) ? 0 : -EFAULT);
}

}  // namespace estab::owntcp
