// What waits before a link, under one of the disciplines of link::Queue.
#pragma once

#include <variant>

#include "base/rng.hpp"
#include "link/dualpi2.hpp"
#include "link/fq_codel.hpp"
#include "link/packets.hpp"
#include "link/path_spec.hpp"
#include "link/pie.hpp"
#include "link/red.hpp"

namespace estab::link {

class PacketQueue {
public:
    struct Settings {
        Queue queue{};
        std::uint64_t bytes_max = UINT64_MAX;  // the limit, resolved
        std::size_t packets_max = SIZE_MAX;
        std::uint64_t rate_bits = 0;
        std::uint32_t mtu = 1500;
        std::uint64_t seed = 1;
    };
    explicit PacketQueue(const Settings& settings);

    // What is dropped, the packet itself or one that waited, is appended to `dropped`.
    void push(Instant now, Packets& packets, PacketIndex packet, PacketList& dropped);
    PacketIndex pop(Instant now, Packets& packets, PacketList& dropped);  // or no_packet
    std::size_t count() const;
    std::uint64_t bytes() const;
    bool tells_flows_apart() const { return std::holds_alternative<FqCoDel>(discipline_); }

private:
    struct DropTail {};
    struct CoDelSource;
    using Discipline = std::variant<DropTail, Red, CoDel, Pie, FqCoDel, DualPi2>;
    static Discipline make(const Settings& settings);
    bool has_room(std::size_t size) const;
    bool can_mark(const Packet& packet) const {
        return !settings_.queue.drops_only && packet.ecn != wire::Ecn::not_ect;
    }

    Settings settings_;
    Rng rng_;
    PacketList list_;  // of the disciplines with one
    Discipline discipline_;
};

}  // namespace estab::link
