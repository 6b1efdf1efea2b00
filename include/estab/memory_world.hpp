// MemoryWorld: two hosts and a wire in one process, in virtual time. Nothing sleeps, nothing needs
// a permission: for tests of what is built on the sockets.
#pragma once

#include "estab/stream.hpp"
#include "socket/memory_world.hpp"

namespace estab {

using socket::MemoryWorld;

}  // namespace estab
