// Packets on their way, in one table, and lists of them: from stage to stage only an index moves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.hpp"
#include "wire/ip.hpp"

namespace estab::link {

using PacketIndex = std::uint32_t;
inline constexpr PacketIndex no_packet = UINT32_MAX;

struct Packet {
    PacketIndex next = no_packet;
    std::uint32_t size = 0;
    std::uint32_t overtakers_left = 0;  // of one that is held back
    std::uint32_t flow = 0;             // a hash, where the queue tells flows apart
    Instant at{};                       // when it came to the stage where it is, or is due there
    wire::Ecn ecn = wire::Ecn::not_ect;
    bool marked = false;                // leaves with CE
};

struct PacketList {  // first in, first out
    PacketIndex head = no_packet;
    PacketIndex tail = no_packet;
    std::size_t count = 0;
    std::uint64_t bytes = 0;
};

class Packets {
public:
    Packet& operator[](PacketIndex index) { return all_[index]; }
    const Packet& operator[](PacketIndex index) const { return all_[index]; }
    std::size_t size() const { return all_.size(); }
    PacketIndex add() {
        all_.emplace_back();
        return static_cast<PacketIndex>(all_.size() - 1);
    }
    void append(PacketList& list, PacketIndex packet) {
        all_[packet].next = no_packet;
        (list.tail == no_packet ? list.head : all_[list.tail].next) = packet;
        list.tail = packet;
        ++list.count;
        list.bytes += all_[packet].size;
    }
    // Before all others: what was used last is in the caches.
    void prepend(PacketList& list, PacketIndex packet) {
        all_[packet].next = list.head;
        if (list.head == no_packet) list.tail = packet;
        list.head = packet;
        ++list.count;
        list.bytes += all_[packet].size;
    }
    PacketIndex take_first(PacketList& list) {
        const PacketIndex packet = list.head;
        list.head = all_[packet].next;
        if (list.head == no_packet) list.tail = no_packet;
        --list.count;
        list.bytes -= all_[packet].size;
        return packet;
    }
    // How long the first one has waited.
    Duration age(const PacketList& list, Instant now) const {
        return list.count == 0 ? Duration{} : now - all_[list.head].at;
    }

private:
    std::vector<Packet> all_;
};

// What becomes of a packet that a queue has decided about.
enum class Verdict : std::uint8_t { pass, mark, drop };

}  // namespace estab::link
