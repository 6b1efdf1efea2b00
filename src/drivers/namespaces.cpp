#include "drivers/namespaces.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace estab::drivers {
namespace {

// Maps one id; tries itself first, so that CMD sees the user that it runs as.
void map_id(const char* path, unsigned id) {
    const std::string own = std::to_string(id);
    int error = write_file(path, own + " " + own + " 1\n");
    if (error != 0) error = write_file(path, "0 " + own + " 1\n");
    if (error != 0) throw_system(std::string("cannot write ") + path, error);
}

std::string hint() {
    if (read_file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
        return " (kernel.apparmor_restrict_unprivileged_userns is 1)";
    if (read_file("/proc/sys/user/max_user_namespaces") == "0")
        return " (user.max_user_namespaces is 0)";
    return {};
}

}  // namespace

bool enter_new_user_and_network() {
    const unsigned uid = ::geteuid();
    const unsigned gid = ::getegid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        const int error = errno;
        if (uid == 0 && ::unshare(CLONE_NEWNET) == 0) return false;
        throw SystemError("cannot make a user namespace: " + error_text(error) + hint(), error);
    }
    if (const int error = write_file("/proc/self/setgroups", "deny"); error != 0 && error != ENOENT)
        throw SystemError("cannot use a user namespace: " + error_text(error) + hint(), error);
    map_id("/proc/self/uid_map", uid);
    map_id("/proc/self/gid_map", gid);
    return true;
}

void enter_new_network() {
    if (::unshare(CLONE_NEWNET) != 0) throw_system("cannot make a network namespace");
}

void enter(int user_namespace, int network_namespace) {
    if (user_namespace >= 0 && ::setns(user_namespace, CLONE_NEWUSER) != 0)
        throw_system("cannot enter a user namespace");
    if (::setns(network_namespace, CLONE_NEWNET) != 0)
        throw_system("cannot enter a network namespace");
}

Fd current_namespace(const char* kind) {
    const std::string path = std::string("/proc/self/ns/") + kind;
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw_system(path);
    return fd;
}

}  // namespace estab::drivers
