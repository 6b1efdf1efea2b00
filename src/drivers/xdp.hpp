// A queue of a network interface through AF_XDP as a Device: Ethernet frames of at most the MTU,
// in memory shared with the kernel, received and sent in place. Everything that arrives on the
// queue is ours: the interface, or the queue, must be nobody else's. Checksums have to be complete
// on arrival; a veth's other end must be told so (ethtool -K PEER tx off). Needs CAP_NET_RAW and
// CAP_BPF, Linux 5.11. See docs/decisions/0021.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "drivers/send_slot.hpp"
#include "drivers/system.hpp"
#include "wire/address.hpp"

namespace estab::drivers {

struct XdpOptions {
    std::string interface;
    std::uint32_t first_queue = 0;
    std::size_t queues = 1;  // as many devices, at most queues_max in all
    bool may_copy = true;    // false: only zero-copy, which the NIC's driver must have
    static constexpr std::uint32_t queues_max = 64;
};

class XdpDevice {
public:
    // One device for each queue. Throws SystemError. The program that steers frames to them goes
    // with the last of them.
    static std::vector<XdpDevice> open(const XdpOptions& options);
    XdpDevice(XdpDevice&&) noexcept;
    XdpDevice& operator=(XdpDevice&&) noexcept;
    ~XdpDevice();

    const device::Caps& caps() const;
    std::size_t receive(Instant now, std::span<device::Frame> batch);
    MutableBytes reserve(std::size_t size);
    void commit(Instant now, std::size_t size, const device::Offload& offload,
                std::span<const Bytes> tail = {});
    void flush(Instant now);
    Instant deadline() const;

    int fd() const;
    const std::string& name() const;
    const wire::Mac& mac() const;
    bool is_zero_copy() const;
    const Counters& counters() const;

private:
    struct Steering;  // the program and its map
    class Queue;
    explicit XdpDevice(std::unique_ptr<Queue> queue);

    std::unique_ptr<Queue> queue_;
};

// Whether sockets and programs of this kind can be made here at all; empty, or why not.
std::string why_no_xdp();

}  // namespace estab::drivers
