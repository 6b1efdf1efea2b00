// A TUN (IP packets) or TAP (Ethernet frames) interface of the kernel as a Device. With the virtio
// header the kernel and we exchange frames of up to 64 KB with checksums left open, which is what
// makes it fast.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "device/device.hpp"
#include "drivers/send_ring.hpp"
#include "drivers/send_slot.hpp"
#include "drivers/system.hpp"
#include "wire/address.hpp"

namespace estab::drivers {

struct TunOptions {
    std::string path = "/dev/net/tun";
    std::string name;  // empty or "tun%d": the kernel chooses
    bool tap = false;
    bool offloads = true;  // false: frames of at most the MTU, checksums complete
    bool uring = true;     // without offloads: frames go through io_uring where it is allowed
    bool multi_queue = false;  // one of several descriptors of the same interface
    std::size_t batch = 64;    // frames lent at a time; 64 KiB of address space each with offloads
};

class TunDevice {
public:
    // Both throw SystemError. `open` makes the interface, or attaches to it if it exists and is
    // ours.
    static TunDevice open(const TunOptions& options);
    // As many queues of one interface, each a device of its own: the kernel keeps a flow on one of
    // them. One: as `open`.
    static std::vector<TunDevice> open_queues(const TunOptions& options, std::size_t count);
    // Takes a descriptor on which TUNSETIFF has been done, perhaps in another namespace. The MTU is
    // asked of the kernel unless given: from another namespace it cannot be asked.
    static TunDevice adopt(Fd fd, std::optional<std::uint32_t> mtu = {}, std::size_t batch = 64);

    const device::Caps& caps() const { return caps_; }
    std::size_t receive(Instant now, std::span<device::Frame> batch);
    MutableBytes reserve(std::size_t size) {
        return ring_ ? ring_->reserve(size) : send_.reserve(size);
    }
    // `tail` only with offloads: nobody leaves a checksum open without.
    void commit(Instant now, std::size_t size, const device::Offload& offload,
                std::span<const Bytes> tail = {}) {
        if (ring_) {
            CHECK(tail.empty());
            return ring_->commit(*fd_, now, size, send_.counters);
        }
        send_.commit(*fd_, now, size, offload, tail);
    }
    void flush(Instant now) {
        ring_ ? ring_->flush(*fd_, now, send_.counters) : send_.flush(*fd_, now);
    }
    Instant deadline() const { return ring_ ? ring_->deadline() : send_.deadline(); }

    int fd() const { return *fd_; }  // readable when a frame waits
    int release() { return fd_.release(); }
    const std::string& name() const { return name_; }
    bool has_offloads() const { return vnet_; }
    // The kernel's own address on a TAP; ours must differ from it.
    const std::optional<wire::Mac>& peer_mac() const { return peer_mac_; }
    const Counters& counters() const { return send_.counters; }
    void set_mtu(std::uint32_t mtu);  // after the interface's MTU has been changed
    void set_uring(bool on);          // without offloads, and before anything is sent

private:
    TunDevice(Fd fd, std::optional<std::uint32_t> mtu, std::size_t batch);

    Fd fd_;
    std::string name_;
    bool vnet_ = false;
    device::Caps caps_;
    std::optional<wire::Mac> peer_mac_;
    std::size_t batch_;
    std::size_t slot_size_ = 0;
    std::unique_ptr<std::uint8_t[]> slots_;  // batch_ of them
    SendSlot send_;                          // the counters are here in any case
    bool uring_ = true;
    std::optional<SendRing> ring_;           // without offloads
    Instant came_alone_{};                   // when the last frame came, small and by itself
};

}  // namespace estab::drivers
