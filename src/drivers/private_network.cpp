#include "drivers/private_network.hpp"

#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <utility>

#include "base/check.hpp"
#include "drivers/ethtool.hpp"
#include "drivers/in_child.hpp"
#include "drivers/namespaces.hpp"
#include "drivers/netlink.hpp"

namespace estab::drivers {
namespace {

constexpr const char* far_interface = "estab1";

// What the child reports beside the descriptors, one item per line.
struct Made {
    Backend backend = Backend::tun;
    std::string interface;
    wire::Mac mac;
    std::string reason;
    std::vector<Fd> devices;  // the queues of one
};

std::string to_text(const Made& made, bool has_user_namespace) {
    return std::string(to_string(made.backend)) + "\n" + (has_user_namespace ? "1" : "0") + "\n"
        + made.interface + "\n" + made.mac.text() + "\n" + made.reason;
}

std::string take_line(std::string& text) {
    const std::size_t end = text.find('\n');
    std::string line = text.substr(0, end);
    text.erase(0, end == std::string::npos ? text.size() : end + 1);
    return line;
}

// A kernel may be without IPv6, or have it switched off; CMD can do much with IPv4 alone.
bool is_without_ipv6(int error) {
    return error == EAFNOSUPPORT || error == EOPNOTSUPP || error == EACCES;
}

void number(Netlink& netlink, const PrivateNetworkOptions& options, std::string& reason) {
    const std::string& name = options.interface;
    write_file(("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6").c_str(), "0");
    netlink.set_mtu(name, options.mtu);
    netlink.no_link_local(name);
    netlink.set_up(name);
    try {
        for (const wire::Prefix& prefix : options.addresses.command)
            netlink.add_address(name, prefix);
        for (const wire::Address& gateway : options.addresses.gateways)
            netlink.add_default_route(name, gateway);
    } catch (const SystemError& e) {
        if (!is_without_ipv6(e.error())) throw;
        reason += std::string("; ") + e.what();
    }
}

// With its last descriptor the interface would go, and closing that would wait for all processors,
// 20 ms and more. Left to its namespace it goes with that, behind everybody's back.
void leave_to_namespace(const TunDevice& tun) { (void)::ioctl(tun.fd(), TUNSETPERSIST, 1); }

Made make_tun(const PrivateNetworkOptions& options) {
    std::vector<TunDevice> queues = TunDevice::open_queues({.path = options.tun_path,
                                                            .name = options.interface,
                                                            .tap = false,
                                                            .offloads = true,
                                                            .batch = 1},
                                                           options.queues);
    leave_to_namespace(queues.front());
    Made made{.backend = Backend::tun,
              .interface = queues.front().name(),
              .mac = {},
              .reason = "netns+tun",
              .devices = {}};
    if (queues.size() > 1) made.reason += " with " + std::to_string(queues.size()) + " queues";
    Netlink netlink;
    number(netlink, options, made.reason);
    for (TunDevice& queue : queues) made.devices.emplace_back(queue.release());
    return made;
}

// The far interface lives in a second namespace, so that CMD sees only its own and the kernel does
// not answer for us there: it has no address, and IPv6 is off.
Made make_veth(const PrivateNetworkOptions& options) {
    Made made{.backend = Backend::veth,
              .interface = far_interface,
              .mac = {},
              .reason = "netns+veth",
              .devices = {}};
    if (options.queues > 1) throw SystemError("veth has one queue; several need TUN", ENOTSUP);
    const Fd near = current_namespace("net");
    enter_new_network();
    const Fd far = current_namespace("net");
    enter(-1, *near);
    Netlink netlink;
    // Made where it belongs: to move an interface the kernel waits for all processors, twice.
    netlink.create_veth({.name = options.interface, .peer = far_interface, .peer_namespace = *far});
    // We take TCP in big frames, but UDP only as it goes on the wire.
    disable_feature(options.interface, "tx-udp-segmentation");

    enter(-1, *far);
    Netlink beyond;
    write_file((std::string("/proc/sys/net/ipv6/conf/") + far_interface + "/disable_ipv6").c_str(),
               "1");
    beyond.set_mtu(far_interface, options.mtu);
    beyond.no_link_local(far_interface);
    beyond.set_up(far_interface);
    PacketSocket socket = open_packet_socket(far_interface);
    made.mac = socket.mac;
    made.devices.push_back(std::move(socket.fd));
    enter(-1, *near);
    number(netlink, options, made.reason);
    return made;
}

Made make_any(const PrivateNetworkOptions& options) {
    std::string denied;
    try {
        return make_tun(options);
    } catch (const SystemError& e) {
        const bool is_denied = e.error() == EACCES || e.error() == EPERM;
        denied = std::string(is_denied ? "TUN denied: " : "TUN unavailable: ") + e.what();
    }
    try {
        Made made = make_veth(options);
        made.reason += " (" + denied + ")";
        return made;
    } catch (const SystemError& e) {
        throw SystemError(denied + "; veth: " + e.what(), e.error());
    }
}

Made make(const PrivateNetworkOptions& options) {
    switch (options.backend) {
    case Backend::automatic: return make_any(options);
    case Backend::tun: return make_tun(options);
    case Backend::veth: return make_veth(options);
    }
    return make_any(options);
}

// CMD has no capabilities; what they are usually wanted for is harmless in here. Best effort: the
// files are read-only in some containers.
void relax(const PrivateNetworkOptions& options) {
    const std::string gid = std::to_string(::getegid());
    write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    write_file("/proc/sys/net/ipv4/ping_group_range", gid + " " + gid);
    if (options.ecn) write_file("/proc/sys/net/ipv4/tcp_ecn", "1");
}

Answer set_up(const PrivateNetworkOptions& options) {
    const bool has_user_namespace = enter_new_user_and_network();
    Netlink().set_up("lo");
    relax(options);
    Made made = make(options);
    Answer answer{.text = to_text(made, has_user_namespace), .fds = {}};
    answer.fds.push_back(current_namespace("net"));
    answer.fds.push_back(current_namespace("user"));
    for (Fd& device : made.devices) answer.fds.push_back(std::move(device));
    return answer;
}

}  // namespace

const char* to_string(Backend backend) {
    switch (backend) {
    case Backend::automatic: return "auto";
    case Backend::tun: return "tun";
    case Backend::veth: return "veth";
    }
    return "auto";
}

std::optional<Backend> parse_backend(std::string_view text) {
    for (const Backend backend : {Backend::automatic, Backend::tun, Backend::veth})
        if (text == to_string(backend)) return backend;
    return {};
}

PrivateAddresses PrivateAddresses::standard() {
    const auto v6 = [](std::uint8_t high, std::uint8_t low) {
        const std::array<std::uint8_t, 16> octets{0xfd, 0x77, 0, 0, 0, 0, 0,    0,
                                                  0,    0,    0, 0, 0, 0, high, low};
        return wire::Address::from_v6(octets.data());
    };
    return {.command = {{wire::Address::v4(10, 77, 0, 100), 24}, {v6(1, 0), 64}},
            .own = {{wire::Address::v4(10, 77, 0, 2), 24}, {v6(0, 2), 64}},
            .gateways = {wire::Address::v4(10, 77, 0, 1), v6(0, 1)}};
}

PrivateNetwork PrivateNetwork::start(const PrivateNetworkOptions& options) {
    CHECK(options.queues >= 1 && options.queues <= PrivateNetworkOptions::queues_max);
    Answer answer;
    try {
        answer = in_child([&] { return set_up(options); });
    } catch (const SystemError& e) {
        throw SystemError(std::string("cannot make a private network: ") + e.what(), e.error());
    }
    if (answer.fds.size() != 2 + options.queues)
        throw SystemError("cannot make a private network: descriptors lost", 0);

    PrivateNetwork network;
    network.addresses_ = options.addresses;
    network.keep_capabilities_ = options.keep_capabilities;
    network.backend_ = parse_backend(take_line(answer.text)).value_or(Backend::tun);
    if (take_line(answer.text) == "1") network.user_namespace_ = std::move(answer.fds[1]);
    network.network_namespace_ = std::move(answer.fds[0]);
    const std::string interface = take_line(answer.text);
    const wire::Mac mac = wire::Mac::parse(take_line(answer.text)).value_or(wire::Mac{});
    network.reason_ = answer.text;
    for (std::size_t i = 2; i < answer.fds.size(); ++i) {
        Fd& device = answer.fds[i];
        if (network.backend_ == Backend::tun)
            network.devices_.emplace_back(TunDevice::adopt(std::move(device), options.mtu));
        else
            network.devices_.emplace_back(PacketDevice(
                {.fd = std::move(device), .name = interface, .mac = mac, .mtu = options.mtu}));
    }
    return network;
}

AnyDevice PrivateNetwork::take_device() {
    CHECK(!devices_.empty());
    AnyDevice device = std::move(devices_.front());
    devices_.erase(devices_.begin());
    return device;
}

std::vector<AnyDevice> PrivateNetwork::take_queues() { return std::exchange(devices_, {}); }

Child PrivateNetwork::spawn(const std::vector<std::string>& argv,
                            std::array<int, 3> standard,
                            Surroundings around) const {
    return drivers::spawn(
        argv,
        {.user_namespace = *user_namespace_,
         .network_namespace = *network_namespace_,
         // Without a user namespace of its own CMD is the real root.
         .drop_capabilities = !keep_capabilities_ && static_cast<bool>(user_namespace_),
         .standard = standard,
         .keep = true,
         .files = std::move(around.files),
         .leftover = std::move(around.leftover),
         .close_inherited = around.close_inherited});
}

Fd PrivateNetwork::socket(int domain, int type, int protocol) const {
    Answer answer = in_child([&] {
        enter(*user_namespace_, *network_namespace_);
        Answer made;
        made.fds.emplace_back(::socket(domain, type | SOCK_CLOEXEC, protocol));
        if (!made.fds.front()) throw_system("cannot make a socket in the private network");
        return made;
    });
    if (answer.fds.size() != 1) throw SystemError("cannot make a socket in the private network", 0);
    return std::move(answer.fds.front());
}

}  // namespace estab::drivers
