// One type for whichever driver was chosen at run time, so that commands need not be templates. A
// variant and not a base class: the set is closed, and a branch per call costs nothing beside a
// system call. Decorators (Tap, Path) go around it.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "drivers/packet.hpp"
#include "drivers/tun.hpp"
#include "drivers/xdp.hpp"

namespace estab::drivers {

class AnyDevice {
public:
    AnyDevice(TunDevice device) : device_(std::move(device)) {}
    AnyDevice(PacketDevice device) : device_(std::move(device)) {}
    AnyDevice(XdpDevice device) : device_(std::move(device)) {}

    const device::Caps& caps() const {
        return std::visit([](const auto& d) -> const device::Caps& { return d.caps(); }, device_);
    }
    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        return std::visit([&](auto& d) { return d.receive(now, batch); }, device_);
    }
    MutableBytes reserve(std::size_t size) {
        return std::visit([&](auto& d) { return d.reserve(size); }, device_);
    }
    void commit(Instant now, std::size_t size, const device::Offload& offload,
                std::span<const Bytes> tail = {}) {
        std::visit([&](auto& d) { d.commit(now, size, offload, tail); }, device_);
    }
    void flush(Instant now) {
        std::visit([&](auto& d) { d.flush(now); }, device_);
    }
    Instant deadline() const {
        return std::visit([](const auto& d) { return d.deadline(); }, device_);
    }

    int fd() const {
        return std::visit([](const auto& d) { return d.fd(); }, device_);
    }
    const std::string& name() const {
        return std::visit([](const auto& d) -> const std::string& { return d.name(); }, device_);
    }
    const Counters& counters() const {
        return std::visit([](const auto& d) -> const Counters& { return d.counters(); }, device_);
    }
    // The address that we are to use on an Ethernet device; none on IP devices. On a TAP it is made
    // from the kernel's, because the two ends of a TAP are two stations.
    std::optional<wire::Mac> mac() const {
        if (const auto* packet = std::get_if<PacketDevice>(&device_)) return packet->mac();
        if (const auto* xdp = std::get_if<XdpDevice>(&device_)) return xdp->mac();
        std::optional<wire::Mac> mac = std::get<TunDevice>(device_).peer_mac();
        if (!mac) return {};
        mac->octets[5] ^= 1;
        // Locally administered, not a group.
        mac->octets[0] = static_cast<std::uint8_t>((mac->octets[0] | 2) & 0xfe);
        return mac;
    }

private:
    std::variant<TunDevice, PacketDevice, XdpDevice> device_;
};

static_assert(
    device::Device<AnyDevice> && device::Device<TunDevice> && device::Device<PacketDevice> &&
    device::Device<XdpDevice>);

}  // namespace estab::drivers
