// PIE (RFC 8033): every 15 ms a controller moves the chance of a drop by how far the queue's delay
// is from its target and by how it changed. The delay is the time that the first packet has
// waited (RFC 8033 5.2 allows timestamps).
#pragma once

#include "base/rng.hpp"
#include "link/packets.hpp"
#include "link/probability.hpp"

namespace estab::link {

class Pie {
public:
    struct Settings {
        Duration target = 15ms, update = 15ms, burst_max = 150ms;  // RFC 8033 5.1, 4.4
        std::uint32_t mtu = 1500;
    };
    explicit Pie(const Settings& settings) : settings_(settings), burst_(settings.burst_max) {}

    // What the controller did until now; the queue has not changed since the last call.
    void advance(Instant now, const Packets& packets, const PacketList& queue);
    Verdict on_enqueue(std::uint64_t queued_bytes, bool can_mark, Rng& rng);

    void update(Duration delay);  // one step of the controller
    Chance chance() const { return chance_; }
    Duration burst() const { return burst_; }

private:
    Settings settings_;
    Instant next_{};
    Duration delay_before_{}, burst_;
    Chance chance_ = 0, gathered_ = 0;
};

}  // namespace estab::link
