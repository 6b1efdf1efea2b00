// A simulated network in real time, of which CMD is one host: `estab run --world FILE`.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/forward_tcp.hpp"
#include "device/device.hpp"
#include "drivers/private_network.hpp"
#include "sim/dumbbell.hpp"

namespace estab::cli {

struct WorldOptions {
    std::string file;
    std::string as;  // the host that CMD is; empty: the first that serves nothing, or one more
    std::optional<std::uint64_t> seed;
};

class OwnWorld {
public:
    // Throws UsageError.
    explicit OwnWorld(const WorldOptions& options);

    // CMD's addresses there, and no gateways: everybody is on the link.
    const drivers::PrivateAddresses& addresses() const { return addresses_; }
    const std::string& name() const { return name_; }  // of the host that CMD is
    std::uint32_t mtu() const { return mtu_; }
    // "10.0.0.3 api.example.com" and so on, a line for each address: for CMD's hosts file.
    std::string hosts() const;
    const std::vector<sim::Dumbbell::Named>& named() const { return dumbbell_->named(); }

    // What CMD's host has sent goes in, the world goes on until now, what has arrived comes out.
    template <device::Device D>
    void turn(Instant now, D& cable) {
        std::array<device::Frame, 64> frames;
        advance(now);
        for (std::size_t count = frames.size(); count == frames.size();) {
            count = cable.receive(now, frames);
            for (std::size_t i = 0; i < count; ++i) port_->send(time(), frames[i].bytes);
        }
        advance(now);
        for (Arrived& packet : arrived_) {
            const MutableBytes room = cable.reserve(packet.size);
            if (room.empty()) ++lost_;
            else std::copy_n(packets_.begin() + packet.at, packet.size, room.begin());
            if (!room.empty()) cable.commit(now, packet.size, {});
        }
        arrived_.clear();
        packets_.clear();
        cable.flush(now);
    }
    Instant deadline() const;
    Duration late() const { return late_; }  // the most that it was behind the clock

    // Connections to its servers: those that have ended, and those that are open.
    std::vector<Forwarded> take_report();
    const Totals& totals() const { return totals_; }
    void reset_all();  // all of them

private:
    struct Arrived {
        std::ptrdiff_t at;
        std::size_t size;
    };
    void advance(Instant now);
    Instant time() const { return dumbbell_->world().now(); }
    void keep(const sim::Served& served, bool is_open);

    std::string name_;
    std::uint32_t mtu_;
    drivers::PrivateAddresses addresses_;
    std::vector<Forwarded> ended_;  // at most records_max
    Totals totals_;
    std::unique_ptr<sim::Dumbbell> dumbbell_;
    sim::Port* port_ = nullptr;
    std::vector<std::uint8_t> packets_;
    std::vector<Arrived> arrived_;  // at most what one piece of time brings
    std::uint64_t lost_ = 0;
    Duration late_{};
};

}  // namespace estab::cli
