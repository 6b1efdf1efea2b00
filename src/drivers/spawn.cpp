#include "drivers/spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "drivers/keeper.hpp"
#include "drivers/system_calls.hpp"

namespace estab::drivers {
namespace {

enum class Stage : int { namespaces, descriptors, calls, exec };

struct Failure {
    Stage stage;
    int error;
};

[[noreturn]] void give_up(int pipe, Stage stage) {
    const Failure failure{stage, errno};
    [[maybe_unused]] const ssize_t n = ::write(pipe, &failure, sizeof failure);
    ::_exit(125);
}

// What our event loop blocks and what network programs ignore is not for CMD to inherit. Other
// ignored signals are (nohup); handlers end with exec().
void reset_signals() {
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// But raw sockets, which ping's file asks for and which in here reach only our own network: without
// it in the bounding set, such a program cannot even be started.
void drop_capabilities() {
    constexpr unsigned long net_raw = 13;  // CAP_NET_RAW
    for (unsigned long capability = 0;; ++capability)
        if (capability != net_raw && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
}

bool write_new_file(const std::string& path, const std::string& content) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    return file && ::write(*file, content.data(), content.size()) ==
                       static_cast<ssize_t>(content.size());
}

enum class Entered { no, yes, half };  // half: without the maps CMD would be nobody

Entered enter_own_user_namespace() {
    const std::string uid = std::to_string(::geteuid()), gid = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return Entered::no;
    for (const auto& [file, text] :
         {std::pair{"/proc/self/setgroups", std::string("deny")},
          std::pair{"/proc/self/uid_map", uid + " " + uid + " 1"},
          std::pair{"/proc/self/gid_map", gid + " " + gid + " 1"}})
        if (const int error = write_file(file, text); error != 0) {
            errno = error;
            return Entered::half;
        }
    return Entered::yes;
}

// The copies lie in a file system in memory that is visible for as long as it takes.
// False: we are where CMD cannot run.
bool replace_files(const std::vector<ReplacedFile>& files, bool by_user_namespace) {
    constexpr const char* place = "/tmp";
    if (::unshare(CLONE_NEWNS) != 0) {
        const Entered entered = by_user_namespace ? enter_own_user_namespace() : Entered::no;
        if (entered != Entered::yes) return entered == Entered::no;
    }
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return true;
    if (::mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") != 0)
        return true;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string copy = std::string(place) + "/" + std::to_string(i);
        if (write_new_file(copy, files[i].content))
            (void)::mount(copy.c_str(), files[i].path.c_str(), nullptr, MS_BIND, nullptr);
    }
    (void)::umount2(place, MNT_DETACH);
    return true;
}

// Where the filter's descriptor is to be fetched: it cannot be sent, since sending is stopped too.
struct Place {
    pid_t process;
    int fd;
};

void stop_calls(int status_pipe, int place_socket) {
    const Place place{::getpid(), stop_socket_calls()};
    errno = place.fd < 0 ? -place.fd : 0;
    if (place.fd < 0) give_up(status_pipe, Stage::calls);
    char fetched = 0;
    const bool done = ::write(place_socket, &place, sizeof place) == sizeof place &&
                      ::read(place_socket, &fetched, 1) == 1;
    if (!done) ::_exit(125);  // the parent knows why
    ::close(place.fd);
}

// The parent's part of it. None: the child has something to say in the status pipe.
Fd fetch_calls(int place_socket) {
    Place place{};
    if (::read(place_socket, &place, sizeof place) != sizeof place) return {};
    Fd calls = copy_descriptor(place.process, place.fd);
    if (!calls)
        throw SpawnError("cannot take the command's system calls: " + error_text(errno), errno,
                         125);
    [[maybe_unused]] const ssize_t n = ::write(place_socket, "", 1);
    return calls;
}

[[noreturn]] void become(char* const* argv, const SpawnOptions& options, int parent, int pipe,
                         int place_socket) {
    const bool entered =
        (options.user_namespace < 0 || ::setns(options.user_namespace, CLONE_NEWUSER) == 0)
        && (options.network_namespace < 0 || ::setns(options.network_namespace, CLONE_NEWNET) == 0);
    if (!entered) give_up(pipe, Stage::namespaces);
    if (!options.files.empty() &&
        !replace_files(options.files, options.files_by_user_namespace))
        give_up(pipe, Stage::namespaces);
    if (options.drop_capabilities) drop_capabilities();
    die_with(parent);  // after setns(), which gains capabilities and so clears it
    if (options.keep) fork_below_keeper(parent, options.leftover.c_str());
    for (int fd = 0; fd < 3; ++fd) {
        const int from = options.standard[static_cast<std::size_t>(fd)];
        if (from >= 0 && ::dup2(from, fd) < 0) give_up(pipe, Stage::descriptors);
    }
    // The pipe, too, is to be closed by exec() and not before.
    if (options.close_inherited) ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    reset_signals();
    if (options.stopped_calls != nullptr) stop_calls(pipe, place_socket);
    ::execvp(argv[0], argv);
    give_up(pipe, Stage::exec);
}

// exec() also says EACCES when a folder in PATH may not be searched; that alone is "not found".
bool is_in_path(const std::string& program) {
    if (program.find('/') != std::string::npos) return true;
    const char* path = ::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";
    for (;;) {
        const std::size_t end = rest.find(':');
        const std::string file = std::string(rest.substr(0, end)) + "/" + program;
        if (::access(file.c_str(), F_OK) == 0) return true;
        if (end == std::string_view::npos) return false;
        rest.remove_prefix(end + 1);
    }
}

}  // namespace

Child spawn(const std::vector<std::string>& argv, const SpawnOptions& options) {
    if (argv.empty()) throw SpawnError("no command given", EINVAL, 125);
    std::vector<char*> words;
    words.reserve(argv.size() + 1);
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);

    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw SpawnError("cannot make a pipe: " + error_text(errno), errno, 125);
    const Fd read_end(ends[0]);
    Fd write_end(ends[1]);
    SocketPair places;
    if (options.stopped_calls != nullptr) places = packet_socket_pair();
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw SpawnError("cannot fork: " + error_text(errno), errno, 125);
    if (pid == 0) {
        places.ours.reset();
        become(words.data(), options, parent, *write_end, *places.theirs);
    }

    write_end.reset();
    places.theirs.reset();
    Child child(pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
                options.keep ? keeper_end : SIGKILL);
    if (options.stopped_calls != nullptr) *options.stopped_calls = fetch_calls(*places.ours);
    Failure failure{};
    ssize_t n;
    do n = ::read(*read_end, &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    if (n == 0) return child;  // closed by exec()
    if (failure.stage == Stage::exec && failure.error == EACCES && !is_in_path(argv[0]))
        failure.error = ENOENT;
    const std::string why = ": " + error_text(failure.error);
    switch (failure.stage) {
    case Stage::namespaces:
        throw SpawnError("cannot enter the private network" + why, failure.error, 125);
    case Stage::descriptors:
        throw SpawnError("cannot redirect the streams of " + argv[0] + why, failure.error, 125);
    case Stage::calls:
        throw SpawnError("cannot stop the system calls of " + argv[0] + why, failure.error, 125);
    case Stage::exec: break;
    }
    throw SpawnError("cannot run " + argv[0] + why, failure.error,
                     failure.error == ENOENT ? 127 : 126);
}

int exit_code(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Child& Child::operator=(Child&& other) noexcept {
    if (this == &other) return *this;
    abandon();
    pid_ = std::exchange(other.pid_, -1);
    end_signal_ = other.end_signal_;
    pidfd_ = std::move(other.pidfd_);
    status_ = other.status_;
    return *this;
}

int Child::wait() {
    int status = 0;
    while (!status_) {
        const pid_t ended = ::waitpid(pid_, &status, 0);
        if (ended == pid_)
            status_ = status;
        else if (errno != EINTR)
            throw_system("cannot wait for a child");
    }
    return *status_;
}

std::optional<int> Child::poll() {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return status_;
}

void Child::signal(int number) const {
    if (pid_ > 0 && !status_) ::kill(pid_, number);
}

void Child::abandon() {
    if (pid_ <= 0 || status_) return;
    signal(end_signal_);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
    pid_ = -1;
}

}  // namespace estab::drivers
