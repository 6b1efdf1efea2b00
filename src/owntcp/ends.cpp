// Octets between the program's pair and TCP, and the ways in which it all ends.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "owntcp/supervisor.hpp"

namespace estab::owntcp {
namespace {

using Blocks = runtime::LentBlocks;

constexpr std::size_t turn_bytes = 1 << 20;  // of one direction, before others have a turn
constexpr std::size_t surplus_bytes = 4096;  // read beyond TCP's room, to wait with
constexpr int pair_buffer = 1 << 20;         // as far as the host lets us
constexpr Duration memory_patience = 10ms;

}  // namespace

Supervisor::Pair Supervisor::make_pair(int type, int socket) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0)
        return {};
    Pair pair{drivers::Fd(fds[0]), std::make_unique<End>()};
    pair.end->ours.reset(fds[1]);
    pair.end->socket = socket;
    for (const int fd : fds)
        ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &pair_buffer, sizeof pair_buffer);
    if ((type & SOCK_NONBLOCK) == 0) ::fcntl(fds[0], F_SETFL, O_RDWR);
    struct stat found {};
    if (::fstat(fds[0], &found) != 0) return {};
    pair.end->inode = found.st_ino;
    return pair;
}

End& Supervisor::adopt(Pair& pair) {
    const std::uint64_t inode = pair.end->inode;
    // The number of one that is over may be given out again.
    if (const auto old = ends_.find(inode); old != ends_.end()) drop(*old->second);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = inode;
    ::epoll_ctl(*epoll_, EPOLL_CTL_ADD, *pair.end->ours, &event);
    End& end = *pair.end;
    ends_.emplace(inode, std::move(pair.end));
    return end;
}

void Supervisor::know_connection(End& end) {
    end.connection = sockets_.connection_id(end.socket);
    const std::uint32_t index = end.connection.index;
    if (by_connection_.size() <= index) by_connection_.resize(index + std::size_t{1});
    by_connection_[index] = end.inode;
}

void Supervisor::again(End& end) { again_.push_back(end.inode); }

void Supervisor::pump(End& end) {
    const tcp::Connection* c = connection(end);
    // As Linux: to close with something unread is a reset, whatever was still to be sent.
    const bool resets = end.closed && (end.lost_unread || (c != nullptr && c->unread() != 0));
    if (resets) stack().abort(now(), end.connection);
    if (resets || (c == nullptr && end.closed)) return drop(end);
    pump_up(end);
    // What is still to be said TCP says by itself.
    if (end.up_done && end.closed) {
        const bool may_be_open = end.half_closed && end.down_done;
        return may_be_open ? put_over(end) : drop(end);
    }
    pump_down(end);
}

void Supervisor::pump_up(End& end) {
    if (!end.surplus.empty()) {
        const std::vector<std::uint8_t> rest = std::exchange(end.surplus, {});
        if (!take_up(end, rest)) return;
    }
    for (std::size_t moved = 0; !end.up_done;) {
        const tcp::Connection* c = connection(end);
        if (c == nullptr || !c->may_write()) {
            end.up_done = end.up_done || end.closed;
            return;
        }
        if (moved >= turn_bytes) return again(end);
        const std::uint64_t room = c->write_room();
        Blocks::Taken block;
        if (end.brings_much && room >= Blocks::worth_bytes) block = blocks_.take();
        const MutableBytes into = block ? block->room() : MutableBytes(scratch_);
        std::size_t wanted =
            std::min<std::uint64_t>(into.size(), room + (block ? 0 : surplus_bytes));
        if (end.before_poison >= 0)
            wanted = std::min(wanted, static_cast<std::size_t>(end.before_poison));
        if (wanted == 0) return finish_up(end);
        const ssize_t n = ::recv(*end.ours, into.data(), wanted, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return finish_up(end);
        end.brings_much = n >= static_cast<ssize_t>(Blocks::worth_bytes);
        const auto octets = static_cast<std::size_t>(n);
        if (end.before_poison >= 0) end.before_poison -= n;
        moved += octets;
        if (!take_up(end, into.first(octets), std::move(block))) return;
    }
}

// False: there is no room for all of it, and TCP tells when there is.
bool Supervisor::take_up(End& end, Bytes octets, Blocks::Taken block) {
    const bool is_lent = block && octets.size() >= Blocks::worth_bytes;
    const auto taken = is_lent ? stack().write_external(now(), end.connection, octets,
                                                        Blocks::give_back, block.get())
                               : stack().write(now(), end.connection, octets);
    const Bytes rest = octets.subspan(taken ? *taken : 0);
    if (!taken && taken.error() != Error::would_block && taken.error() != Error::no_memory)
        return true;  // it has failed: they go nowhere
    end.surplus.assign(rest.begin(), rest.end());
    if (is_lent && taken) (void)block.release();
    if (!taken && taken.error() == Error::no_memory)
        wake_ = std::min(wake_, after(now(), memory_patience));
    return rest.empty();
}

// The program has said all.
void Supervisor::finish_up(End& end) {
    end.up_done = true;
    pollfd entry{.fd = *end.ours, .events = 0, .revents = 0};
    if (!end.closed && ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLHUP) != 0) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(*end.ours, SOL_SOCKET, SO_ERROR, &error, &size);
        end.closed = true;
        end.lost_unread = error == ECONNRESET;
        if (end.lost_unread) stack().abort(now(), end.connection);
    }
    (void)sockets_.shutdown(end.socket, SHUT_WR);
    if (end.down_done && !end.closed) finish(end);
}

// Both have said all. The program sees that when our end is closed, and nothing unread in it.
void Supervisor::finish(End& end) {
    for (ssize_t n = 1; n > 0;)
        n = ::recv(*end.ours, scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    put_over(end);
}

void Supervisor::pump_down(End& end) {
    for (std::size_t moved = 0; !end.down_done;) {
        const tcp::Connection* c = connection(end);  // none: in TIME-WAIT, all read
        const auto there = c != nullptr ? c->peek(0, scratch_) : Result<std::size_t>(0);
        const Bytes run = Bytes(scratch_).first(there ? *there : 0);
        if (run.empty()) {
            if (c != nullptr && c->has_failed()) return break_end(end);
            if (!there) return;
            end.down_done = true;
            if (end.up_done) return finish(end);
            ::shutdown(*end.ours, SHUT_WR);
            return;
        }
        if (moved >= turn_bytes) return again(end);
        const ssize_t n =
            ::send(*end.ours, run.data(), run.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        // Nobody reads any more: what comes is taken and forgotten.
        const std::size_t octets = n < 0 ? run.size() : static_cast<std::size_t>(n);
        stack().consume(now(), end.connection, octets);
        moved += octets;
    }
    const tcp::Connection* c = connection(end);
    if (end.phase == End::Phase::connected && c != nullptr && c->has_failed()) break_end(end);
}

// The connection has failed. A pair that is closed with something unread is ECONNRESET for the
// other side, so there must be something.
void Supervisor::break_end(End& end) {
    if (end.closed) return drop(end);
    int waiting = 0;
    ::ioctl(*end.ours, FIONREAD, &waiting);
    if (end.down_done) return finish(end);  // it has seen the end: Linux, RST in CLOSE-WAIT
    if (waiting == 0) poison(end);
    put_over(end);
}

void Supervisor::poison(const End& end) {
    drivers::Fd theirs = drivers::copy_descriptor(end.thread, end.fd);
    struct stat found {};
    if (!theirs || ::fstat(*theirs, &found) != 0 || found.st_ino != end.inode)
        theirs = drivers::find_socket(end.inode);
    if (theirs) (void)!::send(*theirs, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Supervisor::tell_ended(const End& end) {
    if (end.phase != End::Phase::connected) return;
    if (const tcp::Connection* c = connection(end)) on_ended_(c->tuple(), c->info(now()));
}

void Supervisor::put_over(End& end) {
    tell_ended(end);
    end.ours.reset();
    end.phase = End::Phase::over;
    end.surplus = {};
    over_.push_back(end.inode);
    if (over_.size() <= over_max) return;
    const auto oldest = ends_.find(over_.front());
    over_.pop_front();
    if (oldest != ends_.end() && oldest->second->phase == End::Phase::over)
        drop(*oldest->second);
}

void Supervisor::drop(End& end) {
    tell_ended(end);
    if (end.socket >= 0) (void)sockets_.close(end.socket);
    for (const int socket : end.accepted) (void)sockets_.close(socket);
    ends_.erase(end.inode);
}

}  // namespace estab::owntcp
