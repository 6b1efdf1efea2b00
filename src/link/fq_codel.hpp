// FQ-CoDel (RFC 8290): flows in queues of their own, each with CoDel, served by deficit round
// robin, new ones first. When there is no room, the longest queue loses its first packet.
#pragma once

#include <vector>

#include "link/codel.hpp"
#include "link/packets.hpp"

namespace estab::link {

class FqCoDel {
public:
    struct Settings {
        CoDel::Settings codel{};
        std::uint32_t flows = 1024, quantum = 1514;  // RFC 8290 5.2
        bool marks = true;
    };
    explicit FqCoDel(const Settings& settings);

    void push(Packets& packets, PacketIndex packet);
    PacketIndex pop(Instant now, Packets& packets, PacketList& dropped);
    // The first packet of the queue that has most octets.
    void drop_from_longest(Packets& packets, PacketList& dropped);
    std::size_t count() const { return count_; }
    std::uint64_t bytes() const { return bytes_; }

private:
    using FlowIndex = std::uint32_t;
    static constexpr FlowIndex none = UINT32_MAX;
    struct Flow {
        PacketList waiting{};
        CoDel codel;
        std::int64_t deficit = 0;
        FlowIndex next = none;
        bool is_listed = false;
    };
    struct FlowList {
        FlowIndex head = none, tail = none;
    };
    struct Source;
    void append(FlowList& list, FlowIndex flow);
    FlowIndex take_first(FlowList& list);

    Settings settings_;
    std::vector<Flow> flows_;
    FlowList new_flows_, old_flows_;
    std::size_t count_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace estab::link
