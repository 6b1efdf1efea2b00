// Random Early Detection (Floyd and Jacobson 1993, its gentle form): the chance of a drop grows
// with the average length of the queue between two thresholds.
#pragma once

#include "base/rng.hpp"
#include "link/packets.hpp"
#include "link/probability.hpp"

namespace estab::link {

class Red {
public:
    struct Settings {
        std::uint64_t low_bytes = 0, high_bytes = 0;
        Chance most = certain / 10;       // at the upper threshold
        unsigned weight_bits = 9;         // the average moves by 2^-9 of the difference
        Duration packet_time = 1ms;       // of one packet on the link: how an idle queue ages
    };
    explicit Red(const Settings& settings) : settings_(settings) {}

    Verdict on_enqueue(Instant now, std::uint64_t queued_bytes, bool can_mark, Rng& rng);
    void on_empty(Instant now) { idle_since_ = now; }  // the queue has become empty
    std::uint64_t average() const { return average_ >> settings_.weight_bits; }
    Chance chance() const;                             // at this average, before it is spread out

private:
    void update(Instant now, std::uint64_t queued_bytes);

    Settings settings_;
    std::uint64_t average_ = 0;      // octets, shifted by weight_bits
    std::uint32_t since_ = 0;        // packets since the last one that was hit
    Instant idle_since_ = never;
};

}  // namespace estab::link
