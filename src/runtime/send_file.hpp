// A part of a file on a stream: mapped and sent from where it is, so that no octet of it is copied
// in this process (the kernel copies it into the frame); read and written where it cannot be
// mapped, or where it is small.
#pragma once

#include "runtime/mapped_file.hpp"
#include "socket/stream.hpp"

namespace estab::runtime {

struct SendFileOptions {
    FilePart part;
    Duration patience = never_ends;  // for the peer to take some of it: timed_out
    static constexpr Duration never_ends = Duration::max();
};

// Done when the last octet is in the send buffer. `fd` may be closed then; the file should not be
// written to before the peer has acknowledged it. Errors: those of writing; malformed: the file
// ends before the part does, and the stream has been aborted: only that can tell the peer.
socket::Task<Result<void>> send_file(socket::Reactor& reactor, socket::Stream& stream, int fd,
                                     SendFileOptions options);

}  // namespace estab::runtime
