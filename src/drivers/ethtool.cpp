#include "drivers/ethtool.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "drivers/system.hpp"

namespace estab::drivers {
namespace {

// ethtool's structures end in arrays of unknown length, so they are built in plain words.
using Words = std::vector<std::uint32_t>;

bool ask(int socket, const std::string& interface, void* data) {
    ifreq request{};
    if (interface.size() >= IFNAMSIZ) return false;
    std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
    request.ifr_data = static_cast<char*>(data);
    return ::ioctl(socket, SIOCETHTOOL, &request) == 0;
}

}  // namespace

bool disable_feature(const std::string& interface, const std::string& feature) {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    // ethtool_sset_info: cmd, reserved, 64 bits of which sets, a count for each.
    Words info(5);
    info[0] = ETHTOOL_GSSET_INFO;
    info[2] = 1U << ETH_SS_FEATURES;
    if (!socket || !ask(*socket, interface, info.data()) || info[2] == 0) return false;
    const std::uint32_t count = info[4];

    // ethtool_gstrings: cmd, set, count, names of 32 bytes.
    Words strings(3 + std::size_t{count} * ETH_GSTRING_LEN / 4);
    strings[0] = ETHTOOL_GSTRINGS;
    strings[1] = ETH_SS_FEATURES;
    strings[2] = count;
    if (!ask(*socket, interface, strings.data())) return false;
    const char* names = reinterpret_cast<const char*>(strings.data() + 3);
    for (std::uint32_t i = 0; i < count; ++i) {
        if (strncmp(names + std::size_t{i} * ETH_GSTRING_LEN, feature.c_str(), ETH_GSTRING_LEN)
            != 0)
            continue;
        // ethtool_sfeatures: cmd, blocks, then for each 32 features: which to change, to what.
        const std::uint32_t blocks = (count + 31) / 32;
        Words change(2 + std::size_t{blocks} * 2);
        change[0] = ETHTOOL_SFEATURES;
        change[1] = blocks;
        change[2 + std::size_t{i / 32} * 2] = 1U << (i % 32);
        return ask(*socket, interface, change.data());
    }
    return false;
}

}  // namespace estab::drivers
