// What a network card and its driver do with segments at the door of a host (offloads): big ones
// are cut on their way out, and those that go on where the last one ended are joined on their way
// in. A host must not care; the swarm tries that it does not.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/check.hpp"
#include "base/rng.hpp"
#include "device/device.hpp"
#include "link/segment.hpp"

namespace estab::sim {

class Door {
public:
    enum class In : std::uint8_t {
        batches,  // what arrives together is handed over together
        singly,   // one packet after the other: nothing that the stack could join itself
        joined,   // as big frames, their checksums looked at
        mixed,    // one of these, at random, for a random part of what arrived together
    };
    struct Settings {
        bool tso4 = false, tso6 = false;  // frames of many segments, of IPv4, of IPv6
        bool checksum = false;            // frames without checksum; with tso4 and tso6 always
        std::uint32_t frame_max = 65'535;   // of big frames
        std::uint32_t smaller_percent = 0;  // of them that are cut smaller than was asked for
        In in = In::batches;
        std::uint64_t seed = 1;
    };
    explicit Door(const Settings& settings) : settings_(settings), rng_(settings.seed) {}

    device::Caps caps(std::uint32_t mtu) const;

    // A frame of the host's, as the packets that leave.
    template <class Emit>
    void cut(Bytes frame, const device::Offload& offload, std::uint32_t mtu, MutableBytes scratch,
             Emit&& emit) {
        const auto done = link::cut(
            frame, offload, {.link = device::LinkType::ip, .frame_max = piece(mtu)}, scratch, emit);
        CHECK(done.has_value());
    }

    // Packets that arrived together, as the batches of frames that the host gets, one after the
    // other. A batch is good until the next one.
    template <class Receive>
    void hand_over(std::span<const device::Frame> packets, Receive&& receive) {
        if (settings_.in == In::batches) return receive(packets);
        while (!packets.empty()) {
            const auto [count, joined] = next_batch(packets.size());
            receive(joined ? join(packets.first(count)) : packets.first(count));
            packets = packets.subspan(count);
        }
    }

private:
    struct Batch {
        std::size_t count;
        bool joined;
    };
    std::size_t piece(std::uint32_t mtu);
    Batch next_batch(std::size_t most);
    std::span<const device::Frame> join(std::span<const device::Frame> packets);

    Settings settings_;
    Rng rng_;
    std::vector<std::vector<std::uint8_t>> joined_;  // frames of more than one packet
    std::vector<device::Frame> frames_;
};

}  // namespace estab::sim
