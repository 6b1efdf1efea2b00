// The network of most papers: senders on the left, receivers on the right, one link between two
// routers that all flows share; and the measurements that one takes there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/datagrams.hpp"
#include "sim/service.hpp"
#include "sim/talk.hpp"

namespace estab::sim {

// What a flow does where it is more than sending, and when it begins.
struct FlowPlan {
    Order order{};
    Duration begin{};
};

// The shared link becomes another one.
struct LinkChange {
    Duration at{};
    link::Direction there{}, back{};
    std::uint32_t mtu = 0;  // from now on; 0: as before
};

// A host with a name, behind one of the routers.
struct HostPlan {
    std::string name{};
    bool is_left = false;              // where the senders are
    bool is_outside = false;           // a Port: whoever joins the world to something else
    tcp::Config config{};
    link::Direction up{}, down{};      // what it sends, what it gets
    std::vector<ServicePlan> services{};
};

struct DumbbellSettings {
    std::uint64_t seed = 1;
    Instant begin = Instant(1s);
    std::vector<tcp::Config> flows{tcp::Config{}};  // one sender, receiver and connection each
    Duration spread{};                              // each flow begins somewhere within it
    std::vector<FlowPlan> plans{};  // of the flows, or none: each sends `octets`
    std::uint64_t octets = std::uint64_t{1} << 60;  // that each flow sends, and closes
    link::Direction there{};  // the shared link, left to right; queue in BDPs of `rtt`
    Ppm loss_back = 0;                              // of what comes back
    std::optional<link::Direction> back{};          // right to left; else as fast, and clean
    std::vector<LinkChange> changes{};              // in order of time
    std::optional<Middlebox::Settings> box{};       // on the shared link
    std::vector<Datagrams::Plan> datagrams{};       // beside the flows, each with hosts of its own
    std::vector<HostPlan> hosts{};                  // beside those of flows and datagrams
    Service::OnEnded on_served{};                   // told of connections of their services
    bool silent = false;                            // routers drop without a word of ICMP
    Duration rtt = 40ms;                            // half of it each way, instead of there.delay
    std::uint32_t mtu = 1500;
    bool big_segments = false;
    bool referee = true;
    Duration duration = 60s;
    Duration warm_up = 0s;                          // is not measured
    bool measure_rtt = true;
    bool all_events = false;                        // somebody will ask for every one
    Duration clock{};                               // of the hosts: how often it ticks; 0: exact
};

struct FlowReport {
    std::string congestion_control;
    std::uint64_t goodput_bits = 0;                 // a second, of what the application got
    std::uint64_t octets = 0;
    // Since the beginning. `spurious`: segments that the receiver already had.
    std::uint64_t segments = 0, retransmits = 0, timeouts = 0, fast_retransmits = 0;
    std::uint64_t tail_probes = 0, undos = 0, spurious = 0;
    Duration rtt_p50{}, rtt_p99{};
    std::array<Duration, tcp::limits> limited{};    // by tcp::Limit, since the beginning
};

struct DumbbellReport {
    std::vector<FlowReport> flows;
    std::uint64_t goodput_bits = 0;
    Ppm utilisation = 0;  // of the shared link, headers included; 0 without a rate
    Duration queue_p50{}, queue_p99{};  // how long packets waited; 0 without a rate
    Duration l4s_p50{}, l4s_p99{};      // those of the low-latency queue
    std::uint64_t dropped_by_queue = 0, dropped_by_loss = 0, dropped_by_policer = 0, marked = 0;
    std::vector<Datagrams::Counters> datagrams;     // since the beginning
    Ppm jain = 0;                                   // 1,000,000: all alike
    std::uint64_t packets = 0, hash = 0;
    std::vector<Violation> violations;
    Duration measured{};
};

// How a sender and the shared queue are at one moment.
struct FlowSample {
    std::uint64_t cwnd = 0, ssthresh = 0, in_flight = 0;  // octets
    std::uint64_t pacing_bits = 0;                        // a second; 0: not paced
    std::uint64_t delivered = 0;                          // since the beginning
    std::uint32_t rtt_us = 0;                             // smoothed
};

class Dumbbell {
public:
    explicit Dumbbell(const DumbbellSettings& settings);
    ~Dumbbell();

    World& world() { return world_; }
    Instant end() const { return after(begin_, settings_.duration); }
    void run_to(Instant at);       // a piece of the way, for progress bars
    bool is_over() const { return ledger_.is_over(); }  // all have sent everything
    DumbbellReport report() const; // after run_to(end())
    std::optional<FlowSample> sample(std::size_t flow) const;  // nothing before and after it
    const tcp::Connection* connection(std::size_t flow) const;  // the sender's; nullptr: none now
    const World::Link& shared() const { return shared_; }
    // When run_to() has something to do.
    Instant deadline() const;
    struct Named {
        std::string name;
        wire::Address v4, v6;
        Port* port;  // nullptr: a host
    };
    const std::vector<Named>& named() const { return named_; }  // in the order of the settings
    const std::vector<std::unique_ptr<Service>>& services() const { return services_; }
    // The flow of which this is the sender.
    std::optional<std::size_t> flow_of_sender(const Host& host) const;

private:
    class Meter;
    Host& add_host(Router& router, const tcp::Config& config);
    void make_flow(std::size_t index, Router& left, Router& right);
    void make_datagrams(std::size_t index, Router& left, Router& right);
    void make_host(const HostPlan& plan, Router& router);
    void advance(Instant at);
    void begin_measuring();
    FlowReport flow_report(std::size_t index) const;
    std::uint64_t octets_of(std::size_t flow) const;

    DumbbellSettings settings_;
    World world_;
    Instant begin_, measure_from_;
    Ledger ledger_;
    World::Link shared_{};
    std::unique_ptr<Meter> meter_;
    std::vector<std::unique_ptr<Server>> servers_;
    std::vector<std::unique_ptr<Talk>> talks_;
    std::vector<std::unique_ptr<Datagrams>> datagrams_;
    std::vector<Named> named_;
    std::vector<std::unique_ptr<Service>> services_;
    std::vector<std::uint64_t> octets_before_;
    link::Lane::Counters before_{};
    Wire::Waits waits_;
    std::size_t changes_done_ = 0;
    bool is_measuring_ = false;
};

}  // namespace estab::sim
