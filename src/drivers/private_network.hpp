// A network of our own inside a user and network namespace, for which nobody's permission is
// needed: an interface for CMD on one side, a Device for us on the other. Nothing runs in the
// background: a short-lived child makes the namespaces and hands their descriptors over, and they
// vanish with the last of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/any_device.hpp"
#include "drivers/spawn.hpp"
#include "drivers/system.hpp"
#include "wire/address.hpp"

namespace estab::drivers {

enum class Backend : std::uint8_t {
    automatic,  // TUN when its node can be opened there, else veth
    tun,
    veth,  // a pair of interfaces and AF_PACKET on the far one
};
const char* to_string(Backend);  // "auto", "tun", "veth"
std::optional<Backend> parse_backend(std::string_view);

// The addresses of every private network, unless told otherwise.
struct PrivateAddresses {
    std::vector<wire::Prefix> command;  // 10.77.0.100/24, fd77::100/64: CMD's interface
    std::vector<wire::Prefix> own;      // 10.77.0.2/24, fd77::2/64: the stack's
    // 10.77.0.1, fd77::1: CMD's default routes. The stack must answer for them too.
    std::vector<wire::Address> gateways;
    static PrivateAddresses standard();
};

struct PrivateNetworkOptions {
    Backend backend = Backend::automatic;
    std::string tun_path = "/dev/net/tun";
    std::string interface = "estab0";  // CMD's
    std::uint32_t mtu = 1500;
    std::size_t queues = 1;  // at most queues_max; more than one needs TUN
    static constexpr std::size_t queues_max = 32;
    PrivateAddresses addresses = PrivateAddresses::standard();
    // CMD keeps what its user may do inside the namespaces (as user 0: configure the network,
    // capture).
    bool keep_capabilities = false;
    bool ecn = false;  // CMD's kernel asks for ECN, where it lets us say so
};

// What CMD finds and leaves: see SpawnOptions.
struct Surroundings {
    std::vector<ReplacedFile> files;
    std::string leftover;
    bool close_inherited = false;
};

class PrivateNetwork {
public:
    // Throws SystemError with one line that says what is not allowed here.
    static PrivateNetwork start(const PrivateNetworkOptions& options);

    Backend backend() const { return backend_; }           // tun or veth
    const std::string& reason() const { return reason_; }  // "netns+veth (TUN denied: ...)"
    const PrivateAddresses& addresses() const { return addresses_; }
    // Without one CMD is the real root.
    bool has_user_namespace() const { return static_cast<bool>(user_namespace_); }
    AnyDevice take_device();               // once; the first queue
    std::vector<AnyDevice> take_queues();  // those that are left

    // Runs CMD inside. `standard` replaces its stdin, stdout, stderr where >= 0. Throws SpawnError.
    Child spawn(const std::vector<std::string>& argv,
                std::array<int, 3> standard = {-1, -1, -1},
                Surroundings around = {}) const;
    // A kernel socket that lives inside. Throws SystemError.
    Fd socket(int domain, int type, int protocol = 0) const;

private:
    PrivateNetwork() = default;

    Backend backend_ = Backend::automatic;
    std::string reason_;
    PrivateAddresses addresses_;
    bool keep_capabilities_ = false;
    Fd user_namespace_;  // none when root had to do without one
    Fd network_namespace_;
    std::vector<AnyDevice> devices_;
};

}  // namespace estab::drivers
