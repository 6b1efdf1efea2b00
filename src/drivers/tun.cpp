#include "drivers/tun.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "drivers/vnet.hpp"

namespace estab::drivers {
namespace {

using device::LinkType;

constexpr std::size_t ip_max = 65'535;
constexpr std::size_t ethernet_header = 14;
constexpr std::size_t small_max = 256;  // octets: SYN, FIN, ACK, a request, one letter
// Faster than a peer can answer: what comes again so soon has been waiting.
constexpr Duration soon = 4us;
constexpr std::size_t slack = 128;  // in a slot beyond the largest frame: more was cut off
// When so much has been read it is the stack's turn: more would have left the processor's cache
// before anyone copies it.
constexpr std::size_t batch_bytes = 128 * 1024;

// Where a read begins, so that the IP header lands on a multiple of 16 (with Ethernet: 14 before
// one).
std::size_t lead(bool vnet, LinkType link) {
    const std::size_t frame = link == LinkType::ip ? 16 : 18;
    return frame - (vnet ? vnet_header_size : 0);
}

std::size_t frame_max(const ifreq& request) {
    return (request.ifr_flags & IFF_TAP) != 0 ? ip_max + ethernet_header : ip_max;
}

ifreq interface_of(int fd) {
    ifreq request{};
    if (::ioctl(fd, TUNGETIFF, &request) != 0) throw_system("not a TUN descriptor");
    return request;
}

void copy_name(ifreq& request, const std::string& name) {
    if (name.size() >= IFNAMSIZ) throw_system("cannot use interface name " + name, ENAMETOOLONG);
    std::memcpy(request.ifr_name, name.c_str(), name.size() + 1);
}

std::uint32_t mtu_of(const char* name) {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, name, IFNAMSIZ);
    if (!socket || ::ioctl(*socket, SIOCGIFMTU, &request) != 0)
        throw_system(std::string("cannot read the MTU of ") + name);
    return static_cast<std::uint32_t>(request.ifr_mtu);
}

}  // namespace

TunDevice TunDevice::open(const TunOptions& options) {
    Fd fd(::open(options.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) throw_system(options.path);
    ifreq request{};
    copy_name(request, options.name);
    const int kind = (options.tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI |
                     (options.multi_queue ? IFF_MULTI_QUEUE : 0);
    request.ifr_flags = static_cast<short>(kind | (options.offloads ? IFF_VNET_HDR : 0));
    int failed = ::ioctl(*fd, TUNSETIFF, &request);
    // An interface that was made by someone else without the header.
    if (failed != 0 && errno == EINVAL && options.offloads) {
        request.ifr_flags = static_cast<short>(kind);
        failed = ::ioctl(*fd, TUNSETIFF, &request);
    }
    if (failed != 0) {
        const std::string what = options.name.empty() ? "a TUN interface" : options.name;
        throw_system("cannot make or attach to " + what);
    }
    TunDevice device = adopt(std::move(fd), {}, options.batch);
    device.set_uring(options.uring);
    return device;
}

std::vector<TunDevice> TunDevice::open_queues(const TunOptions& options, std::size_t count) {
    std::vector<TunDevice> queues;
    TunOptions wanted = options;
    wanted.multi_queue = count > 1;
    for (std::size_t i = 0; i < count; ++i) {
        queues.push_back(open(wanted));
        wanted.name = queues.front().name();
    }
    return queues;
}

TunDevice TunDevice::adopt(Fd fd, std::optional<std::uint32_t> mtu, std::size_t batch) {
    set_nonblocking(*fd);
    return TunDevice(std::move(fd), mtu, batch);
}

TunDevice::TunDevice(Fd fd, std::optional<std::uint32_t> mtu, std::size_t batch)
    : fd_(std::move(fd)),
      batch_(std::max<std::size_t>(batch, 1)),
      send_((interface_of(*fd_).ifr_flags & IFF_VNET_HDR) != 0, frame_max(interface_of(*fd_))) {
    const ifreq request = interface_of(*fd_);
    if ((request.ifr_flags & IFF_NO_PI) == 0) throw_system("TUN without IFF_NO_PI", ENOTSUP);
    name_ = request.ifr_name;
    vnet_ = (request.ifr_flags & IFF_VNET_HDR) != 0;
    caps_.link = (request.ifr_flags & IFF_TAP) != 0 ? LinkType::ethernet : LinkType::ip;
    if (vnet_) {
        int size = vnet_header_size;
        if (::ioctl(*fd_, TUNSETVNETHDRSZ, &size) != 0)
            throw_system("cannot set the virtio header of " + name_);
        const unsigned base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
        const bool ecn = ::ioctl(*fd_, TUNSETOFFLOAD, base | TUN_F_TSO_ECN) == 0;
        const bool tso = ecn || ::ioctl(*fd_, TUNSETOFFLOAD, base) == 0;
        // What the kernel takes from us follows from the header alone, whatever it agrees to give.
        caps_.tso4 = caps_.tso6 = caps_.checksum = true;
        caps_.gso_ecn = true;
        if (!tso && ::ioctl(*fd_, TUNSETOFFLOAD, 0U) != 0)
            throw_system("cannot set the offloads of " + name_);
    }
    if (caps_.link == LinkType::ethernet) {
        ifreq address{};
        if (::ioctl(*fd_, SIOCGIFHWADDR, &address) == 0) {
            peer_mac_.emplace();
            std::memcpy(peer_mac_->octets.data(), address.ifr_hwaddr.sa_data, 6);
        }
    }
    set_mtu(mtu ? *mtu : mtu_of(request.ifr_name));
}

void TunDevice::set_mtu(std::uint32_t mtu) {
    const std::size_t header = caps_.link == LinkType::ethernet ? ethernet_header : 0;
    caps_.mtu = mtu;
    caps_.frame_max =
        static_cast<std::uint32_t>((vnet_ ? ip_max : std::min<std::size_t>(mtu, ip_max)) + header);
    // Small frames lie close together, for the processor's cache.
    const std::size_t slot = (caps_.frame_max + slack + 63) / 64 * 64;
    if (slot > slot_size_) {
        slot_size_ = slot;
        slots_ = std::make_unique_for_overwrite<std::uint8_t[]>(batch_ * slot_size_);
    }
    if (!vnet_) ring_.emplace(caps_.frame_max, uring_);
}

void TunDevice::set_uring(bool on) {
    uring_ = on;
    if (ring_) ring_.emplace(caps_.frame_max, uring_);
}

std::size_t TunDevice::receive(Instant now, std::span<device::Frame> batch) {
    const std::size_t count_max = std::min(batch.size(), batch_);
    const std::size_t header_size = vnet_ ? vnet_header_size : 0;
    const std::size_t start = lead(vnet_, caps_.link);
    std::size_t count = 0, octets = 0;
    // One small frame at a time, as in a dialogue: the answer goes out before we look for more.
    const bool is_dialogue = came_alone_ != Instant{} && now - came_alone_ >= soon;
    came_alone_ = {};
    // Unusable frames count towards the work of one call, so that it stays bounded.
    for (std::size_t tries = 0; tries < count_max && octets < batch_bytes; ++tries) {
        std::uint8_t* const slot = slots_.get() + count * slot_size_ + start;
        const ssize_t n = ::read(*fd_, slot, slot_size_ - start);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n < 0 && errno != EAGAIN) send_.counters.last_error = errno;
            break;
        }
        const auto size = static_cast<std::size_t>(n);
        octets += size;
        // Filled to the last byte means perhaps cut off.
        if (size <= header_size || size == slot_size_ - start) {
            ++send_.counters.rx_unusable;
            continue;
        }
        const Bytes frame{slot + header_size, size - header_size};
        FromKernel from{.usable = true, .offload = {}};
        if (vnet_) {
            VnetHeader header;
            std::memcpy(&header, slot, sizeof header);
            from = from_vnet(header, frame);
        }
        if (!from.usable) {
            ++send_.counters.rx_unusable;
            continue;
        }
        ++send_.counters.rx_frames;
        send_.counters.rx_bytes += frame.size();
        batch[count++] = {.bytes = frame, .arrived = now, .offload = from.offload};
        if (is_dialogue && frame.size() <= small_max) break;
    }
    if (count == 1 && batch[0].bytes.size() <= small_max) came_alone_ = now;
    return count;
}

}  // namespace estab::drivers
