// The dual queue of L4S (RFC 9332, Appendix A): packets with ECT(1) or CE wait in a queue of their
// own that is nearly always served first and marked early; the others in one that PI2 controls.
// One controller moves p'; classic packets are hit with p' squared, the others marked with at
// least 2p'.
#pragma once

#include "link/packets.hpp"
#include "link/probability.hpp"

namespace estab::link {

class DualPi2 {
public:
    struct Settings {
        Duration target = 15ms, round_trip_max = 100ms;
        Duration ramp_begin = 800us, ramp_end = 1200us;  // of the other queue's own marking
        std::uint32_t mtu = 1500;
    };
    explicit DualPi2(const Settings& settings);

    static bool is_l4s(wire::Ecn ecn) { return ecn == wire::Ecn::ect1 || ecn == wire::Ecn::ce; }
    void push(Instant now, Packets& packets, PacketIndex packet);
    PacketIndex pop(Instant now, Packets& packets, PacketList& dropped);
    std::size_t count() const { return l4s_.count + classic_.count; }
    std::uint64_t bytes() const { return l4s_.bytes + classic_.bytes; }

    void update(Duration delay);       // one step of the controller
    Chance base() const { return base_; }           // p'
    Chance classic() const { return times(base_, base_); }
    Chance coupled() const { return std::min<Chance>(2 * base_, certain); }
    Chance native(Duration waited) const;           // the ramp of the other queue
    bool is_overloaded() const { return 2 * base_ >= certain; }
    Duration update_time() const { return update_; }

private:
    // Hits evenly: after two misses with 0.4 comes a hit.
    class Spread {
    public:
        bool hits(Chance chance) {
            sum_ += chance;
            if (sum_ < certain) return false;
            sum_ -= certain;
            return true;
        }

    private:
        Chance sum_ = 0;
    };
    void advance(Instant now, const Packets& packets);
    bool is_l4s_next();
    bool pass_l4s(Instant now, Packets& packets, PacketIndex packet);
    bool pass_classic(Packets& packets, PacketIndex packet);

    Settings settings_;
    Duration update_;
    PacketList l4s_, classic_;
    Spread l4s_spread_, l4s_drop_spread_, classic_spread_;
    Chance base_ = 0;
    Duration delay_before_{};
    Instant next_{};
    std::int64_t owed_to_classic_ = 0;  // octets, weighted; positive: it is its turn
};

}  // namespace estab::link
