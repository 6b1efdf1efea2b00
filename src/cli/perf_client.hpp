// The side of `estab perf` that measures: one test after the other against a server's three ports.
#pragma once

#include <string_view>
#include <vector>

#include "cli/dial.hpp"
#include "cli/perf_server.hpp"
#include "cli/progress.hpp"

namespace estab::cli {

enum class PerfTest : std::uint8_t { up, down, both, trips, connect };
inline constexpr std::string_view perf_test_names[] = {"up", "down", "both", "trips", "connect"};

struct PerfResult {
    PerfTest test{};
    Duration took{};
    Duration processor{};                  // time of this process
    std::uint64_t up = 0, down = 0;        // octets: acknowledged by the peer, read here
    tcp::Info sender{}, receiver{};        // of the stream up, and of the one down
    std::vector<Duration> trips;           // of one octet, sorted
    std::uint64_t connections = 0;         // handshake and both FINs
};
// What held it back, in a clause; empty: there is nothing to say.
std::string perf_reason(const PerfResult& result);

class PerfClient {
public:
    struct Plan {
        std::string host;
        PerfPorts ports;
        std::vector<PerfTest> tests;
        Duration time{};                   // of each
        std::uint32_t at_once = 16;        // connections of `connect`
        bool shows_progress = true;
    };
    PerfClient(Dialer& dialer, socket::Reactor& reactor, Plan plan);

    socket::Task<> run();
    bool is_done() const { return done_; }
    const std::vector<PerfResult>& results() const { return results_; }

private:
    socket::Task<socket::Stream> connect(std::uint16_t port);
    socket::Task<> send(PerfResult& result);
    socket::Task<> receive(PerfResult& result);
    socket::Task<> do_trips(PerfResult& result);
    socket::Task<> do_connects(PerfResult& result);
    socket::Task<> as_one_of_many(socket::Task<> task);
    socket::Task<> join();
    void show(const PerfResult& result);
    [[noreturn]] void fail(std::uint16_t port, Error error) const;

    Dialer& dialer_;
    socket::Reactor& reactor_;
    Plan plan_;
    Instant begin_{}, end_{};              // of the test that runs
    std::optional<Progress> progress_;
    std::size_t running_ = 0;              // tasks of as_one_of_many()
    std::vector<PerfResult> results_;
    bool done_ = false;
};

}  // namespace estab::cli
