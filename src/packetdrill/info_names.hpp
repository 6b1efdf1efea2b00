// The names that a script's code may use: what TCP_INFO says of the socket under test now, and the
// constants beside it.
#pragma once

#include "packetdrill/python.hpp"
#include "posix/sockets.hpp"

namespace estab::packetdrill {

// -1: no socket; then only the constants are there.
void fill_info_names(const posix::Sockets& os, int fd, Instant now, PythonNames& names);

}  // namespace estab::packetdrill
