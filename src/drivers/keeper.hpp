// A process between us and CMD that outlives neither: when CMD ends, or when we are gone in
// whatever way, everything that CMD has started is killed, detached daemons too. It holds no
// descriptor, so no pipe waits for it, and changes nothing in what CMD sees.
#pragma once

#include <signal.h>
#include <sys/types.h>

namespace estab::drivers {

inline constexpr int keeper_end = SIGURG;  // from `parent`: kill everything and end

// To be called in a freshly forked child of `parent`. Returns in a child of the caller, which is to
// become CMD and dies with the keeper; the caller itself stays behind as the keeper and ends with
// CMD's exit status, 128 + n for signal n. Signals that `parent` sends to it are passed on to CMD.
// When all are gone it removes the file `leftover` ("": none), which a parent that was killed could
// not.
void fork_below_keeper(pid_t parent, const char* leftover);

}  // namespace estab::drivers
