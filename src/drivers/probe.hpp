// What this machine lets us do, tried out rather than guessed, for `estab doctor`.
#pragma once

#include <string>
#include <vector>

namespace estab::drivers {

struct Fact {
    std::string name;  // "TUN node"
    bool ok = false;
    std::string found;   // one line: "/dev/net/tun, mode 0600, owner 0"
    std::string change;  // one line: what to do about it; empty when ok
};

struct Probe {
    unsigned uid = 0;
    std::string kernel;        // release: "6.18.44"
    Fact tun_node;             // /dev/net/tun is there
    Fact tun_open;             // and we may open it
    Fact host_network;         // we may make interfaces on this host (--tun NAME)
    Fact user_namespaces;      // tried in a child
    Fact user_namespaces_max;  // user.max_user_namespaces
    Fact apparmor;             // kernel.apparmor_restrict_unprivileged_userns
    Fact private_tun;          // a private network over TUN, tried
    Fact private_veth;         // a private network over veth and AF_PACKET, tried
    Fact xdp;                  // sockets and programs for --xdp INTERFACE
    Fact seccomp_notify;       // system calls of a child can be answered by us

    std::vector<const Fact*> facts() const;  // all, in the order above
};

// Leaves nothing behind. Never throws: a failure is a fact.
Probe probe(const std::string& tun_path = "/dev/net/tun");

}  // namespace estab::drivers
