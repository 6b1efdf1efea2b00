#include "runtime/send_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace estab::runtime {
namespace {

using socket::Stream;
using socket::Task;

constexpr std::uint64_t window = 8 << 20;      // mapped at a time
constexpr std::uint64_t small = 16 << 10;      // reading costs less than mapping up to here
constexpr std::size_t piece = 64 << 10;        // read at a time

struct Held {
    MappedPart* part;
    ~Held() { part->let_go(); }
};

Instant deadline(const socket::Reactor& reactor, Duration patience) {
    return patience == SendFileOptions::never_ends ? never : after(reactor.now(), patience);
}

Task<Result<void>> write_mapped(socket::Reactor& reactor, Stream& stream, MappedPart& part,
                                Duration patience) {
    for (Bytes left = part.bytes(); !left.empty();) {
        if (part.is_damaged()) co_return fail(Error::malformed);
        part.hold();
        const auto taken = stream.try_write_external(left, MappedPart::let_go, &part);
        if (taken) {
            left = left.subspan(*taken);
            continue;
        }
        part.let_go();
        if (taken.error() != Error::would_block) co_return fail(taken.error());
        const auto ready = co_await stream.async_writable(deadline(reactor, patience));
        if (!ready) co_return fail(ready.error());
    }
    co_return Result<void>{};
}

Task<Result<void>> write_read(socket::Reactor& reactor, Stream& stream, int fd, FilePart part,
                              Duration patience) {
    const auto at_most = [&part](std::size_t octets) {
        return static_cast<std::size_t>(std::min<std::uint64_t>(octets, part.size));
    };
    std::vector<std::uint8_t> room(at_most(piece));
    while (part.size != 0) {
        const std::size_t wanted = at_most(room.size());
        ssize_t n;
        do n = ::pread(fd, room.data(), wanted, static_cast<off_t>(part.first));
        while (n < 0 && errno == EINTR);
        if (n <= 0) co_return fail(Error::malformed);
        const auto got = static_cast<std::size_t>(n);
        const auto sent = co_await stream.async_write_all(Bytes(room).first(got),
                                                          deadline(reactor, patience));
        if (!sent) co_return fail(sent.error());
        part.first += got;
        part.size -= got;
    }
    co_return Result<void>{};
}

}  // namespace

Task<Result<void>> send_file(socket::Reactor& reactor, Stream& stream, int fd,
                             SendFileOptions options) {
    FilePart left = options.part;
    while (left.size != 0) {
        FilePart next{left.first, std::min(left.size, window)};
        // The rest begins on a page's boundary, and is not cut into a window and a few octets.
        if (left.size > window) next.size -= left.first % 4096;
        MappedPart* const mapped = left.size > small ? MappedPart::map(fd, next) : nullptr;
        Result<void> done;
        if (mapped != nullptr) {
            const Held held{mapped};
            done = co_await write_mapped(reactor, stream, *mapped, options.patience);
        } else {
            done = co_await write_read(reactor, stream, fd, next, options.patience);
        }
        if (!done) {
            if (done.error() == Error::malformed) stream.abort();
            co_return done;
        }
        left.first += next.size;
        left.size -= next.size;
    }
    co_return Result<void>{};
}

}  // namespace estab::runtime
