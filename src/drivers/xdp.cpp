#include "drivers/xdp.hpp"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.hpp"

namespace estab::drivers {
namespace {

constexpr std::uint32_t ring_size = 2048;     // frames in each of the four rings
constexpr std::size_t ethernet_header = 14;
constexpr std::size_t kernel_headroom = 256;  // XDP_PACKET_HEADROOM, before what arrives
constexpr Duration retry_after = 100us;

int bpf(int command, bpf_attr& attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Fd make_map(std::uint32_t entries) {
    bpf_attr a{};
    a.map_type = BPF_MAP_TYPE_XSKMAP;
    a.key_size = a.value_size = sizeof(std::uint32_t);
    a.max_entries = entries;
    return Fd(bpf(BPF_MAP_CREATE, a));
}

// return redirect_map(map, context->rx_queue_index, XDP_PASS);
Fd load_program(int map) {
    const std::array<bpf_insn, 6> program{{
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1,
         .off = offsetof(xdp_md, rx_queue_index), .imm = 0},
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .off = 0,
         .imm = map},
        {.code = 0, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .src_reg = 0, .off = 0,
         .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0,
         .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    }};
    bpf_attr a{};
    a.prog_type = BPF_PROG_TYPE_XDP;
    a.insns = reinterpret_cast<std::uint64_t>(program.data());
    a.insn_cnt = program.size();
    a.license = reinterpret_cast<std::uint64_t>("Apache-2.0");
    a.expected_attach_type = BPF_XDP;
    return Fd(bpf(BPF_PROG_LOAD, a));
}

// Before Linux 5.11 maps counted as locked memory.
void lift_memory_limit() {
    const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_MEMLOCK, &none);
}

ifreq ask(unsigned long what, const std::string& interface) {
    ifreq request{};
    if (interface.empty() || interface.size() >= IFNAMSIZ)
        throw_system("cannot use interface name '" + interface + "'", ENAMETOOLONG);
    std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || ::ioctl(*socket, what, &request) != 0)
        throw_system("cannot ask about " + interface);
    return request;
}

class Mapping {
public:
    Mapping() = default;
    Mapping(int fd, std::size_t size, off_t offset, int flags) : size_(size) {
        void* const base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                  MAP_POPULATE | flags, fd, offset);
        if (base == MAP_FAILED) throw_system("cannot map memory for AF_XDP");
        base_ = static_cast<std::uint8_t*>(base);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Mapping() {
        if (base_ != nullptr) ::munmap(base_, size_);
    }
    std::uint8_t* operator*() const { return base_; }

private:
    std::uint8_t* base_ = nullptr;
    std::size_t size_ = 0;
};

// One of the four rings. Entries between the consumer's place and the producer's are filled; one
// side moves the one, the other side the other.
template <class Entry>
class Ring {
public:
    void map(int fd, const xdp_ring_offset& offsets, std::uint64_t which) {
        memory_ = Mapping(fd, offsets.desc + ring_size * sizeof(Entry),
                          static_cast<off_t>(which), MAP_SHARED);
        producer_ = reinterpret_cast<std::uint32_t*>(*memory_ + offsets.producer);
        consumer_ = reinterpret_cast<std::uint32_t*>(*memory_ + offsets.consumer);
        flags_ = reinterpret_cast<std::uint32_t*>(*memory_ + offsets.flags);
        entries_ = reinterpret_cast<Entry*>(*memory_ + offsets.desc);
    }
    // Of the side that fills. What is put is seen by the other with publish().
    std::uint32_t room() const {
        return ring_size - (next_ - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE));
    }
    void put(const Entry& entry) { entries_[next_++ & (ring_size - 1)] = entry; }
    void publish() { __atomic_store_n(producer_, next_, __ATOMIC_RELEASE); }
    std::uint32_t waiting() const {  // published and not taken
        return *producer_ - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE);
    }
    // Of the side that empties.
    std::uint32_t filled() const { return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - next_; }
    const Entry& take() { return entries_[next_++ & (ring_size - 1)]; }
    void done() { __atomic_store_n(consumer_, next_, __ATOMIC_RELEASE); }

    bool needs_wakeup() const {
        return (__atomic_load_n(flags_, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
    }

private:
    Mapping memory_;
    std::uint32_t *producer_ = nullptr, *consumer_ = nullptr, *flags_ = nullptr;
    Entry* entries_ = nullptr;
    std::uint32_t next_ = 0;  // our own place
};

}  // namespace

struct XdpDevice::Steering {
    Fd map, program, link;

    static std::shared_ptr<Steering> make(const std::string& interface, int index) {
        auto made = std::make_shared<Steering>();
        made->map = make_map(XdpOptions::queues_max);
        if (!made->map) throw_system("cannot make a BPF map for AF_XDP");
        made->program = load_program(*made->map);
        if (!made->program) throw_system("cannot load an XDP program");
        bpf_attr a{};
        a.link_create.prog_fd = static_cast<std::uint32_t>(*made->program);
        a.link_create.target_ifindex = static_cast<std::uint32_t>(index);
        a.link_create.attach_type = BPF_XDP;
        // In the driver, else behind it: slower, and everywhere.
        for (const std::uint32_t mode : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
            a.link_create.flags = mode;
            made->link.reset(bpf(BPF_LINK_CREATE, a));
            if (made->link || errno == EBUSY) break;
        }
        if (!made->link) throw_system("cannot attach an XDP program to " + interface);
        return made;
    }
    void steer(std::uint32_t queue, int socket) const {
        const auto value = static_cast<std::uint32_t>(socket);
        bpf_attr a{};
        a.map_fd = static_cast<std::uint32_t>(*map);
        a.key = reinterpret_cast<std::uint64_t>(&queue);
        a.value = reinterpret_cast<std::uint64_t>(&value);
        if (bpf(BPF_MAP_UPDATE_ELEM, a) != 0) throw_system("cannot steer frames to an XDP socket");
    }
};

// The first half of the frames is for what arrives, the second for what we send.
class XdpDevice::Queue {
public:
    Queue(const XdpOptions& options, std::uint32_t queue, std::shared_ptr<Steering> steering)
        : name_(options.interface), steering_(std::move(steering)) {
        const auto mtu = static_cast<std::uint32_t>(ask(SIOCGIFMTU, name_).ifr_mtu);
        std::memcpy(mac_.octets.data(), ask(SIOCGIFHWADDR, name_).ifr_hwaddr.sa_data, 6);
        caps_ = {.link = device::LinkType::ethernet,
                 .mtu = mtu,
                 .frame_max = static_cast<std::uint32_t>(mtu + ethernet_header)};
        const std::size_t needed = kernel_headroom + caps_.frame_max;
        chunk_ = needed <= 2048 ? 2048 : 4096;
        if (needed > chunk_)
            throw_system("AF_XDP takes an MTU of at most " +
                             std::to_string(4096 - kernel_headroom - ethernet_header) + ", and " +
                             name_ + " has " + std::to_string(mtu),
                         EMSGSIZE);
        open_socket(options, queue);
        steering_->steer(queue, *fd_);
        for (std::uint32_t i = 0; i < ring_size; ++i) {
            fill_.put(i * chunk_);
            free_.push_back((ring_size + i) * chunk_);
        }
        fill_.publish();
        lent_.reserve(ring_size);
    }

    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        for (const std::uint64_t address : lent_) fill_.put(address);
        fill_.publish();
        lent_.clear();
        if (fill_.needs_wakeup()) ::recvfrom(*fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
        const std::size_t count = std::min<std::size_t>(rx_.filled(), batch.size());
        for (std::size_t i = 0; i < count; ++i) {
            const xdp_desc& frame = rx_.take();
            batch[i] = {.bytes = {*memory_ + frame.addr, frame.len}, .arrived = now, .offload = {}};
            counters.rx_bytes += frame.len;
            lent_.push_back(frame.addr / chunk_ * chunk_);
        }
        counters.rx_frames += count;
        rx_.done();
        return count;
    }

    MutableBytes reserve(std::size_t size) {
        if (size > caps_.frame_max) return {};
        if (free_.empty()) take_back();
        if (free_.empty() || tx_.room() == 0) {
            // The kernel sends what it has only when asked.
            wake();
            take_back();
            if (free_.empty() || tx_.room() == 0) {
                is_full_ = true;
                return {};
            }
        }
        return {*memory_ + free_.back(), size};
    }
    void commit(std::size_t size) {
        if (size == 0) return;
        tx_.put({.addr = free_.back(), .len = static_cast<std::uint32_t>(size), .options = 0});
        free_.pop_back();
        ++counters.tx_frames;
        counters.tx_bytes += size;
    }
    void flush(Instant now) {
        tx_.publish();
        if (tx_.waiting() != 0) wake();
        take_back();
        const bool waits = tx_.waiting() != 0 && tx_.needs_wakeup();
        if (waits || is_full_) {
            counters.tx_busy += waits ? 1 : 0;
            retry_at_ = after(now, retry_after);
        } else {
            retry_at_ = never;
        }
        is_full_ = false;
    }

    const device::Caps& caps() const { return caps_; }
    Instant deadline() const { return retry_at_; }
    int fd() const { return *fd_; }
    const std::string& name() const { return name_; }
    const wire::Mac& mac() const { return mac_; }
    bool is_zero_copy() const { return is_zero_copy_; }

    Counters counters;

private:
    void open_socket(const XdpOptions& options, std::uint32_t queue) {
        fd_.reset(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
        if (!fd_) throw_system("cannot make an AF_XDP socket");
        memory_ = Mapping(-1, 2 * ring_size * chunk_, 0, MAP_PRIVATE | MAP_ANONYMOUS);
        xdp_umem_reg region{};
        region.addr = reinterpret_cast<std::uint64_t>(*memory_);
        region.len = 2 * ring_size * chunk_;
        region.chunk_size = static_cast<std::uint32_t>(chunk_);
        set(XDP_UMEM_REG, region);
        for (const int ring :
             {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING})
            set(ring, ring_size);
        xdp_mmap_offsets offsets{};
        socklen_t size = sizeof offsets;
        if (::getsockopt(*fd_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0)
            throw_system("cannot map the rings of an AF_XDP socket");
        fill_.map(*fd_, offsets.fr, XDP_UMEM_PGOFF_FILL_RING);
        completed_.map(*fd_, offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING);
        rx_.map(*fd_, offsets.rx, XDP_PGOFF_RX_RING);
        tx_.map(*fd_, offsets.tx, XDP_PGOFF_TX_RING);
        sockaddr_xdp address{};
        address.sxdp_family = AF_XDP;
        address.sxdp_ifindex = ::if_nametoindex(name_.c_str());
        address.sxdp_queue_id = queue;
        // Without XDP_ZEROCOPY the kernel tries that, and copies where it must.
        address.sxdp_flags = static_cast<std::uint16_t>(
            XDP_USE_NEED_WAKEUP | (options.may_copy ? 0 : XDP_ZEROCOPY));
        if (::bind(*fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw_system("cannot bind an AF_XDP socket to queue " + std::to_string(queue) +
                         " of " + name_);
        xdp_options found{};
        size = sizeof found;
        is_zero_copy_ = ::getsockopt(*fd_, SOL_XDP, XDP_OPTIONS, &found, &size) == 0 &&
                        (found.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    }
    template <class T>
    void set(int option, const T& value) {
        if (::setsockopt(*fd_, SOL_XDP, option, &value, sizeof value) != 0)
            throw_system("cannot set up an AF_XDP socket");
    }
    void take_back() {
        for (std::uint32_t left = completed_.filled(); left != 0; --left)
            free_.push_back(completed_.take());
        completed_.done();
    }
    // In copy mode the kernel sends here, 32 frames a call at most.
    void wake() {
        while (tx_.needs_wakeup()) {
            const std::uint32_t before = tx_.waiting();
            if (before == 0) return;
            const bool sent = ::sendto(*fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
            if (!sent && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS) {
                counters.last_error = errno;
                return;
            }
            if (tx_.waiting() == before || is_zero_copy_) return;
        }
    }

    std::string name_;
    std::shared_ptr<Steering> steering_;
    device::Caps caps_;
    wire::Mac mac_;
    std::size_t chunk_ = 2048;
    Mapping memory_;
    Fd fd_;
    Ring<std::uint64_t> fill_, completed_;
    Ring<xdp_desc> rx_, tx_;
    std::vector<std::uint64_t> free_;  // frames to send in: at most ring_size
    std::vector<std::uint64_t> lent_;  // to the caller, until the next receive()
    bool is_zero_copy_ = false;
    bool is_full_ = false;             // a reservation found no room
    Instant retry_at_ = never;
};

std::vector<XdpDevice> XdpDevice::open(const XdpOptions& options) {
    CHECK(options.queues != 0);
    if (options.first_queue + options.queues > XdpOptions::queues_max)
        throw_system("AF_XDP: more than " + std::to_string(XdpOptions::queues_max) + " queues",
                     EINVAL);
    const int index = ask(SIOCGIFINDEX, options.interface).ifr_ifindex;
    lift_memory_limit();
    const auto steering = Steering::make(options.interface, index);
    std::vector<XdpDevice> devices;
    for (std::uint32_t i = 0; i < options.queues; ++i)
        devices.push_back(XdpDevice(
            std::make_unique<Queue>(options, options.first_queue + i, steering)));
    return devices;
}

XdpDevice::XdpDevice(std::unique_ptr<Queue> queue) : queue_(std::move(queue)) {}
XdpDevice::XdpDevice(XdpDevice&&) noexcept = default;
XdpDevice& XdpDevice::operator=(XdpDevice&&) noexcept = default;
XdpDevice::~XdpDevice() = default;

const device::Caps& XdpDevice::caps() const { return queue_->caps(); }
std::size_t XdpDevice::receive(Instant now, std::span<device::Frame> batch) {
    return queue_->receive(now, batch);
}
MutableBytes XdpDevice::reserve(std::size_t size) { return queue_->reserve(size); }
void XdpDevice::commit(Instant, std::size_t size, const device::Offload&,
                       std::span<const Bytes> tail) {
    CHECK(tail.empty());  // only for who completes checksums
    queue_->commit(size);
}
void XdpDevice::flush(Instant now) { queue_->flush(now); }
Instant XdpDevice::deadline() const { return queue_->deadline(); }
int XdpDevice::fd() const { return queue_->fd(); }
const std::string& XdpDevice::name() const { return queue_->name(); }
const wire::Mac& XdpDevice::mac() const { return queue_->mac(); }
bool XdpDevice::is_zero_copy() const { return queue_->is_zero_copy(); }
const Counters& XdpDevice::counters() const { return queue_->counters; }

std::string why_no_xdp() {
    const Fd socket(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!socket) return "no AF_XDP socket: " + error_text(errno);
    lift_memory_limit();
    const Fd map = make_map(1);
    if (!map) return "no BPF map: " + error_text(errno);
    const Fd program = load_program(*map);
    return program ? "" : "no XDP program: " + error_text(errno);
}

}  // namespace estab::drivers
