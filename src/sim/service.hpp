// Servers of a simulated host for programs that are none of ours: curl, nc, a browser. Unlike a
// Talk's server they know nothing of a ledger; who speaks HTTP to them is answered in HTTP.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "sim/world.hpp"

namespace estab::sim {

struct ServicePlan {
    enum class App : std::uint8_t {
        http,      // GET gets `octets` (of /N: N), whatever else is sent is counted
        echo,      // what comes goes back
        discard,   // what comes is forgotten
        bulk,      // `octets`, then the end
        requests,  // each `request` octets get `octets`
    } app = App::http;
    std::uint16_t port = 80;
    std::uint64_t octets = 10'000;
    std::uint64_t request = 1;
    Duration pause{};             // before each answer
    std::uint16_t status = 200;   // of HTTP
};

// One connection of a service, when it is over or as it is now.
struct Served {
    wire::FourTuple tuple{};         // as the server sees it
    Instant began{}, ended{};
    std::uint64_t in = 0, out = 0;   // octets
    bool is_broken = false;          // it ended with a reset
    bool is_open = false;
    tcp::Info info{};                // the server's end
};

class Service final : public Owner {
public:
    static constexpr std::size_t head_bytes_max = 16'384;  // of a request; beyond: 431, the end
    using OnEnded = std::function<void(const Served&)>;

    // Throws nothing: nullptr where the port is taken.
    static std::unique_ptr<Service> start(Host& host, const ServicePlan& plan, OnEnded on_ended);
    ~Service() override;
    void on_notice(Instant now, const stack::Notification& what) override;
    void each_open(const OnEnded& visit) const;
    void reset_all(Instant now);

private:
    class Session;
    Service(Host& host, const ServicePlan& plan, OnEnded on_ended);

    Host& host_;
    ServicePlan plan_;
    OnEnded on_ended_;
    stack::ListenerId id_{};
    std::string text_;                              // what every answer is made of
    std::list<std::unique_ptr<Session>> sessions_;  // at most what the host's memory holds
};

}  // namespace estab::sim
