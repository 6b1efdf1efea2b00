// A world in virtual time: hosts, each a stack::Stack, routers, and links made of link::Lane.
// Nothing in it sleeps or asks a clock; what happens is a function of how it was built and of its
// seed.
//
//   sim::World world({.seed = 7});
//   auto [left, right] = sim::pair(world, {.delay = 20ms, .loss = 10'000});
//   ... listen and connect on left.stack() and right.stack(), then
//   world.run_for(10s);
//   EXPECT_TRUE(world.referee().is_content());
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.hpp"
#include "ip/icmp.hpp"
#include "link/lane.hpp"
#include "sim/agenda.hpp"
#include "sim/door.hpp"
#include "sim/middlebox.hpp"
#include "sim/referee.hpp"
#include "sim/stream_hash.hpp"
#include "stack/stack.hpp"

namespace estab::sim {

class World;

// Whatever has a deadline.
class Actor {
public:
    explicit Actor(World& world);
    virtual ~Actor();
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    virtual Instant deadline() const = 0;
    virtual void act(Instant now) = 0;      // its time has come
    World& world() const { return world_; }
    void reschedule();                      // its deadline may have changed

private:
    World& world_;
    Agenda::Id id_;
};

class Wire;

// What stands at the end of a wire.
class Node {
public:
    Node(World& world, std::string name, std::uint32_t number)
        : name_(std::move(name)), number_(number), world_node_(world) {}
    virtual ~Node() = default;
    virtual void arrive(Instant now, std::span<const device::Frame> frames) = 0;
    virtual bool is_at_rest() const { return true; }  // takes what arrives at once
    const std::string& name() const { return name_; }
    std::uint32_t number() const { return number_; }
    const std::vector<Wire*>& wires() const { return wires_; }  // that lead away from here

protected:
    World& home() const { return world_node_; }

private:
    friend class World;
    std::string name_;
    std::uint32_t number_;
    World& world_node_;
    std::vector<Wire*> wires_;
};

// One direction of a link.
class Wire final : public Actor, private link::Lane::Watcher {
public:
    struct Settings {
        link::Direction direction{};
        std::uint64_t seed = 1;
        Duration round_trip{};
        std::uint32_t mtu = 1500;
        Duration grain{};  // packets are handed over together, at multiples of this: interrupts
        bool is_straight = false;
    };
    Wire(World& world, const Settings& settings, Node& from, Node& to);

    void send(Instant now, Bytes packet, Bytes head = {});  // as Lane::push()
    Instant deadline() const override;
    void act(Instant now) override;
    void change(const link::Direction& direction);
    // For what its router forwards from now on; never more than it was made with.
    void change_mtu(std::uint32_t mtu);

    const link::Lane& lane() const { return lane_; }
    Node& from() const { return from_; }
    Node& to() const { return to_; }
    std::uint32_t mtu() const { return settings_.mtu; }
    const Settings& settings() const { return settings_; }
    // How long packets waited before they were sent, counted by multiples of `bucket`; those of the
    // low-latency queue also apart (RFC 9332). The last bucket has the rest.
    struct Waits {
        std::vector<std::uint64_t> all, l4s;
    };
    Waits* waits = nullptr;
    Middlebox* box = nullptr;          // at its end
    bool is_outwards = true;           // as the box sees it
    static constexpr Duration bucket = 10us;
    static constexpr std::size_t buckets_max = 1'000'000;

private:
    void on_drop(Instant now, Bytes packet) override;
    void on_transmit(Instant now, Duration waited, wire::Ecn ecn) override;
    Settings settings_;
    link::Lane lane_;
    Node& from_;
    Node& to_;
};

// Owns connections or listeners of a host and is told what happens to them.
class Owner {
public:
    virtual ~Owner() = default;
    virtual void on_notice(Instant now, const stack::Notification& what) = 0;
};

struct HostSettings {
    std::string name{};
    tcp::Config config{};
    std::size_t memory_bytes = 256u << 20;
    std::uint32_t mtu = 1500;
    bool big_segments = false;       // the device cuts frames of up to 64 KB and sums them
    Door::Settings door{};           // what it does besides
    std::size_t events_max = 512;    // in one turn; more are counted as lost
    Duration clock{};                // how often the host's clock ticks; 0: it is exact
};

class Host final : public Node, public Actor {
public:
    Host(World& world, const HostSettings& settings, std::uint32_t number, std::uint64_t seed);

    stack::Stack& stack() { return *stack_; }
    const stack::Stack& stack() const { return *stack_; }
    wire::Address v4() const { return v4_; }
    wire::Address v6() const { return v6_; }
    // What the host's clock reads at a time of the world, and when it will first read `at`.
    Instant clock(Instant now) const;
    Instant when_clock_reads(Instant at) const;

    void own(stack::ConnectionId id, Owner* owner);   // nullptr: nobody
    void own(stack::ListenerId id, Owner* owner);
    // After calls to the stack: what it has to say goes out.
    void pump(Instant now);

    Instant deadline() const override { return when_clock_reads(stack_->deadline()); }
    void act(Instant now) override;
    void arrive(Instant now, std::span<const device::Frame> frames) override;
    bool is_at_rest() const override { return !is_pumping_; }

private:
    friend class World;
    void fit(std::uint32_t mtu);     // the link carries no more
    struct Owned {
        std::uint32_t generation = 0;
        Owner* owner = nullptr;
    };
    void notify(Instant now);
    void send(Instant now);
    void emit(Instant now, Bytes packet);

    std::vector<event::Event> event_room_;
    std::unique_ptr<stack::Stack> stack_;
    Door door_;
    device::Caps caps_;
    wire::Address v4_, v6_;
    std::vector<Owned> connections_, listeners_;
    std::vector<std::uint8_t> room_, piece_;
    std::vector<device::Frame> restamped_;
    Duration clock_{};
    bool is_pumping_ = false;
};

// Forwards by static routes, decrements the hop limit, and says so when it cannot.
class Router final : public Node {
public:
    struct Counters {
        std::uint64_t forwarded = 0, expired = 0, unroutable = 0, too_big = 0, damaged = 0;
    };
    Router(World& world, std::string name, std::uint32_t number);
    void arrive(Instant now, std::span<const device::Frame> frames) override;
    const Counters& counters() const { return counters_; }
    bool silent = false;             // drops without ICMP: a black hole

private:
    friend class World;
    void forward(Instant now, Bytes packet);
    void refuse(Instant now, Bytes packet, wire::IcmpReason reason, std::uint32_t mtu);

    Counters counters_;
    event::Counters icmp_counters_;
    ip::Routes addresses_;
    ip::Icmp icmp_;
    std::vector<Wire*> next_;        // by the destination host's number
};

// The way out of a world: what arrives here goes to whoever is outside, what they send comes in. It
// has a host's number and addresses.
class Port final : public Node {
public:
    Port(World& world, std::string name, std::uint32_t number);
    wire::Address v4() const { return v4_; }
    wire::Address v6() const { return v6_; }
    std::function<void(Instant now, Bytes packet)> deliver;
    void arrive(Instant now, std::span<const device::Frame> frames) override;
    void send(Instant now, Bytes packet);  // at most the MTU of its link

private:
    wire::Address v4_, v6_;
};

// Watches everything that happens in a world.
class Observer {
public:
    enum class Way : std::uint8_t { sent, received };
    virtual ~Observer() = default;
    virtual void on_packet(Instant, const Host&, Way, Bytes) {}
    virtual void on_event(Instant, const Host&, const event::Event&) {}
    virtual void on_drop(Instant, const Wire&, Bytes) {}  // a wire has lost it
};

class World {
public:
    struct Settings {
        std::uint64_t seed = 1;
        Instant begin = Instant(1s);
        bool referee = true;
        Referee::Settings rules{};
    };
    explicit World(const Settings& settings);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Host& add_host(const HostSettings& settings);
    Router& add_router(std::string name);
    Port& add_port(std::string name);
    struct Link {
        Wire* there;   // from the first to the second
        Wire* back;
    };
    struct LinkSettings {
        link::Direction there{}, back{};
        Duration round_trip{};     // what a queue in BDPs is measured by
        std::uint32_t mtu = 1500;
        Duration grain{};
        // Without rate, delay and faults: what is sent has arrived. For links of a host to a router
        // behind which there are others.
        bool is_straight = false;
    };
    Link connect(Node& a, Node& b, const LinkSettings& settings);
    // Its inside is where `there` begins.
    Middlebox& put_box(const Link& link, const Middlebox::Settings& settings);

    // The world's own time. A world joined to a real clock is moved by advance_to().
    Instant now() const { return now_; }
    Instant deadline() const { return agenda_.next(); }
    void step();                                 // the next thing that is due
    void advance_to(Instant now);                // all that is due up to then
    void run_for(Duration time) { advance_to(after(now_, time)); }
    // False: it did not come true before `limit`. Asked after every step.
    bool run_until(const std::function<bool()>& is_done, Instant limit);

    Rng& rng() { return rng_; }
    std::uint64_t hash() const { return hash_.value(); }
    std::uint64_t steps() const { return steps_; }
    std::uint64_t packets() const { return packets_; }
    const Referee& referee() const { return referee_; }
    const std::vector<std::unique_ptr<Host>>& hosts() const { return hosts_; }
    const std::vector<std::unique_ptr<Router>>& routers() const { return routers_; }
    const std::vector<std::unique_ptr<Wire>>& wires() const { return wires_; }
    void watch(Observer* observer) { observers_.push_back(observer); }
    void note(std::uint64_t word) { hash_.add(word); }   // becomes part of hash()
    // CHECKs the invariants of every connection and every memory budget.
    void check() const;

private:
    friend class Actor;
    friend class Host;
    friend class Wire;
    void see(const Host& host, Observer::Way way, Bytes packet);
    void find_routes();
    std::uint32_t next_number() const;

    Settings settings_;
    Instant now_;
    Rng rng_;
    Agenda agenda_;
    std::vector<Actor*> actors_;                 // by id
    std::vector<std::unique_ptr<Host>> hosts_;
    std::vector<std::unique_ptr<Router>> routers_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<std::unique_ptr<Wire>> wires_;
    std::vector<std::unique_ptr<Middlebox>> boxes_;
    std::vector<Observer*> observers_;
    Referee referee_;
    std::vector<device::Frame> arriving_;        // from the wire that acts
    std::vector<std::uint8_t> passing_;          // on a straight one, with another head
    StreamHash hash_;
    std::uint64_t steps_ = 0, packets_ = 0;
    bool has_routes_ = false;
    bool may_corrupt_ = false;
};

// Two hosts and one link: the shortest world there is.
struct Pair {
    Host& left;
    Host& right;
    World::Link link;
};
Pair pair(World& world, const link::Direction& each_way, const HostSettings& each = {});

}  // namespace estab::sim
