#include "drivers/keeper.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "drivers/spawn.hpp"
#include "drivers/system.hpp"

namespace estab::drivers {
namespace {

// Our children: those that we forked, and all whose parent has died below us.
template <class Fn>
void for_each_child(Fn&& fn) {
    char path[64];
    ::snprintf(path, sizeof path, "/proc/self/task/%d/children", static_cast<int>(::getpid()));
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t n = file ? ::read(*file, text, sizeof text - 1) : 0;
    if (n <= 0) return;
    text[n] = '\0';
    char* end = text;
    for (char* at = text; *at != '\0'; at = end) {
        const long pid = ::strtol(at, &end, 10);
        if (end == at) return;
        if (*end != '\0' || n < static_cast<ssize_t>(sizeof text - 1)) fn(static_cast<pid_t>(pid));
        while (*end == ' ') ++end;
    }
}

// Whatever a killed one leaves behind becomes our child, until there is none. One that may not be
// killed (another user's) is not waited for.
void kill_all() {
    for (;;) {
        bool any = false;
        for_each_child([&](pid_t pid) { any = ::kill(pid, SIGKILL) == 0 || any; });
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, any ? 0 : WNOHANG);
        if (ended < 0 && errno == EINTR) continue;
        if (ended < 0 || (ended == 0 && !any)) return;
    }
}

// Whether it is on its way out, though we have not been told yet: the command may have ended of
// what it closed on that way. proc(5): the flags, the seventh behind the name.
bool is_ending(pid_t process) {
    constexpr unsigned long exiting = 0x4;  // PF_EXITING
    char path[64];
    ::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(process));
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[1024];
    const ssize_t n = file ? ::read(*file, text, sizeof text - 1) : 0;
    if (n <= 0) return true;
    text[n] = '\0';
    const char* const behind_name = ::strrchr(text, ')');
    unsigned long flags = 0;
    return behind_name != nullptr &&
           ::sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 &&
           (flags & exiting) != 0;
}

[[noreturn]] void keep(pid_t parent, pid_t command, const char* leftover) {
    sigset_t all;
    ::sigfillset(&all);
    const auto remove_leftover = [&] {
        if (*leftover == '\0') return;
        if (::getppid() != parent || is_ending(parent)) ::unlink(leftover);
    };
    for (;;) {
        siginfo_t what{};
        if (::sigwaitinfo(&all, &what) < 0) continue;
        const bool is_ours = what.si_code <= 0 && what.si_pid == parent;
        if (::getppid() != parent || (is_ours && what.si_signo == keeper_end)) {
            kill_all();
            remove_leftover();
            ::_exit(125);
        }
        if (what.si_signo != SIGCHLD) {
            // A key on the terminal reaches CMD by itself; what our parent sends is meant for it.
            if (is_ours) ::kill(command, what.si_signo);
            continue;
        }
        int status = 0;
        for (pid_t ended; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (ended != command) continue;
            kill_all();
            remove_leftover();
            ::_exit(exit_code(status));
        }
    }
}

}  // namespace

void fork_below_keeper(pid_t parent, const char* leftover) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);  // CMD starts with none blocked: reset_signals()
    ::signal(SIGCHLD, SIG_DFL);
    const pid_t keeper = ::getpid();
    const pid_t command = ::fork();
    if (command == 0) {
        die_with(keeper);
        return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::syscall(SYS_close_range, 0U, ~0U, 0U);
    if (command < 0) ::_exit(125);
    if (::getppid() != parent) ::kill(keeper, SIGTERM);  // it died before we asked to be told
    keep(parent, command, leftover);
}

}  // namespace estab::drivers
