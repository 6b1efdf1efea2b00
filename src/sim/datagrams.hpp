// Traffic that does not listen to the network: datagrams of one size at a rate, from one host to
// another, for a time, in bursts if wanted.
#pragma once

#include <cstdint>

#include "base/rng.hpp"
#include "sim/world.hpp"

namespace estab::sim {

class Datagrams final : public Actor {
public:
    static constexpr std::uint16_t payload_max = 65'507;
    struct Plan {
        std::uint64_t rate_bits = 1'000'000;  // of IP packets, while it speaks
        std::uint16_t payload = 1200;         // octets; at most payload_max, and the path's MTU
        Duration begin{};                     // after the talk's beginning
        Duration length = Duration::max();    // from `begin` on
        Duration on{}, off{};                 // speaks and is silent by turns; 0: always speaks
        bool is_random = false;               // exponential gaps of that rate on average
        bool is_back = false;                 // in a dumbbell: against the stream
    };
    struct Counters {
        std::uint64_t sent = 0, arrived = 0;  // datagrams
        std::uint64_t octets = 0;             // that arrived
    };

    // `to` has no other receiver of datagrams.
    Datagrams(Host& from, Host& to, const Plan& plan, std::uint64_t seed);

    Instant deadline() const override { return next_; }
    void act(Instant now) override;
    const Counters& counters() const { return counters_; }

private:
    static bool on_arrival(void* self, Instant, const wire::IpPacket& packet,
                           const device::Offload&);
    void plan_next(Instant now);

    Host& from_;
    wire::Endpoint source_, target_;
    Plan plan_;
    Duration gap_{};
    Rng rng_;
    Instant begin_, end_, next_;
    Counters counters_;
};

}  // namespace estab::sim
