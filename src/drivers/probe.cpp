#include "drivers/probe.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "drivers/in_child.hpp"
#include "drivers/namespaces.hpp"
#include "drivers/private_network.hpp"
#include "drivers/spawn.hpp"
#include "drivers/xdp.hpp"

namespace estab::drivers {
namespace {

Fact tun_node(const std::string& path) {
    Fact fact{.name = "TUN node", .ok = false, .found = {}, .change = {}};
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        fact.found = path + ": " + error_text(errno);
        fact.change =
            "as root: modprobe tun; mkdir -p /dev/net; mknod -m 0666 /dev/net/tun c 10 200";
        return fact;
    }
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(status.st_mode & 07777));
    fact.ok = S_ISCHR(status.st_mode);
    fact.found = path + ", mode " + mode + ", owner " + std::to_string(status.st_uid);
    if (!fact.ok)
        fact.change = "as root: replace it by a node: mknod -m 0666 /dev/net/tun c 10 200";
    return fact;
}

Fact tun_open(const std::string& path) {
    Fact fact{.name = "TUN open", .ok = false, .found = {}, .change = {}};
    const Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    fact.ok = static_cast<bool>(fd);
    fact.found = path + ": " + (fact.ok ? "can be opened" : error_text(errno));
    if (!fact.ok)
        fact.change = "as root: chmod 0666 " + path + " (the veth backend works without it)";
    return fact;
}

Fact host_network() {
    Fact fact{.name = "host network", .ok = false, .found = {}, .change = {}};
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2]{};
    fact.ok =
        ::syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_NET_ADMIN & 1) != 0;
    fact.found = fact.ok ? "may make interfaces (CAP_NET_ADMIN)"
                         : "may not make interfaces (no CAP_NET_ADMIN)";
    if (!fact.ok)
        fact.change =
            "only for --tun NAME: run as root, or: ip tuntap add NAME mode tun user $USER";
    return fact;
}

Fact user_namespaces() {
    Fact fact{.name = "user namespaces", .ok = false, .found = "can be made", .change = {}};
    try {
        const Answer answer = in_child([] {
            return Answer{.text = enter_new_user_and_network() ? "user" : "root", .fds = {}};
        });
        fact.ok = answer.text == "user";
        if (!fact.ok) fact.found = "refused; as root we do without";
    } catch (const SystemError& e) {
        fact.found = e.what();
    }
    if (!fact.ok)
        fact.change =
            "as root: sysctl -w kernel.unprivileged_userns_clone=1 (if it exists); in a container: "
            "allow unshare in its seccomp profile";
    return fact;
}

Fact user_namespaces_max() {
    Fact fact{.name = "user namespaces allowed", .ok = false, .found = {}, .change = {}};
    const std::string value = read_file("/proc/sys/user/max_user_namespaces");
    fact.ok = std::strtoull(value.c_str(), nullptr, 10) > 0;
    fact.found = "user.max_user_namespaces is " + (value.empty() ? "missing" : value);
    if (!fact.ok) fact.change = "as root: sysctl -w user.max_user_namespaces=10000";
    return fact;
}

Fact apparmor() {
    Fact fact{.name = "AppArmor", .ok = true, .found = {}, .change = {}};
    const std::string value = read_file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    fact.ok = value != "1" || ::geteuid() == 0;
    fact.found = value.empty() ? "does not restrict user namespaces"
                               : "kernel.apparmor_restrict_unprivileged_userns is " + value;
    if (!fact.ok) fact.change = "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    return fact;
}

Fact private_network(Backend backend, const std::string& tun_path, const std::string& change) {
    Fact fact{.name = std::string("private network, ") + to_string(backend),
              .ok = false,
              .found = {},
              .change = {}};
    try {
        fact.found =
            PrivateNetwork::start({.backend = backend, .tun_path = tun_path}).reason() + " works";
        fact.ok = true;
    } catch (const std::exception& e) {
        fact.found = e.what();
        fact.change = change;
    }
    return fact;
}

Fact xdp() {
    Fact fact{.name = "AF_XDP", .ok = false, .found = why_no_xdp(), .change = {}};
    fact.ok = fact.found.empty();
    if (fact.ok)
        fact.found = "may be used (--xdp INTERFACE)";
    else
        fact.change = "only for --xdp INTERFACE: as root, with Linux 5.11 and CONFIG_XDP_SOCKETS";
    return fact;
}

Fact seccomp_notify() {
    Fact fact{.name = "seccomp notification", .ok = false, .found = {}, .change = {}};
    try {
        Fd calls;
        Child child = spawn({"true"}, {.files = {}, .leftover = {}, .stopped_calls = &calls});
        (void)child.wait();
        fact.ok = true;
        fact.found = "system calls of a command can be answered (estab run --own-tcp)";
    } catch (const SystemError& e) {
        fact.found = e.what();
        fact.change = "needs Linux 5.14 with CONFIG_SECCOMP_FILTER, and a container that allows "
                      "seccomp and process_vm_readv";
    }
    return fact;
}

}  // namespace

std::vector<const Fact*> Probe::facts() const {
    return {&tun_node, &tun_open,    &host_network, &user_namespaces, &user_namespaces_max,
            &apparmor, &private_tun, &private_veth, &xdp,             &seccomp_notify};
}

Probe probe(const std::string& tun_path) {
    Probe result;
    result.uid = ::geteuid();
    utsname name{};
    if (::uname(&name) == 0) result.kernel = name.release;
    result.tun_node = tun_node(tun_path);
    result.tun_open = tun_open(tun_path);
    result.host_network = host_network();
    result.user_namespaces = user_namespaces();
    result.user_namespaces_max = user_namespaces_max();
    result.apparmor = apparmor();
    result.private_tun =
        private_network(Backend::tun, tun_path, "see TUN node, TUN open, user namespaces");
    result.private_veth = private_network(
        Backend::veth, tun_path,
        "see user namespaces; needs the modules veth and af_packet (modprobe veth)");
    result.xdp = xdp();
    result.seccomp_notify = seccomp_notify();
    return result;
}

}  // namespace estab::drivers
