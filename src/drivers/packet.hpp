// A network interface seen through an AF_PACKET socket as a Device: Ethernet frames of up to 64 KB,
// with checksums and segmentation left open (PACKET_VNET_HDR). Frames arrive in a ring that the
// kernel fills and we read in place, because the socket's own queue may hold only a few frames of
// 64 KB where net.core.rmem_max cannot be raised. Needs CAP_NET_RAW in the interface's namespace.
#pragma once

#include <cstdint>
#include <string>

#include "device/device.hpp"
#include "drivers/send_slot.hpp"
#include "drivers/system.hpp"
#include "wire/address.hpp"

namespace estab::drivers {

// What another process needs to use a packet socket that was made for it elsewhere.
struct PacketSocket {
    Fd fd;
    std::string name;
    // The interface's own: we use it as ours, so the interface need not be promiscuous.
    wire::Mac mac;
    std::uint32_t mtu = 1500;
};
// Makes and binds the socket in the current namespace. Throws SystemError.
// Bound to it, with a ring for what arrives, which PacketDevice maps. Throws SystemError.
PacketSocket open_packet_socket(const std::string& interface);

class PacketDevice {
public:
    explicit PacketDevice(PacketSocket socket);  // maps the ring; throws SystemError
    PacketDevice(PacketDevice&&) noexcept;
    PacketDevice& operator=(PacketDevice&&) noexcept;
    ~PacketDevice();

    const device::Caps& caps() const { return caps_; }
    // Call it until it returns 0: the descriptor stays readable while frames are lent.
    std::size_t receive(Instant now, std::span<device::Frame> batch);
    MutableBytes reserve(std::size_t size) { return send_.reserve(size); }
    void commit(Instant now, std::size_t size, const device::Offload& offload,
                std::span<const Bytes> tail = {}) {
        send_.commit(*socket_.fd, now, size, offload, tail);
    }
    void flush(Instant now) { send_.flush(*socket_.fd, now); }
    Instant deadline() const { return send_.deadline(); }

    int fd() const { return *socket_.fd; }
    const std::string& name() const { return socket_.name; }
    const wire::Mac& mac() const { return socket_.mac; }
    const Counters& counters() const { return send_.counters; }

private:
    std::uint8_t* slot(std::uint32_t index) const;
    void give_back();
    void unmap();

    PacketSocket socket_;
    device::Caps caps_;
    std::uint8_t* ring_ = nullptr;
    std::size_t ring_size_ = 0;
    std::uint32_t slots_ = 0;
    std::uint32_t next_ = 0;  // the slot that the kernel fills next
    std::uint32_t lent_ = 0;  // slots before next_ that the caller still reads
    SendSlot send_;
};

}  // namespace estab::drivers
