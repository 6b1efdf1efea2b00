// One random world of the swarm.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/datagrams.hpp"
#include "sim/talk.hpp"

namespace estab::sim {

class SwarmWorld {
public:
    explicit SwarmWorld(std::uint64_t seed) : SwarmWorld(seed, wrap_shift(seed)) {}

    World& world() { return *world_; }
    Ledger& ledger() { return ledger_; }
    const std::string& description() const { return description_; }
    Instant calm_at() const { return calm_at_; }   // faults stop
    // Changes of links that are due; when the next is.
    Instant next_change() const;
    void change(Instant now);

private:
    // The same world, but it begins so much later.
    SwarmWorld(std::uint64_t seed, Duration later);
    static Duration wrap_shift(std::uint64_t seed);
    struct Change {
        Instant at{};
        Wire* wire = nullptr;
        std::optional<link::Direction> direction{};
        std::uint32_t mtu = 0;                     // 0: as before
    };
    void make_topology();
    World::LinkSettings random_link();
    link::Direction random_direction();
    void add_faults(link::Direction& direction);
    HostSettings random_host();
    Door::Settings random_door();
    tcp::Config random_config();
    void make_servers();
    void make_talks();
    Order random_order();
    Pace random_pace();
    Pace stalling_pace(std::uint64_t octets);
    void plan_changes();
    void plan_mtu();
    void add_datagrams();
    void add_queue(link::Direction& direction);
    void put_boxes();
    Middlebox::Settings random_box(bool is_even);
    bool maybe(std::uint32_t percent) { return rng_.below(100) < percent; }
    std::uint64_t between(std::uint64_t least, std::uint64_t most) {
        return least + rng_.below(most - least + 1);
    }
    // Spread evenly over orders of magnitude.
    std::uint64_t about(std::uint64_t least, std::uint64_t most);
    Duration time_between(Duration least, Duration most) {
        return Duration(static_cast<std::int64_t>(between(
            static_cast<std::uint64_t>(to_ns(least)), static_cast<std::uint64_t>(to_ns(most)))));
    }
    void describe(const std::string& what) {
        description_ += (description_.empty() ? "" : ", ") + what;
    }

    Rng rng_;
    Rng later_;      // of what came later: the seeds known before stay what they were
    Rng latest_;     // and after that
    Rng doors_;      // of what cuts and joins segments
    bool has_doors_ = false;
    Rng stalls_;     // of windows that close
    bool has_stalls_ = false;
    Ledger ledger_;
    std::string description_;
    Instant calm_at_{};
    std::uint64_t slowest_bits_ = UINT64_MAX;
    std::uint32_t smallest_mtu_ = 9000;
    bool allows_v6_ = true;
    bool may_damage_ = true, has_damage_ = false;
    std::vector<std::unique_ptr<tcp::Config>> configs_;
    std::unique_ptr<World> world_;
    std::vector<std::pair<Middlebox*, Middlebox::Settings>> boxes_;
    std::vector<std::unique_ptr<Server>> servers_;
    std::vector<std::unique_ptr<Talk>> talks_;
    std::unique_ptr<Datagrams> datagrams_;
    std::vector<Change> changes_;                  // in order of time
    std::size_t changes_done_ = 0;
};

}  // namespace estab::sim
