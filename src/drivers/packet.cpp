#include "drivers/packet.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "drivers/vnet.hpp"

namespace estab::drivers {
namespace {

constexpr std::size_t room_bytes = 65'535 + 14;

// A frame to be cut, Ethernet's header included, must stay below 64 KiB, what an interface takes
// unless it says else: past it the kernel would cut for it, which without a queue it refuses to.
constexpr std::uint32_t gso_frame_max = 65'535;

// A slot holds one frame of 64 KB behind its headers; a block of 1 MiB holds 15 slots.
constexpr unsigned slot_size = 65'536 + 4'096;
constexpr unsigned block_size = 1U << 20;
constexpr unsigned slots_per_block = block_size / slot_size;
constexpr unsigned blocks_wanted = 16;

template <class T>
int set_option(int fd, int level, int name, const T& value) {
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

ifreq ask(int fd, unsigned long what, const std::string& interface) {
    ifreq request{};
    if (interface.size() >= IFNAMSIZ)
        throw_system("cannot use interface name " + interface, ENAMETOOLONG);
    std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
    if (::ioctl(fd, what, &request) != 0) throw_system("cannot ask about " + interface);
    return request;
}

// Wants the big size; takes what an unprivileged process may have.
void enlarge(int fd, int force, int normal) {
    constexpr int wanted = 8 << 20;
    if (set_option(fd, SOL_SOCKET, force, wanted) != 0) set_option(fd, SOL_SOCKET, normal, wanted);
}

void make_ring(int fd) {
    if (const int error = set_option(fd, SOL_PACKET, PACKET_VERSION, int{TPACKET_V2}); error != 0)
        throw_system("cannot choose the packet ring's version", error);
    for (unsigned blocks = blocks_wanted; blocks != 0; blocks /= 2) {
        tpacket_req request{};
        request.tp_block_size = block_size;
        request.tp_block_nr = blocks;
        request.tp_frame_size = slot_size;
        request.tp_frame_nr = blocks * slots_per_block;
        const int error = set_option(fd, SOL_PACKET, PACKET_RX_RING, request);
        if (error == 0) return;
        if (error != ENOMEM) throw_system("cannot make a packet ring", error);
    }
    throw_system("cannot make a packet ring", ENOMEM);
}

}  // namespace

PacketSocket open_packet_socket(const std::string& interface) {
    PacketSocket result;
    result.name = interface;
    // Protocol 0: nothing arrives before everything is set and bind() names the protocol.
    result.fd.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!result.fd) throw_system("cannot make a packet socket");
    const int fd = *result.fd;
    if (const int error = set_option(fd, SOL_PACKET, PACKET_VNET_HDR, int{1}); error != 0)
        throw_system("cannot have virtio headers on a packet socket", error);
    if (const int error = set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, int{1}); error != 0)
        throw_system("cannot ignore outgoing frames on a packet socket", error);
    set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, int{1});  // only faster
    enlarge(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    enlarge(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    make_ring(fd);  // bound already, the kernel would have to wait until nobody uses the socket

    result.mtu = static_cast<std::uint32_t>(ask(fd, SIOCGIFMTU, interface).ifr_mtu);
    const ifreq hardware = ask(fd, SIOCGIFHWADDR, interface);
    std::memcpy(result.mac.octets.data(), hardware.ifr_hwaddr.sa_data, 6);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = ask(fd, SIOCGIFINDEX, interface).ifr_ifindex;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw_system("cannot bind a packet socket to " + interface);
    return result;
}

PacketDevice::PacketDevice(PacketSocket socket)
    : socket_(std::move(socket)), send_(true, room_bytes) {
    // All of a ring is mapped or nothing, so its size can be found by asking.
    unsigned blocks = blocks_wanted;
    const auto map = [&] {
        ring_size_ = std::size_t{blocks} * block_size;
        return ::mmap(nullptr, ring_size_, PROT_READ | PROT_WRITE, MAP_SHARED, *socket_.fd, 0);
    };
    void* memory = map();
    for (; memory == MAP_FAILED && errno == EINVAL && blocks > 1; memory = map()) blocks /= 2;
    if (memory == MAP_FAILED) throw_system("cannot map a packet ring");
    ring_ = static_cast<std::uint8_t*>(memory);
    slots_ = blocks * slots_per_block;
    caps_ = {.link = device::LinkType::ethernet,
             .mtu = socket_.mtu,
             .frame_max = std::max(gso_frame_max, socket_.mtu + 14),
             .tso4 = true,
             .tso6 = true,
             .gso_ecn = true,
             .checksum = true};
}

PacketDevice::PacketDevice(PacketDevice&& other) noexcept
    : socket_(std::move(other.socket_)),
      caps_(other.caps_),
      ring_(std::exchange(other.ring_, nullptr)),
      ring_size_(other.ring_size_),
      slots_(other.slots_),
      next_(other.next_),
      lent_(other.lent_),
      send_(std::move(other.send_)) {}

PacketDevice& PacketDevice::operator=(PacketDevice&& other) noexcept {
    unmap();
    socket_ = std::move(other.socket_);
    caps_ = other.caps_;
    ring_ = std::exchange(other.ring_, nullptr);
    ring_size_ = other.ring_size_;
    slots_ = other.slots_;
    next_ = other.next_;
    lent_ = other.lent_;
    send_ = std::move(other.send_);
    return *this;
}

PacketDevice::~PacketDevice() { unmap(); }

void PacketDevice::unmap() {
    if (ring_ != nullptr) ::munmap(ring_, ring_size_);
    ring_ = nullptr;
}

std::uint8_t* PacketDevice::slot(std::uint32_t index) const {
    return ring_ + std::size_t{index / slots_per_block} * block_size
        + std::size_t{index % slots_per_block} * slot_size;
}

void PacketDevice::give_back() {
    for (; lent_ != 0; --lent_) {
        auto* const header =
            reinterpret_cast<tpacket2_hdr*>(slot((next_ + slots_ - lent_) % slots_));
        __atomic_store_n(&header->tp_status, std::uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
    }
}

std::size_t PacketDevice::receive(Instant now, std::span<device::Frame> batch) {
    give_back();
    std::size_t count = 0;
    while (count < batch.size() && lent_ < slots_) {
        std::uint8_t* const at = slot(next_);
        const auto* const header = reinterpret_cast<const tpacket2_hdr*>(at);
        if ((__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) break;
        next_ = (next_ + 1) % slots_;
        ++lent_;
        const Bytes frame{at + header->tp_mac, header->tp_snaplen};
        VnetHeader vnet;
        std::memcpy(&vnet, frame.data() - vnet_header_size, sizeof vnet);
        const FromKernel from = from_vnet(vnet, frame);
        if (!from.usable || header->tp_snaplen != header->tp_len) {
            ++send_.counters.rx_unusable;
            continue;
        }
        ++send_.counters.rx_frames;
        send_.counters.rx_bytes += frame.size();
        batch[count++] = {.bytes = frame, .arrived = now, .offload = from.offload};
    }
    // An interface that went down leaves an error behind, which keeps poll() busy.
    if (count == 0) {
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
            send_.counters.last_error = error;
    }
    return count;
}

}  // namespace estab::drivers
