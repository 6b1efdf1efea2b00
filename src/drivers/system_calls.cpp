#include "drivers/system_calls.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace estab::drivers {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t own_architecture = 0;  // not known here
#endif
constexpr std::uint32_t x32_bit = 0x4000'0000;

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

constexpr std::uint32_t stop = SECCOMP_RET_USER_NOTIF;
constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;

constexpr std::uint32_t low_half(unsigned argument) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * argument);
}

// A program for the kernel's packet filter, written downwards.
class Filter {
public:
    void load(std::uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
    void mask(std::uint32_t bits) { add(BPF_ALU | BPF_AND | BPF_K, bits); }
    void end(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
    // Goes on behind the next `skip` steps unless what is loaded is equal.
    void unless_equal(std::uint32_t value, std::uint8_t skip) {
        add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
    }
    void if_equal(std::uint32_t value, std::uint8_t skip) {
        add(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0);
    }
    void unless_at_least(std::uint32_t value, std::uint8_t skip) {
        add(BPF_JMP | BPF_JGE | BPF_K, value, 0, skip);
    }
    void if_any_bit(std::uint32_t bits, std::uint8_t skip) {
        add(BPF_JMP | BPF_JSET | BPF_K, bits, skip, 0);
    }
    std::span<sock_filter> steps() { return steps_; }

private:
    void add(int code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
        steps_.push_back({static_cast<std::uint16_t>(code), yes, no, k});
    }
    std::vector<sock_filter> steps_;
};

void stop_always(Filter& f, std::initializer_list<int> numbers) {
    for (const int number : numbers) {
        f.unless_equal(static_cast<std::uint32_t>(number), 1);
        f.end(stop);
    }
}

// Stopped if any of `bits` is set in an argument.
void stop_if_bits(Filter& f, int number, unsigned argument, std::uint32_t bits) {
    f.unless_equal(static_cast<std::uint32_t>(number), 4);
    f.load(low_half(argument));
    f.if_any_bit(bits, 1);
    f.end(allow);
    f.end(stop);
}

Filter make_filter() {
    Filter f;
    f.load(offsetof(seccomp_data, arch));
    f.if_equal(own_architecture, 1);
    f.end(allow);  // a program of another architecture keeps the host's sockets
    f.load(offsetof(seccomp_data, nr));
    f.unless_at_least(x32_bit, 1);
    f.end(allow);
    f.unless_equal(__NR_socket, 9);  // TCP, or what pretends to be
    f.load(low_half(0));
    f.if_equal(AF_INET, 2);
    f.if_equal(AF_INET6, 1);
    f.end(allow);
    f.load(low_half(1));
    f.mask(0xf);
    f.unless_equal(SOCK_STREAM, 1);
    f.end(stop);
    f.end(allow);
    stop_always(f, {__NR_connect, __NR_bind, __NR_listen, __NR_accept, __NR_accept4,
                    __NR_getsockopt, __NR_setsockopt, __NR_getsockname, __NR_getpeername,
                    __NR_shutdown});
    stop_if_bits(f, __NR_sendto, 3, MSG_FASTOPEN | MSG_OOB);
    stop_if_bits(f, __NR_sendmsg, 2, MSG_FASTOPEN | MSG_OOB);
    stop_if_bits(f, __NR_recvfrom, 3, MSG_ERRQUEUE | MSG_OOB);
    stop_if_bits(f, __NR_recvmsg, 2, MSG_ERRQUEUE | MSG_OOB);
    f.unless_equal(__NR_ioctl, 4);
    f.load(low_half(1));
    f.unless_equal(TIOCOUTQ, 1);
    f.end(stop);
    f.end(allow);
    f.unless_equal(__NR_io_uring_setup, 1);  // its sockets would pass us by
    f.end(SECCOMP_RET_ERRNO | ENOSYS);
    // Who hides its memory could not be served.
    f.unless_equal(__NR_prctl, 6);
    f.load(low_half(0));
    f.unless_equal(PR_SET_DUMPABLE, 3);
    f.load(low_half(1));
    f.unless_equal(0, 1);
    f.end(SECCOMP_RET_ERRNO | 0);
    f.end(allow);
    f.end(allow);
    return f;
}

pid_t process_of(pid_t thread) {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/%d/status", thread);
    const std::string status = read_file(path);
    const std::size_t at = status.find("\nTgid:");
    return at == std::string::npos ? thread : std::atoi(status.c_str() + at + 6);
}

std::uint64_t inode_of_link(const char* path) {
    char text[64];
    const ssize_t n = ::readlink(path, text, sizeof text - 1);
    if (n <= 0) return 0;
    text[n] = '\0';
    unsigned long long inode = 0;
    return std::sscanf(text, "socket:[%llu]", &inode) == 1 ? inode : 0;
}

iovec as_iovec(const void* at, std::size_t size) { return {const_cast<void*>(at), size}; }

}  // namespace

int stop_socket_calls() {
    if (own_architecture == 0) return -ENOSYS;
    Filter filter = make_filter();
    const sock_fprog program{static_cast<unsigned short>(filter.steps().size()),
                             filter.steps().data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    const long fd = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return fd < 0 ? -errno : static_cast<int>(fd);
}

SystemCalls::SystemCalls(Fd fd) : fd_(std::move(fd)) {
    seccomp_notif_sizes sizes{};
    if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
        throw_system("cannot be told of system calls");
    room_.resize(std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)));
    // The caller runs where we did, as soon as we wait: that is quicker (Linux 6.6).
    (void)::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

std::optional<SystemCall> SystemCalls::next() {
    pollfd entry{.fd = *fd_, .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, 0) <= 0 || (entry.revents & POLLIN) == 0) return {};
    std::memset(room_.data(), 0, room_.size());
    if (::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_RECV, room_.data()) != 0) return {};
    seccomp_notif told{};
    std::memcpy(&told, room_.data(), sizeof told);
    SystemCall call{.id = told.id,
                    .thread = static_cast<pid_t>(told.pid),
                    .number = told.data.nr,
                    .arguments = {}};
    for (std::size_t i = 0; i < 6; ++i) call.arguments[i] = told.data.args[i];
    return call;
}

bool SystemCalls::has_callers() {
    pollfd entry{.fd = *fd_, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) <= 0 || (entry.revents & POLLHUP) == 0;
}

bool SystemCalls::is_waiting(std::uint64_t id) const {
    return ::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool SystemCalls::answer(std::uint64_t id, std::int64_t result) const {
    seccomp_notif_resp response{};
    response.id = id;
    response.val = result >= 0 ? result : 0;
    response.error = result >= 0 ? 0 : static_cast<int>(result);
    return ::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

bool SystemCalls::let_through(std::uint64_t id) const {
    seccomp_notif_resp response{};
    response.id = id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    return ::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

int SystemCalls::give(std::uint64_t id, int fd, bool close_on_exec) const {
    seccomp_notif_addfd add{};
    add.id = id;
    add.flags = SECCOMP_ADDFD_FLAG_SEND;
    add.srcfd = static_cast<std::uint32_t>(fd);
    add.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
    return ::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0 ? 0 : errno;
}

int SystemCalls::replace(std::uint64_t id, int fd, int number, bool close_on_exec) const {
    seccomp_notif_addfd add{};
    add.id = id;
    add.flags = SECCOMP_ADDFD_FLAG_SETFD;
    add.srcfd = static_cast<std::uint32_t>(fd);
    add.newfd = static_cast<std::uint32_t>(number);
    add.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
    return ::ioctl(*fd_, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0 ? 0 : errno;
}

bool read_memory(pid_t thread, std::uint64_t from, std::span<std::uint8_t> into) {
    const iovec ours = as_iovec(into.data(), into.size());
    const iovec theirs = as_iovec(reinterpret_cast<const void*>(from), into.size());
    return ::process_vm_readv(thread, &ours, 1, &theirs, 1, 0) ==
           static_cast<ssize_t>(into.size());
}

bool write_memory(pid_t thread, std::uint64_t to, std::span<const std::uint8_t> octets) {
    const iovec ours = as_iovec(octets.data(), octets.size());
    const iovec theirs = as_iovec(reinterpret_cast<const void*>(to), octets.size());
    return ::process_vm_writev(thread, &ours, 1, &theirs, 1, 0) ==
           static_cast<ssize_t>(octets.size());
}

std::uint64_t socket_inode(pid_t thread, int fd) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/fd/%d", thread, fd);
    return inode_of_link(path);
}

int descriptor_flags(pid_t thread, int fd) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", thread, fd);
    const std::string text = read_file(path);
    const std::size_t at = text.find("flags:");
    if (at == std::string::npos) return 0;
    return static_cast<int>(std::strtoul(text.c_str() + at + 6, nullptr, 8));
}

Fd copy_descriptor(pid_t thread, int fd) {
    const auto open = [](pid_t process) {
        return Fd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    };
    Fd process = open(thread);
    if (!process) process = open(process_of(thread));  // it was not the first thread
    if (!process) return {};
    return Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, *process, fd, 0)));
}

Fd find_socket(std::uint64_t inode) {
    DIR* processes = ::opendir("/proc");
    Fd found;
    while (const dirent* entry = processes != nullptr && !found ? ::readdir(processes) : nullptr) {
        const pid_t process = std::atoi(entry->d_name);
        if (process <= 0 || process == ::getpid()) continue;
        char folder[32];
        std::snprintf(folder, sizeof folder, "/proc/%d/fd", process);
        DIR* open = ::opendir(folder);
        while (const dirent* fd = open != nullptr && !found ? ::readdir(open) : nullptr) {
            if (fd->d_name[0] < '0' || fd->d_name[0] > '9') continue;
            const int number = std::atoi(fd->d_name);
            if (socket_inode(process, number) == inode) found = copy_descriptor(process, number);
        }
        if (open != nullptr) ::closedir(open);
    }
    if (processes != nullptr) ::closedir(processes);
    return found;
}

}  // namespace estab::drivers
