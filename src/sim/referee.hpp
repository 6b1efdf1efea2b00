// Watches TCP on a link and says who broke which rule. It shares only base and wire with the stack
// that it judges, so that the two cannot be wrong in the same way.
//
// Each end of a connection is judged alone, by what left it and by what had reached it until then:
// an end may use only what has arrived. A packet is shown when it leaves its sender and again when
// it arrives, or once, with `passes`, where there is only one place to look from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "sim/referee_side.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::sim {

class Referee {
public:
    struct Settings {
        std::size_t flows_max = 4096;  // ends; beyond, the one that spoke least lately is forgotten
        std::size_t violations_max = 64;           // kept; beyond, only counted
        std::size_t kept_bytes_max = 1u << 20;     // of each end, to compare retransmissions with
        std::size_t kept_total_max = 256u << 20;   // of all; beyond, new ends are not compared
        bool window_retreat_by_scale = false;      // allow the loss of rounding (RFC 7323 2.4)
    };
    enum class Point : std::uint8_t { leaves, arrives, passes };
    struct Observation {
        Instant at{};
        Point point{};
        Bytes packet{};       // an IP packet, with complete checksum
        bool intact =
            false;  // known to be as its sender made it: its checksum is not looked at again
    };
    struct Counters {
        std::uint64_t packets = 0;      // TCP segments that were looked at
        std::uint64_t ignored = 0;      // not TCP, fragments, damaged
        std::uint64_t compared = 0;     // octets sent again and equal
        std::uint64_t uncompared = 0;   // sent again, but no longer kept
        std::uint64_t forgotten = 0;    // ends
        std::uint64_t violations = 0;
    };

    Referee() : Referee(Settings{}) {}
    explicit Referee(const Settings& settings) : settings_(settings) {}

    void observe(const Observation& seen);

    bool is_content() const { return counters_.violations == 0; }
    const std::vector<Violation>& violations() const { return violations_; }
    const Counters& counters() const { return counters_; }

private:
    Side& side_of(const wire::FourTuple& tuple);
    void forget_oldest();

    Settings settings_;
    Counters counters_;
    std::vector<Violation> violations_;
    std::map<wire::FourTuple, Side> sides_;
    Side* last_[2] = {nullptr, nullptr};  // the last two ends that were looked up
    std::uint64_t serial_ = 0;
    std::size_t kept_total_ = 0;
};

// "0.123456789 10.0.0.1:4000>10.0.0.2:80 RFC 9293 3.8.4: sentence"
std::string text(const Violation& violation);

}  // namespace estab::sim
