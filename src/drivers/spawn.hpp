// Running a program as our child: in given namespaces, on our terminal, dead when we are.
#pragma once

#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "drivers/system.hpp"

namespace estab::drivers {

// A child process. Killed and waited for if its owner forgets to.
class Child {
public:
    Child() = default;
    // `end_signal`: what ends it for certain.
    Child(pid_t pid, Fd pidfd, int end_signal)
        : pid_(pid), end_signal_(end_signal), pidfd_(std::move(pidfd)) {}
    Child(Child&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)),
          end_signal_(other.end_signal_),
          pidfd_(std::move(other.pidfd_)),
          status_(other.status_) {}
    Child& operator=(Child&& other) noexcept;
    ~Child() { abandon(); }

    pid_t pid() const { return pid_; }
    int pidfd() const { return *pidfd_; }  // readable once the child has ended
    int wait();                            // until it ends; the wait status
    std::optional<int> poll();             // the wait status, if it has ended
    void signal(int number) const;         // nothing happens if it has ended

private:
    void abandon();

    pid_t pid_ = -1;
    int end_signal_ = 0;
    Fd pidfd_;
    std::optional<int> status_;
};

// The exit code that a wait status asks of us: the child's own, or 128 + n for signal n.
int exit_code(int wait_status);

// The program could not be started. exit_code() as env(1) has it: 127 not found, 126 found but not
// executable, 125 everything that is our own trouble.
class SpawnError : public SystemError {
public:
    SpawnError(const std::string& what, int error, int exit_code)
        : SystemError(what, error), exit_code_(exit_code) {}
    int exit_code() const { return exit_code_; }

private:
    int exit_code_;
};

struct ReplacedFile {
    std::string path, content;
};

struct SpawnOptions {
    int user_namespace = -1;  // descriptors of namespaces to enter first, -1: ours
    int network_namespace = -1;
    bool drop_capabilities = false;  // also what user 0 would have in the new user namespace
    std::array<int, 3> standard = {-1, -1, -1};  // stdin, stdout, stderr; -1: ours
    // Whatever CMD leaves behind is killed when it ends or we do.
    bool keep = false;
    // Files that CMD sees in the place of existing ones, in a mount namespace of its own. Where
    // that cannot be had, it sees the host's.
    std::vector<ReplacedFile> files;
    // Where only that allows it, in a user namespace in which CMD is whom it was, and alone.
    bool files_by_user_namespace = false;
    std::string leftover;  // with `keep`: a file of ours to be removed if we are killed
    bool close_inherited = false;  // all beyond the standard ones: sockets of another network
    // Where to put the descriptor out of which CMD's socket calls come: see system_calls.hpp.
    Fd* stopped_calls = nullptr;
};

// argv[0] is looked up in PATH. Returns once exec() has succeeded; throws SpawnError.
Child spawn(const std::vector<std::string>& argv, const SpawnOptions& options);

}  // namespace estab::drivers
