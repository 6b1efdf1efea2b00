// What octets can be moved to and from without a copy of the caller's: pipes, and files that are in
// memory. sendfile() and splice() between them and sockets.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "posix/sockets.hpp"

namespace estab::posix {
namespace {

constexpr std::size_t pipe_room = 65'536;  // as Linux; policy when full: it blocks, or EAGAIN
constexpr std::size_t piece = 16'384;      // moved at a time

}  // namespace

int Sockets::pipe2(int (&fds)[2], int flags) {
    if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) != 0) return done(-EINVAL);
    const auto pipe = std::make_shared<Pipe>();
    pipe->writer = pipe->reader = true;
    int made[2] = {};
    for (int end = 0; end < 2; ++end) {
        auto f = std::make_shared<File>();
        f->pipe = pipe;
        f->writes = end == 1;
        f->nonblocking = (flags & O_NONBLOCK) != 0;
        made[end] = add(std::move(f));
        if (made[end] >= 0) continue;
        if (end == 1) forget(made[0]);
        return done(made[end]);
    }
    std::copy_n(made, 2, fds);
    return 0;
}

int Sockets::open_memory(std::vector<std::uint8_t> octets) {
    auto f = std::make_shared<File>();
    f->memory = std::make_shared<Memory>();
    f->memory->octets = std::move(octets);
    return done(add(std::move(f)));
}

// Up to `size` octets out of a pipe or file. Nothing: a pipe with a writer that has said nothing.
std::optional<std::int64_t> Sockets::take_from(File& from, std::uint64_t* offset,
                                               std::span<std::uint8_t> into) {
    if (from.memory != nullptr) {
        Memory& m = *from.memory;
        std::uint64_t& at = offset != nullptr ? *offset : m.at;
        const std::size_t left = at < m.octets.size() ? m.octets.size() - at : 0;
        const std::size_t size = std::min(into.size(), left);
        std::copy_n(m.octets.begin() + static_cast<std::ptrdiff_t>(at), size, into.begin());
        at += size;
        return static_cast<std::int64_t>(size);
    }
    Pipe& p = *from.pipe;
    const std::size_t size = std::min(into.size(), p.octets.size());
    if (size == 0) return p.writer ? std::nullopt : std::optional<std::int64_t>(0);
    std::copy_n(p.octets.begin(), size, into.begin());
    p.octets.erase(p.octets.begin(), p.octets.begin() + static_cast<std::ptrdiff_t>(size));
    return static_cast<std::int64_t>(size);
}

std::optional<std::int64_t> Sockets::put_into(File& to, Bytes octets) {
    Pipe& p = *to.pipe;
    if (!p.reader) return -EPIPE;
    const std::size_t size = std::min(octets.size(), pipe_room - p.octets.size());
    if (size == 0 && !octets.empty()) return std::nullopt;
    p.octets.insert(p.octets.end(), octets.begin(),
                    octets.begin() + static_cast<std::ptrdiff_t>(size));
    return static_cast<std::int64_t>(size);
}

// read() of what is no socket.
std::optional<std::int64_t> Sockets::try_read_file(File& from, std::span<const iovec> parts) {
    if (from.pipe != nullptr && from.writes) return -EBADF;
    std::int64_t sum = 0;
    for (const iovec& part : parts) {
        if (part.iov_base == nullptr && part.iov_len != 0) return sum != 0 ? sum : -EFAULT;
        const auto taken =
            take_from(from, nullptr, {static_cast<std::uint8_t*>(part.iov_base), part.iov_len});
        if (!taken && sum == 0) return from.nonblocking ? std::optional(-EAGAIN) : std::nullopt;
        sum += taken.value_or(0);
        if (!taken || static_cast<std::size_t>(*taken) < part.iov_len) break;
    }
    return sum;
}

std::optional<std::int64_t> Sockets::try_write_file(File& to, std::span<const iovec> parts) {
    if (to.pipe == nullptr || !to.writes) return -EBADF;
    std::int64_t sum = 0;
    for (const iovec& part : parts) {
        if (part.iov_base == nullptr && part.iov_len != 0) return sum != 0 ? sum : -EFAULT;
        const auto put = put_into(
            to, Bytes(static_cast<const std::uint8_t*>(part.iov_base), part.iov_len));
        if (put && *put < 0) return sum != 0 ? sum : *put;
        if (!put && sum == 0) return to.nonblocking ? std::optional(-EAGAIN) : std::nullopt;
        sum += put.value_or(0);
        if (!put || static_cast<std::size_t>(*put) < part.iov_len) break;
    }
    return sum;
}

// From a file or pipe to a socket; what did not fit goes back to where it was.
std::optional<std::int64_t> Sockets::move_to_socket(File& from, std::uint64_t* offset, Socket& to,
                                                    std::size_t count, bool more,
                                                    std::size_t& moved) {
    std::array<std::uint8_t, piece> room;
    while (moved < count) {
        const std::size_t size = std::min(count - moved, room.size());
        const auto taken = take_from(from, offset, std::span(room).first(size));
        if (!taken) return moved != 0 ? std::optional<std::int64_t>(moved) : std::nullopt;
        if (*taken == 0) break;
        const iovec part{room.data(), static_cast<std::size_t>(*taken)};
        std::size_t sent = 0;
        bool ends = false;
        if (from.memory == nullptr) {
            ends = from.pipe->octets.empty();
        } else {
            ends = (offset != nullptr ? *offset : from.memory->at) == from.memory->octets.size();
        }
        const bool last = moved + part.iov_len == count || ends;
        const int flags = MSG_DONTWAIT | (more || !last ? MSG_MORE : 0);
        const auto result = try_send(to, {&part, 1}, flags, sent);
        moved += sent;
        const std::size_t back = part.iov_len - sent;
        if (from.memory != nullptr) {
            (offset != nullptr ? *offset : from.memory->at) -= back;
        } else {
            from.pipe->octets.insert(from.pipe->octets.begin(), room.begin() + sent,
                                     room.begin() + part.iov_len);
        }
        if (back == 0 || sent != 0) continue;
        // sendfile() waits until all is in, splice() only for a beginning.
        const bool waits = *result == -EAGAIN && !to.nonblocking;
        if (waits && (moved == 0 || from.memory != nullptr)) return std::nullopt;
        if (moved != 0) break;
        return *result;
    }
    return static_cast<std::int64_t>(moved);
}

Call Sockets::start_sendfile(int out, int in, std::uint64_t* offset, std::size_t count) {
    Socket* s = socket_of(out);
    if (s == nullptr) return Call(file(out) != nullptr ? -EINVAL : -EBADF);
    const auto from = file(in);
    if (from == nullptr) return Call(-EBADF);
    if (from->memory == nullptr) return Call(from->pipe != nullptr ? -ESPIPE : -EINVAL);
    auto moved = std::make_shared<std::size_t>(0);
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        Socket* to = socket_of(out);
        if (to == nullptr) return *moved != 0 ? static_cast<std::int64_t>(*moved) : -EBADF;
        return move_to_socket(*from, offset, *to, count, false, *moved);
    };
    return Call(attempt, s->send_timeout > 0s ? after(world_.now(), s->send_timeout) : never,
                -EAGAIN, moved);
}

// One of the two is a pipe.
Call Sockets::start_splice(int in, int out, std::size_t count, unsigned flags) {
    const auto from = file(in), to = file(out);
    if (from == nullptr || to == nullptr) return Call(-EBADF);
    const bool reads = from->pipe != nullptr, writes = to->pipe != nullptr;
    if (!reads && !writes) return Call(-EINVAL);
    if ((reads && from->writes) || (writes && !to->writes)) return Call(-EBADF);
    if (from->epoll != nullptr || to->epoll != nullptr || to->memory != nullptr)
        return Call(-EINVAL);
    constexpr unsigned nonblock = 2, more = 4;  // SPLICE_F_NONBLOCK, SPLICE_F_MORE
    auto moved = std::make_shared<std::size_t>(0);
    const auto attempt = [=, this](Instant) -> std::optional<std::int64_t> {
        if (*moved != 0 || count == 0) return static_cast<std::int64_t>(*moved);
        const auto again = [&]() -> std::optional<std::int64_t> {
            if ((flags & nonblock) != 0) return -EAGAIN;
            return std::nullopt;
        };
        std::optional<std::int64_t> result;
        Socket* sink = socket_of(out);
        Socket* source = socket_of(in);
        if (sink != nullptr) {
            result = move_to_socket(*from, nullptr, *sink, count, (flags & more) != 0, *moved);
        } else {
            const std::size_t size = std::min(count, pipe_room - to->pipe->octets.size());
            if (size == 0) return again();
            std::vector<std::uint8_t> octets(size);
            const iovec part{octets.data(), octets.size()};
            std::size_t copied = 0;
            result = source != nullptr ? try_recv(*source, {&part, 1}, 0, copied, nullptr)
                                       : take_from(*from, nullptr, octets);
            if (result && *result > 0)
                result = put_into(*to, Bytes(octets).first(static_cast<std::size_t>(*result)));
        }
        return result ? result : again();
    };
    return Call(attempt, never, -EAGAIN, moved);
}

ssize_t Sockets::sendfile(int out, int in, std::uint64_t* offset, std::size_t count) {
    Call call = start_sendfile(out, in, offset, count);
    return wait(call);
}

ssize_t Sockets::splice(int in, int out, std::size_t count, unsigned flags) {
    Call call = start_splice(in, out, count, flags);
    return wait(call);
}

}  // namespace estab::posix
